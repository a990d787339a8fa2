/**
 * Events and sessions in the form that the statements take and give.
 */
import { type Event, eventJson } from "../../model/event.ts";
import { startSecondOf } from "../../model/id.ts";
import { type Brought } from "../../model/fold.ts";
import { type State, stateJson } from "../../model/state.ts";
import {
  type Session,
  type SessionRow,
  isClosed,
  present,
  settle,
} from "../../model/session.ts";
import { metadataJson, parseMetadata } from "../../model/metadata.ts";
import type { Provenance } from "../../model/reporter.ts";
import type { SessionStats, StoredEvent } from "../../model/store.ts";

const SURROGATE = /\\(?:\\|ud[89a-f][0-9a-f]{2})/g;

/** An event on its way into the table. */
export interface Arrival {
  event: Event;
  /** The event as it is kept. */
  payload: string;
  /** Who brought it; null for what the store itself adds. */
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
  return { event: eventOf(payload), payload, from, provenance };
}

/** An event as it is kept was checked before it came here. */
function eventOf(payload: string): Event {
  return JSON.parse(payload);
}

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

/** States as lines for the three tables of sessions. */
export function sessionLines(states: readonly State[]): {
  open: string[];
  dated: string[];
  undated: string[];
} {
  const lines = {
    open: [] as string[],
    dated: [] as string[],
    undated: [] as string[],
  };
  for (const state of states) {
    const row = settle(state);
    const metadata = metadataJson(row?.metadata ?? {});
    const place = placeOf(state, row);
    const { session_id } = state;
    lines[place].push(
      place === "open"
        ? JSON.stringify({
            ...row,
            metadata,
            session_id,
            state: stateJson(state),
          })
        : JSON.stringify({ ...row, metadata }),
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

/** A session's row as it is read: metadata is JSON still. */
export type ReadRow = Omit<SessionRow, "metadata"> & { metadata: string };

/**
 * A row as it was read, at a moment.
 * @param signs later signs of life of sessions that live on
 */
export function sessionOf(
  row: ReadRow,
  signs: ReadonlyMap<string, string>,
  now: number,
): Session {
  const sign = row.end_source === null && signs.get(row.session_id);
  const last_seen = sign && sign > row.last_seen ? sign : row.last_seen;
  const metadata = parseMetadata(row.metadata);
  return present({ ...row, last_seen, metadata }, now);
}

export interface StoredRow {
  seq: number;
  received_at: string;
  provenance: string | null;
  payload: string;
}

export function storedEventOf(row: StoredRow): StoredEvent {
  const { seq, received_at } = row;
  const provenance = row.provenance
    ? (JSON.parse(row.provenance) as Provenance)
    : null;
  return { seq, received_at, provenance, event: eventOf(row.payload) };
}

/** Durations in milliseconds, null when no session has ended. */
export interface StatsRow {
  sessions: number;
  active: number;
  ended: number;
  lost: number;
  failed: number;
  total: number | null;
  mean: number;
  /** The median and the 95th percentile. */
  quantiles: [number, number];
  max: number;
  first_start: string | null;
  last_start: string | null;
  by_component: string;
}

export function statsOf(row: StatsRow): SessionStats {
  const { sessions, active, ended, lost, failed, first_start, last_start } =
    row;
  const { total, mean, quantiles, max } = row;
  return {
    sessions,
    by_status: { active, ended, lost },
    failed,
    duration_seconds:
      total === null
        ? null
        : {
            total: total / 1_000,
            mean: mean / 1_000,
            median: quantiles[0] / 1_000,
            p95: quantiles[1] / 1_000,
            max: max / 1_000,
          },
    by_component: JSON.parse(row.by_component) as SessionStats["by_component"],
    first_start,
    last_start,
  };
}

export type BroughtRow = Pick<StoredRow, "payload" | "provenance">;

/** Stored events, and who brought them. */
export function broughtOf(rows: readonly BroughtRow[]): Brought[] {
  const read = provenances();
  return rows.map(({ payload, provenance }) => ({
    event: eventOf(payload),
    from: read(provenance),
  }));
}

/** Reads who brought events, of many rows: few bring many. */
export function provenances(): (json: string | null) => Provenance | null {
  const known = new Map<string, Provenance>();
  return (json) => {
    if (json === null) return null;
    let from = known.get(json);
    if (!from) known.set(json, (from = JSON.parse(json) as Provenance));
    return from;
  };
}
