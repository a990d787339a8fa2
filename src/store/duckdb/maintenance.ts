/** Backups and archives of the database, by the process that has it open; one at a time. */
import { chmodSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { errnoOf, fail, reasonOf } from "../../model/failure.ts";
import type {
  Archive,
  ArchivePlan,
  ArchiveRequest,
  Archived,
  Backup,
  Maintenance,
  MaintenanceOptions,
  Removed,
} from "../../model/maintenance.ts";
import type { RemovalRequest } from "../../model/redaction/removal.ts";
import { type Steps, Task, part } from "../../model/progress.ts";
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
  MAX_ATTEMPTS,
  existsFailure,
  keepComing,
  nameFolder,
  placing,
  removeFiles,
  requireFolder,
} from "../archive-folder.ts";
import { removeTexts } from "../remove-texts.ts";
import { type Exported, exportTo, plan, removeExported } from "./archive.ts";
import {
  NOT_RECORDED,
  type Recorded,
  copyRecordings,
} from "./archived-recordings.ts";
import { rowsOf } from "./connection.ts";
import { copyDatabase } from "./copy.ts";
import type { Database } from "./database.ts";
import { storeFailure } from "./failure.ts";
import type { Folds } from "./folds.ts";
import { OUTPUT_TABLES } from "./statements.ts";
import type { Tombstones } from "./tombstones.ts";
import { FileTexts, type Keeper } from "./file-texts.ts";
import { verify } from "./verify.ts";

/** The part of the file that has to be free to be compacted for that alone. */
const WORTH_COMPACTING = 0.25;

const NOT_CONSISTENT =
  "the database is not either: keep a copy of its file, and restore an earlier backup";

export class FileMaintenance implements Maintenance {
  private readonly db: Database;
  private readonly folds: Folds;
  private busy = false;

  constructor(
    private readonly keeper: Keeper,
    private readonly tombstones: Tombstones,
    private readonly options: MaintenanceOptions,
  ) {
    this.db = keeper.db;
    this.folds = keeper.folds;
  }

