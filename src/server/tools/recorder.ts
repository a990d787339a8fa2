/** What recording needs of a store, and a single event to it. */
import type { Event, SessionStart } from "../../model/event.ts";
import { Rejected, fail } from "../../model/failure.ts";
import type { Provenance } from "../../model/reporter.ts";
import type { Begun, Conversation, ServedStore } from "../../model/store.ts";

export type Recorder = Pick<
  ServedStore,
  "append" | "begin" | "going" | "summary" | "seen" | "sessionOf"
>;

/**
 * Stores one event of a tool that reports of one session: why it is not taken
 * is said in the words of the tool's own answer.
 * @returns whether it is new
 * @throws Failure (refused) when who brings it may not report it
 */
export function appendOne(
  store: Recorder,
  event: Event,
  from: Provenance,
): Promise<boolean> {
  return inOwnWords(event, async () =>
    (await store.append([event], from)).has(event.event_id),
  );
}

/** As `appendOne`, of a start; see ServedStore.begin. */
export const beginOne = (
  store: Recorder,
  start: SessionStart,
  ids: readonly string[],
  from: Provenance,
  conversation?: Conversation,
): Promise<Begun> =>
  inOwnWords(start, () => store.begin(start, ids, from, conversation));

async function inOwnWords<T>(
  { event_id }: Event,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Rejected)) throw error;
    const reason = error.reasons.get(event_id)!;
    const named = reason.includes(": ") ? reason : `session_id: ${reason}`;
    throw fail.refused(named, undefined, { cause: error });
  }
}
