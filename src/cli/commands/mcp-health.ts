/** `session-buddy mcp health`: asks the running server for its checks. */
import { defineCommand, CONFIG_FLAG, JSON_FLAG } from "../args.ts";
import { validSettings } from "../../config/load.ts";
import { EXIT_STATUS, fail } from "../../model/failure.ts";
import { requireServer } from "../../server/daemon.ts";
import { askHealth } from "../../store/remote/client.ts";
import { printResult } from "../terminal.ts";

export default defineCommand({
  description: `Asks the running server how it is.

Exit status 0 when all is well, 2 when no server runs, 4 when a check fails.

EXAMPLES
  session-buddy mcp health
  session-buddy mcp health --json | jq .checks`,
  args: {
    json: JSON_FLAG,
    config: CONFIG_FLAG,
  },
  async run(args) {
    const settings = await validSettings(process.env, args.config);
    const { socket, pid } = requireServer(settings);
    if (!socket)
      throw fail.unhealthy(
        `the server (pid ${pid}) is not ready yet`,
        "try again in a moment",
      );
    const health = await askHealth({ socket, pid });
    const checks = Object.entries(health.checks);
    const { last_drain_age_seconds: age } = health;
    const lines = [
      health.status === "ok" ? "healthy" : health.status,
      ...checks.map(([name, state]) => `  ${`${name}:`.padEnd(9)} ${state}`),
      ...(age === undefined ? [] : [`  last drain: ${age} s ago`]),
    ];
    printResult(args.json, health, `${lines.join("\n")}\n`, 2);
    return health.status === "ok" ? 0 : EXIT_STATUS.unhealthy;
  },
});
