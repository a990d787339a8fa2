/**
 * Moves all that a database holds to another one: tombstones first, then the events
 * in the order in which they came, with who brought them. The other database
 * remembers up to which event that was done; what is brought again changes nothing.
 */
import type { Contents } from "../model/contents.ts";
import type { Steps } from "../model/progress.ts";
import type { KeptStore, StoredEvent } from "../model/store.ts";
import { bringAll } from "./importer.ts";

const BATCH_EVENTS = 4_096;
const BATCH_BYTES = 8 * 1024 * 1024;

/** A store that nobody else uses meanwhile. */
export type Movable = Pick<KeptStore, "events" | "bring" | "contents">;

export interface Moved {
  /** Of the source. */
  events: number;
  /** By an earlier run. */
  moved_before: number;
  stored: number;
  /** They were there already, or are missing there: the comparison tells. */
  not_stored: number;
  /** Why the first one of these was rejected, with its session. */
  reason: string | null;
  archived_sessions: number;
}

/**
 * @param most_events moves no more than the first of them
 * @returns what was moved, all of it committed
 */
export async function moveAll(
  from: Movable,
  to: Movable,
  steps: Steps,
  most_events = Infinity,
): Promise<Moved> {
  const target = to.contents();
  for (const each of [from.contents(), target]) await each.requireAlone();
  const { events } = await from.contents().holding();
  const archived_sessions = await moveTombstones(from.contents(), target);
  const done: Moved = {
    ...{ events, moved_before: 0, stored: 0, not_stored: 0 },
    ...{ reason: null, archived_sessions },
  };
  const source = await nameOf(from);
  if (source === null) return done;
  const mark = await target.movedFrom(source);
  done.moved_before = mark.events;
  const goal = Math.min(events, most_events);
  // To the end of it: what was moved before may be in an archive by now.
  const left = most_events - mark.events;
  for await (const batch of batchesOf(from, mark.seq, left)) {
    // Brought again, what another reporter has taken over since is rejected.
    const { stored, reason } = await bringAll(to, batch);
    // Somebody may have come.
    for (const each of [from.contents(), target]) await each.requireAlone();
    mark.seq = batch.at(-1)!.seq;
    mark.events += batch.length;
    await target.setMovedFrom(source, { ...mark });
    done.stored += stored;
    done.not_stored += batch.length - stored;
    done.reason ??= reason;
    const all = Math.max(goal, mark.events);
    steps.at(`${mark.events} of ${all} events`, mark.events / all);
  }
  return done;
}

/** A database is known by its first event; null of an empty one. */
async function nameOf(store: Movable): Promise<string | null> {
  for await (const { event } of store.events({ limit: 1 }))
    return `${event.session_id} ${event.event_id}`;
  return null;
}

/** @returns how many the source has */
async function moveTombstones(from: Contents, to: Contents): Promise<number> {
  let count = 0;
  for (
    let page = await from.tombstones(null);
    page.length > 0;
    page = await from.tombstones(page.at(-1)!.session_id)
  ) {
    await to.bringTombstones(page);
    count += page.length;
  }
  return count;
}

async function* batchesOf(
  from: Movable,
  after_seq: number,
  limit: number,
): AsyncGenerator<StoredEvent[]> {
  let batch: StoredEvent[] = [];
  let bytes = 0;
  if (limit <= 0) return;
  const some = limit === Infinity ? {} : { limit };
  for await (const stored of from.events({ after_seq, ...some })) {
    batch.push(stored);
    bytes += JSON.stringify(stored.event).length;
    if (batch.length < BATCH_EVENTS && bytes < BATCH_BYTES) continue;
    yield batch;
    batch = [];
    bytes = 0;
  }
  if (batch.length > 0) yield batch;
}
