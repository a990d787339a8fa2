/** `session-buddy mcp stop`: ends the running server. */
import { defineCommand, CONFIG_FLAG, JSON_FLAG, STOP_FLAGS } from "../args.ts";
import { validSettings } from "../../config/load.ts";
import { parseSeconds } from "../../model/time.ts";
import { stop } from "../../server/daemon.ts";
import { printResult } from "../terminal.ts";

export default defineCommand({
  description: `Ends the running server; what it has acknowledged is kept.

Exit status 2 when none runs, 7 when it has not ended in time.

EXAMPLES
  session-buddy mcp stop
  session-buddy mcp stop --timeout 30 --force`,
  args: {
    ...STOP_FLAGS,
    json: JSON_FLAG,
    config: CONFIG_FLAG,
  },
  async run(args) {
    const settings = await validSettings(process.env, args.config);
    const timeout_ms = parseSeconds(args.timeout, "--timeout");
    const { pid } = await stop(settings, timeout_ms, args.force);
    const facts = { stopped: true, pid };
    printResult(args.json, facts, `stopped (pid ${pid})\n`);
  },
});
