/**
 * A session is a fold over its events. `apply` is commutative and, for events
 * seen once, order-free: every field is a register that the event with the
 * greatest (or smallest) key wins, so any batching or order of arrival gives
 * the same State. `settle` reads the registers, `present` adds the clock: the
 * only place where time makes a status.
 */
import {
  type EndSource,
  type Event,
  type EventKey,
  type Json,
  type JsonObject,
  type KnownEvent,
  type SessionEnd,
  MEASURED_KEYS,
  type SessionStart,
  compareEvents,
  isReservedMetadata,
} from "./event.ts";

export const STATUSES = ["active", "ended", "lost"] as const;
export type Status = (typeof STATUSES)[number];

/** A session as it is stored: everything but what the clock decides. */
export interface SessionRow {
  session_id: string;
  session_type: string;
  component_name: string;
  shell_type: string;
  /** UTC, ISO 8601 with milliseconds; so are all times here. */
  start_time: string;
  end_time: string | null;
  exit_code: number | null;
  signal: string | null;
  pid: number;
  ppid: number | null;
  username: string;
  hostname: string;
  tty: string | null;
  working_directory: string;
  platform: string;
  python_version: string | null;
  parent_session_id: string | null;
  name: string | null;
  reason: string | null;
  tags: string[];
  /** null when no command was recorded. */
  command_count: number | null;
  end_source: EndSource | null;
  /** The last sign of life. */
  last_seen: string;
  metadata: JsonObject;
}

/** A session as it is shown. */
export interface Session extends SessionRow {
  status: Status;
  /** Seconds with milliseconds; of an active session, so far. Never negative. */
  duration_seconds: number;
}

/** The five that every session has, printed first; a given value beats a measured one. */
const REPORT_KEYS = [
  "version",
  "adapters",
  "cli_preprocessing_enabled",
  "tab_completion_enabled",
  "command_tree_size",
] as const;

/** A value and the event that wrote it. */
interface Register<T> extends EventKey {
  rank: number;
  value: T;
}

type Registers = { [key: string]: Register<Json> };

type StartFacts = Omit<
  SessionStart,
  | "event_version"
  | "event_id"
  | "event_type"
  | "session_id"
  | "metadata"
  | "measured"
>;
type EndFacts = Pick<SessionEnd, "end_source" | "exit_code" | "signal">;

/** The registers of one session. Plain JSON: it is stored as it is. */
export interface State {
  session_id: string;
  start: Register<StartFacts> | null;
  process: Register<{ pid: number; ppid: number }> | null;
  python_version: Register<string> | null;
  given: Registers;
  measured: Registers;
  end: Register<EndFacts> | null;
  last_sign: string;
  command_count: number;
}

export function emptyState(session_id: string): State {
  return {
    session_id,
    start: null,
    process: null,
    python_version: null,
    given: Object.create(null) as Registers,
    measured: Object.create(null) as Registers,
    end: null,
    last_sign: "",
    command_count: 0,
  };
}

/**
 * A state out of its JSON. Registers are named by others, so their objects
 * must not know any name by themselves, such as `constructor`.
 */
export function parseState(json: string): State {
  const state = JSON.parse(json) as State;
  Object.setPrototypeOf(state.given, null);
  Object.setPrototypeOf(state.measured, null);
  return state;
}

/**
 * The state of one session.
 * @param events of that session, each once, in any order
 */
export function fold(session_id: string, events: Iterable<Event>): State {
  const state = emptyState(session_id);
  for (const event of events) apply(state, event);
  return state;
}

/** Folds one more event, not seen before, into a state, in place. */
export function apply(state: State, event: Event): void {
  const known = event as KnownEvent;
  switch (known.event_type) {
    case "session_start": {
      const {
        event_version: _v,
        event_id,
        event_type: _t,
        session_id: _s,
        metadata,
        measured,
        ...facts
      } = known;
      const start = register(known, facts, 0);
      if (!state.start || compareEvents(start, state.start) < 0)
        state.start = start;
      merge(state.given, metadata, known, 0);
      merge(state.measured, measured, known, 0);
      break;
    }
    case "process":
      state.process = later(
        state.process,
        register(known, { pid: known.pid, ppid: known.ppid }, 0),
      );
      break;
    case "annotation":
      merge(state.given, known.metadata, known, 1);
      merge(state.measured, known.measured, known, 1);
      learnPython(state, known);
      break;
    case "command_start":
      state.command_count++;
      break;
    case "heartbeat":
      break;
    case "session_end": {
      merge(state.given, known.metadata, known, 2);
      merge(state.measured, known.measured, known, 2);
      learnPython(state, known);
      const { end_source, exit_code, signal } = known;
      const end = register(
        known,
        { end_source, exit_code, signal },
        END_RANK[end_source],
      );
      if (!state.end || endBeats(end, state.end)) state.end = end;
      if (end_source !== "observed") return;
      break;
    }
  }
  if (event.timestamp > state.last_sign) state.last_sign = event.timestamp;
}

