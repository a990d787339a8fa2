/** The interface of all stores: a command cannot tell which one it has. */
import type { FigureRow, Question } from "./analytics.ts";
import type { Clock } from "./clock.ts";
import type { Command, CommandFilter } from "./command.ts";
import type { Contents } from "./contents.ts";
import type { Event, SessionStart } from "./event.ts";
import type { Failure, Warn } from "./failure.ts";
import type { EventFilter, SessionFilter } from "./filter.ts";
import type { Maintenance, MaintenanceOptions } from "./maintenance.ts";
import type { QueryAnswer, QueryRequest } from "./query.ts";
import type { OutputLines } from "./recording/searched.ts";
import type { Provenance } from "./reporter.ts";
import type { Hit, SearchFilter } from "./search.ts";
import type { Session, SessionSummary, Status } from "./session.ts";
import type { StoredEvent } from "./stored-event.ts";

export type { StoredEvent } from "./stored-event.ts";

/** Events that may wait for their commit; more are refused as overload. */
export const QUEUE_EVENTS = 65_536;

/** The header with why the spool was not drained, URI-encoded; over the socket alone. */
export const NOT_DRAINED = "x-session-buddy-not-drained";

/** In the `_meta` of a failed tool call: the failure, of these codes. */
export const FAILURE = "session-buddy/failure";
export const SAME_FOR_ALL: ReadonlySet<string> = new Set(["usage", "timeout"]);

export interface EventResult {
  /** null when it has none that could be read. */
  event_id: string | null;
  status: (typeof EVENT_STATUSES)[number];
  error: string | null;
}

export const EVENT_STATUSES = ["stored", "duplicate", "rejected"] as const;

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
  /** Events that match, in the order of arrival. */
  events(filter: EventFilter): AsyncIterable<StoredEvent>;
  /** Commands that match, newest first. */
  commands(filter: CommandFilter): AsyncIterable<Command>;
  /**
   * What was recorded with a text in it, newest first, see HitPlace.
   * @param gone aborted when nobody waits any more
   * @throws Failure (refused) when it should be a regular expression and is none
   */
  search(filter: SearchFilter, gone?: AbortSignal): AsyncIterable<Hit>;
  /** Statistics of the sessions that match; `limit` and `from` do not count. */
  stats(filter: SessionFilter): Promise<SessionStats>;
  /**
   * The rows of a metric, with the columns that METRICS has of it.
   * @param gone aborted when nobody waits any more
   */
  analytics(question: Question, gone?: AbortSignal): Promise<FigureRow[]>;
  /**
   * Runs a query that a user wrote over the views, and over nothing else.
   * @throws Failure (usage) that says what is wrong with it, and where; (timeout)
   */
  query(request: QueryRequest): Promise<QueryAnswer>;
  /** Writes what is pending and closes the storage. */
  close(): Promise<void>;
}

/** A conversation on a channel, which is known by no id, and by one session at a time. */
export interface Conversation {
  /** Who takes part. */
  username: string;
  /** What a session of it may be known by, first what one that begins now is. */
  keys: readonly string[];
  /** What a session is known by. */
  keyOf(session: Session): string;
}

export interface Begun {
  session_id: string;
  /**
   * `new`: its start was stored now · `known`: it was before · `going`: it is that of
   * the conversation, which goes on
   */
  how: "new" | "known" | "going";
}

/** The store of a server. */
export interface ServedStore extends SessionStore {
  /**
   * @param from who brought the signs; the spool when left out
   * @param theirs the same signs by the clock of their host, if it is not ours
   * @returns the sessions that belong to another reporter, which were not moved
   */
  seen(
    signs: ReadonlyMap<string, string>,
    from?: Provenance,
    theirs?: ReadonlyMap<string, string>,
  ): Promise<ReadonlySet<string>>;
  /**
   * What is known of a session, with events that wait for their commit.
   * @returns null when no event of it is known
   */
  summary(session_id: string): Promise<SessionSummary | null>;
  /**
   * The session of a stored event with the id, the kind and the reporter of this one,
   * or of unknown reporter. One with another timestamp is found while its id is in
   * memory.
   */
  sessionOf(event: Event, from: Provenance): Promise<string | null>;
  /**
   * Begins a session in one step with the choice of its id, whoever begins others at
   * the same time, and at whichever server.
   * @param start its session_id does not count
   * @param ids what it may be called: the first that no other session has
   * @param conversation that it begins: while one of it goes on, none does
   * @throws Rejected when `from` may not begin it
   */
  begin(
    start: SessionStart,
    ids: readonly string[],
    from: Provenance,
    conversation?: Conversation,
  ): Promise<Begun>;
  /** The session of a conversation that goes on; null when there is none. */
  going(conversation: Conversation): Promise<string | null>;
}

