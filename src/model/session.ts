/**
 * A session as people see it. `settle` reads the registers of a fold, `present`
 * adds the clock: the only place where time makes a status.
 */
import {
  type EndSource,
  type JsonObject,
  MEASURED_KEYS,
  isReservedMetadata,
} from "./event.ts";
import type { EndFacts, Register, State } from "./state.ts";
import type { Attested } from "./reporter.ts";

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
  /** Whose it is, see reporter.ts; null when nobody kept that. */
  reporter: string | null;
  attested: Attested | null;
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

/**
 * Metadata as it is kept in a row: what every session has, but this one does
 * not know, is left out.
 */
export function metadataJson(metadata: JsonObject): string {
  const known = Object.create(null) as JsonObject;
  for (const [key, value] of Object.entries(metadata))
    if (value !== null) known[key] = value;
  return JSON.stringify(known);
}

const UNKNOWN: JsonObject = Object.fromEntries(
  [...REPORT_KEYS, ...MEASURED_KEYS].map((key) => [key, null]),
);

/** Metadata out of a row, with all that every session has. */
export function parseMetadata(json: string): JsonObject {
  return { ...UNKNOWN, ...(JSON.parse(json) as JsonObject) };
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
    reporter: state.reporter,
    attested: start.attested,
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
  { start, given, measured, command_count, clock_skew }: State,
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
  const skewed =
    clock_skew ??
    start?.value.received?.clock_skew ??
    end?.value.received?.clock_skew;
  if (skewed || (start && end && end.timestamp < start.timestamp))
    out["clock_skew"] = true;
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
