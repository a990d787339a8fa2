/**
 * What is done with a store as a whole: copied, and relieved of what is old. A
 * command cannot tell whether it has the file or a server that has it.
 */

/** What a copy of the database holds. */
export interface Backup {
  /** Absolute, where whoever has the database sees it. */
  file: string;
  bytes: number;
  sessions: number;
  events: number;
}

/** Which sessions go to an archive. */
export interface ArchiveRequest {
  /** Those that ended, or were lost, before this; UTC ISO 8601. */
  ended_before: string;
  /** Leaves those that have tags. */
  keep_tagged: boolean;
}

/** What goes, or would go. */
export interface ArchivePlan {
  sessions: number;
  /** Of those sessions. */
  events: number;
  /** The first and the last end among them, UTC ISO 8601; null of none. */
  first_end: string | null;
  last_end: string | null;
  /** Old enough, and left for now: the spool has files of theirs. */
  spooled: number;
  /** Old enough, and left for their tags. */
  tagged: number;
}

/** What went. */
export interface Archive extends ArchivePlan {
  /** Holds `sessions.parquet` and `events.parquet`; null when nothing went. */
  folder: string | null;
  /** Of the database's file, before and after. */
  database_bytes: { before: number; after: number };
  /** Whether the file was written anew: else its free space waits for new events. */
  compacted: boolean;
}

/** A session of which the database has no more than where it went. */
export interface Archived {
  session_id: string;
  folder: string;
  /** UTC, ISO 8601. */
  archived_at: string;
  /** Its events that were brought again, or late, and dropped. */
  late_events: number;
}

export interface Maintenance {
  /**
   * Writes a consistent, compact copy of the database, whatever goes on
   * meanwhile. It has its name once it was read back and found the same.
   * @param file absolute; refused when it is there, unless `force`
   */
  backup(file: string, force: boolean): Promise<Backup>;
  /** What `archive` would do; nothing is changed. */
  plan(request: ArchiveRequest): Promise<ArchivePlan>;
  /**
   * Writes closed sessions and their events into files, reads them back, then
   * removes them from the database.
   * @param folder absolute, and not there yet
   */
  archive(request: ArchiveRequest, folder: string): Promise<Archive>;
  /**
   * Where sessions went.
   * @param reference an id, a prefix of it, or its last 8 hex
   * @returns a few at most
   */
  archived(reference: string): Promise<Archived[]>;
}

const KEPT = /(,? (and|which) is kept in| \(all of it is kept in) '[^']*'\)?/;

/** Nothing is kept in a copy that goes. */
export const withoutKept = (sentence: string) => sentence.replace(KEPT, "");
