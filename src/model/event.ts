/**
 * An event: one thing that happened in the life of a session. It is written
 * once, as one line of JSON that can be understood without its neighbours, and
 * never changed. Field names are those of the wire (event_version 1.0).
 */

import type { Parsed, ParsedUnknown } from "./schema.ts";

export const EVENT_VERSION = "1.0" as const;

/** One event as a line of JSON, at most. */
export const MAX_EVENT_BYTES = 256 * 1024;
/** One recorded text inside an event, at most; `truncated_bytes` says what was cut. */
export const MAX_TEXT_BYTES = 64 * 1024;
/** Levels of arrays and objects within an event, at most: what is written out again recurses. */
export const MAX_DEPTH = 100;

export type Json =
  null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

/** What schema.ts cannot know: it is stamped by who receives an event. */
interface Received {
  received?: Receipt;
}

export type SessionStart = Received &
  Parsed["session_start"] & {
    /**
     * Stamped by the server that received it, never by a client. Absent: recorded
     * on the store's own host, whose spool tells whether it lives. A number: a
     * sign of life comes within so many seconds. null: no sign ever comes.
     */
    lease_seconds?: number | null;
    truncated_bytes?: number;
  };
export type Process = Received & Parsed["process"];
export type CommandStart = Received & Parsed["command_start"];
export type Annotation = Received & Parsed["annotation"];
export type SessionEnd = Received & Parsed["session_end"];
export type EndSource = SessionEnd["end_source"];
export type Heartbeat = Received & Parsed["heartbeat"];
/** A kind that this version does not know: stored, and ignored by the fold. */
export type Unknown = Received & ParsedUnknown;

/** What the receiving server found its time to be; never as a client sent it. */
export interface Receipt {
  /** A start of long before it came, or a sign of life or an end from the future. */
  clock_skew?: true;
  /** When what was still to come was received: it was no later. */
  at?: string;
}

export type KnownEvent =
  SessionStart | Process | CommandStart | Annotation | SessionEnd | Heartbeat;
export type Event = KnownEvent | Unknown;
export type Kind = KnownEvent["event_type"];
export type EventOf<K extends Kind> = Extract<KnownEvent, { event_type: K }>;

/** What an event has beside what every event has. */
export type OwnFields<E extends KnownEvent = KnownEvent> = E extends Event
  ? Omit<E, "event_version" | "event_id" | "session_id" | "timestamp">
  : never;

/** Whether an event is of a kind: the type alone cannot tell, any text may be a kind. */
export const isKind = <K extends Kind>(
  event: Event,
  kind: K,
): event is EventOf<K> => event.event_type === kind;

const KNOWN = {
  session_start: true,
  process: true,
  command_start: true,
  annotation: true,
  session_end: true,
  heartbeat: true,
} satisfies Record<Kind, true>;

export const isKnown = (event: Event): event is KnownEvent =>
  Object.hasOwn(KNOWN, event.event_type);

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

/** JSON of events that somebody has measured. */
const measured = new WeakMap<Event, string>();

/** An event as JSON, which is made once of one that was measured. */
export const eventJson = (event: Event): string =>
  measured.get(event) ?? JSON.stringify(event);

/**
 * How long an event is as JSON, in bytes of UTF-8. It is frozen by that: whoever
 * stores or sends it takes the JSON that was measured.
 */
export function eventBytes(event: Event): number {
  const json = eventJson(event);
  measured.set(Object.freeze(event), json);
  return Buffer.byteLength(json);
}

/** How long a value is as JSON, in bytes of UTF-8. */
export function jsonBytes(value: unknown): number {
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
