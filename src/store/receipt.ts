/**
 * What the receiving store says of the times that the wire tells. An event stays
 * as it was sent, so that it is known when it is sent again; beside it stands
 * when it came.
 */
import type { Event, KnownEvent, Receipt } from "../model/event.ts";

/** A start that is longer ago may have been told late, or never have been. */
const LATE_MS = 86_400_000;
/** A clock that differs by less is right. */
const AHEAD_MS = 5_000;

/** @param now_ms when it came, milliseconds since the epoch */
export function receivedEvent(event: Event, now_ms: number): Event {
  const { received: _, ...sent } = event as KnownEvent & { received?: unknown };
  const receipt = receiptOf(sent as Event, now_ms);
  return (receipt ? { ...sent, received: receipt } : sent) as Event;
}

function receiptOf(event: Event, now_ms: number): Receipt | null {
  const ahead_ms = Date.parse(event.timestamp) - now_ms;
  if (event.event_type === "session_start")
    return ahead_ms < -LATE_MS ? { clock_skew: true } : null;
  if (event.event_type !== "session_end" || ahead_ms <= 0) return null;
  const at = new Date(now_ms).toISOString();
  return ahead_ms > AHEAD_MS ? { clock_skew: true, at } : { at };
}
