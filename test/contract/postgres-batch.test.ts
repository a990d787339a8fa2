/**
 * A batch whose COMMIT was not answered is looked for, and stored when it is not there,
 * also where its number has come to another: a sequence goes back with a database that
 * has crashed, or whose standby was promoted.
 */
import { expect, test } from "bun:test";
import type { Event } from "../../src/model/event.ts";
import { SPOOL } from "../../src/model/reporter.ts";
import { arrivalOf } from "../../src/store/arrivals.ts";
import { addressOf } from "../../src/store/postgres/address.ts";
import {
  type Batch,
  commitBatch,
  settle,
} from "../../src/store/postgres/commit.ts";
import {
  type Connection,
  HostsPool,
  type Value,
} from "../../src/store/postgres/connect.ts";
import { migrate } from "../../src/store/postgres/migrate.ts";
import type { Arrival } from "../../src/store/arrivals.ts";
import { needsPostgres } from "../crash/postgres/node.ts";
import { start } from "../support/events.ts";
import { emptyDatabase } from "../support/postgres.ts";

const RULES = { locks: true, clock_ms: 0, server: 1 };
const arrivals = (event: Event) => [
  arrivalOf(event, SPOOL, JSON.stringify(SPOOL)),
];
const began = (n: number) =>
  start({
    session_id: `web-20260206-12000${n}-0000000${n}`,
    event_id: `0000000${n}-0000-4000-8000-000000000000`,
  });

test.skipIf(!needsPostgres())(
  "an unanswered COMMIT: done, not done, and not done while its number is another's",
  async () => {
    await using database = await emptyDatabase();
    const address = addressOf(database.url, null, null);
    const pool = new HostsPool(address, {
      ...{ size: 2, statement_timeout_ms: 600_000 },
    });
    await migrate(pool, address.name);
    const commit = (batch: Batch<Arrival>, event: Event, answered = true) =>
      pool.transaction(async (tx) => {
        const done = await commitBatch(tx, batch, arrivals(event), RULES);
        if (!answered) throw new Error("cut");
        return done.stored.length;
      });
    const stored = async () =>
      (
        await pool.ask<{ session_id: string }>(
          "SELECT session_id FROM events ORDER BY session_id",
        )
      ).map(({ session_id }) => session_id);
    const [done, lost, other] = [began(1), began(2), began(3)];

    const first: Batch<Arrival> = { tried: null };
    expect(await commit(first, done)).toBe(1);
    // Its answer was lost: what it came to is told, and nothing is written.
    expect(await commit(first, done)).toBe(1);
    expect(await stored()).toEqual([done.session_id]);

    const second: Batch<Arrival> = { tried: null };
    await expect(commit(second, lost, false)).rejects.toThrow("cut");
    await pool.ask("SELECT setval('batch_numbers', $1::bigint, false)", [
      second.tried!.number,
    ]);
    const third: Batch<Arrival> = { tried: null };
    expect(await commit(third, other)).toBe(1);
    expect(third.tried!.number).toBe(second.tried!.number);
    expect(await commit(second, lost)).toBe(1);
    expect(await stored()).toEqual(
      [done, lost, other].map(({ session_id }) => session_id),
    );
    await pool.end();
  },
);

test.skipIf(!needsPostgres())(
  "a COMMIT is waited for, also where the role would not",
  async () => {
    await using database = await emptyDatabase();
    const address = addressOf(database.url, null, null);
    const options = { size: 1, statement_timeout_ms: 600_000 };
    const settings = { synchronous_commit: "off" };
    const pool = new HostsPool(address, { ...options, settings });
    await migrate(pool, address.name);
    const waits = "SELECT current_setting('synchronous_commit') AS how";
    const how = await pool.transaction(async (tx) => {
      await commitBatch(tx, { tried: null }, arrivals(began(1)), RULES);
      return tx.ask<{ how: string }>(waits);
    });
    expect([how, await pool.ask<{ how: string }>(waits)]).toEqual([
      [{ how: "on" }],
      [{ how: "off" }],
    ]);
    await pool.end();
  },
);

test.skipIf(!needsPostgres())(
  "what another has stored meanwhile is acknowledged by a COMMIT that is waited for",
  async () => {
    await using database = await emptyDatabase();
    const address = addressOf(database.url, null, null);
    const options = { size: 2, statement_timeout_ms: 600_000 };
    const settings = { synchronous_commit: "off" };
    const pool = new HostsPool(address, { ...options, settings });
    await migrate(pool, address.name);
    const store = (tx: Connection) =>
      commitBatch(tx, { tried: null }, arrivals(began(1)), RULES);
    /** Once the rows that there are have been locked, another stores the same. */
    const later = (tx: Connection): Connection => {
      let last: Promise<unknown> = Promise.resolve();
      return {
        ask<T>(sql: string, values?: readonly Value[]): Promise<T[]> {
          const asked = last.then(async () => {
            if (sql.includes("nextval")) await pool.transaction(store);
            return tx.ask<T>(sql, values);
          });
          last = asked;
          return asked;
        },
      };
    };
    const HOW = `SELECT pg_current_xact_id_if_assigned() IS NOT NULL AS writes,
      current_setting('synchronous_commit') AS how`;
    for (const meeting of [later, (tx: Connection) => tx]) {
      const found = await pool.transaction(async (tx) => {
        const { stored } = await store(meeting(tx));
        return [stored.length, await tx.ask(HOW)];
      });
      expect(found).toEqual([0, [{ writes: true, how: "on" }]]);
    }
    // So is what was begun before.
    const how = await pool.transaction(async (tx) => {
      await settle(tx, [began(1).session_id]);
      return tx.ask(HOW);
    });
    expect(how).toEqual([{ writes: true, how: "on" }]);
    await pool.end();
  },
);
