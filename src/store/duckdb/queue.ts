/**
 * Events that wait for their commit, in the order in which they came: bounded,
 * and handed out in batches of what one statement takes.
 */
import { type Event, compareEvents, isKind } from "../../model/event.ts";
import { Rejected, fail } from "../../model/failure.ts";
import { claimantOf, rejectionOf } from "../../model/reporter.ts";
import { QUEUE_EVENTS, type SessionBrief } from "../../model/store.ts";
import type { Arrival } from "./rows.ts";

/** In one statement, at most. */
const BATCH_EVENTS = 4_096;
const BATCH_CHARACTERS = 16 * 1024 * 1024;
/** In the queue, at most, as well as QUEUE_EVENTS; one call may always wait there alone. */
const QUEUE_CHARACTERS = 128 * 1024 * 1024;

/** One call of `append`. */
export interface Call {
  /** Arrivals of it that are not committed yet. */
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
  /** What is in the queue or under way. */
  private load = { events: 0, characters: 0 };
  /** Starts and ends among that, by session. */
  private readonly pending = new Map<string, Item[]>();

  get isEmpty(): boolean {
    return this.items.length === 0;
  }

  /** What waits and what is under way. */
  get events(): number {
    return this.load.events;
  }

  /** @throws Failure (overloaded) when too much waits already */
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

  /** Takes what has left the queue, committed or failed, off the books. */
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

  /** The oldest, as many as one statement takes; they count until their release. */
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

  /** Takes out all that is left of some calls. */
  drop(calls: ReadonlySet<Call>): void {
    this.release(this.items.filter(({ call }) => calls.has(call)));
    this.items = this.items.filter(({ call }) => !calls.has(call));
  }

  /** What is known of a session, with what is about to be stored. */
  withPending(
    session_id: string,
    stored: SessionBrief | null,
  ): SessionBrief | null {
    const items = this.pending.get(session_id);
    if (!items) return stored;
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
        stored?.start_event_id ??
        starts.sort(compareEvents)[0]?.event_id ??
        null,
      ended: (stored?.ended ?? false) || events.some(isEnd),
      reporter,
    };
  }
}

/** Tells a call what became of its events. */
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
