/** `session-buddy mcp restart`: replaces the running server by a new one. */
import { defineCommand, CONFIG_FLAG, JSON_FLAG, STOP_FLAGS } from "../args.ts";
import { validSettings } from "../../config/load.ts";
import { parseSeconds } from "../../model/time.ts";
import { findServer, startDetached, stop } from "../../server/daemon.ts";
import { printResult } from "../terminal.ts";

export default defineCommand({
  description: `Ends the running server and starts a new one, detached.

The new one has the same flags. When none runs, one is started.

EXAMPLES
  session-buddy mcp restart
  session-buddy mcp restart --force`,
  args: {
    ...STOP_FLAGS,
    json: JSON_FLAG,
    config: CONFIG_FLAG,
  },
  async run(args) {
    const settings = await validSettings(process.env, args.config);
    const timeout_ms = parseSeconds(args.timeout, "--timeout");
    const before = findServer(settings);
    if (before) await stop(settings, timeout_ms, args.force);
    const given = args.config === undefined ? [] : ["--config", args.config];
    const { pid, url } = await startDetached(settings, before?.flags ?? given);
    const facts = { running: true, pid, url };
    printResult(args.json, facts, `restarted: ${url} (pid ${pid})\n`);
  },
});
