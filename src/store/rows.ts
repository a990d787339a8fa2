/**
 * Events and sessions in the form that the statements take and give.
 */
import { type DuckDBValue, listValue } from "@duckdb/node-api";
import type { Event } from "../model/event.ts";
import { startSecondOf } from "../model/id.ts";
import {
  type Session,
  type SessionRow,
  type State,
  isClosed,
  present,
  settle,
} from "../model/session.ts";
import type { SessionStats, StoredEvent } from "../model/store.ts";

/** Whether a row may stand among the closed, where the id's time finds it. */
function beganAsNamed({ session_id, start_time }: SessionRow): boolean {
  const second = startSecondOf(session_id);
  return second !== null && start_time.startsWith(second);
}

/** Ids, and the span of the seconds that they name. */
export function among(ids: Iterable<string>): DuckDBValue[] {
  const list = [...ids];
  const seconds = list
    .map(startSecondOf)
    .filter((s) => s !== null)
    .sort();
  return [listValue(list), seconds[0] ?? null, seconds.at(-1) ?? null];
}

const SURROGATE = /\\(?:\\|ud[89a-f][0-9a-f]{2})/g;

/** An event as JSON that any reader takes: half a surrogate pair becomes U+FFFD. */
export function wellFormed(event: Event): { event: Event; payload: string } {
  const json = JSON.stringify(event);
  if (!json.includes("\\ud")) return { event, payload: json };
  // An escaped backslash is matched so that it does not begin an escape.
  const payload = json.replace(SURROGATE, (escape) =>
    escape === "\\\\" ? escape : "\ufffd",
  );
  return { event: JSON.parse(payload) as Event, payload };
}

/** New events as lines for the table, numbered from `seq`. */
export function eventLines(
  events: readonly { event: Event; payload: string }[],
  seq: number,
): string[] {
  return events.map(({ event, payload }, i) =>
    JSON.stringify({
      seq: seq + i,
      event_id: event.event_id,
      session_id: event.session_id,
      kind: event.event_type,
      timestamp: event.timestamp,
      payload,
    }),
  );
}

/** States as lines for the two tables of sessions. */
export function sessionLines(states: readonly State[]): {
  open: string[];
  closed: string[];
} {
  const open: string[] = [];
  const closed: string[] = [];
  for (const state of states) {
    const row = settle(state);
    const metadata = JSON.stringify(row?.metadata ?? {});
    if (row && isClosed(state) && beganAsNamed(row)) {
      closed.push(JSON.stringify({ ...row, metadata }));
      continue;
    }
    const { session_id } = state;
    const text = JSON.stringify(state);
    open.push(JSON.stringify({ ...row, metadata, session_id, state: text }));
  }
  return { open, closed };
}

/**
 * A row as it was read, at a moment.
 * @param signs later signs of life of sessions that live on
 */
export function sessionOf(
  row: Omit<SessionRow, "metadata"> & { metadata: string },
  signs: ReadonlyMap<string, string>,
  now: number,
): Session {
  const sign = row.end_source === null && signs.get(row.session_id);
  const last_seen = sign && sign > row.last_seen ? sign : row.last_seen;
  const metadata = JSON.parse(row.metadata) as SessionRow["metadata"];
  return present({ ...row, last_seen, metadata }, now);
}

export interface StoredRow {
  seq: number;
  received_at: string;
  payload: string;
}

export function storedEventOf(row: StoredRow): StoredEvent {
  const { seq, received_at, payload } = row;
  const event = JSON.parse(payload) as Event;
  return { seq, received_at, provenance: null, event };
}

export interface StatsRow {
  sessions: number;
  active: number;
  ended: number;
  lost: number;
  failed: number;
  total: number | null;
  mean: number;
  median: number;
  p95: number;
  max: number;
  first_start: string | null;
  last_start: string | null;
  by_component: string;
}

export function statsOf(row: StatsRow): SessionStats {
  const { sessions, active, ended, lost, failed, first_start, last_start } =
    row;
  const { total, mean, median, p95, max } = row;
  return {
    sessions,
    by_status: { active, ended, lost },
    failed,
    duration_seconds: total === null ? null : { total, mean, median, p95, max },
    by_component: JSON.parse(row.by_component) as SessionStats["by_component"],
    first_start,
    last_start,
  };
}
