/** How a store is opened, and how it is, for health and metrics. */
import type { Clock } from "../../model/clock.ts";
import type { Failure, Warn } from "../../model/failure.ts";
import type { WriterEvents } from "./writer.ts";

export interface StoreFacts {
  /** Events that wait for their commit. */
  queued_events: number;
  last_commit_ok: boolean;
  /** Why the database has to be closed and opened again. */
  given_up: Failure | null;
  /** The number of the newest event that is stored. */
  last_seq: number;
  /** The file and its write-ahead log. */
  database_bytes: number;
}

export interface StoreOptions extends WriterEvents {
  now?: Clock;
  /** The steps to the newest schema, oldest first. */
  migrations?: readonly string[];
  /** How many ids of events are kept in memory. */
  window_events?: number;
  /** Is told what was damaged and left out when the file was opened. */
  warn?: Warn;
}
