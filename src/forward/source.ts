/** Where the events are that a destination gets. */
import type { EventFilter } from "../model/filter.ts";
import type { StoredEvent } from "../model/store.ts";
import type { Place } from "./position.ts";

export interface Source {
  /** The number of the newest one. @throws Failure while it cannot be told */
  readonly last_seq: number;
  events(filter: EventFilter): AsyncIterable<StoredEvent>;
  /** The number after which to go on, where a place is of another database. */
  resumeAfter(place: Place): Promise<number>;
}

/** Whether a place is of this database; one whose event was archived may be. */
export async function isHere(
  source: Source,
  { seq, event_id }: Place,
): Promise<boolean> {
  const after = { after_seq: seq - 1, limit: 1 };
  const [found] = await Array.fromAsync(source.events(after));
  // After that look: what another has delivered is numbered here by then.
  if (source.last_seq < seq) return false;
  return found?.seq !== seq || found.event.event_id === event_id;
}
