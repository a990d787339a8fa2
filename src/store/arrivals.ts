/**
 * Events on their way into the tables: as JSON that any reader takes, with who brought
 * them, and what their times are by our clock.
 */
import { isoTime } from "../model/clock.ts";
import { type Event, type Receipt, eventJson } from "../model/event.ts";
import { isSignOfLife } from "../model/fold.ts";
import type { Provenance } from "../model/reporter.ts";

const SURROGATE = /\\(?:\\|ud[89a-f][0-9a-f]{2})/g;

/** An event on its way into the table. */
export interface Arrival {
  event: Event;
  /** Its JSON. */
  payload: string;
  /** Who brought it; null for an event of the store itself. */
  from: Provenance | null;
  /** The same as JSON. */
  provenance: string | null;
}

/** An event in JSON that any reader takes: half a surrogate pair becomes U+FFFD. */
export function arrivalOf(
  event: Event,
  from: Provenance | null,
  provenance: string | null,
): Arrival {
  const json = eventJson(event);
  if (!json.includes("\\ud")) return { event, payload: json, from, provenance };
  // An escaped backslash is matched so that it does not begin an escape.
  const payload = json.replace(SURROGATE, (escape) =>
    escape === "\\\\" ? escape : "\ufffd",
  );
  return { event: JSON.parse(payload), payload, from, provenance };
}

/**
 * What is stored of events that somebody brought. A heartbeat moves last_seen and is
 * not kept.
 * @param now_ms when they came, milliseconds since the epoch
 */
export function keptOf(
  events: readonly Event[],
  from: Provenance,
  now_ms: number,
): readonly Event[] {
  const kept = events.filter(({ event_type }) => event_type !== "heartbeat");
  if (from.via === "spool") return kept;
  return kept.map((event) => receivedEvent(event, now_ms));
}

/** A start that is longer ago was sent late, or by a wrong clock. */
const LATE_MS = 86_400_000;
/** A clock that differs by less is right. */
const AHEAD_MS = 5_000;

/**
 * An event from the wire, with what its times are by our clock. The rest stays as
 * it was sent, so that it is known when it is sent again.
 * @param now_ms when it came, milliseconds since the epoch
 */
function receivedEvent(event: Event, now_ms: number): Event {
  const received = receiptOf(event, now_ms);
  if (received) return { ...event, received };
  // As it came, so that its JSON is not made again.
  if (!("received" in event)) return event;
  const { received: _, ...sent } = event;
  return sent;
}

function receiptOf(event: Event, now_ms: number): Receipt | null {
  const { event_type, timestamp } = event;
  const ahead_ms = Date.parse(timestamp) - now_ms;
  if (event_type === "session_start" && ahead_ms < -LATE_MS)
    return { clock_skew: true };
  const ends = event_type === "session_end";
  if (!ends && !isSignOfLife(event)) return null;
  // An end is no later than its receipt, whatever its clock says.
  if (ahead_ms <= (ends ? 0 : AHEAD_MS)) return null;
  const at = isoTime(now_ms);
  return ahead_ms > AHEAD_MS ? { clock_skew: true, at } : { at };
}
