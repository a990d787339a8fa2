/** The simulator, small: it counts what came, through an outage, and says so. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { needsPostgres } from "../crash/postgres/node.ts";

test.each([
  { over: "DuckDB", flags: [] },
  { over: "PostgreSQL", flags: ["--postgres"] },
])(
  "a simulation over $over with an outage ends with everything stored once",
  async ({ over, flags }) => {
    if (over === "PostgreSQL" && !needsPostgres()) return;
    const child = Bun.spawn(
      [
        ...[
          process.execPath,
          join(import.meta.dir, "../simulate.ts"),
          ...flags,
        ],
        ...["--hosts", "3", "--shells", "12", "--seconds", "8"],
        ...["--outage", "3", "--heartbeat", "1", "--life", "2"],
        ...["--command", "1", "--ramp", "1"],
      ],
      { stdout: "pipe", stderr: "inherit" },
    );
    const said = await child.stdout.text();
    expect(await child.exited, said).toBe(0);
    expect(said).toContain("the database is away for 3 s");
    expect(said).toMatch(/the tail +[1-9]\d* events, 0 gaps: all that were/);
  },
  400_000,
);
