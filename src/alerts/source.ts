/** What alerts are made from: the server's database, spool and health. */
import type { Session } from "../model/columns.ts";
import type { EventFilter, SessionFilter } from "../model/filter.ts";
import type { StoredEvent } from "../model/store.ts";

export interface AlertSource {
  /** The number of the last event that is stored. */
  lastSeq(): number;
  events(filter: EventFilter): AsyncIterable<StoredEvent>;
  /** A session as it is known; no row is written for it. */
  session(session_id: string): Promise<Session | null>;
  sessions(filter: SessionFilter): AsyncIterable<Session>;
  /** When something was heard last of each host, of those since a time; in ms. */
  hosts(since_ms: number): Promise<ReadonlyMap<string, number>>;
  health(): { checks: Record<string, "ok" | "failed"> };
  spool(): { files: number; bytes: number };
  /** How long the spool has not been drained whole. */
  undrained_ms(): number;
  database_bytes(): number;
}

/** What alerts log to. */
export interface AlertLog {
  info(event: string, fields: object): void;
  warn(event: string, fields: object): void;
  error(event: string, fields: object): void;
}
