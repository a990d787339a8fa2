/** Ten minutes without a database, in a tenth of the time: leases and heartbeats too. */
import { expect, test } from "bun:test";
import { needsPostgres } from "./node.ts";
import { playOutage } from "./outage.ts";

const SHORTER = 10;
/** It needs a machine to itself: its leases are of seconds. `bun run check:all` has one. */
const ALONE = process.env["SESSION_BUDDY_TEST_ALONE"] !== undefined;
const minute = 60_000 / SHORTER;

test.skipIf(!ALONE || !needsPostgres())(
  "200 shells live through an outage of five leases: nobody is lost, nobody waits, all arrives once",
  async () => {
    const outcome = await playOutage({
      ...{ shells: 200, hosts: 10, wrapped: 3, distant: 0 },
      ...{ lease_ms: 2 * minute, heartbeat_ms: minute / 2 },
      ...{ life_ms: 20 * minute, command_ms: 2 * minute },
      away_ms: 10 * minute,
    });
    console.log(JSON.stringify(outcome));
    expect(outcome).toMatchObject({
      ...{ recovered: 0, gaps: 0, tail: outcome.acknowledged },
      ended_meanwhile: 3,
      wrapped: { observed: 3 + 3 + 3 },
    });
    expect(outcome.waited).toBeGreaterThan(200);
    expect(outcome.refused).toBeGreaterThan(0);
  },
  400_000,
);
