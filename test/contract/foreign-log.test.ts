/**
 * A write-ahead log beside a database that it is not of: as `cp` and rsync leave
 * it, or a restore by hand. The database opens as its file is, and the log is
 * kept under another name, and told of.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { DuckDBStore } from "../../src/store/duckdb/store.ts";
import { verify } from "../../src/store/duckdb/verify.ts";
import { command, start } from "../support/events.ts";
import { id } from "./expected.ts";

const root = mkdtempSync(join(tmpdir(), "sb-foreign-"));
afterAll(() => rmSync(root, { recursive: true }));

/** A file and its log as they were at one moment, and the events of both. */
interface Moment {
  file: string;
  log: string;
  /** In the file alone. */
  stored: string[];
  /** In the log. */
  logged: string[];
}

/** A database as 0.1 made them: neither file nor log names which it is. */
async function makeNameless(path: string): Promise<void> {
  const made = join(root, "template.duckdb");
  if (!existsSync(made)) await (await DuckDBStore.open(made)).close();
  const options = { storage_compatibility_version: "v1.0.0" };
  const instance = await DuckDBInstance.create(path, options);
  const connection = await instance.connect();
  await connection.run(`ATTACH '${made}' AS made (READ_ONLY)`);
  await connection.run(`COPY FROM DATABASE made TO
    ${path.slice(path.lastIndexOf("/") + 1, -".duckdb".length)}`);
  connection.closeSync();
  instance.closeSync();
}

/** Three moments of one life, a checkpoint between them. */
async function lived(name: string, nameless: boolean): Promise<Moment[]> {
  const path = join(root, `${name}.duckdb`);
  if (nameless) await makeNameless(path);
  const moments: Moment[] = [];
  let stored: string[] = [];
  for (const n of [0, 1, 2]) {
    const store = await DuckDBStore.open(path);
    const session_id = id(name.length * 100 + n);
    const events = [start({ session_id }), command(n, { session_id })];
    for (const event of events) await store.append([event]);
    const logged = events.map(({ event_id }) => event_id);
    const at = join(root, `${name}-${n}`);
    copyFileSync(path, at);
    copyFileSync(`${path}.wal`, `${at}.log`);
    moments.push({ file: at, log: `${at}.log`, stored, logged });
    stored = [...stored, ...logged];
    await store.close();
  }
  return moments;
}

const lives: Record<string, Moment[]> = {};
beforeAll(async () => {
  for (const name of ["a", "bb"]) lives[name] = await lived(name, false);
  for (const name of ["old", "elder"]) lives[name] = await lived(name, true);
});

let places = 0;

interface Opened {
  events: string[];
  said: string[];
  kept: Buffer[];
}

/** @param file null when there is none */
async function openedWith(file: string | null, log: string): Promise<Opened> {
  const home = join(root, `place-${places++}`);
  mkdirSync(home);
  const path = join(home, "sessions.duckdb");
  if (file !== null) copyFileSync(file, path);
  copyFileSync(log, `${path}.wal`);
  const said: string[] = [];
  const tell = (sentence: string) => void said.push(sentence);
  const store = await DuckDBStore.open(path, { warn: tell });
  const events = await Array.fromAsync(store.events({}));
  await store.append([command(99)]);
  await store.close();
  const again = await DuckDBStore.open(path, { warn: tell });
  expect(await Array.fromAsync(again.events({}))).toHaveLength(
    events.length + 1,
  );
  await again.close();
  await verify(path, path, { warn: tell, hint: "" });
  const kept = readdirSync(home)
    .filter((name) => name.startsWith("sessions.duckdb.wal.foreign-"))
    .map((name) => readFileSync(join(home, name)));
  expect(readdirSync(home)).toHaveLength(1 + kept.length);
  return { events: events.map(({ event }) => event.event_id), said, kept };
}

test.each([
  ["of the same database, older", "a", 2, "a", 1],
  ["of the same database, much older", "a", 2, "a", 0],
  ["of the same database, newer", "a", 0, "a", 2],
  ["of another database, as old", "a", 1, "bb", 1],
  ["of another database, at its beginning", "a", 0, "bb", 0],
  ["of a nameless database", "a", 1, "old", 1],
  ["of a database with a name, beside a nameless one", "old", 1, "a", 1],
  ["of the same nameless database, older", "old", 2, "old", 1],
  ["of the same nameless database, much older", "old", 2, "old", 0],
  ["of another nameless database, older", "old", 2, "elder", 1],
] as const)(
  "a log %s: it is set aside, and the database is its file",
  async (_, of, at, logOf, logAt) => {
    const { file, stored } = lives[of]![at]!;
    const { log } = lives[logOf]![logAt]!;
    const { events, said, kept } = await openedWith(file, log);
    expect(events).toEqual(stored);
    expect(said).toEqual([
      expect.stringMatching(
        /log beside '.*' is .*left out.*kept in '.*foreign-/,
      ),
    ]);
    expect(kept).toEqual([readFileSync(log)]);
  },
);

test.each(["a", "old"])("the own log of %s is replayed", async (name) => {
  for (const { file, log, stored, logged } of lives[name]!) {
    const { events, said, kept } = await openedWith(file, log);
    expect([events, said, kept]).toEqual([[...stored, ...logged], [], []]);
  }
});

test.each([
  ["a", 2, "a", 1],
  ["a", 0, "a", 2],
  ["a", 1, "bb", 1],
] as const)(
  "a damaged log of another moment or database (%s %d, %s %d) is set aside as it is",
  async (of, at, logOf, logAt) => {
    const { file, stored } = lives[of]![at]!;
    const damaged = join(root, "damaged.log");
    writeFileSync(
      damaged,
      Buffer.concat([
        readFileSync(lives[logOf]![logAt]!.log),
        Buffer.alloc(5_000),
      ]),
    );
    const { events, said, kept } = await openedWith(file, damaged);
    expect([events, said.length]).toEqual([stored, 1]);
    expect(kept).toEqual([readFileSync(damaged)]);
  },
);

test("a log without a database is not the new one's", async () => {
  for (const name of ["a", "old"]) {
    const { log } = lives[name]![1]!;
    const { events, said, kept } = await openedWith(null, log);
    expect([events, said.length, kept.length]).toEqual([[], 1, 1]);
  }
});

test("a backup that is put in the database's place by hand does not take its log", async () => {
  const path = join(root, "live.duckdb");
  const store = await DuckDBStore.open(path);
  await store.append([start()]);
  const maintenance = store.maintenance({
    ...{ spooled: () => [], alone: false, warn() {}, requireNotOwn() {} },
  });
  const backup = join(root, "backup.duckdb");
  await maintenance.backup(backup, false);
  await store.append([command(1)]);
  const log = join(root, "live.log");
  copyFileSync(`${path}.wal`, log);
  await store.close();
  const { events, said, kept } = await openedWith(backup, log);
  expect([events.length, said.length, kept.length]).toEqual([1, 1, 1]);
});
