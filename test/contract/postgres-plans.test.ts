/**
 * How many rows PostgreSQL looks at: with a filter that nothing matches few, however
 * many there are.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { FilterName } from "../../src/model/columns.ts";
import type { CommandFilter } from "../../src/model/command.ts";
import type { EventFilter, SessionFilter } from "../../src/model/filter.ts";
import type { MaintenanceOptions } from "../../src/model/maintenance.ts";
import type { SearchedRecording } from "../../src/model/recording/searched.ts";
import { addressOf } from "../../src/store/postgres/address.ts";
import { listCommands } from "../../src/store/postgres/commands.ts";
import {
  type Connection,
  HostsPool,
  type Value,
} from "../../src/store/postgres/connect.ts";
import { inspect } from "../../src/store/postgres/inspect.ts";
import {
  DatabaseMaintenance,
  type MaintenanceParts,
} from "../../src/store/postgres/maintenance.ts";
import { migrate } from "../../src/store/postgres/migrate.ts";
import { PostgresOutput } from "../../src/store/postgres/output.ts";
import { search } from "../../src/store/postgres/search.ts";
import { hostsSeen, listSessions } from "../../src/store/postgres/sessions.ts";
import { Tail } from "../../src/store/postgres/tail.ts";
import { needsPostgres } from "../crash/postgres/node.ts";
import { type TestDatabase, emptyDatabase } from "../support/postgres.ts";

const there = needsPostgres();
const ROWS = 60_000;
/** As many are looked through before another way is taken. */
const MOST = 21_000;
const NOW = Date.parse("2026-11-01T00:00:00Z");
const days = (ago: number) => new Date(NOW - ago * 86_400_000).toISOString();

let database: TestDatabase;
let pool: HostsPool;

/** A session each half minute, with one command; some are open, failed or long. */
const FILL = [
  `INSERT INTO sessions (session_id, version, session_type, component_name,
      shell_type, start_time, end_time, exit_code, pid, username, hostname,
      working_directory, platform, tags, command_count, failed_commands,
      end_source, last_seen, reporter, attested, metadata)
    SELECT 'bash-' || to_char(t, 'YYYYMMDD-HH24MISS-') || lpad(to_hex(n), 8, '0'),
      1, 'admin_shell', 'c' || n % 7, 'bash', t,
      CASE WHEN n % 1000 <> 0 THEN t + make_interval(secs => n % 5000,
        hours => CASE WHEN n % 997 = 0 THEN 40 ELSE 0 END) END,
      CASE WHEN n % 20 = 0 THEN 1 ELSE 0 END, n, 'u' || n % 50, 'h' || n % 300,
      '/home/u' || n % 50, 'Linux',
      CASE WHEN n % 10 = 0 THEN '{a}'::text[] ELSE '{}' END, 1,
      (n % 15 = 0)::integer, CASE WHEN n % 1000 <> 0 THEN 'observed' END, t,
      'spool', 'spool', '{}'
    FROM (SELECT n, timestamptz '${days(0)}' - make_interval(secs => (${ROWS} - n) * 30)
      AS t FROM generate_series(1, ${ROWS}) AS n) AS x`,
  `INSERT INTO commands (session_id, batch, ordinal, start_time, pid, seq,
      shell_started_us, text, cwd, program, end_batch, end_ordinal, ended_at,
      exit_code, duration_ms)
    SELECT session_id, pid / 100, pid % 100, start_time, pid, 1, 5,
      'make part' || pid, '/srv/' || pid % 100, 'make', pid / 100, 1,
      CASE WHEN pid % 50 <> 0 THEN start_time + make_interval(secs => 2,
        hours => CASE WHEN pid % 3000 = 7 THEN 5 ELSE 0 END) END,
      CASE WHEN pid % 50 <> 0 THEN (pid % 15 = 0)::integer END, 1500
    FROM sessions`,
  `INSERT INTO events (session_id, event_id, batch, ordinal, kind, timestamp, payload)
    SELECT session_id, md5(session_id)::uuid, pid / 100, pid % 100,
      'session_start', start_time, json_build_object('session_id', session_id)
    FROM sessions`,
  `INSERT INTO batches (batch, events, first_at, last_at, seq)
    SELECT batch, 100, min(timestamp), max(timestamp), batch * 100
    FROM events GROUP BY batch`,
  `UPDATE tail SET last = (SELECT max(seq) + 100 FROM batches)`,
  "ANALYZE",
];

beforeAll(async () => {
  if (!there) return;
  database = await emptyDatabase();
  const address = addressOf(database.url, null, null);
  pool = new HostsPool(address, { size: 2, statement_timeout_ms: 120_000 });
  await migrate(pool, address.name);
  for (const sql of FILL) await pool.ask(sql);
});
afterAll(async () => {
  await pool?.end();
  await database?.[Symbol.asyncDispose]();
});

