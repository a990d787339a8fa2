/** What recording needs of a store, and a single event to it. */
import type { Event } from "../../model/event.ts";
import { Rejected, fail } from "../../model/failure.ts";
import type { Provenance } from "../../model/reporter.ts";
import type { ServedStore } from "../../model/store.ts";

export type Recorder = Pick<
  ServedStore,
  "append" | "summary" | "open" | "seen" | "sessionOf"
>;

/**
 * Stores one event of a tool that reports of one session: why it is not taken
 * is said in the words of the tool's own answer.
 * @returns whether it is new
 * @throws Failure (refused) when who brings it may not report it
 */
export async function appendOne(
  store: Recorder,
  event: Event,
  from: Provenance,
): Promise<boolean> {
  try {
    return (await store.append([event], from)).has(event.event_id);
  } catch (error) {
    if (!(error instanceof Rejected)) throw error;
    const reason = error.reasons.get(event.event_id)!;
    const named = reason.includes(": ") ? reason : `session_id: ${reason}`;
    throw fail.refused(named, undefined, { cause: error });
  }
}

/**
 * A mutex by key: work of the same key runs one after the other, in the order of
 * asking. A key is forgotten with its last work.
 */
export class KeyedMutex {
  private readonly last = new Map<string, Promise<unknown>>();

  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.last.get(key);
    const mine = (before ?? Promise.resolve()).then(work, work);
    this.last.set(key, mine);
    try {
      return await mine;
    } finally {
      if (this.last.get(key) === mine) this.last.delete(key);
    }
  }
}
