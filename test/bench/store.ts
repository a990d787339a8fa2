/**
 * The store at size: what commands ask, over many sessions. Run it with the
 * number of sessions: `bun test/bench/store.ts 1000000`. It prints medians in
 * milliseconds; on a shared machine compare them with each other alone.
 */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import type { SessionFilter } from "../../src/model/filter.ts";
import { DuckDBStore } from "../../src/store/duckdb.ts";
import { end, start } from "../support/events.ts";

const SESSIONS = Number(process.argv[2] ?? 1_000_000);
const OPEN = 100;
const home = mkdtempSync(join(tmpdir(), "sb-bench-"));
process.on("exit", () => rmSync(home, { recursive: true, force: true }));
const path = join(home, "sessions.duckdb");

const sessionId = (n: number) => {
  const time = new Date(Date.UTC(2025, 0, 1) + n * 30_000).toISOString();
  const digits = time.slice(0, 19).replace(/[-:]/g, "").replace("T", "-");
  const hex = Bun.hash.crc32(`${n}`).toString(16).padStart(8, "0");
  return { id: `mahavishnu-${digits}-${hex}`, time };
};

await fill();
const store = await timed("open", 1, () => DuckDBStore.open(path));
const latest: SessionFilter = { limit: 50 };
await timed("list: latest 50", 15, () => drained(latest));
await timed("list: latest 50 lost", 15, () =>
  drained({ ...latest, status: "lost" }),
);
await timed("list: 50 of one user", 15, () =>
  drained({ ...latest, username: "user7" }),
);
await timed("list: one hour", 15, () =>
  drained({
    after: sessionId(SESSIONS / 2).time,
    before: sessionId(SESSIONS / 2 + 120).time,
  }),
);
await timed("get", 15, (n) => store.get(sessionId(n * 1_000).id));
await timed("list: by prefix", 15, (n) =>
  drained({ reference: sessionId(n * 1_000).id.slice(0, 26), limit: 11 }),
);
await timed("list: by last 8 hex", 15, (n) =>
  drained({ reference: sessionId(n * 1_000).id.slice(-8), limit: 11 }),
);
await timed("append: start of a new session", 15, (n) => {
  const { id, time } = sessionId(SESSIONS + n);
  return store.append([start({ session_id: id, timestamp: time })]);
});
await timed("append: its end", 15, (n) => {
  const { id, time } = sessionId(SESSIONS + n);
  return store.append([end(0, { session_id: id, timestamp: time })]);
});
await timed("append: a session, start and end", 15, (n) => {
  const { id, time } = sessionId(SESSIONS + 100 + n);
  return store.append([
    start({ session_id: id, timestamp: time }),
    end(0, { session_id: id, timestamp: time }),
  ]);
});
await timed("append and list it", 15, async (n) => {
  const { id, time } = sessionId(SESSIONS + 200 + n);
  await store.append([start({ session_id: id, timestamp: time })]);
  await drained({ limit: 1 });
});
await timed("list: all", 1, () => drained({}));
await timed("close", 1, () => store.close());
console.log(`${(statSync(path).size / SESSIONS).toFixed(0)} bytes a session`);

async function drained(filter: SessionFilter): Promise<void> {
  for await (const _ of store.list(filter));
}

async function timed<T>(
  what: string,
  times: number,
  work: (n: number) => Promise<T>,
): Promise<T> {
  const took: number[] = [];
  let result!: T;
  for (let n = 0; n < times; n++) {
    const begun = performance.now();
    result = await work(n);
    took.push(performance.now() - begun);
  }
  took.sort((a, b) => a - b);
  const at = (share: number) =>
    took[Math.floor((took.length - 1) * share)]!.toFixed(1);
  console.log(
    `${what.padEnd(34)} ${at(0.5).padStart(8)} ms  (${at(0)}–${at(1)})`,
  );
  return result;
}

/** Rows as the store makes them, written by the database itself; three events a session. */
async function fill(): Promise<void> {
  await (await DuckDBStore.open(path)).close();
  const instance = await DuckDBInstance.create(path);
  const db = await instance.connect();
  const source = `
    SELECT i, TIMESTAMP '2025-01-01' + to_seconds(i * 30) AS t,
      'mahavishnu-' || strftime(t, '%Y%m%d-%H%M%S-') || lpad(to_hex(hash(i) & 4294967295), 8, '0') AS id
    FROM range(${SESSIONS}) AS r(i)`;
  await db.run(`
    INSERT INTO events BY NAME
    SELECT i * 3 + k AS seq, uuid() AS event_id, id AS session_id,
      ['session_start', 'process', 'session_end'][k] AS kind,
      t + to_seconds(k) AS timestamp, t AS received_at,
      json_object('event_id', i, 'session_id', id, 'text', repeat('x', 200))::VARCHAR AS payload
    FROM (${source}), range(1, 4) AS ks(k) ORDER BY seq`);
  const row = `
    SELECT id AS session_id, 'admin_shell' AS session_type, 'mahavishnu' AS component_name,
      'bash' AS shell_type, t AS start_time,
      CASE WHEN i < ${SESSIONS - OPEN} THEN t + to_seconds(i % 7200) END AS end_time,
      0 AS exit_code, 1000 + i % 30000 AS pid, 1 AS ppid, 'user' || i % 20 AS username,
      'host' || i % 10 AS hostname, '/dev/pts/1' AS tty, '/srv/app' || i % 100 AS working_directory,
      'Linux' AS platform, []::VARCHAR[] AS tags,
      CASE WHEN i >= ${SESSIONS - OPEN} THEN NULL WHEN i % 50 = 0 THEN 'recovered' ELSE 'observed' END AS end_source,
      t AS last_seen, json_object('version', '5.2.' || i % 10, 'adapters', [], 'max_rss_bytes', i * 100)::VARCHAR AS metadata`;
  await db.run(
    `INSERT INTO sessions BY NAME ${row} FROM (${source}) WHERE i < ${SESSIONS - OPEN} ORDER BY i`,
  );
  await db.run(
    `INSERT INTO open_sessions BY NAME ${row}, '{"given":{},"measured":{}}' AS state FROM (${source}) WHERE i >= ${SESSIONS - OPEN}`,
  );
  await db.run(`UPDATE folded SET seq = ${SESSIONS * 3}`);
  await db.run("CHECKPOINT");
  db.closeSync();
  instance.closeSync();
}
