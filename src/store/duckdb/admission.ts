/**
 * Which events are new, and which are not to be: one after the other, in the
 * turn of the commit that stores them, for a session may become somebody's by
 * one of them.
 */
import type { State } from "../../model/state.ts";
import type { Event } from "../../model/event.ts";
import {
  type Provenance,
  SPOOL,
  claimantOf,
  isUnquestioned,
  rejectionOf,
  reporterOf,
} from "../../model/reporter.ts";
import { briefOf } from "../../model/session.ts";
import type { Arrival } from "./rows.ts";

/** Events of one session, and why they are not stored. */
export interface Rejection {
  session_id: string;
  reporter: string | null;
  reason: string;
  events: number;
}

export type Rejected<T> = T & { reason: string };

/** An event that is stored already. */
export interface Stored {
  event_id: string;
  session_id: string;
  timestamp: string;
  from: Provenance | null;
}

/** What tells events apart: an id alone may be another's as well, of his session. */
export const keyOf = (event: Pick<Event, "event_id" | "session_id">): string =>
  `${event.event_id} ${event.session_id}`;

/**
 * Whose duplicates they are is asked after who may report: a stranger hears
 * nothing of what is stored. An event under its id that does not count, such as
 * a stranger's remark, does not keep it away: it takes that one's place.
 * @param known those that are stored, by `keyOf`
 * @param stateOf the session's fold; undefined for one of which nothing is stored
 */
export function judge<T extends Arrival>(
  items: readonly T[],
  known: ReadonlyMap<string, Stored>,
  stateOf: (session_id: string) => State | undefined,
) {
  const fresh = new Map<string, T>();
  const rejected: Rejected<T>[] = [];
  const again: T[] = [];
  const replaced: Stored[] = [];
  const claims = new Map<string, string>();
  for (const item of items) {
    const { event, from } = item;
    const { session_id } = event;
    const state = stateOf(session_id);
    const before = claims.get(session_id) ?? (state && briefOf(state).reporter);
    const reason = rejectionOf(event, before ?? null, from);
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

/** Whether a stored event counts, whoever owns its session. */
export const isFirm = ({ from }: Stored): boolean =>
  counts(from, SPOOL.reporter!);

function counts(from: Provenance | null, owner: string | null): boolean {
  if (from === null || from.acts_for_all) return true;
  const by = reporterOf(from);
  if (by === SPOOL.reporter || by === owner) return true;
  return isUnquestioned(from) && owner !== SPOOL.reporter;
}

/** What of it is said: of each session, reporter and reason one. */
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
