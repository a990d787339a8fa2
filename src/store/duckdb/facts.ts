/** How a store is, for health and metrics. */
import type { Failure } from "../../model/failure.ts";

export interface StoreFacts {
  /** Events that wait for their commit. */
  queued_events: number;
  last_commit_ok: boolean;
  /** Why the database has to be closed and opened again. */
  given_up: Failure | null;
  /** The file and its write-ahead log. */
  database_bytes: number;
}
