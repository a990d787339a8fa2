/**
 * What every store can do. A command cannot tell which one it has.
 */
import type { Event } from "./event.ts";
import type { EventFilter, SessionFilter } from "./filter.ts";
import type { Provenance } from "./reporter.ts";
import type { Session, Status } from "./session.ts";

/** Events that may wait for their commit at once; more are refused as overload. */
export const QUEUE_EVENTS = 65_536;

/** Over its socket a server says so why the spool was not drained, URI-encoded. */
export const NOT_DRAINED = "x-session-buddy-not-drained";

/** An event as it is kept. */
export interface StoredEvent {
  /** The order of arrival. */
  seq: number;
  /** UTC, ISO 8601 with milliseconds. */
  received_at: string;
  /** null for what came before it was kept. */
  provenance: Provenance | null;
  event: Event;
}

/** What became of an event that was sent to a server. */
export interface EventResult {
  /** null when it has none that could be read. */
  event_id: string | null;
  status: (typeof EVENT_STATUSES)[number];
  error: string | null;
}

export const EVENT_STATUSES = ["stored", "duplicate", "rejected"] as const;

/** Some sessions, counted and summed. */
export interface SessionStats {
  sessions: number;
  by_status: Record<Status, number>;
  /** Ended with another exit status than 0, or by a signal. */
  failed: number;
  /** Of sessions with an end, in seconds; null when there is none. */
  duration_seconds: {
    total: number;
    mean: number;
    median: number;
    p95: number;
    max: number;
  } | null;
  /** The 100 with most sessions, most first. */
  by_component: { component_name: string; sessions: number; failed: number }[];
  first_start: string | null;
  last_start: string | null;
}

export interface SessionStore {
  /**
   * Stores events durably; resolves once they are committed. Idempotent by
   * session and event_id: an event that is already stored changes nothing.
   * @param from who brought them; the spool when left out
   * @returns the ids of those that were new
   * @throws Rejected once all the others are stored, when some are another's
   */
  append(
    events: readonly Event[],
    from?: Provenance,
  ): Promise<ReadonlySet<string>>;
  /**
   * Moves last_seen of sessions that live on; nothing is written.
   * @param signs session id → time of the sign, UTC ISO 8601
   */
  seen(signs: ReadonlyMap<string, string>): Promise<unknown>;
  /** Sessions that match, newest start first, ties by id. */
  list(filter: SessionFilter): AsyncIterable<Session>;
  /** The session of this very id. */
  get(session_id: string): Promise<Session | null>;
  /** Events that match, in the order of their arrival. */
  events(filter: EventFilter): AsyncIterable<StoredEvent>;
  /** What the matching sessions come to; `limit` and `from` do not count. */
  stats(filter: SessionFilter): Promise<SessionStats>;
  /** Writes what is pending and lets the storage go. */
  close(): Promise<void>;
}

/** What a server asks of its own store beside that. */
export interface ServedStore extends SessionStore {
  /**
   * @param from who saw the signs; the spool when left out
   * @param theirs the same signs by the clock of who saw them, if it is not ours
   * @returns the sessions that belong to another reporter: theirs have not moved
   */
  seen(
    signs: ReadonlyMap<string, string>,
    from?: Provenance,
    theirs?: ReadonlyMap<string, string>,
  ): Promise<ReadonlySet<string>>;
  /**
   * What is known of a session at once, from memory where possible: stored or
   * about to be.
   * @returns null when no event of it is known
   */
  brief(session_id: string): Promise<SessionBrief | null>;
  /**
   * The session of a stored event that has the id and the kind of this one, and
   * was brought by the same, or nobody knows by whom. One of another time is found
   * as long as its id is in memory.
   */
  sessionOf(event: Event, from: Provenance): Promise<string | null>;
  /** Sessions of a type that have not ended. */
  open(session_type: string): Promise<Session[]>;
}

export interface SessionBrief {
  /** event_id of its start; null while only later events have come. */
  start_event_id: string | null;
  /** Whether an observed or declared end is known. */
  ended: boolean;
  /** Whose it is, see `ownerOf`; null while it may become somebody's. */
  reporter: string | null;
  /** It went to an archive: nothing more than its id is known here. */
  archived?: true;
}