const END_RANK: Record<EndSource, number> = {
  observed: 3,
  declared: 2,
  recovered: 1,
};

/** The first end of the highest rank holds; of recovered ones the last. */
function endBeats(a: Register<EndFacts>, b: Register<EndFacts>): boolean {
  if (a.rank !== b.rank) return a.rank > b.rank;
  const order = compareEvents(a, b);
  return a.rank === END_RANK.recovered ? order > 0 : order < 0;
}

function register<T>(key: EventKey, value: T, rank: number): Register<T> {
  return { timestamp: key.timestamp, event_id: key.event_id, rank, value };
}

function later<T>(a: Register<T> | null, b: Register<T>): Register<T> {
  if (!a) return b;
  const order = a.rank - b.rank || compareEvents(a, b);
  return order > 0 ? a : b;
}

function merge(
  into: Registers,
  values: JsonObject | undefined,
  key: EventKey,
  rank: number,
): void {
  for (const [name, value] of Object.entries(values ?? {}))
    if (value !== null)
      into[name] = later(into[name] ?? null, register(key, value, rank));
}

function learnPython(
  state: State,
  event: EventKey & { python_version?: string },
): void {
  if (event.python_version !== undefined)
    state.python_version = later(
      state.python_version,
      register(event, event.python_version, 0),
    );
}

/**
 * What the registers say.
 * @returns null while no start has arrived
 */
export function settle(state: State): SessionRow | null {
  if (!state.start) return null;
  const start = state.start.value;
  const end = effectiveEnd(state);
  return {
    session_id: state.session_id,
    session_type: start.session_type,
    component_name: start.component_name,
    shell_type: start.shell_type,
    start_time: start.timestamp,
    end_time: end?.timestamp ?? null,
    exit_code: end?.value.exit_code ?? null,
    signal: end?.value.signal ?? null,
    pid: state.process?.value.pid ?? start.pid,
    ppid: state.process?.value.ppid ?? start.ppid ?? null,
    username: start.user.username,
    hostname: start.hostname,
    tty: start.tty ?? null,
    working_directory: start.environment.cwd,
    platform: start.environment.platform,
    python_version:
      state.python_version?.value ?? start.environment.python_version,
    parent_session_id: start.parent_session_id ?? null,
    name: start.name ?? null,
    reason: start.reason ?? null,
    tags: start.tags ?? [],
    command_count: state.command_count || null,
    end_source: end?.value.end_source ?? null,
    // A recovered end stands at the last sign of life, a heartbeat perhaps.
    last_seen:
      end?.value.end_source === "recovered" ? end.timestamp : state.last_sign,
    metadata: metadataOf(state, end),
  };
}

/** The end that holds; a sign of life after a recovered one reopens the session. */
function effectiveEnd(state: State): Register<EndFacts> | null {
  const { end } = state;
  if (end?.value.end_source === "recovered" && state.last_sign > end.timestamp)
    return null;
  return end;
}

/** True when the state's row belongs among the closed sessions. */
export function isClosed(state: State): boolean {
  return state.start !== null && effectiveEnd(state) !== null;
}

/** The report's keys, then what was measured, then the rest by name. */
function metadataOf(
  { start, given, measured, command_count }: State,
  end: Register<EndFacts> | null,
): JsonObject {
  const out = Object.create(null) as JsonObject;
  for (const key of REPORT_KEYS)
    out[key] = given[key]?.value ?? measured[key]?.value ?? null;
  // Who recorded it here knows that there is none; a client just did not say.
  if (start?.value.lease_seconds === undefined) out["adapters"] ??= [];
  const facts: JsonObject = {
    exit_code: end?.value.exit_code ?? null,
    signal: end?.value.signal ?? null,
  };
  if (command_count) facts["command_count"] = command_count;
  for (const key of MEASURED_KEYS)
    out[key] = key in facts ? facts[key]! : (measured[key]?.value ?? null);
  const rest = new Set([...Object.keys(measured), ...Object.keys(given)]);
  for (const key of [...rest].sort())
    if (!(key in out) && !isReservedMetadata(key))
      out[key] = given[key]?.value ?? measured[key]?.value ?? null;
  if (start && end && end.timestamp < start.timestamp) out["clock_skew"] = true;
  return out;
}

/**
 * A stored row at a moment.
 * @param now the moment, in milliseconds since the epoch
 */
export function present(row: SessionRow, now: number): Session {
  const until = row.end_time === null ? now : Date.parse(row.end_time);
  const duration_ms = Math.max(0, until - Date.parse(row.start_time));
  return {
    ...row,
    status: statusOf(row),
    duration_seconds: duration_ms / 1000,
  };
}

function statusOf({ end_source }: SessionRow): Status {
  if (end_source === null) return "active";
  return end_source === "recovered" ? "lost" : "ended";
}

/**
 * A state at a moment.
 * @param now in milliseconds since the epoch
 * @returns null while no start has arrived
 */
export function view(state: State, now: number): Session | null {
  const row = settle(state);
  return row && present(row, now);
}
