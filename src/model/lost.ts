/**
 * The end that nobody saw: a session is lost, and its last sign of life is all
 * that is known of when.
 */
import { EVENT_VERSION, type SessionEnd } from "./event.ts";

/** Of the UUIDs that are made of a session and its last sign of life. */
const NAMESPACE = "6f1c2f0e-1a5b-4d8c-9b0e-7e5d2c4a9b31";

/**
 * The same event for the same silence: whoever finds it again, before or beside
 * another, changes nothing by writing it.
 * @param last_sign UTC, ISO 8601 with milliseconds
 */
export function lostEnd(session_id: string, last_sign: string): SessionEnd {
  return {
    event_version: EVENT_VERSION,
    event_id: Bun.randomUUIDv5(`${session_id} lost ${last_sign}`, NAMESPACE),
    event_type: "session_end",
    session_id,
    timestamp: last_sign,
    end_source: "recovered",
    exit_code: null,
    signal: null,
    measured: { exit_reason: "lost" },
  };
}
