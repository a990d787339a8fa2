/**
 * Moves a database to another place: to PostgreSQL, back to a file, or from file to
 * file. A file is made beside its place and gets its name once all is in it and was
 * compared with the source; killed anywhere, the next run goes on from there.
 */
import { existsSync, renameSync } from "node:fs";
import { dirname } from "node:path";
import { type Settings, recordingsRoot } from "../config/load.ts";
import { type Warn, fail } from "../model/failure.ts";
import { SILENT, Task, part } from "../model/progress.ts";
import type { KeptStore } from "../model/store.ts";
import { sync } from "../os/copy.ts";
import { Scratch } from "../os/scratch.ts";
import { absolutePath, noFolder } from "../os/spot.ts";
import { StoreLock } from "../store/lock.ts";
import { claim, databasePath, lockPath, runningServer } from "./claim.ts";
import { type Compared, compare } from "./compare.ts";
import { moveDocuments } from "./move-documents.ts";
import { type MovedRecordings, moveRecordings } from "./move-recordings.ts";
import { type Movable, type Moved, moveAll } from "./move.ts";
import { withDatabaseSample } from "./database-address.ts";
import { openKept } from "./open-store.ts";
import { requireNotOwn } from "./own-files.ts";

/** Events whose move is measured. */
const SAMPLE_EVENTS = 16_384;
const HALF_SUFFIX = ".migrating";

/** A database by where it is. */
interface Place {
  /** A path, or a URL, which has no password in it. */
  name: string;
  isFile: boolean;
  /** As if it were this host's own. */
  settings: Settings;
  /** The folder that its `recordings/` are in. */
  root: string;
}

export interface Migrated extends Moved {
  from: string;
  to: string;
  compared: Compared;
  recordings: MovedRecordings;
  /** Alerts, and how far exports have got. */
  documents: number;
}

export interface MigrationPlan extends Pick<Moved, "events"> {
  from: string;
  to: string;
  bytes: number;
  /** How many events were moved to see how long that takes. */
  sample_events: number;
  /** By their pace, and their size. */
  estimated_seconds: number;
  estimated_bytes: number;
}

/** What is moved where, as users name it. */
export interface Migration {
  from: string;
  to: string;
}

/**
 * Moves all, or what an earlier run has left, and compares both sides.
 * @param warn is told what was damaged and left out when one was opened
 * @throws Failure when one is in use; (usage) when the target is there already
 */
export async function migrate(
  settings: Settings,
  migration: Migration,
  warn: Warn,
): Promise<Migrated> {
  using task = new Task("migrate");
  const { from, to } = placesOf(settings, migration);
  using _locks = await Locks.of([from, to]);
  requireNew(settings, to);
  const half = to.isFile ? placeOf(settings, `${to.name}${HALF_SUFFIX}`) : to;
  const moved = await between(from, half, warn, async (source, target) => {
    const done = await moveAll(source, target, part(task, 0, 0.65));
    const [ours, theirs] = [source.contents(), target.contents()];
    const comparing = part(task, 0.65, 0.95);
    const compared = await compare(ours, theirs, comparing, done.reason);
    await theirs.endMoving();
    return {
      ...{ from: from.name, to: to.name, ...done, compared },
      documents: await moveDocuments(from.settings, to.settings, warn),
      recordings: moveRecordings(from.root, to.root, part(task, 0.95, 1)),
    };
  });
  if (to.isFile) putInPlace(half.name, to.name);
  return moved;
}

/** Moves a sample to a place that is removed afterwards. */
export async function planMigration(
  settings: Settings,
  migration: Migration,
  warn: Warn,
): Promise<MigrationPlan> {
  using task = new Task("migrate");
  const { from, to } = placesOf(settings, migration);
  using _locks = await Locks.of([from, to]);
  requireNew(settings, to);
  return await withSample(from, to, warn, async (source, target) => {
    const { events, bytes } = await source.contents().holding();
    const empty = await target.contents().holding();
    const began = performance.now();
    await moveAll(source, target, task, SAMPLE_EVENTS);
    const contents = target.contents();
    await compare(contents, contents, SILENT);
    const seconds = (performance.now() - began) / 1_000;
    const has = await contents.holding();
    const times = events / Math.max(1, has.events);
    return {
      ...{ from: from.name, to: to.name, events, bytes },
      sample_events: has.events,
      estimated_seconds: Math.ceil(seconds * times),
      estimated_bytes: Math.ceil((has.bytes - empty.bytes) * times),
    };
  });
}

