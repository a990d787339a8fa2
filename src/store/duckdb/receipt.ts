/**
 * What the receiving store says of the times that the wire tells. An event stays
 * as it was sent, so that it is known when it is sent again; beside it stands
 * when it came.
 */
import { isSignOfLife } from "../../model/fold.ts";
import type { Event, Receipt } from "../../model/event.ts";

/** A start that is longer ago may have been told late, or never have been. */
const LATE_MS = 86_400_000;
/** A clock that differs by less is right; an end is no later than its receipt all the same. */
const AHEAD_MS = 5_000;

/** @param now_ms when it came, milliseconds since the epoch */
export function receivedEvent(event: Event, now_ms: number): Event {
  const received = receiptOf(event, now_ms);
  if (received) return { ...event, received };
  // As it came, so that its JSON need not be made again.
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
  if (ahead_ms <= (ends ? 0 : AHEAD_MS)) return null;
  const at = new Date(now_ms).toISOString();
  return ahead_ms > AHEAD_MS ? { clock_skew: true, at } : { at };
}
