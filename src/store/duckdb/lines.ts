/** Events and sessions as lines of JSON, which the statements take. */
import { startSecondOf } from "../../model/id.ts";
import { type State, stateJson } from "../../model/state.ts";
import { type SessionRow, isClosed, settle } from "../../model/session.ts";
import { metadataJson } from "../../model/metadata.ts";
import type { Arrival } from "../arrivals.ts";

/** New events as lines for the table, numbered from `seq`. */
export function eventLines(
  arrivals: readonly Arrival[],
  seq: number,
): string[] {
  return arrivals.map(({ event, payload, provenance }, i) =>
    JSON.stringify({
      seq: seq + i,
      event_id: event.event_id,
      session_id: event.session_id,
      kind: event.event_type,
      timestamp: event.timestamp,
      provenance,
      payload,
    }),
  );
}

/** The rows of sessions as lines for their tables. */
export function sessionLines(states: readonly State[]) {
  const lines: Record<"open" | "dated" | "undated", string[]> = {
    ...{ open: [], dated: [], undated: [] },
  };
  for (const state of states) {
    const row = settle(state);
    const place = placeOf(state, row);
    const line = { ...row, metadata: metadataJson(row?.metadata ?? {}) };
    const { session_id } = state;
    lines[place].push(
      JSON.stringify(
        place === "open"
          ? { ...line, session_id, state: stateJson(state) }
          : line,
      ),
    );
  }
  return lines;
}

/** A closed row stands where its id's time, or the lack of one, finds it. */
function placeOf(state: State, row: SessionRow | null) {
  if (!row || !isClosed(state)) return "open";
  const second = startSecondOf(row.session_id);
  if (second === null) return "undated";
  return row.start_time.startsWith(second) ? "dated" : "open";
}
