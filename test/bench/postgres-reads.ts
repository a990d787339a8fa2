/** Lists of a large database in PostgreSQL, beside the same sessions in DuckDB's file. */
import { DuckDBInstance } from "@duckdb/node-api";
import type { SQL } from "bun";
import { join } from "node:path";
import { METRIC_NAMES, type Metric } from "../../src/model/analytics.ts";
import type { SessionFilter } from "../../src/model/filter.ts";
import type { KeptStore } from "../../src/model/store.ts";
import { DuckDBStore } from "../../src/store/duckdb/store.ts";
import { quantile } from "./figures.ts";
import { sessionAt } from "./postgres-fill.ts";

/** Of a session, as both have it. */
const COLUMNS =
  "session_id, session_type, component_name, shell_type, exit_code, pid, ppid, username, hostname, tty, working_directory, platform, command_count, failed_commands, last_command, end_source, reporter, attested, metadata";
const TIMES = ["start_time", "end_time", "last_seen"];

/**
 * @param csv a path that PostgreSQL may write and we may read
 * @param home a folder for the file
 */
export async function copyToDuckDB(
  sql: SQL,
  csv: string,
  home: string,
): Promise<DuckDBStore> {
  const times = TIMES.map((name) => `${name} AT TIME ZONE 'UTC' AS ${name}`);
  await sql.unsafe(
    `COPY (SELECT ${COLUMNS}, ${times.join(", ")} FROM sessions ORDER BY start_time)
      TO '${csv}' (FORMAT csv, HEADER)`,
  );
  const path = join(home, "beside.duckdb");
  await (await DuckDBStore.open(path)).close();
  const instance = await DuckDBInstance.create(path);
  const db = await instance.connect();
  const rows = `SELECT *, []::VARCHAR[] AS tags
    FROM read_csv('${csv}', header = true, all_varchar = true)`;
  await db.run(
    `INSERT INTO sessions BY NAME ${rows} WHERE end_source IS NOT NULL`,
  );
  await db.run(
    `INSERT INTO open_sessions BY NAME SELECT *, '{"given":{},"measured":{}}' AS state
      FROM (${rows}) WHERE end_source IS NULL`,
  );
  await db.run("CHECKPOINT");
  db.closeSync();
  instance.closeSync();
  return DuckDBStore.open(path);
}

type Case = [name: string, ask: (store: KeptStore) => Promise<number>];

/** Each in turns: PostgreSQL's time, and how often DuckDB's it is. */
export async function compareReads(
  sql: SQL,
  sessions: number,
  postgres: KeptStore,
  duckdb: KeptStore,
): Promise<void> {
  const at = (share: number) => sessionAt(sql, Math.floor(sessions * share));
  const middle = await at(0.5);
  const after = (ms: number) =>
    new Date(Date.parse(middle.time) + ms).toISOString();
  const listed =
    (filter: SessionFilter) =>
    async (store: KeptStore): Promise<number> => {
      let count = 0;
      for await (const _ of store.list(filter)) count++;
      return count;
    };
  const of = (name: string, filter: SessionFilter): Case => [
    name,
    listed(filter),
  ];
  const cases: Case[] = [
    of("latest 50", { limit: 50 }),
    of("50 of a component", { component_name: "fish", limit: 50 }),
    of("50 of a user", { username: "user7", limit: 50 }),
    of("50 of a user in a day of the middle", {
      ...{ username: "user7", limit: 50 },
      ...{ after: middle.time, before: after(86_400_000) },
    }),
    of("50 that are active", { status: "active", limit: 50 }),
    of("50 that are lost", { status: "lost", limit: 50 }),
    of("50 of a user that nobody is", { username: "nobody", limit: 50 }),
    of("50 of a host that nobody has", { hostname: "nowhere", limit: 50 }),
    of("all at a moment of the middle", { at: middle.time }),
    of("50 at a moment of the middle", { at: middle.time, limit: 50 }),
    of("an hour of the middle", {
      ...{ after: middle.time, before: after(3_600_000) },
    }),
    ["one by its id", async (s) => Number(!!(await s.get(middle.session_id)))],
    of("by a prefix of its id", {
      reference: middle.session_id.slice(0, 22),
      limit: 11,
    }),
    of("by its last 8 hex", {
      reference: middle.session_id.slice(-8),
      limit: 11,
    }),
    ["stats of all", async (s) => (await s.stats({})).sessions],
  ];
  for (const [name, ask] of cases) {
    const ours: number[] = [];
    const theirs: number[] = [];
    const timed = async (store: KeptStore, into: number[] | null) => {
      const asked = performance.now();
      const count = await ask(store);
      into?.push(performance.now() - asked);
      return count;
    };
    // The first of each fills caches, and has to be the same.
    const begun = performance.now();
    const counts = [await timed(postgres, null), await timed(duckdb, null)];
    const times = performance.now() - begun > 3_000 ? 3 : 11;
    for (let n = 0; n < times; n++) {
      await timed(postgres, ours);
      await timed(duckdb, theirs);
    }
    if (counts[0] !== counts[1])
      console.log(`  ${name}: ${counts.join(" and ")} found`);
    const [middling, least, most] = [0.5, 0, 1].map((q) => quantile(ours, q));
    const ratio = quantile(
      ours.map((ms, i) => ms / theirs[i]!),
      0.5,
    );
    console.log(
      `  ${name.padEnd(36)} ${String(counts[0]).padStart(8)} found, ${middling!.toFixed(1)} ms (${least!.toFixed(1)} to ${most!.toFixed(1)}), × DuckDB's ${ratio.toFixed(2)}`,
    );
  }
}

