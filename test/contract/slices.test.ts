/**
 * The rows of sessions follow the events in slices: what a crash between two of
 * them leaves, what memory lets go of, and who reads meanwhile.
 */
import { afterEach, expect, test } from "bun:test";
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Event } from "../../src/model/event.ts";
import { Database } from "../../src/store/duckdb/database.ts";
import { SQL } from "../../src/store/duckdb/statements.ts";
import { DuckDBStore } from "../../src/store/duckdb/store.ts";
import { query } from "../support/database.ts";
import { annotation, at, command, end, start } from "../support/events.ts";
import { until } from "../support/wait.ts";
import { expectFold, id, listed } from "./expected.ts";

/** More than may be ahead of their rows, and more than memory keeps. */
const MANY = 12_000;
const homes: string[] = [];
const stores: DuckDBStore[] = [];

afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
  for (const home of homes.splice(0)) rmSync(home, { recursive: true });
});

function place(): string {
  const home = mkdtempSync(join(tmpdir(), "sb-slices-"));
  homes.push(home);
  return join(home, "sessions.duckdb");
}

async function opened(path: string): Promise<DuckDBStore> {
  const store = await DuckDBStore.open(path);
  stores.push(store);
  return store;
}

/** The files as a crash would leave them now. */
function crashed(path: string): string {
  const copy = place();
  for (const end of ["", ".wal"])
    if (existsSync(`${path}${end}`))
      copyFileSync(`${path}${end}`, `${copy}${end}`);
  return copy;
}

const startOf = (n: number) =>
  start({ session_id: id(n), timestamp: at(n % 50) });

async function appendAll(store: DuckDBStore, events: readonly Event[]) {
  for (let n = 0; n < events.length; n += 512)
    await store.append(events.slice(n, n + 512));
}

interface Rows {
  rows: number;
  folded: number;
  events: number;
}

async function rowsOf(path: string): Promise<Rows> {
  const [rows] = await query<Rows>(
    path,
    `SELECT (SELECT count(*) FROM all_sessions)::INT AS rows,
      (SELECT seq FROM folded)::INT AS folded,
      (SELECT count(*) FROM events)::INT AS events`,
  );
  return rows!;
}

test("of many sessions the oldest are written, a slice at a time, and a crash loses nothing", async () => {
  const path = place();
  const store = await opened(path);
  const first = Array.from({ length: 4_096 }, (_, n) => startOf(n));
  await appendAll(store, first);
  expect((await rowsOf(crashed(path))).rows).toBe(0);

  // One that was first and goes on: what is written of it is all that there is.
  const more: Event[] = [command(60, { session_id: id(0) }), startOf(4_096)];
  await store.append(more);
  let slice = await rowsOf(crashed(path));
  await until("a slice", async () => {
    slice = await rowsOf(crashed(path));
    return slice.rows > 0;
  });
  expect(slice).toMatchObject({ rows: 256, events: 4_098 });
  expect(slice.folded).toBeLessThanOrEqual(256);

  // Of those that are written some end, some of the others, too.
  const ends = Array.from({ length: 400 }, (_, n) =>
    end(70, { session_id: id(n) }),
  );
  const late = [
    annotation(80, { session_id: id(7), metadata: { late: true } }),
    end(81, { session_id: id(4_096) }),
  ];
  await appendAll(store, [...ends, ...late]);
  const left = crashed(path);
  const behind = await rowsOf(left);
  expect(behind.folded).toBeLessThan(behind.events);
  expect(behind.rows).toBeLessThan(1_000);

  const all = [...first, ...more, ...ends, ...late];
  const again = await opened(left);
  await expectFold(again, all);
  expect((await again.append(all)).size).toBe(0);
  await expectFold(store, all);
  await again.close();
  const whole = await rowsOf(left);
  expect(whole).toMatchObject({ rows: 4_097, folded: whole.events });
}, 400_000);

