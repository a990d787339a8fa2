/**
 * What every store can do. A command cannot tell which one it has.
 */
import type { Event } from "./event.ts";
import type { SessionFilter } from "./filter.ts";
import type { Session } from "./session.ts";

export interface SessionStore {
  /**
   * Stores events durably; resolves once they are committed. Idempotent by
   * event_id: an event that is already stored changes nothing.
   * @returns how many were new
   */
  append(events: readonly Event[]): Promise<number>;
  /**
   * Moves last_seen of sessions that live on, for the reads of this store;
   * nothing is written.
   * @param signs session id → time of the sign, UTC ISO 8601
   */
  seen(signs: ReadonlyMap<string, string>): void;
  /** Sessions that match, newest start first, ties by id. */
  list(filter: SessionFilter): AsyncIterable<Session>;
  /** The session of this very id. */
  get(session_id: string): Promise<Session | null>;
  /**
   * Ids that a reference may mean: the id itself, a prefix of it, or its last
   * 8 hex. Newest first.
   * @param limit how many at most
   */
  resolve(reference: string, limit: number): Promise<string[]>;
  /** Writes what is pending and lets the storage go. */
  close(): Promise<void>;
}
