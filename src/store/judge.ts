/**
 * Which events are new, and which are not to be: one after the other, in the
 * turn of the commit that stores them, for a session may become somebody's by
 * one of them.
 */
import type { State } from "../model/fold.ts";
import { SPOOL, isRemark, rejectionOf, reporterOf } from "../model/reporter.ts";
import { type Arrival, arrivalOf } from "./rows.ts";

/** Events of one session, and why they are not stored. */
export interface Rejection {
  session_id: string;
  reporter: string | null;
  reason: string;
  events: number;
}

export type Rejected<T> = T & { reason: string };

/**
 * Whose duplicates they are is asked after who may report: a stranger hears
 * nothing of what is stored.
 * @param known the ids of those that are stored
 * @param stateOf the session's fold; undefined for one of which nothing is stored
 */
export function judge<T extends Arrival>(
  items: readonly T[],
  known: ReadonlySet<string>,
  stateOf: (session_id: string) => State | undefined,
) {
  const fresh: T[] = [];
  const rejected: Rejected<T>[] = [];
  const again: T[] = [];
  const taken = new Set<string>();
  const claims = new Map<string, string>();
  for (const item of items) {
    const { event, from } = item;
    const { event_id, session_id } = event;
    const before = stateOf(session_id)?.reporter ?? null;
    const owner = claims.get(session_id) ?? before;
    const reason = rejectionOf(event, owner, from);
    if (reason !== null) rejected.push({ ...item, reason });
    else if (known.has(event_id)) {
      if (isEndMissing(item)) fresh.push(renamed(item));
      else if (isSpools(item)) again.push(item);
    } else if (!taken.has(event_id)) {
      taken.add(event_id);
      fresh.push(item);
      const by = isRemark(event) ? null : reporterOf(from);
      if (by !== null && (owner === null || isSpools(item)))
        claims.set(session_id, by);
    }
  }
  return { fresh, rejected, contested: again.filter(isContested) };

  /**
   * The id of an end may be made of its session's, by anybody: whoever brings an
   * event of his own under it shall not keep the end away.
   */
  function isEndMissing({ event }: T): boolean {
    if (event.event_type !== "session_end" || !known.has(event.event_id))
      return false;
    const state = stateOf(event.session_id);
    if (!state || state.end || state.outranked > 0) return false;
    const renames = !taken.has(event.event_id);
    taken.add(event.event_id);
    return renames;
  }

  /** Whether the spool has as well what another has brought of a session of its own. */
  function isContested({ event: { session_id } }: T): boolean {
    const state = stateOf(session_id);
    if (!state) return false;
    const { reporter, outranked } = state;
    const claimed = claims.get(session_id) === SPOOL.reporter;
    const others = reporter !== null && reporter !== SPOOL.reporter;
    return outranked > 0 || (claimed && others);
  }
}

function renamed<T extends Arrival>(item: T): T {
  const event = { ...item.event, event_id: Bun.randomUUIDv7() };
  return { ...item, ...arrivalOf(event, item.from, item.provenance) };
}

const isSpools = ({ from }: Arrival): boolean =>
  from !== null && reporterOf(from) === SPOOL.reporter;

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
