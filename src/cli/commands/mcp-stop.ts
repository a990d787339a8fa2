/** `session-buddy mcp stop`: ends the running server. */
import { defineCommand } from "citty";
import { CONFIG_FLAG, STOP_FLAGS } from "../args.ts";
import { validSettings } from "../../config/load.ts";
import { parseSeconds } from "../../model/filter.ts";
import { Output } from "../../os/output.ts";
import { stop } from "../../server/daemon.ts";

export default defineCommand({
  meta: {
    name: "mcp stop",
    description: `Ends the running server; what it has acknowledged is kept.

Exit status 2 when none runs, 7 when it has not ended in time.

EXAMPLES
  session-buddy mcp stop
  session-buddy mcp stop --timeout 30 --force`,
  },
  args: {
    ...STOP_FLAGS,
    json: { type: "boolean", description: "As JSON" },
    config: CONFIG_FLAG,
  },
  async run({ args }) {
    const settings = await validSettings(process.env, args.config);
    const timeout_ms = parseSeconds(args.timeout ?? "10", "--timeout");
    const { pid } = await stop(settings, timeout_ms, args.force === true);
    const output = new Output();
    output.write(
      args.json
        ? `${JSON.stringify({ stopped: true, pid })}\n`
        : `stopped (pid ${pid})\n`,
    );
    output.flush();
  },
});
