/** The bounded queue of events that wait for their commit. */
import { type Event, compareEvents, isKind } from "../model/event.ts";
import { Rejected, fail } from "../model/failure.ts";
import { claimantOf, rejectionOf } from "../model/reporter.ts";
import type { SessionSummary } from "../model/session.ts";
import { QUEUE_EVENTS } from "../model/store.ts";
import type { Arrival } from "./arrivals.ts";

/** The limits of a batch. */
export const BATCH_EVENTS = 4_096;
const BATCH_CHARACTERS = 16 * 1024 * 1024;
/** The limit of the queue beside QUEUE_EVENTS; a single call may exceed it. */
const QUEUE_CHARACTERS = 128 * 1024 * 1024;

/** One call of `append`. */
export interface Call {
  /** Its events that are not committed yet. */
  waiting: number;
  stored: Set<string>;
  /** event_id → why not. */
  rejected: Map<string, string>;
  settle: PromiseWithResolvers<ReadonlySet<string>>;
}

export interface Item extends Arrival {
  call: Call;
}

export class Queue {
  private items: Item[] = [];
  /** Of what waits and of the batch that is being committed. */
  private load = { events: 0, characters: 0 };
  /** Starts and ends among them, by session. */
  private readonly pending = new Map<string, Item[]>();

  get isEmpty(): boolean {
    return this.items.length === 0;
  }

  get events(): number {
    return this.load.events;
  }

  /** @throws Failure (overloaded) when too much waits */
  add(items: readonly Item[]): void {
    let characters = 0;
    for (const { payload } of items) characters += payload.length;
    if (
      this.load.events > 0 &&
      (this.load.events + items.length > QUEUE_EVENTS ||
        this.load.characters + characters > QUEUE_CHARACTERS)
    )
      throw fail.overloaded(
        `${this.load.events} events wait to be stored, no more can`,
        "try again in a moment",
      );
    this.load.events += items.length;
    this.load.characters += characters;
    for (const item of items) {
      this.items.push(item);
      if (!decides(item.event)) continue;
      const { session_id } = item.event;
      const of = this.pending.get(session_id);
      if (of) of.push(item);
      else this.pending.set(session_id, [item]);
    }
  }

  /** Stops counting events that were committed or have failed. */
  release(items: readonly Item[]): void {
    for (const item of items) {
      const { event, payload } = item;
      this.load.events--;
      this.load.characters -= payload.length;
      if (!decides(event)) continue;
      const of = this.pending.get(event.session_id)!;
      of.splice(of.indexOf(item), 1);
      if (of.length === 0) this.pending.delete(event.session_id);
    }
  }

  /** The oldest events, which count until their release. */
  takeBatch(): Item[] {
    let characters = 0;
    let n = 0;
    while (n < this.items.length && n < BATCH_EVENTS) {
      characters += this.items[n]!.payload.length;
      if (n > 0 && characters > BATCH_CHARACTERS) break;
      n++;
    }
    return this.items.splice(0, n);
  }

  /** Removes the events of some calls. */
  drop(calls: ReadonlySet<Call>): void {
    this.release(this.items.filter(({ call }) => calls.has(call)));
    this.items = this.items.filter(({ call }) => !calls.has(call));
  }

  /** The starts and ends of a session that wait, or are being committed. */
  pendingOf(session_id: string): readonly Item[] {
    return [...(this.pending.get(session_id) ?? [])];
  }
}

/** What is known of a session, with the events that wait. */
export function withPending(
  stored: SessionSummary | null,
  items: Iterable<Item>,
): SessionSummary | null {
  let reporter = stored?.reporter ?? null;
  const events: Event[] = [];
  for (const { event, from } of items) {
    if (rejectionOf(event, reporter, from) !== null) continue;
    reporter ??= claimantOf(event, from);
    events.push(event);
  }
  if (events.length === 0) return stored;
  const starts = events.filter((e) => e.event_type === "session_start");
  return {
    ...stored,
    start_event_id:
      stored?.start_event_id ?? starts.sort(compareEvents)[0]?.event_id ?? null,
    ended: (stored?.ended ?? false) || events.some(isEnd),
    reporter,
  };
}

/** Settles a call. */
export function answer({ settle, rejected, stored }: Call): void {
  if (rejected.size === 0) settle.resolve(stored);
  else settle.reject(new Rejected(rejected, stored));
}

/** An end that was observed or declared. */
function isEnd(event: Event): boolean {
  return isKind(event, "session_end") && event.end_source !== "recovered";
}

const decides = (event: Event) =>
  event.event_type === "session_start" || isEnd(event);
