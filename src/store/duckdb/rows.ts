/** Converts events and sessions to and from the rows of the statements. */
import { isoTime } from "../../model/clock.ts";
import { type Event, type Receipt, eventJson } from "../../model/event.ts";
import { startSecondOf } from "../../model/id.ts";
import { type Brought, isSignOfLife } from "../../model/fold.ts";
import { type State, stateJson } from "../../model/state.ts";
import {
  type Session,
  type SessionRow,
  type Status,
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
  return { event: eventOf(payload), payload, from, provenance };
}

/** A stored event was checked when it came. */
const eventOf = (payload: string): Event => JSON.parse(payload);

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

/** Durations are in milliseconds, null when no session has ended. */
export interface StatsRow
  extends
    Record<Status, number>,
    Pick<SessionStats, "sessions" | "failed" | "first_start" | "last_start"> {
  total: number | null;
  mean: number;
  quantiles: [median: number, p95: number];
  max: number;
  /** JSON. */
  by_component: string;
}

export function statsOf(row: StatsRow): SessionStats {
  const { sessions, active, ended, lost, failed, total } = row;
  const seconds = (ms: number) => ms / 1_000;
  return {
    sessions,
    by_status: { active, ended, lost },
    failed,
    duration_seconds:
      total === null
        ? null
        : {
            total: seconds(total),
            mean: seconds(row.mean),
            median: seconds(row.quantiles[0]),
            p95: seconds(row.quantiles[1]),
            max: seconds(row.max),
          },
    by_component: JSON.parse(row.by_component) as SessionStats["by_component"],
    first_start: row.first_start,
    last_start: row.last_start,
  };
}

export type BroughtRow = Pick<StoredRow, "payload" | "provenance">;

/** Stored events, and who brought them. */
export function broughtOf(
  rows: readonly BroughtRow[],
  read: ReturnType<typeof provenances> = provenances(),
): Brought[] {
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

/** A start that is longer ago was sent late, or by a wrong clock. */
const LATE_MS = 86_400_000;
/** A clock that differs by less is right. */
const AHEAD_MS = 5_000;

/**
 * An event from the wire, with what its times are by our clock. The rest stays as
 * it was sent, so that it is known when it is sent again.
 * @param now_ms when it came, milliseconds since the epoch
 */
export function receivedEvent(event: Event, now_ms: number): Event {
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
