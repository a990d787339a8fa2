/**
 * Some rounds of everybody at once under fire; `bun run crash` plays as many as
 * one asks for. And that the fire is real: the disk and the clock that fail do
 * so for our executable.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Random } from "../support/random.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { Injector, faultsIn } from "./inject.ts";
import { ready } from "./means.ts";
import { type Means, playRound } from "./round.ts";

const ROUNDS = 6;

describe(`${ROUNDS} rounds of kills and faults lose nothing, double nothing, and leave no status that lies`, () => {
  const { seed } = Random.seeded("rounds");
  const total: Record<string, number> = {};
  let means: Means;
  beforeAll(async () => {
    means = await ready();
  });
  afterAll(() => console.log(JSON.stringify(total)));

  // Each has the time of a test.
  test.each(Array.from({ length: ROUNDS }, (_, number) => number))(
    "round %i",
    async (number) => {
      const played = await playRound(seed, number, means);
      const { counts, violations, story } = played;
      for (const [what, n] of Object.entries(counts))
        total[what] = (total[what] ?? 0) + n;
      if (violations.length > 0) console.log(story.join("\n"));
      expect(violations).toEqual([]);
    },
    400_000,
  );
});

const injector = Injector.build();

test.skipIf(!injector)(
  "every write below a folder can be made to fail, and none beside it",
  async () => {
    using sandbox = new Sandbox();
    const log = join(sandbox.home, "faults");
    writeFileSync(log, "");
    const random = new Random(1);
    const all = { kinds: ["enospc"], after: 0, permille: 1_000, burst: 0 };
    const below = join(sandbox.home, ".local");
    const wrapped = [
      BINARY,
      "shell",
      "--",
      "sh",
      "-c",
      "echo beside > file; exit 3",
    ];
    const disk = injector!.disk(random, all, below, log);
    const { exitCode, stderr } = await sandbox.command([...disk, ...wrapped]);
    // Nothing is recorded, and the program runs as if there were no recorder.
    expect({ exitCode, stderr }).toEqual({ exitCode: 3, stderr: "" });
    expect(readFileSync(join(sandbox.home, "file"), "utf8")).toBe("beside\n");
    expect(faultsIn(log)["ENOSPC"]).toBeGreaterThan(0);
    expect(await sandbox.list()).toEqual([]);
  },
);

test.skipIf(!injector)(
  "a write may fall short, and no byte is lost by it",
  async () => {
    using sandbox = new Sandbox();
    const log = join(sandbox.home, "faults");
    writeFileSync(log, "");
    const some = { kinds: ["short"], after: 0, permille: 700, burst: 0 };
    const disk = injector!.disk(
      new Random(2),
      some,
      join(sandbox.home, ".local"),
      log,
    );
    for (let n = 0; n < 4; n++) {
      const { exitCode } = await sandbox.command([
        ...disk,
        BINARY,
        "shell",
        "--",
        "sh",
        "-c",
        "exit 9",
      ]);
      expect(exitCode).toBe(9);
    }
    expect(faultsIn(log)["short"]).toBeGreaterThan(0);
    const sessions = await sandbox.list();
    expect(
      sessions.map(({ status, exit_code }) => ({ status, exit_code })),
    ).toEqual(
      Array.from({ length: 4 }, () => ({ status: "ended", exit_code: 9 })),
    );
  },
);

test.skipIf(!injector)("the clock of one process can be wrong", async () => {
  using sandbox = new Sandbox();
  const day = 86_400_000;
  const env = {
    ...injector!.clock(new Random(1)),
    CLOCK_SHIFT_MS: `${-day}`,
    CLOCK_JUMP_MS: "0",
  };
  await sandbox.run(["shell", "--", "true"], { env });
  const { start_time } = await sandbox.only();
  expect(Math.abs(Date.parse(start_time) - (Date.now() - day))).toBeLessThan(
    60_000,
  );
});
