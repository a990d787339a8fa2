/** `session-buddy version`: what this executable is. */
import { defineCommand } from "citty";
import { Output } from "../../os/output.ts";
import { COMMIT, DUCKDB_VERSION, VERSION } from "../../version.ts";

export default defineCommand({
  meta: {
    name: "version",
    description: `Tells version, commit, Bun, DuckDB and platform

EXAMPLE
  session-buddy version --json`,
  },
  args: { json: { type: "boolean", description: "As JSON" } },
  run({ args }) {
    const facts = {
      version: VERSION,
      commit: COMMIT,
      bun: Bun.version,
      duckdb: DUCKDB_VERSION.replace(/-r\..*/, ""),
      platform: `${process.platform}-${process.arch}`,
    };
    const output = new Output();
    output.write(
      args.json
        ? `${JSON.stringify(facts, null, 2)}\n`
        : `session-buddy ${facts.version} (commit ${facts.commit}, Bun ${facts.bun}, DuckDB ${facts.duckdb}, ${facts.platform})\n`,
    );
    output.flush();
  },
});
