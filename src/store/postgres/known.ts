/** What is known of a session before an event of it is stored. */
import type { Event } from "../../model/event.ts";
import {
  ARCHIVED,
  type SessionSummary,
  summaryOf,
} from "../../model/session.ts";
import { type Provenance, reporterOf } from "../../model/reporter.ts";
import { parseState } from "../../model/state.ts";
import { provenances } from "../rows.ts";
import type { Connection } from "./connect.ts";
import { type Known, readKnown } from "./rows.ts";
import { encoded } from "./text.ts";

/** The start that a closed session began with. */
const START = `SELECT event_id::text AS event_id FROM events
  WHERE session_id = $1::text AND kind = 'session_start'
    AND timestamp = $2::text::timestamptz
  ORDER BY event_id LIMIT 1`;

/** The sessions that have an event of an id and a kind: anybody may take an id. */
const SESSIONS_OF = `SELECT session_id, provenance FROM events
  WHERE event_id = $1::text::uuid AND kind = $2::text
    AND kind IN ('session_start', 'session_end')
  ORDER BY session_id`;

/** @returns null when nothing of it is stored */
export async function readSummary(
  connection: Connection,
  session_id: string,
): Promise<SessionSummary | null> {
  const id = encoded(session_id);
  const known = await readKnown(connection, [id], false);
  const row = known.get(id);
  return row ? summaryFrom(connection, row) : null;
}

export async function summaryFrom(
  connection: Connection,
  { session_id, archived, state, start_time, ended, owner }: Known,
): Promise<SessionSummary> {
  if (archived) return ARCHIVED;
  if (state !== null) return summaryOf(parseState(state));
  const [start] = await connection.ask<{ event_id: string }>(START, [
    session_id,
    start_time,
  ]);
  return { start_event_id: start?.event_id ?? null, ended, reporter: owner };
}

/**
 * The session of a stored start or end with the id and the reporter of this one, or of
 * unknown reporter.
 */
export async function sessionOfEvent(
  connection: Connection,
  { event_id, event_type }: Event,
  from: Provenance,
): Promise<string | null> {
  const rows = await connection.ask<{
    session_id: string;
    provenance: string | null;
  }>(SESSIONS_OF, [event_id, encoded(event_type)]);
  const read = provenances();
  const by = reporterOf(from);
  const own = rows.find(({ provenance }) =>
    [by, null].includes(reporterOf(read(provenance))),
  );
  return own?.session_id ?? null;
}
