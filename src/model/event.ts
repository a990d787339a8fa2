/**
 * An event: one thing that happened in the life of a session. It is written
 * once, as one line of JSON that can be understood without its neighbours, and
 * never changed. Field names are those of the wire (event_version 1.0).
 */

export const EVENT_VERSION = "1.0";

/** One event as a line of JSON, at most. */
export const MAX_EVENT_BYTES = 256 * 1024;
/** One recorded text inside an event, at most; `truncated_bytes` says what was cut. */
export const MAX_TEXT_BYTES = 64 * 1024;
/** Levels of arrays and objects within an event, at most: what is written out again recurses. */
export const MAX_DEPTH = 100;

export type Json =
  null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

interface Base {
  event_version: string;
  /** UUIDv4 on session_start, v7 on the rest. */
  event_id: string;
  session_id: string;
  /** UTC, ISO 8601 with milliseconds. */
  timestamp: string;
  received?: Receipt;
}

export interface SessionStart extends Base {
  event_type: "session_start";
  session_type: string;
  component_name: string;
  shell_type: string;
  hostname: string;
  /** The recording process; the session's own once a `process` event says it. */
  pid: number;
  ppid?: number | null;
  /** Clock ticks between boot and the start of `pid` (/proc/PID/stat, field 22). */
  start_ticks?: number | null;
  user: { username: string; home: string };
  environment: {
    python_version: string | null;
    platform: string;
    cwd: string;
  };
  tty?: string | null;
  name?: string | null;
  reason?: string | null;
  tags?: string[];
  /** argv of the wrapped program. */
  command?: string[];
  parent_session_id?: string | null;
  /** The id that the environment held although its session is no ancestor. */
  inherited_session_id?: string | null;
  /** `none`: written without FFI, nobody may judge the file by its lock. */
  lock?: "flock" | "none";
  /**
   * Stamped by the server that received it, never by a client. Absent: recorded
   * on the store's own host, whose spool tells whether it lives. A number: a
   * sign of life comes within so many seconds. null: no sign ever comes.
   */
  lease_seconds?: number | null;
  /** Of `pid` and `start_ticks`; of a client's, when the server could look it up. */
  pid_namespace?: string | null;
  boot_id?: string | null;
  metadata: JsonObject;
  /** What the recorder found out by itself: below any metadata given to it. */
  measured?: JsonObject;
  truncated_bytes?: number;
}

/** The wrapped child, known once it runs. */
export interface Process extends Base {
  event_type: "process";
  pid: number;
  ppid: number;
  start_ticks: number | null;
  /** `pid:[4026531836]`, as /proc/self/ns/pid reads; null when unreadable. */
  pid_namespace: string | null;
  boot_id: string | null;
}

export interface CommandStart extends Base {
  event_type: "command_start";
}

export interface Annotation extends Base {
  event_type: "annotation";
  metadata?: JsonObject;
  measured?: JsonObject;
  python_version?: string;
}

export type EndSource = "observed" | "declared" | "recovered";

export interface SessionEnd extends Base {
  event_type: "session_end";
  end_source: EndSource;
  exit_code: number | null;
  /** `SIGKILL`; `SIG34` for a real-time signal; null when it exited. */
  signal: string | null;
  metadata?: JsonObject;
  measured?: JsonObject;
  python_version?: string;
}

/** What the receiving server found its time to be; never as a client sent it. */
export interface Receipt {
  /** A start of long before it came, or a sign of life or an end from the future. */
  clock_skew?: true;
  /** When what was still to come was received: it was no later. */
  at?: string;
}

/** A sign of life from another host: it moves last_seen and is not stored. */
export interface Heartbeat extends Base {
  event_type: "heartbeat";
}

/** A kind that this version does not know: stored, and ignored by the fold. */
export interface Unknown extends Base {
  event_type: string & {};
}

export type KnownEvent =
  SessionStart | Process | CommandStart | Annotation | SessionEnd | Heartbeat;
export type Event = KnownEvent | Unknown;

/** Metadata that the recorder alone may set, in the order of printing. */
export const MEASURED_KEYS = [
  "recorder_version",
  "exit_code",
  "signal",
  "exit_reason",
  "max_rss_bytes",
  "cpu_user_seconds",
  "cpu_system_seconds",
  "command_count",
] as const;

/** Names that given metadata cannot set: they decide what a session is. */
const RESERVED: ReadonlySet<string> = new Set([
  ...MEASURED_KEYS,
  "lease",
  "end_source",
  "clock_skew",
]);

export function isReservedMetadata(key: string): boolean {
  return RESERVED.has(key);
}

/** The order of events in a session: time, then id. */
export function compareEvents(a: EventKey, b: EventKey): number {
  if (a.timestamp !== b.timestamp) return a.timestamp < b.timestamp ? -1 : 1;
  return a.event_id < b.event_id ? -1 : a.event_id > b.event_id ? 1 : 0;
}

export type EventKey = Pick<Base, "timestamp" | "event_id">;

/** Whether arrays and objects are nested in more levels; looks no deeper than that. */
export function isDeeper(value: unknown, levels: number = MAX_DEPTH): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (levels === 0) return true;
  if (Array.isArray(value))
    return value.some((inner) => isDeeper(inner, levels - 1));
  for (const key in value)
    if (isDeeper(value[key as never], levels - 1)) return true;
  return false;
}

/** How long a value is as JSON, in bytes of UTF-8. */
export function jsonBytes(value: Json): number {
  return new TextEncoder().encode(JSON.stringify(value)).length;
}

/**
 * Cuts a text to so many bytes of UTF-8 at a character's edge.
 * @returns the text and how many bytes were cut
 */
export function boundText(
  text: string,
  max_bytes: number = MAX_TEXT_BYTES,
): { text: string; cut_bytes: number } {
  if (text.length * 3 <= max_bytes) return { text, cut_bytes: 0 };
  const bytes = new TextEncoder().encode(text);
  if (bytes.length <= max_bytes) return { text, cut_bytes: 0 };
  let end = max_bytes;
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--;
  return {
    text: new TextDecoder("utf-8", { ignoreBOM: true }).decode(
      bytes.subarray(0, end),
    ),
    cut_bytes: bytes.length - end,
  };
}
