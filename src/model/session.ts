/**
 * Sessions as users see them: `settle` reads the registers of a fold, `present` adds
 * what depends on the clock.
 */
import {
  COLUMNS,
  type Column,
  type Facts,
  type Session,
  type SessionRow,
} from "./columns.ts";
import { ownerOf } from "./reporter.ts";
import type { EndFacts, Register, State } from "./state.ts";

export {
  STATUSES,
  type Session,
  type SessionRow,
  type Status,
} from "./columns.ts";

const ALL: [string, Column][] = Object.entries(COLUMNS);
const STORED = ALL.flatMap(([name, column]) =>
  "from" in column ? [{ name, from: column.from }] : [],
);
const DERIVED = ALL.flatMap(([name, column]) =>
  "at" in column ? [{ name, at: column.at }] : [],
);

/**
 * What the registers say.
 * @returns null while no start has arrived
 */
export function settle(state: State): SessionRow | null {
  if (!state.start) return null;
  const facts: Facts = {
    state,
    start: state.start.value,
    end: effectiveEnd(state),
  };
  const row: Record<string, unknown> = {};
  for (const { name, from } of STORED) row[name] = from(facts);
  return row as SessionRow;
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

/** What to know of a session before an event of it is stored. */
export interface SessionSummary {
  /** event_id of its start; null while only later events have come. */
  start_event_id: string | null;
  /** Whether an observed or declared end is known. */
  ended: boolean;
  /** See `ownerOf`; null while the session has no owner. */
  reporter: string | null;
  /** It is archived: only its id is known here. */
  archived?: true;
}

/** What is known of an archived one. */
export const ARCHIVED: SessionSummary = {
  ...{ start_event_id: null, ended: true, reporter: null, archived: true },
};

export function summaryOf(state: State): SessionSummary {
  const { start, end, reporter } = state;
  const ended = end !== null && end.value.end_source !== "recovered";
  return {
    reporter: start ? ownerOf(reporter, ended) : reporter,
    start_event_id: start?.event_id ?? null,
    ended,
  };
}

/**
 * A stored row at a moment.
 * @param now the moment, in milliseconds since the epoch
 */
export function present(row: SessionRow, now: number): Session {
  const session: SessionRow & Record<string, unknown> = { ...row };
  for (const { name, at } of DERIVED) session[name] = at(row, now);
  return session as Session;
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
