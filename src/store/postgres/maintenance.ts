/**
 * Archives, and the removal of texts, in a database that others write to meanwhile.
 * Copies of it are made by PostgreSQL's own tools.
 */
import { dirname } from "node:path";
import { fail } from "../../model/failure.ts";
import type {
  Archive,
  ArchivePlan,
  ArchiveRequest,
  Archived,
  Backup,
  Maintenance,
  MaintenanceOptions,
  RecordingFiles,
  Removed,
  WriteArchive,
} from "../../model/maintenance.ts";
import { type Steps, Task, part } from "../../model/progress.ts";
import type { RemovalRequest } from "../../model/redaction/removal.ts";
import { outputFailure } from "../../os/place.ts";
import { OpenFolder, Scratch } from "../../os/scratch.ts";
import { Spot } from "../../os/spot.ts";
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
import { type Going, isRemoved, plan, read, remove } from "./archive.ts";
import type { DatabaseContents } from "./contents.ts";
import { Conditions, begins } from "./filters.ts";
import { decoded, timeOf } from "./text.ts";
import { DatabaseTexts, type TextParts } from "./texts.ts";

/** Archived sessions that a reference is told of. */
const MOST_ARCHIVED = 11;

export interface MaintenanceParts extends TextParts {
  contents: DatabaseContents;
  /** Gives numbers to what was committed. */
  number(): Promise<void>;
  writeArchive: WriteArchive;
  /** For PostgreSQL's own tools. */
  url: string;
}

export class DatabaseMaintenance implements Maintenance {
  private busy = false;

  constructor(
    private readonly parts: MaintenanceParts,
    private readonly options: MaintenanceOptions,
  ) {}

  backup(file: string): Promise<Backup> {
    return Promise.reject(
      fail.usage(
        "the database is in PostgreSQL, whose own tools copy it, while servers run, too",
        `try: pg_dump -Fc -f ${shellText(file)} ${shellText(this.parts.url)}`,
      ),
    );
  }

  async plan(request: ArchiveRequest): Promise<ArchivePlan> {
    using task = new Task("archive");
    task.at("looking", null);
    const spooled = [...this.options.spooled()];
    return await plan(this.parts.reads, request, spooled);
  }

  async archived(reference: string): Promise<Archived[]> {
    type Row = Omit<Archived, "archived_at"> & { archived_at: Date };
    const conditions = new Conditions();
    conditions.always("s.archived IS NOT NULL");
    begins(conditions, "s.session_id", reference);
    const rows = await this.parts.reads.ask<Row>(
      `SELECT s.session_id, s.archived AS folder, s.archived_at, s.late_events
        FROM sessions AS s ${conditions.where}
        ORDER BY s.session_id LIMIT ${MOST_ARCHIVED}`,
      conditions.values,
    );
    return rows.map(({ folder, archived_at, ...rest }) => ({
      ...{ ...rest, folder: decoded(folder), archived_at: timeOf(archived_at) },
    }));
  }

  archive(request: ArchiveRequest, folder: string): Promise<Archive> {
    return this.alone(async () => {
      using task = new Task("archive");
      requireFolder(dirname(folder));
      using spot = placing(folder, () => Spot.open(folder, "leaf"));
      if (spot.stat) throw existsFailure(folder);
      this.options.requireNotOwn(spot.path);
      const before = await this.bytes();
      const went = await this.move(request, folder, spot, task);
      const after = await this.bytes();
      return {
        ...went,
        folder: went.sessions > 0 ? folder : null,
        database_bytes: { before, after },
        compacted: false,
      };
    });
  }

  /** Until PostgreSQL has cleaned up, its files have what was there before. */
  removeTexts(request: RemovalRequest): Promise<Removed | null> {
    return this.alone(async () => {
      using task = new Task("redact");
      task.at("removing", null);
      const removed = await removeTexts(new DatabaseTexts(this.parts), request);
      this.options.warn(
        "PostgreSQL's files keep what was removed until it has cleaned up: VACUUM FULL events, sessions, commands, notes, output; its log and its backups as long as these are kept",
      );
      return removed;
    });
  }

  /** Repeats until the files hold what the database has. */
  private async move(
    request: ArchiveRequest,
    folder: string,
    { path, at }: Spot,
    steps: Steps,
  ): Promise<ArchivePlan & Pick<Archive, "recordings">> {
    using scratch = placing(path, () => Scratch.beside(path, at));
    const half = scratch.at("archive");
    const { reads } = this.parts;
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const spooled = [...this.options.spooled()];
      await this.parts.number();
      const planned = await plan(reads, request, spooled);
      const nothing = { files: 0, bytes: 0 };
      if (planned.sessions === 0) return { ...planned, recordings: nothing };
      const going: Going[] = [];
      const count = await this.parts.writeArchive(
        ...([half, folder, read(reads, request, spooled, going)] as const),
        part(steps, 0, 0.8),
      );
      const recorded = this.copyRecordings(going, half, folder);
      steps.at("removing", 0.8);
      using made = new OpenFolder(half);
      nameFolder(half, folder, at);
      if (await this.remove(going, folder)) {
        this.options.recordings?.remove(recorded.ids);
        const { ids, bytes } = recorded;
        const recordings = { files: ids.length, bytes };
        return { ...planned, ...count, recordings };
      }
      removeFiles(made, at);
    }
    throw keepComing();
  }

  private async remove(
    going: readonly Going[],
    folder: string,
  ): Promise<boolean> {
    const changed = keepComing();
    let tried = false;
    try {
      await this.parts.transaction(async (tx) => {
        // Its files are all that is left of them then.
        if (tried && (await isRemoved(tx, going, folder))) return;
        tried = true;
        if (!(await remove(tx, going, folder))) throw changed;
      });
      return true;
    } catch (error) {
      if (error === changed) return false;
      throw error;
    }
  }

  private copyRecordings(
    going: readonly Going[],
    half: string,
    folder: string,
  ): { ids: string[]; bytes: number } {
    const files: RecordingFiles | undefined = this.options.recordings;
    const all = new Set(files?.sessions());
    const ids = going
      .map(({ session_id }) => session_id)
      .filter((id) => all.has(id));
    if (!files || ids.length === 0) return { ids: [], bytes: 0 };
    try {
      return { ids, bytes: files.copy(ids, half) };
    } catch (error) {
      throw outputFailure(folder, error);
    }
  }

  private async bytes(): Promise<number> {
    return (await this.parts.contents.holding()).bytes;
  }

  private async alone<T>(work: () => Promise<T>): Promise<T> {
    if (this.busy)
      throw fail.overloaded(
        "an archive is under way",
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

const shellText = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
