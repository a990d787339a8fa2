/** A few kills at random moments of a recorded terminal; `bun test/crash/screen-kills.ts` does more. */
import { expect, test } from "bun:test";
import { Random } from "../support/random.ts";
import { VICTIMS, killRound } from "./screen-kills.ts";

test.each(VICTIMS)(
  "killed with -9 at any moment, %s: what was shown plays",
  async (victim) => {
    const random = Random.seeded(`screen-kills ${victim}`);
    for (let i = 0; i < 2; i++) {
      const { wrong } = await killRound(victim, random.int(0, 700));
      expect(wrong).toEqual([]);
    }
  },
  400_000,
);
