import { afterAll, describe, expect, test } from "bun:test";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Event } from "../../src/model/event.ts";
import { DuckDBStore } from "../../src/store/duckdb/store.ts";
import { MIGRATIONS } from "../../src/store/duckdb/schema.ts";
import { columnsOf, query } from "../support/database.ts";
import { ID, annotation, at, command, end, start } from "../support/events.ts";
import { expectFold, id, listed } from "./expected.ts";

const root = mkdtempSync(join(tmpdir(), "sb-store-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const folder = () => mkdtempSync(join(root, "db-"));

/** The files of a store as a crash would leave them now: no checkpoint, no goodbye. */
function crashed(path: string): string {
  const copy = join(folder(), "sessions.duckdb");
  copyFileSync(path, copy);
  if (existsSync(`${path}.wal`)) copyFileSync(`${path}.wal`, `${copy}.wal`);
  return copy;
}

describe("after a crash between the commit of events and their fold", () => {
  test("the sessions are those of the fold, and nothing is stored twice", async () => {
    const path = join(folder(), "sessions.duckdb");
    const store = await DuckDBStore.open(path);
    const other = "zsh-20260206-123500-0000000f";
    const folded: Event[] = [
      start(),
      end(5),
      start({ session_id: other, timestamp: at(4) }),
    ];
    await store.append(folded);
    // Reading brings the rows up to here, and no further.
    expect(await listed(store)).toHaveLength(2);
    const tail: Event[] = [
      command(2),
      end(9, { session_id: other }),
      start({ session_id: "sh-20260206-123501-0000000e", timestamp: at(5) }),
      annotation(8, { metadata: { late: true } }),
    ];
    await store.append(tail);
    const left = crashed(path);
    await store.close();

    const again = await DuckDBStore.open(left);
    await expectFold(again, [...folded, ...tail]);
    expect((await again.append([...folded, ...tail])).size).toBe(0);
    await again.close();
    expect(
      await query(
        left,
        "SELECT count(*)::INT n, count(DISTINCT event_id)::INT d FROM events",
      ),
    ).toEqual([{ n: 7, d: 7 }]);
  });

  test("a reopened session has one row", async () => {
    const path = join(folder(), "sessions.duckdb");
    const store = await DuckDBStore.open(path);
    const events: Event[] = [start(), end(5, { end_source: "recovered" })];
    await store.append(events);
    await listed(store);
    events.push(command(7));
    await store.append(events);
    const left = crashed(path);
    await store.close();
    const again = await DuckDBStore.open(left);
    await expectFold(again, events);
    expect((await again.get(ID))?.status).toBe("active");
    await again.close();
  });
});

test("a long log that cannot be moved into the file keeps nobody from writing", async () => {
  const path = join(folder(), "sessions.duckdb");
  const store = await DuckDBStore.open(path);
  const log = () => statSync(`${path}.wal`).size;
  const events: Event[] = [start()];
  await store.append(events);
  // Where the copy would be made that a checkpoint wants.
  mkdirSync(`${path}.checkpoint.new`);
  for (let n = 1; n < 6; n++) {
    const note = "x".repeat(4_000_000);
    events.push(annotation(n, { metadata: { note } }), command(n));
    expect((await store.append(events.slice(-2))).size).toBe(2);
    expect(await listed(store)).toHaveLength(1);
  }
  await expectFold(store, events);
  expect(log()).toBeGreaterThan(16 * 1024 * 1024);
  rmSync(`${path}.checkpoint.new`, { recursive: true });
  events.push(end(9));
  await store.append(events.slice(-1));
  // The next waits until the log is moved.
  await expectFold(store, events);
  expect(log()).toBeLessThan(16 * 1024 * 1024);
  await store.close();
  const again = await DuckDBStore.open(path);
  await expectFold(again, events);
  await again.close();
});

test("DuckDB's own lock on the file outlives a checkpoint", async () => {
  const path = join(folder(), "sessions.duckdb");
  const store = await DuckDBStore.open(path);
  await store.append([start(), annotation(1, { metadata: { note: LONG } })]);
  await store.idle();
  const script = `import { DuckDBInstance } from "@duckdb/node-api";
    await DuckDBInstance.create(${JSON.stringify(path)});`;
  const other = Bun.spawn([process.execPath, "-e", script], {
    cwd: import.meta.dir,
    stderr: "pipe",
  });
  expect(await new Response(other.stderr).text()).toMatch(/lock/);
  await store.close();
});

const LONG = "x".repeat(2 * 1024 * 1024);

test("an append that fails loses no row of a session that it was about", async () => {
  const path = join(folder(), "sessions.duckdb");
  const store = await DuckDBStore.open(path);
  const events: Event[] = [start(), end(5)];
  await store.append(events);
  await listed(store);
  // What no schema lets through: the statement fails, after the states were loaded.
  const broken = { ...command(6), timestamp: "6 o'clock" };
  await expect(store.append([broken])).rejects.toThrow(/cannot be used/);
  const other = start({ session_id: "sh-20260206-123501-0000000e" });
  await store.append([other]);
  await expectFold(store, [...events, other]);
  // And it is one row still after the next event of that session.
  events.push(annotation(7));
  await store.append(events);
  await expectFold(store, [...events, other]);
  await store.close();
});

test("what the store makes is private", async () => {
  const home = folder();
  const before = process.umask(0o077);
  const store = await DuckDBStore.open(join(home, "sessions.duckdb"));
  await store.append([start()]);
  process.umask(before);
  const modes = readdirSync(home).map(
    (name) => statSync(join(home, name)).mode & 0o777,
  );
  expect(modes.every((mode) => mode === 0o600)).toBeTrue();
  await store.close();
});

const ended = (seconds: number, exit_code: number, more: object = {}): Event =>
  command(seconds, { event_type: "command_end", exit_code, ...more });

describe("a file of an older schema", () => {
  const KNOWN = MIGRATIONS.length;
  const newer = [
    ...MIGRATIONS,
    "ALTER TABLE events ADD COLUMN colour VARCHAR DEFAULT 'red'",
    "CREATE TABLE moons (phase INTEGER); INSERT INTO moons VALUES (1), (2)",
  ];

  test("is copied beside and brought up, with all it holds", async () => {
    const path = join(folder(), "sessions.duckdb");
    const events: Event[] = [start(), end(5)];
    const old = await DuckDBStore.open(path);
    await old.append(events);
    // As a crash leaves it: the copy must have what is only in the log.
    const left = crashed(path);
    await old.close();
    expect(existsSync(`${left}.wal`)).toBeTrue();

    const store = await DuckDBStore.open(left, { migrations: newer });
    await expectFold(store, events);
    // Of the migrations nothing waits in the log: it could not be replayed.
    const later = crashed(left);
    await store.close();
    rmSync(`${later}.wal`, { force: true });
    expect(await query(later, "SELECT colour FROM events")).toEqual([
      { colour: "red" },
      { colour: "red" },
    ]);
    expect(
      await query(later, "SELECT version FROM schema_version ORDER BY 1"),
    ).toEqual(newer.map((_, n) => ({ version: n + 1 })));
    const copy = await DuckDBStore.open(`${left}.schema-${KNOWN}`);
    await expectFold(copy, events);
    await copy.close();
    // Up to date: nothing is done again.
    const again = await DuckDBStore.open(left, { migrations: newer });
    await expectFold(again, events);
    await again.close();
    expect(existsSync(`${left}.schema-${newer.length}`)).toBeFalse();
  });

  test("of the first schema keeps its sessions and events", async () => {
    const path = join(folder(), "sessions.duckdb");
    const [open, other] = [id(1), id(2)];
    const events: Event[] = [
      start(),
      command(1, { text: "é".repeat(600), seq: 2, pid: 7 }),
      command(1, { text: "earlier in that millisecond", seq: 1, pid: 7 }),
      ended(2, 1),
      ended(3, 0),
      end(5),
      start({ session_id: open, timestamp: at(2) }),
      command(3, { session_id: open, text: "make" }),
      command(4, { session_id: open, text: null }),
      ended(5, 2, { session_id: open }),
      end(9, { session_id: other }),
    ];
    const columns = columnsOf(1);
    const today = await DuckDBStore.open(`${path}.today`);
    await today.append(events);
    await today.close();
    await query(
      path,
      `${MIGRATIONS[0]};
      INSERT INTO schema_version VALUES (1, now()::TIMESTAMP);
      ATTACH '${path}.today' AS today;
      INSERT INTO events BY NAME
        SELECT * EXCLUDE (provenance) FROM today.events;
      INSERT INTO sessions BY NAME SELECT ${columns} FROM today.sessions;
      INSERT INTO open_sessions BY NAME SELECT ${columns}
        REPLACE (json_merge_patch(state,
          '{"failed_commands":null,"last_command":null}') AS state)
        FROM today.open_sessions;
      UPDATE folded SET seq = (SELECT max(seq) FROM events)`,
    );
    const store = await DuckDBStore.open(path);
    const unknown = ["reporter", "attested"];
    await expectFold(store, events, unknown);
    for (const session of await listed(store))
      expect(session).toMatchObject({ reporter: null, attested: null });
    const more: Event[] = [
      start({ session_id: other }),
      ended(6, 1, { session_id: open }),
      command(4, { session_id: open, text: "later", seq: 1, pid: 1 }),
      end(7, { session_id: open }),
      annotation(3),
      start({ session_id: "chan_0123456789ab", timestamp: at(20) }),
      end(30, { session_id: "chan_0123456789ab" }),
    ];
    expect((await store.append([...events, ...more])).size).toBe(more.length);
    await expectFold(store, [...events, ...more], unknown);
    const kept = await Array.fromAsync(store.events({}));
    expect(kept.map(({ event }) => event)).toEqual([...events, ...more]);
    expect(kept.map(({ provenance }) => provenance?.via ?? null)).toEqual([
      ...events.map(() => null),
      ...more.map(() => "spool" as const),
    ]);
    await store.close();
  });

  test("whose version made nothing of names, tags and notes has them", async () => {
    const path = join(folder(), "sessions.duckdb");
    const open = id(1);
    const events: Event[] = [
      start({ tags: ["test"] }),
      end(5),
      annotation(6, { name: "shift", add_tags: ["prod"], note: "seen" }),
      start({ session_id: open }),
      annotation(2, { session_id: open, remove_tags: ["x"], add_tags: ["y"] }),
      start({ session_id: id(2) }),
      end(9, { session_id: id(2) }),
    ];
    const today = await DuckDBStore.open(`${path}.today`);
    await today.append(events);
    await today.close();
    const columns = columnsOf(5);
    const unread = "NULL AS name, []::VARCHAR[] AS tags";
    await query(
      path,
      `${MIGRATIONS.slice(0, 5).join(";")};
      INSERT INTO schema_version SELECT range + 1, now()::TIMESTAMP FROM range(5);
      ATTACH '${path}.today' AS today;
      INSERT INTO events BY NAME FROM today.events;
      INSERT INTO sessions BY NAME SELECT ${columns} REPLACE (${unread}) FROM today.sessions;
      INSERT INTO open_sessions BY NAME SELECT ${columns} REPLACE (${unread},
          json_merge_patch(state, '{"tags":null}') AS state)
        FROM today.open_sessions;
      UPDATE folded SET seq = (SELECT max(seq) FROM events)`,
    );
    const store = await DuckDBStore.open(path);
    await expectFold(store, events);
    await store.close();
  });

  test("that cannot be brought up stays as it was", async () => {
    const path = join(folder(), "sessions.duckdb");
    const events: Event[] = [start(), end(5)];
    const old = await DuckDBStore.open(path);
    await old.append(events);
    await old.close();
    const broken = [
      ...MIGRATIONS,
      "CREATE TABLE moons (phase INTEGER); SELECT no_such_column",
    ];
    await expect(
      DuckDBStore.open(path, { migrations: broken }),
    ).rejects.toThrow(/no_such_column/);
    const again = await DuckDBStore.open(path);
    await expectFold(again, events);
    await again.close();
  });

  test("of a newer one is refused, naming both versions, and left alone", async () => {
    const path = join(folder(), "sessions.duckdb");
    const store = await DuckDBStore.open(path, { migrations: newer });
    await store.append([start()]);
    await store.close();
    await expect(DuckDBStore.open(path)).rejects.toMatchObject({
      code: "storage",
      message: expect.stringContaining(
        `has schema version ${newer.length}, this session-buddy knows ${KNOWN} (`,
      ),
    });
    const again = await DuckDBStore.open(path, { migrations: newer });
    expect(await listed(again)).toHaveLength(1);
    await again.close();
  });
});

test("what is no database is refused with the mend", async () => {
  const path = join(folder(), "sessions.duckdb");
  await Bun.write(path, "not a database at all\n".repeat(1_000));
  await expect(DuckDBStore.open(path)).rejects.toMatchObject({
    code: "storage",
    message: expect.stringMatching(/is damaged.*restore a backup/s),
  });
});

test("a quiet moment leaves nothing in the log", async () => {
  const path = join(folder(), "sessions.duckdb");
  const store = await DuckDBStore.open(path);
  const note = "x".repeat(100_000);
  const events = Array.from({ length: 40 }, (_, n) =>
    annotation(n, { metadata: { note } }),
  );
  await store.append([start(), ...events]);
  const log = () => Bun.file(`${path}.wal`).size;
  expect(log()).toBeGreaterThan(1_000_000);
  await store.idle();
  expect(log()).toBeLessThan(100_000);
  const { database_bytes } = store.facts();
  expect(database_bytes).toBe(Bun.file(path).size + log());
  await store.close();
});