interface Plan {
  "Node Type": string;
  "Actual Rows": number;
  "Actual Loops": number;
  "Rows Removed by Filter"?: number;
  "Rows Removed by Index Recheck"?: number;
  Plans?: Plan[];
}

/** The most rows that one scan has looked at. */
function lookedAt(plan: Plan): number {
  const { "Actual Rows": rows, "Actual Loops": loops } = plan;
  const removed =
    (plan["Rows Removed by Filter"] ?? 0) +
    (plan["Rows Removed by Index Recheck"] ?? 0);
  const own = plan["Node Type"].includes("Scan") ? (rows + removed) * loops : 0;
  return Math.max(own, ...(plan.Plans ?? []).map(lookedAt));
}

/** What the statements of some work look at. */
async function rowsOf(
  work: (connection: Connection) => AsyncIterable<unknown>,
): Promise<{ found: number; looked_at: number }> {
  const asked: [sql: string, values: readonly Value[]][] = [];
  const found = await Array.fromAsync(
    work({
      ask: (sql, values = []) => {
        asked.push([sql, values]);
        return pool.ask(sql, values);
      },
    }),
  );
  let looked_at = 0;
  for (const [sql, values] of asked) {
    const [row] = await pool.ask<{ "QUERY PLAN": unknown }>(
      `EXPLAIN (ANALYZE, FORMAT JSON) ${sql}`,
      values,
    );
    const given = row!["QUERY PLAN"];
    const plans = (typeof given === "string" ? JSON.parse(given) : given) as [
      { Plan: Plan },
    ];
    looked_at = Math.max(looked_at, lookedAt(plans[0].Plan));
  }
  return { found: found.length, looked_at };
}

const none = expect.objectContaining({ found: 0 });

/** Of each filter what nothing matches, or few do. */
const SESSIONS: Record<FilterName, SessionFilter | null> = {
  reference: { reference: "none" },
  type: { session_type: "none" },
  component: { component_name: "none" },
  status: { status: "lost" },
  active: { active: true },
  incomplete: { incomplete: true },
  after: { after: days(-1) },
  before: { before: days(9_999) },
  at: { at: days(-1) },
  during: { in_since: days(8), before: days(7.9999) },
  last: { in_since: days(-1) },
  duration_greater: { duration_greater: 1e12 },
  duration_less: { duration_less: 1 },
  exit: { exit: 77 },
  failed: { failed: true, username: "none" },
  user: { username: "none" },
  host: { hostname: "none" },
  cwd: { cwd: "/none" },
  name: { name: "none" },
  tag: { tag: ["none"] },
  failed_commands: { failed_commands: true, hostname: "none" },
  // Without an index of trigrams all texts are looked through, see below.
  ran: null,
  reporter: { reporter: "none" },
  attested: { attested: "token" },
};

