/** The simulator, small: it counts what came, through an outage, and says so. */
import { expect, test } from "bun:test";
import { join } from "node:path";

test("a simulation with an outage ends with everything stored once", async () => {
  const child = Bun.spawn(
    [
      ...[process.execPath, join(import.meta.dir, "../simulate.ts")],
      ...["--hosts", "3", "--shells", "12", "--seconds", "4", "--outage", "1"],
      ...["--heartbeat", "1", "--life", "2", "--command", "1", "--ramp", "1"],
    ],
    { stdout: "pipe", stderr: "inherit" },
  );
  const said = await child.stdout.text();
  expect(await child.exited, said).toBe(0);
  expect(said).toContain("the database is away for 1 s");
  expect(said).toMatch(/the tail +[1-9]\d* events, 0 gaps: all that were/);
}, 60_000);
