/**
 * Admits events to a commit: which are new, and which their reporter may not report.
 * Each may change whose its session is, so they are admitted one after the other.
 */
import type { Event } from "../model/event.ts";
import {
  type Provenance,
  SPOOL,
  claimantOf,
  isUnquestioned,
  rejectionOf,
  reporterOf,
} from "../model/reporter.ts";
import type { Rejection } from "../model/store.ts";
import type { Arrival } from "./arrivals.ts";

export type Rejected<T> = T & { reason: string };

export interface Stored {
  event_id: string;
  session_id: string;
  from: Provenance | null;
}

/** Identifies an event: others may use its id in their own sessions. */
export const keyOf = (event: Pick<Event, "event_id" | "session_id">): string =>
  `${event.event_id} ${event.session_id}`;

/**
 * Permission is checked before duplicates: a stranger learns nothing of what is stored.
 * A stored event of the same id that does not count, such as a stranger's remark, is
 * replaced.
 * @param known the stored events, by `keyOf`
 * @param ownerOf whose a session is, see `ownerOf`; null while it has no owner
 */
export function admit<T extends Arrival, S extends Stored>(
  items: readonly T[],
  known: ReadonlyMap<string, S>,
  ownerOf: (session_id: string) => string | null,
) {
  const fresh = new Map<string, T>();
  const rejected: Rejected<T>[] = [];
  const again: T[] = [];
  const replaced: S[] = [];
  const claims = new Map<string, string>();
  for (const item of items) {
    const { event, from } = item;
    const { session_id } = event;
    const before = claims.get(session_id) ?? ownerOf(session_id);
    const reason = rejectionOf(event, before, from);
    if (reason !== null) {
      rejected.push({ ...item, reason });
      continue;
    }
    const key = keyOf(event);
    const by = claimantOf(event, from);
    const owner = by === SPOOL.reporter ? by : (before ?? by);
    const stored = known.get(key);
    const earlier = fresh.get(key) ?? stored;
    if (earlier && (counts(earlier.from, owner) || !counts(from, owner))) {
      again.push(item);
      continue;
    }
    if (stored && !fresh.has(key)) replaced.push(stored);
    fresh.delete(key);
    fresh.set(key, item);
    if (by !== null && owner !== null) claims.set(session_id, owner);
  }
  return { fresh: [...fresh.values()], rejected, again, replaced };
}

/** Whether a stored event counts, whoever its session belongs to. */
export const isFirm = ({ from }: Stored): boolean =>
  counts(from, SPOOL.reporter!);

function counts(from: Provenance | null, owner: string | null): boolean {
  if (from === null || from.acts_for_all) return true;
  const by = reporterOf(from);
  if (by === SPOOL.reporter || by === owner) return true;
  return isUnquestioned(from) && owner !== SPOOL.reporter;
}

/** One rejection for each session, reporter and reason. */
export function rejectionsOf(
  items: readonly Rejected<Arrival>[],
): Iterable<Rejection> {
  const of = new Map<string, Rejection>();
  for (const { event, from, provenance, reason } of items) {
    const { session_id } = event;
    const key = `${session_id} ${provenance} ${reason}`;
    const reporter = reporterOf(from);
    const events = (of.get(key)?.events ?? 0) + 1;
    of.set(key, { session_id, reporter, reason, events });
  }
  return of.values();
}
