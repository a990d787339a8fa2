/**
 * Events: what happens in a session. An event is written once, as a self-contained
 * line of JSON. Field names are those of the wire (event_version 1.0).
 */

import type { Parsed, ParsedUnknown } from "./schema.ts";

export {
  type Json,
  type JsonObject,
  MAX_DEPTH,
  isDeeper,
} from "./json-value.ts";

export const EVENT_VERSION: ParsedUnknown["event_version"] = "1.0";

/** Of an event as a line of JSON. */
export const MAX_EVENT_BYTES = 256 * 1024;
/** Of a text in an event; `truncated_bytes` says what was cut. */
export const MAX_TEXT_BYTES = 64 * 1024;

/** Added by the server that receives an event. */
interface Received {
  received?: Receipt;
}

export type SessionStart = Received &
  Parsed["session_start"] & {
    /**
     * Added by the receiving server. Absent: recorded on the store's own host, whose
     * spool tells whether it is alive. A number: heartbeats come within so many
     * seconds. null: none come.
     */
    lease_seconds?: number | null;
    truncated_bytes?: number;
  };
export type Process = Received & Parsed["process"];
export type CommandStart = Received & Parsed["command_start"];
export type CommandEnd = Received & Parsed["command_end"];
export type Annotation = Received & Parsed["annotation"];
export type SessionEnd = Received & Parsed["session_end"];
export type EndSource = SessionEnd["end_source"];
export type Redaction = Received & Parsed["redaction"];
export type WatchStart = Received & Parsed["watch_start"];
export type WatchEnd = Received & Parsed["watch_end"];
export type Heartbeat = Received & Parsed["heartbeat"];
/** Of an unknown kind: stored, and ignored by the fold. */
export type Unknown = Received & ParsedUnknown;

/** What the receiving server finds of an event's time. */
export interface Receipt {
  /** A start from long ago, or a sign of life or an end from the future. */
  clock_skew?: true;
  /** When an event from the future was received. */
  at?: string;
}

export type KnownEvent =
  | SessionStart
  | Process
  | CommandStart
  | CommandEnd
  | Annotation
  | SessionEnd
  | Redaction
  | WatchStart
  | WatchEnd
  | Heartbeat;
export type Event = KnownEvent | Unknown;
export type Kind = KnownEvent["event_type"];
export type EventOf<K extends Kind> = Extract<KnownEvent, { event_type: K }>;

/** The fields of a kind beside those of every event. */
export type OwnFields<E extends KnownEvent = KnownEvent> = E extends Event
  ? Omit<E, "event_version" | "event_id" | "session_id" | "timestamp">
  : never;

export const isKind = <K extends Kind>(
  event: Event,
  kind: K,
): event is EventOf<K> => event.event_type === kind;

const KNOWN = {
  session_start: true,
  process: true,
  command_start: true,
  command_end: true,
  annotation: true,
  session_end: true,
  redaction: true,
  watch_start: true,
  watch_end: true,
  heartbeat: true,
} satisfies Record<Kind, true>;

/** Whether it says that somebody looks at a session, which is nothing of its life. */
export const isWatch = ({ event_type }: Pick<Event, "event_type">): boolean =>
  event_type === "watch_start" || event_type === "watch_end";

export const isKnown = (event: Event): event is KnownEvent =>
  Object.hasOwn(KNOWN, event.event_type);

/** Metadata that only the recorder sets, in the order of printing. */
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

/** What a session's processes have used, and how that was measured. */
export const RESOURCE_USAGE = "resource_usage";

/** What the recording of a session's terminal came to. */
export const RECORDING = "recording";

/** The `recorder` that is measured of sessions that no wrapper is around. */
export const EMITTED = "emit";

/** Keys that given metadata cannot set. */
const RESERVED: ReadonlySet<string> = new Set([
  ...MEASURED_KEYS,
  RESOURCE_USAGE,
  RECORDING,
  "lease",
  "end_source",
  "clock_skew",
]);

export const isReservedMetadata = (key: string): boolean => RESERVED.has(key);

/** The order of events in a session: time, then id. */
export function compareEvents(a: EventKey, b: EventKey): number {
  if (a.timestamp !== b.timestamp) return a.timestamp < b.timestamp ? -1 : 1;
  return a.event_id < b.event_id ? -1 : a.event_id > b.event_id ? 1 : 0;
}

export type EventKey = Pick<Event, "timestamp" | "event_id">;

/** The namespace of the ids of recovered ends. */
const LOST = "6f1c2f0e-1a5b-4d8c-9b0e-7e5d2c4a9b31";

/**
 * The end of a session that is lost, at its last sign of life. It is the same event
 * for the same sign: it may be written any number of times.
 * @param last_sign UTC, ISO 8601 with milliseconds
 */
export const lostEnd = (session_id: string, last_sign: string): SessionEnd => ({
  event_version: EVENT_VERSION,
  event_id: Bun.randomUUIDv5(`${session_id} lost ${last_sign}`, LOST),
  event_type: "session_end",
  session_id,
  timestamp: last_sign,
  end_source: "recovered",
  exit_code: null,
  signal: null,
  measured: { exit_reason: "lost" },
});

/** The JSON of events that were measured. */
const measured = new WeakMap<Event, string>();

export const eventJson = (event: Event): string =>
  measured.get(event) ?? JSON.stringify(event);

/**
 * The length of an event's JSON in bytes of UTF-8. It freezes the event, whose JSON is
 * kept for `eventJson`.
 */
export function eventBytes(event: Event): number {
  const json = eventJson(event);
  measured.set(Object.freeze(event), json);
  return Buffer.byteLength(json);
}

/** The length of a value's JSON in bytes of UTF-8. */
export const jsonBytes = (value: unknown): number =>
  new TextEncoder().encode(JSON.stringify(value)).length;

/**
 * Cuts a text to a number of bytes of UTF-8, between characters.
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