  backup(file: string, force: boolean): Promise<Backup> {
    return this.alone(async () => {
      using task = new Task("backup");
      requireFolder(dirname(file));
      using place = this.placeFor(file, force);
      await this.flush();
      try {
        using half = makesThere(file)
          ? new NewFile(file, place.at)
          : new NewFile(this.db.path);
        const copying = part(task, 0, 0.7);
        const held = await copyDatabase(
          ...([this.db, half.path, file, copying, OUTPUT_TABLES] as const),
        );
        const how = { steps: part(task, 0.7, 1), hint: NOT_CONSISTENT };
        // As a restore does.
        await this.db.jobs.run((_, joins) =>
          verify(half.path, file, { ...how, joins }),
        );
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

  /** @throws Failure when something is there, but for a file with `force` */
  private placeFor(file: string, force: boolean): FilePlace {
    const place = placeOf(file);
    try {
      if (place.kind !== "file")
        throw fail.usage(
          `'${file}' is no file, and a database is one`,
          "give another name",
        );
      this.options.requireNotOwn(place.path);
      if (!force && place.old)
        throw fail.usage(
          `'${file}' exists already`,
          "give another name, or --force to replace it",
        );
      return place;
    } catch (error) {
      place[Symbol.dispose]();
      throw error;
    }
  }

  async plan(request: ArchiveRequest): Promise<ArchivePlan> {
    using task = new Task("archive");
    task.at("looking", null);
    await this.flush();
    const spooled = [...this.options.spooled()];
    // Awaited here: the task ends with it.
    return await this.db.jobs.run((connection) =>
      plan(connection, request, spooled),
    );
  }

  archived(reference: string): Promise<Archived[]> {
    return this.tombstones.like(reference);
  }

  archive(request: ArchiveRequest, folder: string): Promise<Archive> {
    return this.alone(async () => {
      using task = new Task("archive");
      requireFolder(dirname(folder));
      using spot = placing(folder, () => Spot.open(folder, "leaf"));
      if (spot.stat) throw existsFailure(folder);
      this.options.requireNotOwn(spot.path);
      const before = this.db.sizes().file;
      const went = await this.move(request, folder, spot, task);
      const { seq: _seq, recorded: _ids, ...rest } = went;
      const compacted =
        this.options.alone && (await this.shrink(went, part(task, 0.7, 1)));
      return {
        ...rest,
        folder: went.sessions > 0 ? folder : null,
        database_bytes: { before, after: this.db.sizes().file },
        compacted,
      };
    });
  }

  /** Free space of the file would hold the texts still. */
  removeTexts(request: RemovalRequest): Promise<Removed | null> {
    return this.alone(async () => {
      using task = new Task("redact");
      task.at("removing", null);
      const removed = await removeTexts(new FileTexts(this.keeper), request);
      await this.writeAnew(task);
      return removed;
    });
  }

  /** Repeats until the files hold what the database has. */
  private async move(
    request: ArchiveRequest,
    folder: string,
    { path, at }: Spot,
    steps: Steps,
  ): Promise<Exported & Recorded> {
    using scratch = placing(path, () => Scratch.beside(path, at));
    const half = scratch.at("archive");
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      await this.flush();
      const writing = part(steps, 0, 0.5);
      const exported = await this.export(request, half, folder, writing);
      if (exported.sessions === 0) return { ...exported, ...NOT_RECORDED };
      const recorded = await this.db.jobs.run((connection) =>
        copyRecordings(connection, this.options.recordings, half, folder),
      );
      steps.at("removing", 0.5);
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
      if (removed) {
        this.options.recordings?.remove(recorded.recorded);
        return { ...exported, ...recorded };
      }
      removeFiles(made, at);
    }
    throw keepComing();
  }

  private async export(
    request: ArchiveRequest,
    half: string,
    folder: string,
    steps: Steps,
  ): Promise<Exported> {
    const spooled = [...this.options.spooled()];
    try {
      return await this.db.jobs.run((connection) =>
        exportTo(connection, half, folder, request, spooled, steps),
      );
    } catch (error) {
      throw storeFailure(folder, error);
    }
  }

  /** Compacts the file where that is worth it. */
  private async shrink({ sessions }: Exported, steps: Steps): Promise<boolean> {
    remove(`${this.db.path}.compact`);
    return (sessions > 0 || (await this.hasRoom())) && this.compact(steps);
  }

  /** Whether much of the file is free. */
  private async hasRoom(): Promise<boolean> {
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

  /** As `writeAnew`; a failure is a warning. */
  private async compact(steps: Steps): Promise<boolean> {
    try {
      await this.writeAnew(steps);
      return true;
    } catch (error) {
      this.options.warn(
        `the database was not made smaller: ${reasonOf(error)}`,
      );
      return false;
    }
  }

  /** Writes the file again, without free space. */
  private async writeAnew(steps: Steps): Promise<void> {
    const whole = `${this.db.path}.compact`;
    try {
      remove(whole);
      await this.db.inTurn(async () => {
        await this.folds.flush();
        await copyDatabase(this.db, whole, whole, steps);
        const { ino } = statSync(whole);
        await this.db.replaceBy(whole);
        if (statSync(this.db.path).ino === ino) return;
        throw fail.storage(
          `'${this.db.path}' was not replaced: its log could not be emptied`,
          "free space on its disk, then try again",
        );
      });
    } finally {
      remove(whole);
    }
  }

  private flush(): Promise<void> {
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
 * Whether DuckDB can write beside a path: it follows links, which others must not be
 * able to change, and takes no question mark. Else it writes beside the database.
 */
function makesThere(path: string): boolean {
  try {
    return !trustedPath(dirname(path)).path.includes("?");
  } catch {
    return false;
  }
}

/** Removes a copy with its log and its rows. */
function remove(path: string): void {
  for (const suffix of ["", ".wal", ".rows"])
    rmSync(`${path}${suffix}`, { recursive: true, force: true });
}