/** Commands, search, and figures of a month, in PostgreSQL alone. */
export async function readCommands(
  sql: SQL,
  sessions: number,
  store: KeptStore,
): Promise<void> {
  const middle = await sessionAt(sql, Math.floor(sessions * 0.5));
  const after = (ms: number) =>
    new Date(Date.parse(middle.time) + ms).toISOString();
  const count = async (all: AsyncIterable<unknown>) =>
    (await Array.fromAsync(all)).length;
  const month = { after: middle.time, before: after(30 * 86_400_000) };
  const ask = (metric: Metric) => async () =>
    (
      await store.analytics({
        ...{ metric, sessions: month, period: "day", limit: 20 },
        offsets: [{ from: null, minutes: 0 }],
      })
    ).length;
  const cases: [string, () => Promise<number>][] = [
    ["latest 50 commands", () => count(store.commands({ limit: 50 }))],
    [
      "commands that run at a moment",
      () =>
        count(
          store.commands({
            before: after(1),
            in_since: middle.time,
            limit: 50,
          }),
        ),
    ],
    [
      "50 commands of a user that failed",
      () => count(store.commands({ user: "user7", failed: true, limit: 50 })),
    ],
    [
      "a text that every sixth has, 50",
      () => count(store.search({ text: "kubectl", limit: 50 })),
    ],
    [
      "a text that none has, in a month",
      () =>
        count(store.search({ text: "nothing-has-it", ...month, limit: 50 })),
    ],
    [
      "a text that none has, of ever",
      () => count(store.search({ text: "nothing-has-it", limit: 50 })),
    ],
    [
      "events of one session",
      () => count(store.events({ session_id: middle.session_id })),
    ],
    [
      "the last 1,000 events",
      () =>
        count(
          store.events({
            after_seq: Math.max(0, store.facts().last_seq - 1_000),
          }),
        ),
    ],
    ...METRIC_NAMES.map((metric): [string, () => Promise<number>] => [
      `${metric} of a month`,
      ask(metric),
    ]),
  ];
  for (const [name, work] of cases) {
    const took: number[] = [];
    let found: number | string = "";
    for (let n = 0; n < 5; n++) {
      const asked = performance.now();
      try {
        found = await work();
      } catch (error) {
        // It has a limit, and says so.
        found = String(error);
        break;
      } finally {
        took.push(performance.now() - asked);
      }
    }
    const [middling, least, most] = [0.5, 0, 1].map((q) => quantile(took, q));
    console.log(
      `  ${name.padEnd(36)} ${String(found).padStart(8)} found, ${middling!.toFixed(1)} ms (${least!.toFixed(1)} to ${most!.toFixed(1)})`,
    );
  }
}
