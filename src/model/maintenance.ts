/** Maintenance of a database: backups and archives, of the file or by its server. */

import type { WholeSession } from "./contents.ts";
import type { Warn } from "./failure.ts";
import type { Steps } from "./progress.ts";
import type { RemovalRequest } from "./redaction/removal.ts";

export interface Backup {
  /** Absolute. */
  file: string;
  bytes: number;
  sessions: number;
  events: number;
}

/** Which sessions go to an archive. */
export interface ArchiveRequest {
  /** Those that ended, or were lost, before this; UTC ISO 8601. */
  ended_before: string;
  /** Keeps those with tags. */
  keep_tagged: boolean;
}

export interface ArchivePlan {
  sessions: number;
  /** Of those sessions. */
  events: number;
  /** The first and the last end among them, UTC ISO 8601; null of none. */
  first_end: string | null;
  last_end: string | null;
  /** Old enough, but with files in the spool. */
  spooled: number;
  /** Old enough, but with tags. */
  tagged: number;
}

export interface Archive extends ArchivePlan {
  /** Holds `sessions.parquet` and `events.parquet`; null when nothing went. */
  folder: string | null;
  /** Of the database's file, before and after. */
  database_bytes: { before: number; after: number };
  /** Whether the file was compacted; if not, new events use its free space. */
  compacted: boolean;
  /** Of terminals, which went along, and their bytes. */
  recordings: { files: number; bytes: number };
}

/** The recordings of terminals, which go where their sessions go. */
export interface RecordingFiles {
  /** The sessions that have one. */
  sessions(): string[];
  /**
   * Puts those of sessions into `recordings/` of a folder, too, and on its disk.
   * @returns their bytes
   * @throws Error with the system's errno
   */
  copy(session_ids: readonly string[], to: string): number;
  remove(session_ids: readonly string[]): void;
}

export interface Archived {
  session_id: string;
  folder: string;
  /** UTC, ISO 8601. */
  archived_at: string;
  /** Events that came since, and were dropped. */
  late_events: number;
}

/** What was removed of a database. */
export interface Removed {
  /** Events whose texts went; 0 when they had gone before. */
  events: number;
  /** All of the session that happened until then has no texts; null of single ones. */
  up_to: string | null;
  /** It is stored that the recording was removed, too. */
  recording?: true;
}

export interface Maintenance {
  /**
   * Writes a consistent, compact copy of the database, renamed into place once it was
   * read back and is the same.
   * @param file absolute; refused when it exists, unless `force`
   */
  backup(file: string, force: boolean): Promise<Backup>;
  /** What `archive` would do. */
  plan(request: ArchiveRequest): Promise<ArchivePlan>;
  /**
   * Writes closed sessions and their events to files, reads them back, and removes the
   * sessions from the database.
   * @param folder absolute, and not there yet
   */
  archive(request: ArchiveRequest, folder: string): Promise<Archive>;
  /**
   * Finds archived sessions.
   * @param reference an id, a prefix of it, or its last 8 hex
   * @returns a few at most
   */
  archived(reference: string): Promise<Archived[]>;
  /**
   * Removes texts from the database, and writes its file anew in any case, so that
   * none of their bytes are in it: those of archived sessions may be in free blocks.
   * @returns null when no such event is stored
   */
  removeTexts(request: RemovalRequest): Promise<Removed | null>;
}

/**
 * Writes the files of an archive, and reads them back.
 * @param folder is made
 * @param name what it will be called
 * @param portions some sessions at a time
 */
export type WriteArchive = (
  folder: string,
  name: string,
  portions: AsyncIterable<readonly WholeSession[]>,
  steps: Steps,
) => Promise<{ sessions: number; events: number }>;

export interface MaintenanceOptions {
  /** Sessions with files in the spool. */
  spooled(): Iterable<string>;
  /** @throws Failure (usage) for the path of one of our own files */
  requireNotOwn(path: string): void;
  /** Whether this is the only user of the database, which may be compacted then. */
  alone: boolean;
  /** Those of this host; none of a copy. */
  recordings?: RecordingFiles;
  warn: Warn;
}

const KEPT = /(,? (and|which) is kept in| \(all of it is kept in) '[^']*'\)?/;

/** A sentence without what is kept: nothing is kept of a temporary copy. */
export const withoutKept = (sentence: string) => sentence.replace(KEPT, "");
