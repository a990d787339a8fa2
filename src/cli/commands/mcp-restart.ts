/** `session-buddy mcp restart`: a new server in the place of the running one. */
import { defineCommand } from "citty";
import { CONFIG_FLAG, STOP_FLAGS } from "../args.ts";
import { validSettings } from "../../config/load.ts";
import { parseSeconds } from "../../model/filter.ts";
import { Output } from "../../os/output.ts";
import { findServer, startDetached, stop } from "../../server/daemon.ts";

export default defineCommand({
  meta: {
    name: "mcp restart",
    description: `Ends the running server and starts a new one, detached, with the same flags.

When none runs, one is started.

EXAMPLES
  session-buddy mcp restart
  session-buddy mcp restart --force`,
  },
  args: {
    ...STOP_FLAGS,
    json: { type: "boolean", description: "As JSON" },
    config: CONFIG_FLAG,
  },
  async run({ args }) {
    const settings = await validSettings(process.env, args.config);
    const timeout_ms = parseSeconds(args.timeout ?? "10", "--timeout");
    const before = findServer(settings);
    if (before) await stop(settings, timeout_ms, args.force === true);
    const given = args.config === undefined ? [] : ["--config", args.config];
    const { pid, url } = await startDetached(settings, before?.flags ?? given);
    const output = new Output();
    output.write(
      args.json
        ? `${JSON.stringify({ running: true, pid, url })}\n`
        : `restarted: ${url} (pid ${pid})\n`,
    );
    output.flush();
  },
});
