/** A store that remembers what was brought to it: for the spool's own work. */
import type { Event } from "../../src/model/event.ts";
import type { SessionStore } from "../../src/model/store.ts";

export class RecordingStore implements SessionStore {
  /** By event id. */
  readonly kept = new Map<string, Event>();

  async append(events: readonly Event[]): Promise<ReadonlySet<string>> {
    const fresh = events.filter(({ event_id }) => !this.kept.has(event_id));
    for (const event of fresh) this.kept.set(event.event_id, event);
    return new Set(fresh.map(({ event_id }) => event_id));
  }

  async seen(): Promise<void> {}

  async get(): Promise<null> {
    return null;
  }

  list = unasked;
  events = unasked;
  commands = unasked;
  search = unasked;
  stats = unasked;
  analytics = unasked;
  query = unasked;

  async close(): Promise<void> {}
}

function unasked(): never {
  throw new Error("a drain does not ask for that");
}