function placesOf(settings: Settings, { from, to }: Migration) {
  const places = { from: placeOf(settings, from), to: placeOf(settings, to) };
  if (places.from.name === places.to.name)
    throw fail.usage(
      `'${from}' is the source and the target`,
      "give another --to",
    );
  if (places.from.isFile && !existsSync(places.from.name))
    throw fail.not_found(
      `there is no database '${places.from.name}'`,
      `that of this host is ${databasePath(settings)}`,
    );
  const folder = dirname(places.to.name);
  if (places.to.isFile && !existsSync(folder)) throw noFolder(folder);
  return places;
}

function placeOf(settings: Settings, given: string): Place {
  const { store, server } = settings.config;
  const at = (changes: Partial<typeof store>): Settings => ({
    ...settings,
    config: {
      ...settings.config,
      store: { ...store, ...changes },
      server: { ...server, endpoint: null },
    },
  });
  if (/^postgres(ql)?:\/\//.test(given))
    return {
      ...{ name: given, isFile: false, settings: at({ url: given }) },
      root: recordingsRoot(settings),
    };
  const name = absolutePath(given);
  // By its default path it has another lock than by a path that is set.
  const own = name === databasePath(settings);
  const path = own ? store.path : name;
  const root = own ? settings.paths.data! : dirname(name);
  return { name, isFile: true, root, settings: at({ url: null, path }) };
}

function requireNew(settings: Settings, { name, isFile }: Place): void {
  if (!isFile) return;
  if (name !== databasePath(settings)) requireNotOwn(settings, name);
  if (existsSync(name))
    throw fail.usage(
      `'${name}' exists already`,
      "give another --to: what is there is not mixed with what is moved",
    );
}

/**
 * Those of files, so that no server and no command uses them meanwhile; of a database in
 * PostgreSQL its contents say whether they are alone.
 */
class Locks implements Disposable {
  private constructor(private readonly held: Map<string, StoreLock>) {}

  static async of(places: readonly Place[]): Promise<Locks> {
    const locks = new Locks(new Map());
    try {
      for (const { name, isFile, settings } of places)
        if (isFile)
          locks.held.set(lockPath(settings), await lock(name, settings));
      return locks;
    } catch (error) {
      locks[Symbol.dispose]();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    for (const lock of this.held.values()) lock.release();
  }
}

async function lock(name: string, settings: Settings): Promise<StoreLock> {
  const held = await claim<never>(settings, {
    ...{ role: "cli", holder_ms: 5_000, total_ms: 20_000 },
    server(path) {
      const server = runningServer(path);
      if (!server) return null;
      throw fail.already_running(
        `a server uses '${name}' (pid ${server.pid})`,
        "stop it first: session-buddy mcp stop",
      );
    },
  });
  return held;
}

async function between<T>(
  from: Place,
  to: Place,
  warn: Warn,
  use: (source: Movable, target: Movable) => Promise<T>,
): Promise<T> {
  const source = await open(from, warn);
  try {
    const target = await open(to, warn);
    try {
      return await use(source, target);
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

function open({ settings }: Place, warn: Warn): Promise<KeptStore> {
  return openKept(settings, { warn });
}

/** As `between`, to a place for a sample, which is gone afterwards. */
async function withSample<T>(
  from: Place,
  to: Place,
  warn: Warn,
  use: (source: Movable, target: Movable) => Promise<T>,
): Promise<T> {
  if (to.isFile) {
    using scratch = Scratch.beside(to.name);
    const sample = placeOf(to.settings, `${scratch.path}/sample.duckdb`);
    return await between(from, sample, warn, use);
  }
  const source = await open(from, warn);
  try {
    return await withDatabaseSample(to.settings, (target) =>
      use(source, target),
    );
  } finally {
    await source.close();
  }
}

/** Gives a finished file its name. */
function putInPlace(half: string, name: string): void {
  if (existsSync(`${half}.wal`))
    throw fail.storage(
      `'${half}' was not closed: its log could not be emptied`,
      "free space on its disk, then run the same command again",
    );
  renameSync(half, name);
  sync(dirname(name));
}
