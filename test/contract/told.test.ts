/**
 * What events tell of commands, in tables: the same whatever the order is that they
 * come in, and whichever of them are replaced.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Event } from "../../src/model/event.ts";
import { addressOf } from "../../src/store/postgres/address.ts";
import { HostsPool } from "../../src/store/postgres/connect.ts";
import { migrate } from "../../src/store/postgres/migrate.ts";
import { decoded, encoded } from "../../src/store/postgres/text.ts";
import {
  type ToldEvent,
  deleteTold,
  insertTold,
  tellAnew,
} from "../../src/store/postgres/told.ts";
import { STORED } from "../../src/store/postgres/told-statements.ts";
import { at, command } from "../support/events.ts";
import { type TestDatabase, emptyDatabase } from "../support/postgres.ts";
import { Random } from "../support/random.ts";
import { needsPostgres } from "../crash/postgres/node.ts";

const there = needsPostgres();
let database: TestDatabase;
let pool: HostsPool;

beforeAll(async () => {
  if (!there) return;
  database = await emptyDatabase();
  const address = addressOf(database.url, null, null);
  pool = new HostsPool(address, { size: 2, statement_timeout_ms: 60_000 });
  await migrate(pool, address.name);
  // A plan is looked at that is made while nothing is known of them.
  for (const table of ["commands", "command_ends"])
    await pool.ask(`ALTER TABLE ${table} SET (autovacuum_enabled = off)`);
});
afterAll(async () => {
  await pool?.end();
  await database?.[Symbol.asyncDispose]();
});

/** Starts and ends of few keys, at few moments: they meet in every way there is. */
function events(random: Random): Event[] {
  return Array.from({ length: 40 }, () => {
    const begins = random.chance(0.5);
    return command(random.int(0, 12), {
      event_id: random.uuid(7),
      session_id: random.pick(["a", "b\0"]),
      ...(random.chance(0.8) && { pid: random.pick([1, 2]) }),
      ...(random.chance(0.8) && { seq: random.int(0, 1) }),
      ...(random.chance(0.5) && { shell_started_us: 5 }),
      ...(begins
        ? { text: `t\0${random.int(0, 99)}` }
        : {
            ...{ event_type: "command_end", exit_code: random.int(0, 3) },
            ...(random.chance(0.5) && { pipe_status: [0, 1] }),
            duration_ms: 1.5,
          }),
    });
  });
}

const isStart = ({ event }: ToldEvent) => event.event_type === "command_start";
const order = <T>(a: T, b: T) => (a < b ? -1 : a > b ? 1 : 0);

/** The starts with their ends, by the rule alone: an end belongs to what is before it. */
function paired(stored: Iterable<ToldEvent>): string[] {
  const keyOf = ({ event }: ToldEvent) => {
    const { pid, seq, shell_started_us } = { ...event } as Record<
      string,
      unknown
    >;
    return JSON.stringify([event.session_id, pid, seq, shell_started_us]);
  };
  return [...Map.groupBy(stored, keyOf).values()]
    .flatMap((of) => {
      const shelled = "shell_started_us" in of[0]!.event;
      const sorted = of.toSorted((a, b) => {
        const kinds = Number(isStart(b)) - Number(isStart(a));
        const times = order(a.event.timestamp, b.event.timestamp);
        return (
          (shelled ? kinds || times : times || kinds) ||
          Number(a.batch) - Number(b.batch) ||
          a.ordinal - b.ordinal
        );
      });
      return sorted.flatMap((start, i) => {
        const next = sorted[i + 1];
        const end = next && !isStart(next) ? next : null;
        return isStart(start) ? [rowOf(start, end)] : [];
      });
    })
    .sort();
}

function rowOf(start: ToldEvent, end: ToldEvent | null): string {
  const { exit_code, pipe_status } = (end?.event ?? {}) as {
    exit_code?: number;
    pipe_status?: number[];
  };
  const { text } = start.event as unknown as { text: string };
  return JSON.stringify([
    ...[start.batch, start.ordinal, text, end?.batch ?? null],
    ...[end?.ordinal ?? null, exit_code ?? null],
    pipe_status ? `{${pipe_status}}` : null,
  ]);
}

async function told(): Promise<string[]> {
  const rows = await pool.ask<{ text: string; values: unknown[] }>(
    `SELECT text, json_build_array(batch::text, ordinal, text, end_batch::text,
        end_ordinal, exit_code, pipe_status::text) AS values FROM commands`,
  );
  return rows
    .map(({ text, values }) => JSON.stringify(values.with(2, decoded(text))))
    .sort();
}

test.skipIf(!there)("starts have the ends that are theirs", async () => {
  const random = Random.seeded("told");
  for (let round = 0; round < 40; round++) {
    await pool.ask("TRUNCATE events, commands, command_ends, notes");
    const stored = new Map<string, ToldEvent>();
    let batches = 0;
    const store = (fresh: readonly Event[], gone: readonly Event[] = []) =>
      pool.transaction(async (tx) => {
        const batch = String(++batches);
        if (gone.length > 0) await deleteTold(tx, gone);
        for (const { session_id, event_id } of gone) {
          await tx.ask(
            "DELETE FROM events WHERE session_id = $1 AND event_id = $2::uuid",
            [encoded(session_id), event_id],
          );
          stored.delete(event_id);
        }
        const items = fresh.map((event, i) => ({
          ...{ event, batch, ordinal: i + 1 },
        }));
        for (const item of items) {
          const { event_id, session_id, event_type, timestamp } = item.event;
          stored.set(event_id, item);
          await tx.ask(
            `INSERT INTO events (session_id, event_id, batch, ordinal, kind,
                timestamp, payload)
              VALUES ($1, $2::uuid, $3::bigint, $4::integer, $5,
                $6::text::timestamptz, $7)`,
            [
              ...[encoded(session_id), event_id, batch, item.ordinal],
              ...[event_type, timestamp, JSON.stringify(item.event)],
            ],
          );
        }
        await insertTold(tx, items);
      });
    const all = events(random);
    while (all.length > 0) {
      await store(all.splice(0, random.int(1, 9)));
      if (random.chance(0.7)) continue;
      const { event } = random.pick([...stored.values()]);
      await store([{ ...event, timestamp: at(random.int(0, 12)) }], [event]);
    }
    const wanted = paired(stored.values());
    expect(await told()).toEqual(wanted);
    const ends = [...stored.values()].filter((item) => !isStart(item)).length;
    const met = wanted.filter((row) => JSON.parse(row)[3] !== null).length;
    expect(
      await pool.ask("SELECT count(*)::int AS n FROM command_ends"),
    ).toEqual([{ n: ends - met }] as never);
    await pool.transaction((tx) => tellAnew(tx, "b\0"));
    expect(await told()).toEqual(wanted);
  }
});

test.skipIf(!there)(
  "a command is looked for among those of its key alone",
  async () => {
    // As long as nothing is known of the table, too.
    const plan = await pool.ask<{ "QUERY PLAN": string }>(`EXPLAIN ${STORED}`, [
      "{a}",
      "{1}",
      "{1}",
      "{5}",
      "{2026-01-01}",
      "{2026-01-01}",
    ]);
    const used = plan.flatMap(
      (row) =>
        /(?:using|Scan on|Scan Backward using) (command\w*)/.exec(
          row["QUERY PLAN"],
        )?.[1] ?? [],
    );
    expect(new Set(used)).toEqual(
      new Set(["commands_key", "command_ends_pkey"]),
    );
  },
);