/** Rejected events of a session, and why. */
export interface Rejection {
  session_id: string;
  reporter: string | null;
  reason: string;
  events: number;
}

/** What whoever keeps a store open hears of it. */
export interface StoreEvents {
  /** How long a commit took, and how many events it stored. */
  onCommit?: (seconds: number, events: number) => void;
  onRejected?: (rejection: Rejection) => void;
  /** It is away, and why. */
  onAway?: (why: Failure) => void;
  /** It was, or is at another host now: it may lack what it had acknowledged. */
  onBack?: () => void;
}

export interface OpenOptions extends StoreEvents {
  now?: Clock;
  /** Is told what was damaged and left out when it was opened. */
  warn?: Warn;
  /** Whether hosts report to this process, and may wait for it while it is away. */
  serves?: boolean;
}

/** How a store is, as far as is known without asking: for health and metrics. */
export interface StoreFacts {
  /** Events that wait for their commit. */
  queued_events: number;
  last_commit_ok: boolean;
  /** Why nothing can be stored or read; null while it can. */
  away: Failure | null;
  /** Whether that ends only once it is closed and opened again. */
  given_up: boolean;
  /** The number of the newest event that is stored. */
  last_seq: number;
  database_bytes: number;
}

/** Work that one server at a time does for all that share a database. */
export type Duty = "alerts" | "output" | `export ${string}`;

/** The store of a process that keeps it open. */
export interface KeptStore extends ServedStore {
  /** What terminals showed. */
  readonly output: OutputLines;
  /**
   * As `append`, of events that were stored elsewhere: they stay as they are.
   * @param from null for events of the store itself
   */
  bring(
    events: readonly Event[],
    from: Provenance | null,
  ): Promise<ReadonlySet<string>>;
  /**
   * Ends sessions from the wire that are lost, at their last sign of life.
   * @param now_ms milliseconds since the epoch
   * @param unleased_timeout_ms how long one without heartbeats may be silent
   * @param looks how many processes may be looked for
   * @returns how many were ended
   */
  expireLeases(
    now_ms: number,
    unleased_timeout_ms: number,
    looks?: number,
  ): Promise<number>;
  /** The session of this very id, as it stands; nothing is written to read it. */
  session(session_id: string, now_ms: number): Promise<Session | null>;
  /**
   * Hosts by when something of them was stored last, in milliseconds since the epoch;
   * signs of life that wrote nothing do not count.
   */
  hosts(since_ms: number): Promise<Map<string, number>>;
  /** Keeps what queries read not far behind. */
  catchUp(): Promise<void>;
  /** Does what can wait; to be called when nothing else is to do. */
  idle(): Promise<void>;
  /** Ends the queries of users, which may run for long. */
  endQueries(): Promise<void>;
  /** Its maintenance; one object for all callers. */
  maintenance(options: MaintenanceOptions): Maintenance;
  /** All of it, for moving it to another database while nobody else uses it. */
  contents(): Contents;
  facts(): StoreFacts;
  /** Whether there is room for what it may have to write, where that is its own care. */
  hasRoom(): boolean;
  /** @throws Failure (storage) while nothing can be stored or read */
  requireThere(): void;
  /** Whether other processes may store in the same database. */
  readonly shared: boolean;
  /**
   * Takes a duty, or takes it again; for some seconds.
   * @returns the term, which is the same until another has had it; null while another has it
   */
  take(duty: Duty): Promise<string | null>;
  /** Whether this process is the one that has a duty now. */
  holds(duty: Duty): boolean;
}
