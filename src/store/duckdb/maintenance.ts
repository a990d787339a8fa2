/**
 * The database as a whole, for whoever has it open: its copies and archives.
 * One such work at a time.
 */
import {
  accessSync,
  chmodSync,
  constants,
  rmSync,
  rmdirSync,
  statSync,
} from "node:fs";
import { dirname } from "node:path";
import { type Warn, errnoOf, fail, reasonOf } from "../../model/failure.ts";
import type {
  Archive,
  ArchivePlan,
  ArchiveRequest,
  Archived,
  Backup,
  Maintenance,
} from "../../model/maintenance.ts";
import {
  type FilePlace,
  NewFile,
  outputFailure,
  placeOf,
  putInPlace,
} from "../../os/place.ts";
import { OpenFolder, Scratch } from "../../os/scratch.ts";
import { Spot } from "../../os/spot.ts";
import { trustedPath } from "../../os/trust.ts";
import {
  EVENTS_FILE,
  type Exported,
  SESSIONS_FILE,
  existsFailure,
  exportTo,
  nameFolder,
  plan,
  removeExported,
} from "./archive.ts";
import { copyDatabase, rowsOf } from "./copy.ts";
import type { Database } from "./database.ts";
import { storeFailure } from "./failure.ts";
import type { Folds } from "./folds.ts";
import type { Tombstones } from "./tombstones.ts";
import { verify } from "./verify.ts";

/** How often an archive begins anew because a late event came in between. */
const MAX_ATTEMPTS = 5;
/** The part of the file that is free from which on it is written anew for that alone. */
const WORTH_COMPACTING = 0.25;

const NOT_CONSISTENT =
  "the database is not either: keep a copy of its file, and restore an earlier backup";

export interface MaintenanceOptions {
  /** Sessions of which the spool has files, whatever is in them. */
  spooled(): Iterable<string>;
  /** Throws (usage) for a path that is one of our own files, or may come to be. */
  requireNotOwn(path: string): void;
  /** Whether nobody else asks meanwhile, so that the file can be written anew. */
  alone: boolean;
  /** Hears of what went wrong without harm. */
  warn: Warn;
}

export class FileMaintenance implements Maintenance {
  private busy = false;

  constructor(
    private readonly db: Database,
    private readonly folds: Folds,
    private readonly tombstones: Tombstones,
    private readonly options: MaintenanceOptions,
  ) {}

  backup(file: string, force: boolean): Promise<Backup> {
    return this.alone(async () => {
      requireFolder(dirname(file));
      using place = this.placeFor(file, force);
      await this.settle();
      try {
        using half = makesThere(file)
          ? new NewFile(file, place.at)
          : new NewFile(this.db.path);
        const held = await copyDatabase(this.db, half.path, file);
        await this.lookThrough(half.path, file);
        chmodSync(half.path, 0o600);
        const bytes = statSync(half.path).size;
        using now = this.placeFor(file, force);
        putInPlace(half, now);
        return { file, bytes, ...held };
      } catch (error) {
        throw errnoOf(error) ? outputFailure(file, error) : error;
      }
    });
  }

  /** As a restore will, before it has its name. */
  private async lookThrough(path: string, shown: string): Promise<void> {
    await this.db.jobs.run((_, joins) =>
      verify(path, shown, { joins, hint: NOT_CONSISTENT }),
    );
  }

  /** @throws Failure when something is there, but for a file with `force` */
  private placeFor(file: string, force: boolean): FilePlace {
    const place = placeOf(file);
    try {
      if (place.kind !== "file") throw noDatabase(file);
      this.options.requireNotOwn(place.path);
      if (!force && place.old) throw backupExists(file);
      return place;
    } catch (error) {
      place[Symbol.dispose]();
      throw error;
    }
  }

  async plan(request: ArchiveRequest): Promise<ArchivePlan> {
    await this.settle();
    const spooled = [...this.options.spooled()];
    return this.db.jobs.run((connection) => plan(connection, request, spooled));
  }

  archived(reference: string): Promise<Archived[]> {
    return this.tombstones.like(reference);
  }

  archive(request: ArchiveRequest, folder: string): Promise<Archive> {
    return this.alone(async () => {
      requireFolder(dirname(folder));
      // A link that leads nowhere is there, too.
      using spot = spotFor(folder);
      if (spot.stat) throw existsFailure(folder);
      this.options.requireNotOwn(spot.path);
      const before = this.db.sizes().file;
      const went = await this.move(request, folder, spot);
      const { seq: _seq, ...rest } = went;
      const compacted = this.options.alone && (await this.shrink(went));
      return {
        ...rest,
        folder: went.sessions > 0 ? folder : null,
        database_bytes: { before, after: this.db.sizes().file },
        compacted,
      };
    });
  }

