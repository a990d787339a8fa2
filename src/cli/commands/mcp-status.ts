/** `session-buddy mcp status`: says whether a server runs, and where. */
import { defineCommand, CONFIG_FLAG, JSON_FLAG } from "../args.ts";
import { validSettings } from "../../config/load.ts";
import { EXIT_STATUS } from "../../model/failure.ts";
import { lockPath, runningServer } from "../../access/claim.ts";
import { Output } from "../../os/output.ts";
import { isStopped } from "../../os/proc.ts";
import { duration } from "../../render/format.ts";
import { unresponsiveFailure } from "../../store/remote/unresponsive.ts";
import { note } from "../terminal.ts";

export default defineCommand({
  description: `Tells whether a server runs, and where it listens.

Exit status 0 when one runs, 2 when none does, 4 when it stands still.

EXAMPLES
  session-buddy mcp status
  session-buddy mcp status --json | jq -r .url`,
  args: {
    json: JSON_FLAG,
    config: CONFIG_FLAG,
  },
  async run(args) {
    const settings = await validSettings(process.env, args.config);
    const holder = runningServer(lockPath(settings));
    const running = holder !== null;
    const stopped = running && isStopped(holder.pid);
    const output = new Output();
    if (args.json) {
      const { pid = null, url = null, role = null } = holder ?? {};
      const { version = null, started_at = null } = holder ?? {};
      const state = stopped ? "stopped" : (holder?.state ?? null);
      const facts = { running, pid, url, state, role, version, started_at };
      output.write(`${JSON.stringify(facts, null, 2)}\n`);
    } else if (holder) {
      const { pid, url, role, version = "", started_at } = holder;
      const where = url ?? (role === "stdio" ? "over stdio" : "its socket");
      const up = started_at
        ? `, up ${duration((Date.now() - Date.parse(started_at)) / 1000)}`
        : "";
      const ready = holder.state === "ready" ? "running" : holder.state;
      const state = stopped ? "stopped by a signal" : ready;
      output.write(
        `${state}: ${where} (pid ${pid}, version ${version}${up})\n`,
      );
    } else note("the server is not running (try: session-buddy mcp start)");
    output.flush();
    if (stopped) throw unresponsiveFailure(holder.pid, "unhealthy");
    return running ? 0 : EXIT_STATUS.unreachable;
  },
});