describe.skipIf(!there)("few rows are looked at", () => {
  for (const [name, filter] of Object.entries(SESSIONS))
    if (filter)
      test(`for sessions by ${name}`, async () => {
        for (const reverse of [false, true]) {
          const { looked_at } = await rowsOf((connection) =>
            listSessions(connection, { ...filter, reverse, limit: 50 }, NOW),
          );
          expect(looked_at).toBeLessThan(MOST);
        }
      });

  test("for hosts that were seen lately", async () => {
    const { found, looked_at } = await rowsOf(async function* (connection) {
      yield* await hostsSeen(connection, days(1 / 24));
    });
    expect(found).toBe(121);
    expect(looked_at).toBeLessThan(MOST);
  });

  const commands: [name: string, filter: CommandFilter][] = [
    ["session", { session_id: "none" }],
    ["exit status", { exit_code: 77 }],
    ["failure", { failed: true, session_id: "none" }],
    ["folder", { cwd: "/none" }],
    ["user", { user: "none" }],
    ["host", { host: "none" }],
    ["component", { component: "none" }],
    ["time after", { after: days(-1) }],
    ["time before", { before: days(9_999) }],
    ["moment", { in_since: days(10), before: days(9.99999), user: "none" }],
    ["text and time", { text: "none", after: days(1) }],
  ];
  test.each(commands)("for commands by %s", async (_, filter) => {
    const seen = await rowsOf((connection) =>
      listCommands(connection, { ...filter, limit: 50 }),
    );
    expect(seen).toEqual(none);
    expect(seen.looked_at).toBeLessThan(MOST);
  });

  const events: [name: string, filter: EventFilter, found: number][] = [
    ["a session", { session_id: "none" }, 0],
    ["a time to come", { after: days(-1) }, 0],
    ["a time before all", { before: days(9_999) }, 0],
    ["the last minute", { after: days(1 / 1_440) }, 3],
    ["a minute of the middle", { after: days(9), before: days(8.9993) }, 3],
    ["what came last", { after_seq: ROWS - 10 }, 10],
  ];
  test.each(events)("for events of %s", async (_, filter, found) => {
    const seen = await rowsOf((connection) => {
      const tail = new Tail(connection, (use) => use(connection), true);
      return tail.events({ ...filter, limit: 50 });
    });
    expect(seen.found).toBe(found);
    expect(seen.looked_at).toBeLessThan(MOST);
  });

  test("for the lines that newer recordings leave no room for", async () => {
    await pool.ask(`INSERT INTO searched_recordings (session_id, began, bytes,
        changed, lines, text_bytes, done, version, place)
      SELECT session_id, start_time, 1, '', 1, (pid > ${ROWS - 5_000})::integer,
        pid < ${ROWS}, 1, 'here' FROM sessions`);
    await pool.ask("VACUUM ANALYZE searched_recordings");
    const [last] = await pool.ask<{ session_id: string }>(
      "SELECT session_id FROM searched_recordings WHERE NOT done",
    );
    const finished: SearchedRecording = {
      ...{
        session_id: last!.session_id,
        began: days(0),
        bytes: 1,
        changed: "",
      },
      ...{ sha256: null, lines: 1, text_bytes: 1, left_out: null },
      ...{ within_ms: null, done: true, version: 1 },
    };
    const seen = await rowsOf(async function* (connection) {
      const output = new PostgresOutput(
        { ...connection, transaction: (use) => use(connection) },
        ...(["here", 4_990] as const),
      );
      yield await output.finish(finished);
    });
    const gone = await pool.ask(
      "SELECT 1 FROM searched_recordings WHERE left_out IS NOT NULL",
    );
    expect(gone).toHaveLength(10);
    expect(seen.looked_at).toBeLessThan(MOST);
  });

  test("for what ran at a moment", async () => {
    const seen = await rowsOf((connection) =>
      listCommands(connection, { in_since: days(10), before: days(9.99999) }),
    );
    expect(seen.found).toBeGreaterThan(0);
    expect(seen.looked_at).toBeLessThan(MOST);
  });

  test("for a text in a time, or of nobody", async () => {
    for (const more of [{ after: days(1) }, { user: "none" }]) {
      const seen = await rowsOf((connection) =>
        search(connection, { text: "none", ...more }, () =>
          Promise.reject(new Error("it is no regular expression")),
        ),
      );
      expect(seen).toEqual(none);
      expect(seen.looked_at).toBeLessThan(MOST);
    }
  });

  test("for any text, with an index of trigrams", async () => {
    const address = addressOf(database.url, null, null);
    const { has_trigrams, make_trigrams } = await inspect(address);
    expect(has_trigrams).toBe(false);
    for (const sql of make_trigrams.split(";")) await pool.ask(sql);
    expect((await inspect(address)).has_trigrams).toBe(true);
    await pool.ask("ANALYZE commands");
    const seen = await rowsOf((connection) =>
      listCommands(connection, { text: "nothing like it", limit: 50 }),
    );
    expect(seen).toEqual(none);
    expect(seen.looked_at).toBeLessThan(MOST);
    const some = await rowsOf((connection) =>
      listCommands(connection, { text: "PART777", limit: 50 }),
    );
    expect(some.found).toBe(11);
    const ran = await rowsOf((connection) =>
      listSessions(connection, { ran: "part777", limit: 50 }, NOW),
    );
    expect(ran.found).toBe(11);
    expect(ran.looked_at).toBeLessThan(MOST);
  });

  test("for what is in an archive, of very many", async () => {
    await pool.ask(`UPDATE sessions SET archived = '/archive',
        archived_at = now(), late_events = 0, start_time = NULL
      WHERE pid % 10 <> 0`);
    await pool.ask("ANALYZE sessions");
    const archived = (reference: string) =>
      rowsOf(async function* (reads) {
        const parts = { reads } as MaintenanceParts;
        const options = {} as MaintenanceOptions;
        const one = new DatabaseMaintenance(parts, options);
        yield* await one.archived(reference);
      });
    for (const [reference, found] of [
      ["none", 0],
      ["0000ea5f", 1],
      ["0000ea60", 0],
      ["bash-2026", 11],
    ] as const) {
      const seen = await archived(reference);
      expect([reference, seen.found]).toEqual([reference, found]);
      expect(seen.looked_at).toBeLessThan(MOST);
    }
  });
});