  /** Until what the files hold is what the database has. */
  private async move(
    request: ArchiveRequest,
    folder: string,
    { path, at }: Spot,
  ): Promise<Exported> {
    using scratch = scratchFor(path, at);
    const half = scratch.at("archive");
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      await this.settle();
      const exported = await this.export(request, half, folder);
      if (exported.sessions === 0) return exported;
      using made = new OpenFolder(half);
      nameFolder(half, folder, at);
      const removed = await this.db.inTurn(async () => {
        await this.folds.flush();
        if (!(await removeExported(this.db, made, folder, exported)))
          return false;
        await this.tombstones.open();
        this.folds.forgetClosed();
        return true;
      });
      if (removed) return exported;
      removeFiles(made, at);
    }
    throw fail.overloaded(
      "events of old sessions keep coming",
      "nothing was removed; try again in a while",
    );
  }

  private async export(
    request: ArchiveRequest,
    half: string,
    folder: string,
  ): Promise<Exported> {
    const spooled = [...this.options.spooled()];
    try {
      return await this.db.jobs.run((connection) =>
        exportTo(connection, half, folder, request, spooled),
      );
    } catch (error) {
      throw storeFailure(folder, error);
    }
  }

  /** Gives free space back where that is worth it. */
  private async shrink({ sessions }: Exported): Promise<boolean> {
    // Of one that was killed at it.
    remove(`${this.db.path}.compact`);
    return (sessions > 0 || (await this.hasRoom())) && this.compact();
  }

  /** Whether much of the file is free. */
  private async hasRoom(): Promise<boolean> {
    // What was removed counts only once the log is in the file.
    await this.db.inTurn(() => this.db.checkpoint());
    const [size] = await this.db.jobs.run((connection) =>
      rowsOf<{ free: number }>(
        connection,
        `SELECT (free_blocks / greatest(total_blocks, 1))::DOUBLE AS free
          FROM pragma_database_size() WHERE database_name = current_database()`,
      ),
    );
    return size!.free > WORTH_COMPACTING;
  }

  /** Writes the file anew; without that all is as well, only larger. */
  private async compact(): Promise<boolean> {
    const whole = `${this.db.path}.compact`;
    try {
      remove(whole);
      return await this.db.inTurn(async () => {
        await this.folds.flush();
        await copyDatabase(this.db, whole);
        await this.db.replaceBy(whole);
        return true;
      });
    } catch (error) {
      this.options.warn(
        `the database was not made smaller: ${reasonOf(error)}`,
      );
      return false;
    } finally {
      remove(whole);
    }
  }

  /** Brings the rows up to the events. */
  private settle(): Promise<void> {
    return this.db.inTurn(() => this.folds.flush());
  }

  private async alone<T>(work: () => Promise<T>): Promise<T> {
    if (this.busy)
      throw fail.overloaded(
        "a backup or an archive is under way",
        "try again when it is done",
      );
    this.busy = true;
    try {
      return await work();
    } finally {
      this.busy = false;
    }
  }
}

/**
 * Whether a database can be made beside a path. DuckDB follows links on its way,
 * and takes no question mark: where somebody else could exchange a folder under
 * it, or one has the mark, it is made beside the database and brought there.
 */
function makesThere(path: string): boolean {
  try {
    return !trustedPath(dirname(path)).path.includes("?");
  } catch {
    return false;
  }
}

/** Removes an archive: its files alone, and by whose folder they are in. */
function removeFiles(made: OpenFolder, folder: string): void {
  for (const name of [SESSIONS_FILE, EVENTS_FILE])
    rmSync(made.at(name), { force: true });
  try {
    rmdirSync(folder);
  } catch {
    // Renamed by somebody, who has put another in its place: it is empty.
  }
}

/** Removes half a copy, with all that it is made of. */
function remove(path: string): void {
  for (const suffix of ["", ".wal", ".rows"])
    rmSync(`${path}${suffix}`, { recursive: true, force: true });
}

/** @throws Failure when nothing can be written there */
function requireFolder(path: string): void {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    if (statSync(path).isDirectory()) return;
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw outputFailure(path, error);
  }
  throw outputFailure(`${path}/file`, { code: "ENOENT" });
}

function spotFor(folder: string): Spot {
  try {
    return Spot.open(folder, "leaf");
  } catch (error) {
    throw outputFailure(folder, error);
  }
}

function scratchFor(path: string, at: string): Scratch {
  try {
    return Scratch.beside(path, at);
  } catch (error) {
    throw outputFailure(path, error);
  }
}

const noDatabase = (file: string) =>
  fail.usage(
    `'${file}' is no file, and a database is one`,
    "give another name",
  );

const backupExists = (file: string) =>
  fail.usage(
    `'${file}' exists already`,
    "give another name, or --force to replace it",
  );
