/** The database as a whole: copied while it is written to, and relieved of what is old. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Event } from "../../src/model/event.ts";
import type { Maintenance } from "../../src/model/maintenance.ts";
import { fold } from "../../src/model/fold.ts";
import { isClosed, settle } from "../../src/model/session.ts";
import { DuckDBStore } from "../../src/store/duckdb/store.ts";
import { MIGRATIONS } from "../../src/store/duckdb/schema.ts";
import { verify } from "../../src/store/duckdb/verify.ts";
import { query } from "../support/database.ts";
import {
  ID,
  annotation,
  at,
  command,
  end,
  randomLife,
  recovered,
  start,
} from "../support/events.ts";
import { Random } from "../support/random.ts";
import { expectFold, id, listed } from "./expected.ts";

let home: string;
let store: DuckDBStore;
let maintenance: Maintenance;
let spooled: string[] = [];
const path = () => join(home, "sessions.duckdb");
const file = (name: string) => join(home, name);

async function open(alone = true): Promise<void> {
  store = await DuckDBStore.open(path());
  maintenance = store.maintenance({
    ...{ spooled: () => spooled, alone, warn: (what) => console.error(what) },
    requireNotOwn() {},
  });
}

async function reopen(): Promise<void> {
  await store.close();
  await open();
}

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), "sb-keeping-"));
  spooled = [];
  await open();
});
afterEach(async () => {
  await store.close();
  rmSync(home, { recursive: true });
});

/** Everything that ended before so many seconds after T0. */
const before = (seconds: number, keep_tagged = false) => ({
  ended_before: at(seconds),
  keep_tagged,
});

/** One whole session, ended so many seconds after T0. */
const life = (n: number, seconds: number): Event[] => [
  start({ session_id: id(n), tags: n % 2 ? ["odd"] : [] }),
  command(1, { session_id: id(n) }),
  end(seconds, { session_id: id(n) }),
];

test("a backup holds what was committed, whatever is written meanwhile", async () => {
  const events = Array.from({ length: 200 }, (_, n) => life(n, 5)).flat();
  await store.append(events);
  const copying = maintenance.backup(file("copy.duckdb"), false);
  const more = Array.from({ length: 50 }, (_, n) => life(1_000 + n, 5)).flat();
  for (const event of more) await store.append([event]);
  await store.idle();
  const done = await copying;
  expect(done.events).toBeGreaterThanOrEqual(600);
  expect(done.bytes).toBe(statSync(done.file).size);
  expect(statSync(done.file).mode & 0o777).toBe(0o600);
  await expectFold(store, [...events, ...more]);
  expect(readdirSync(home).filter((name) => name.includes("copy"))).toEqual([
    "copy.duckdb",
  ]);
  // Whatever of it is in there is a beginning of what was stored.
  const copy = await DuckDBStore.open(done.file);
  const kept = await Array.fromAsync(copy.events({}));
  const all = [...events, ...more].map(({ event_id }) => event_id);
  expect(kept.map(({ event }) => event.event_id)).toEqual(
    all.slice(0, done.events),
  );
  await expectFold(
    copy,
    kept.map(({ event }) => event),
  );
  await copy.close();
});

