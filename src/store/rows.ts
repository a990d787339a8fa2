/** Reads events and sessions from the rows of a database. */
import type { Event } from "../model/event.ts";
import type { Brought } from "../model/fold.ts";
import {
  type Session,
  type SessionRow,
  type Status,
  present,
} from "../model/session.ts";
import { parseMetadata } from "../model/metadata.ts";
import type { Provenance } from "../model/reporter.ts";
import type { SessionStats, StoredEvent } from "../model/store.ts";

/** A stored event was checked when it came. */
const eventOf = (payload: string): Event => JSON.parse(payload);

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
