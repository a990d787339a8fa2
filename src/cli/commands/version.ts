/** `session-buddy version`: prints the version. */
import { defineCommand, JSON_FLAG } from "../args.ts";
import { COMMIT, DUCKDB_VERSION, VERSION } from "../../version.ts";
import { printResult } from "../terminal.ts";

export default defineCommand({
  description: `Tells version, commit, Bun, DuckDB and platform.

EXAMPLE
  session-buddy version --json`,
  args: { json: JSON_FLAG },
  run(args) {
    const facts = {
      version: VERSION,
      commit: COMMIT,
      bun: Bun.version,
      duckdb: DUCKDB_VERSION.replace(/-r\..*/, ""),
      platform: `${process.platform}-${process.arch}`,
    };
    const { version, commit, bun, duckdb, platform } = facts;
    const line = `session-buddy ${version} (commit ${commit}, Bun ${bun}, DuckDB ${duckdb}, ${platform})\n`;
    printResult(args.json, facts, line, 2);
  },
});
