/**
 * Some rounds of several hosts over one PostgreSQL under fire;
 * `bun run crash --postgres` plays as many as one asks for.
 */
import { expect, test } from "bun:test";
import { needsRoot } from "../../support/host.ts";
import { Random } from "../../support/random.ts";
import { ready } from "../means.ts";
import { needsPostgres } from "./node.ts";
import { playRound } from "./round.ts";

const ROUNDS = 1;

test.skipIf(!(needsPostgres() && needsRoot("nsenter", "runuser")))(
  `rounds of servers and databases that fail: ${ROUNDS}, lose nothing, double nothing, and have a whole tail`,
  async () => {
    const { seed } = Random.seeded("postgres rounds");
    const means = await ready();
    for (let number = 0; number < ROUNDS; number++) {
      const { counts, violations, story } = await playRound(
        seed,
        number,
        means,
      );
      if (violations.length > 0) console.log(story.join("\n"));
      expect(violations).toEqual([]);
      console.log(JSON.stringify(counts));
    }
  },
  400_000,
);