test("a backup takes no other file's place, unless it is told to", async () => {
  await store.append(life(1, 5));
  writeFileSync(file("taken"), "mine");
  await expect(maintenance.backup(file("taken"), false)).rejects.toMatchObject({
    code: "usage",
    message: expect.stringMatching(/taken' exists already \(.*--force/),
  });
  expect(await Bun.file(file("taken")).text()).toBe("mine");
  expect((await maintenance.backup(file("taken"), true)).sessions).toBe(1);
  await expect(
    maintenance.backup(file("nowhere/copy"), false),
  ).rejects.toMatchObject({ code: "usage" });
});

test("closing ends a backup under way, and nothing of it is left", async () => {
  await fill(60_000);
  const copying = maintenance.backup(file("copy.duckdb"), false);
  const ended = copying.then(
    () => "done",
    (error: Error) => error.message,
  );
  await untilThere(() =>
    readdirSync(home).some(
      (name) => name.endsWith(".new") && existsSync(join(home, name, "whole")),
    ),
  );
  await store.close();
  expect(await ended).toMatch(/was interrupted/);
  expect(readdirSync(home)).toEqual(["sessions.duckdb"]);
  await open();
}, 400_000);

test("one such work at a time", async () => {
  await store.append(life(1, 5));
  const first = maintenance.backup(file("one"), false);
  await expect(maintenance.backup(file("two"), false)).rejects.toMatchObject({
    code: "overloaded",
  });
  await first;
  await maintenance.backup(file("two"), false);
});

test("an archive takes what ended before, and leaves what runs or is held", async () => {
  const events = [
    ...life(1, 5),
    ...life(2, 5),
    ...life(3, 50),
    start({ session_id: id(4) }),
    ...[start({ session_id: id(5) }), recovered(6, { session_id: id(5) })],
    // Lost, and then heard of again: it runs.
    ...[start({ session_id: id(6) }), recovered(6, { session_id: id(6) })],
    command(7, { session_id: id(6) }),
    // An end without a start is no session yet.
    end(5, { session_id: id(7) }),
    ...life(8, 5),
  ];
  await store.append(events);
  spooled = [id(8)];
  const plan = await maintenance.plan(before(10));
  expect(plan).toEqual({
    ...{ sessions: 3, events: 8, first_end: at(5), last_end: at(6) },
    ...{ spooled: 1, tagged: 0 },
  });
  expect(await maintenance.plan(before(10, true))).toMatchObject({
    ...{ sessions: 2, tagged: 1 },
  });
  const done = await maintenance.archive(before(10), file("archive"));
  expect(done).toMatchObject({ ...plan, folder: file("archive") });
  const gone = new Set([id(1), id(2), id(5)]);
  const left = events.filter(({ session_id }) => !gone.has(session_id));
  await expectFold(store, left);
  const kept = await Array.fromAsync(store.events({}));
  expect(kept.map(({ event }) => event)).toEqual(left);
  for (const [name, rows] of [
    ["sessions", 3],
    ["events", 8],
  ] as const) {
    const parquet = join(done.folder!, `${name}.parquet`);
    expect(statSync(parquet).mode & 0o777).toBe(0o600);
    const [{ n, ids }] = (await query(
      file("any"),
      `SELECT count(*)::INT AS n, list_sort(list(DISTINCT session_id)) AS ids
        FROM '${parquet}'`,
    )) as [{ n: number; ids: string[] }];
    expect({ n, ids }).toEqual({ n: rows, ids: [...gone].sort() });
  }
});

test("nothing to archive makes nothing", async () => {
  await store.append(life(1, 50));
  const done = await maintenance.archive(before(10), file("archive"));
  expect(done).toMatchObject({ sessions: 0, events: 0, folder: null });
  expect(existsSync(file("archive"))).toBeFalse();
});

test("what comes of an archived session is dropped and counted, after a restart too", async () => {
  const odd = "sh-20250101-000000-0000000a"; // Its id names another second.
  const chan = "chan_0123456789ab";
  const dead: Event[] = [
    ...life(1, 5),
    ...[ID, odd, chan].flatMap((session_id) => [
      start({ session_id }),
      end(5, { session_id }),
    ]),
  ];
  const ids = [ID, odd, chan, id(1)];
  await store.append(dead);
  await listed(store);
  await maintenance.archive(before(10), file("archive"));
  const late = () => ids.map((session_id) => annotation(20, { session_id }));
  const fresh = life(9, 30);
  for (let times = 0; times < 2; times++) {
    expect((await store.append([...dead, ...late()])).size).toBe(0);
    const stored = await store.append([...fresh, ...late()]);
    expect(stored.size).toBe(times === 0 ? fresh.length : 0);
    await expectFold(store, fresh);
    await reopen();
    await expectFold(store, fresh);
    expect((await store.append([...dead, ...late()])).size).toBe(0);
    expect(await store.summary(id(1))).toMatchObject({ archived: true });
  }
  const [archived] = await maintenance.archived(ID);
  expect(archived).toMatchObject({
    ...{ session_id: ID, folder: file("archive") },
  });
  // Of those that memory knew some are told from new ones: all else counts.
  expect(archived!.late_events).toBeGreaterThanOrEqual(6);
  expect(await maintenance.archived("0000000a")).toHaveLength(1);
  expect(await maintenance.archived("nobody")).toEqual([]);
});

test("events keep their numbers when the last of them are archived", async () => {
  await store.append(life(1, 5));
  await maintenance.archive(before(10), file("archive"));
  await reopen();
  const more = life(2, 6);
  await store.append(more);
  const kept = await Array.fromAsync(store.events({ after_seq: 3 }));
  expect(kept.map(({ seq }) => seq)).toEqual([4, 5, 6]);
  // As a crash leaves it, before anything was folded.
  copyFileSync(path(), file("left"));
  copyFileSync(`${path()}.wal`, file("left.wal"));
  const left = await DuckDBStore.open(file("left"));
  await expectFold(left, more);
  await left.close();
});

test("the file shrinks, and what is read and written goes on", async () => {
  await fill(50_000);
  const kept = life(1, 1_000);
  await store.append(kept);
  await store.idle();
  const done = await maintenance.archive(before(100), file("archive"));
  expect(done.sessions).toBe(50_000);
  const { before: had, after } = done.database_bytes;
  expect([done.compacted, after < had / 2]).toEqual([true, true]);
  await expectFold(store, kept);
  const more = life(2, 1_000);
  await store.append(more);
  await expectFold(store, [...kept, ...more]);
  await reopen();
  await expectFold(store, [...kept, ...more]);
  expect(readdirSync(home).sort()).toEqual(["archive", "sessions.duckdb"]);
}, 400_000);

test("where others read meanwhile, the file stays and its room is used again", async () => {
  await store.close();
  await open(false);
  await store.append(life(1, 5));
  const done = await maintenance.archive(before(10), file("archive"));
  expect(done).toMatchObject({ sessions: 1, compacted: false });
  await expectFold(store, []);
});

test("random lives: what stays and what goes are together what there was", async () => {
  const random = Random.seeded("archives of random lives");
  const events: Event[] = [];
  for (let n = 0; n < 20; n++) {
    const some = [...Array(5)].flatMap(() => randomLife(random));
    await store.append(some);
    events.push(...some);
    if (random.chance(0.3)) await reopen();
    if (!random.chance(0.25)) continue;
    // Odd ids: the same session may have been there before.
    const cut = random.int(1, 12);
    const folder = file(`archive-${n}`);
    const done = await maintenance.archive(before(cut), folder);
    const had = Map.groupBy(events, ({ session_id }) => session_id);
    const gone = new Set<string>();
    for (const [session_id, of] of had) {
      const state = fold(session_id, of);
      if (isClosed(state) && settle(state)!.end_time! < at(cut))
        gone.add(session_id);
    }
    expect(done.sessions).toBe(gone.size);
    const going = events.filter((event) => gone.has(event.session_id));
    expect(done.events).toBe(going.length);
    expect((await store.append(going)).size).toBe(0);
    const staying = events.filter((event) => !gone.has(event.session_id));
    events.splice(0, events.length, ...staying);
    await expectFold(store, events);
    if (gone.size === 0) continue;
    const kept = await query<{ payload: string }>(
      file("any"),
      `SELECT payload FROM '${folder}/events.parquet'`,
    );
    const ids = kept.map(({ payload }) => JSON.parse(payload).event_id);
    expect(ids.sort()).toEqual(going.map(({ event_id }) => event_id).sort());
  }
  const done = await maintenance.backup(file("copy"), false);
  const looked = await verify(done.file, done.file, { hint: "" });
  expect(looked.sessions).toBe((await listed(store)).length);
  expect(looked.compared).toBe(looked.sessions);
}, 400_000);

test("a database that is not what its events come to is not trusted", async () => {
  await store.append([...life(1, 5), ...life(2, 5)]);
  const broken = async (name: string, sql: string) => {
    const { file: copy } = await maintenance.backup(file(name), false);
    await query(copy, sql);
    return verify(copy, `the ${name}`, { hint: "" });
  };
  expect(await broken("good", "SELECT 1")).toEqual({
    ...{ sessions: 2, events: 6, compared: 2, schema: MIGRATIONS.length },
  });
  const refused = (name: string, sql: string, words: RegExp) =>
    expect(broken(name, sql)).rejects.toMatchObject({
      code: "storage",
      message: expect.stringMatching(words),
    });
  await refused(
    "row",
    `UPDATE sessions SET exit_code = 9 WHERE session_id = '${id(2)}'`,
    /the row' is not consistent: bash-.* is not what its events come to/,
  );
  await refused(
    "start",
    `DELETE FROM events WHERE kind = 'session_start' AND session_id = '${id(2)}'`,
    /not consistent: of 1 sessions the row or the start is missing/,
  );
  await refused(
    "twice",
    "INSERT INTO events SELECT * FROM events LIMIT 2",
    /not consistent: 2 events are in it twice/,
  );
  await refused(
    "newer",
    `INSERT INTO schema_version VALUES (${MIGRATIONS.length + 1}, now()::TIMESTAMP)`,
    /'the newer' has schema version \d+, this session-buddy knows \d+/,
  );
  await refused(
    "foreign",
    "DROP TABLE folded",
    /the foreign' is a DuckDB file, but no database of session-buddy/,
  );
});

test("disks, folders and names as they may be", async () => {
  await store.append(life(1, 5));
  const odd = join(home, "it's [a] *\"");
  mkdirSync(odd);
  const done = await maintenance.backup(join(odd, "b'%.duckdb"), false);
  expect(done.sessions).toBe(1);
  const archived = await maintenance.archive(before(10), join(odd, "a'r[x]*"));
  expect(archived.sessions).toBe(1);
  await maintenance.backup(file("why?"), false);
  expect(existsSync(file("why?"))).toBe(true);
  expect(readdirSync(odd).sort()).toEqual(["a'r[x]*", "b'%.duckdb"]);
});

/** Closed sessions with their two events each, fast. */
async function fill(sessions: number): Promise<void> {
  await store.close();
  const one = join(home, "one.duckdb");
  const seedling = await DuckDBStore.open(one);
  await seedling.append([
    start({ session_id: id(0) }),
    end(5, { session_id: id(0) }),
  ]);
  await seedling.close();
  rmSync(path(), { force: true });
  copyFileSync(one, path());
  const named = `'many-20260206-123456-' || lpad(to_hex(i), 8, '0')`;
  await query(
    path(),
    `INSERT INTO events BY NAME SELECT * EXCLUDE (i) REPLACE (
        seq + 2 * i AS seq, uuid() AS event_id, ${named} AS session_id,
        replace(payload, '${id(0)}', ${named}) || repeat(' ', 50 + (random() * 100)::INT) AS payload)
      FROM events, range(1, ${sessions}) AS r(i) WHERE seq <= 2;
    INSERT INTO sessions BY NAME SELECT * EXCLUDE (i) REPLACE (${named} AS session_id)
      FROM sessions, range(1, ${sessions}) AS r(i);
    UPDATE folded SET seq = (SELECT max(seq) FROM events)`,
  );
  rmSync(one);
  await open();
}

async function untilThere(look: () => boolean): Promise<void> {
  while (!look()) await Bun.sleep(1);
}