test("what memory lets go of has its row: later events find it", async () => {
  const path = place();
  const store = await opened(path);
  const starts = Array.from({ length: MANY }, (_, n) => startOf(n));
  await appendAll(store, starts);
  // Some of each age: written and let go, written, ahead of their rows.
  const touched = Array.from({ length: MANY / 10 }, (_, n) => id(n * 10));
  const notes = touched.map((session_id) =>
    annotation(60, { session_id, metadata: { met: "again" } }),
  );
  await appendAll(store, notes);
  const ends = touched.map((session_id) => end(90, { session_id }));
  await appendAll(store, ends);
  const all = [...starts, ...notes, ...ends];
  await expectFold(await opened(crashed(path)), all);
  await expectFold(store, all);
}, 400_000);

test("a session that is never done is written, too, before a crash costs much", async () => {
  const path = place();
  const store = await opened(path);
  const events: Event[] = [startOf(0)];
  for (let n = 0; n < 40_000; n++)
    events.push(command(n / 1_000, { session_id: id(0) }));
  await appendAll(store, events);
  expect((await rowsOf(crashed(path))).folded).toBeGreaterThan(30_000);
}, 400_000);

test("who reads sees all that was stored before, and need not wait for what comes", async () => {
  const store = await opened(place());
  await appendAll(
    store,
    Array.from({ length: 3_000 }, (_, n) => startOf(n)),
  );
  let next = 3_000;
  let stored = next;
  let reading = true;
  // Faster than a slice: each brings more sessions than one holds.
  const writing = (async () => {
    while (reading) {
      const some = Array.from({ length: 512 }, () => startOf(next++));
      await store.append(some);
      stored = next;
    }
  })();
  const missed = async () => {
    const before = stored;
    const sessions = await listed(store);
    const ids = new Set(sessions.map(({ session_id }) => session_id));
    return Array.from({ length: before }, (_, n) => id(n)).filter(
      (wanted) => !ids.has(wanted),
    );
  };
  const missing: string[][] = [];
  for (let n = 0; n < 3; n++)
    missing.push(...(await Promise.all([missed(), missed(), missed()])));
  reading = false;
  await writing;
  expect(stored).toBeGreaterThan(3_000);
  expect(missing.flat()).toEqual([]);
}, 400_000);

test("a busy store leaves small row groups to a quiet moment, and its log stays short", async () => {
  const path = place();
  const store = await opened(path);
  const note = "a note ".repeat(1_000);
  await store.append([startOf(0)]);
  for (let n = 0; n < 100; n++) {
    const notes = Array.from({ length: 100 }, () =>
      annotation(n, { session_id: id(0), metadata: { note } }),
    );
    await store.append(notes);
    const log = statSync(`${path}.wal`, { throwIfNoEntry: false });
    expect(log?.size ?? 0).toBeLessThan(20_000_000);
  }
  // The next work waits for a checkpoint that the last one made necessary.
  await store.append([annotation(100, { session_id: id(0) })]);
  const groups = `SELECT count(DISTINCT row_group_id)::INT AS n
    FROM pragma_storage_info('events')`;
  const [busy] = await query<{ n: number }>(crashed(path), groups);
  expect(busy!.n).toBeGreaterThan(3);
  await store.append([command(70, { session_id: id(0) })]);
  await store.close();
  stores.pop();
  const [quiet] = await query<{ n: number }>(path, groups);
  expect(quiet!.n).toBeLessThanOrEqual(2);
}, 400_000);

test("where how far the rows are cannot be written down, they are not written twice", async () => {
  const path = place();
  const store = await opened(path);
  const run = Database.prototype.run;
  let failures = 0;
  Database.prototype.run = async function (sql, values) {
    if (sql !== SQL.setFoldedSeq || failures > 0)
      return run.call(this, sql, values);
    failures++;
    throw new Error("IO Error: No space left on device");
  };
  try {
    const starts = Array.from({ length: MANY }, (_, n) => startOf(n));
    await appendAll(store, starts);
    // Whoever reads meanwhile may hear of it.
    await listed(store).catch(() => {});
    expect(failures).toBe(1);
    await expectFold(store, starts);
    await store.close();
    const { rows, folded, events } = await rowsOf(path);
    expect([rows, folded, events]).toEqual([MANY, MANY, MANY]);
  } finally {
    Database.prototype.run = run;
  }
}, 400_000);
