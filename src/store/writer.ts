/**
 * Group commit. What is to be stored while a commit is under way waits in a
 * bounded queue, and goes together with all that waits there in the next one.
 * No clock is waited for: only what can be read at once joins, and a commit that
 * finds one event takes that one.
 *
 * An event counts as stored once its commit is done, and not before. Who brings
 * it again meanwhile waits in the queue behind it, and finds it stored, or not.
 */
import { DuckDBTimestampValue, listValue } from "@duckdb/node-api";
import type { Event, KnownEvent } from "../model/event.ts";
import { compareEvents } from "../model/event.ts";
import { Failure } from "../model/failure.ts";
import type { SessionBrief } from "../model/store.ts";
import type { Database } from "./database.ts";
import type { Folds } from "./folds.ts";
import { type Arrival, arrivalOf, eventLines } from "./rows.ts";
import { SQL } from "./statements.ts";
import type { Tombstones } from "./tombstones.ts";
import type { IdWindow } from "./window.ts";

/** In one statement, at most. */
const BATCH_EVENTS = 4_096;
const BATCH_CHARACTERS = 16 * 1024 * 1024;
/** In the queue, at most; one call may always wait there alone. */
const QUEUE_EVENTS = 65_536;
const QUEUE_CHARACTERS = 128 * 1024 * 1024;

/** One call of `append`. */
interface Call {
  /** Arrivals of it that are not committed yet. */
  waiting: number;
  stored: Set<string>;
  settle: PromiseWithResolvers<ReadonlySet<string>>;
}

interface Item extends Arrival {
  call: Call;
}

export class Writer {
  private queue: Item[] = [];
  /** What is in the queue or under way. */
  private load = { events: 0, characters: 0 };
  /** Starts and ends among that, by session. */
  private readonly pending = new Map<string, Event[]>();
  private running: Promise<void> | null = null;
  private closed = false;
  lastCommitOk = true;

  /** @param committed hears how long a commit took, and of how many new events */
  constructor(
    private readonly db: Database,
    private readonly folds: Folds,
    private readonly window: IdWindow,
    private readonly tombstones: Tombstones,
    private readonly committed: (seconds: number, events: number) => void,
  ) {}

  get queuedEvents(): number {
    return this.load.events;
  }

  /**
   * @param provenance as JSON
   * @returns the ids of those that were new, once all are committed
   * @throws Failure (overloaded) when too much waits already
   */
  async append(
    events: readonly Event[],
    provenance: string | null,
  ): Promise<ReadonlySet<string>> {
    if (events.length === 0) return new Set();
    if (this.closed) throw closedFailure();
    const call: Call = {
      waiting: events.length,
      stored: new Set(),
      settle: Promise.withResolvers(),
    };
    const items = events.map((event) => ({
      ...arrivalOf(event, provenance),
      call,
    }));
    this.enqueue(items);
    this.running ??= this.run();
    return call.settle.promise;
  }

  private enqueue(items: readonly Item[]): void {
    let characters = 0;
    for (const { payload } of items) characters += payload.length;
    if (
      this.load.events > 0 &&
      (this.load.events + items.length > QUEUE_EVENTS ||
        this.load.characters + characters > QUEUE_CHARACTERS)
    )
      throw new Failure(
        "overloaded",
        `${this.load.events} events wait to be stored, no more can`,
        "try again in a moment",
      );
    this.load.events += items.length;
    this.load.characters += characters;
    for (const item of items) {
      this.queue.push(item);
      if (!decides(item.event)) continue;
      const { session_id } = item.event;
      const of = this.pending.get(session_id);
      if (of) of.push(item.event);
      else this.pending.set(session_id, [item.event]);
    }
  }

  /** Takes what has left the queue, committed or failed, off the books. */
  private release(items: readonly Item[]): void {
    for (const { event, payload } of items) {
      this.load.events--;
      this.load.characters -= payload.length;
      if (!decides(event)) continue;
      const of = this.pending.get(event.session_id)!;
      of.splice(of.indexOf(event), 1);
      if (of.length === 0) this.pending.delete(event.session_id);
    }
  }

  private async run(): Promise<void> {
    while (this.queue.length > 0) {
      await whateverIsReady();
      const batch = this.takeBatch();
      try {
        await this.db.inTurn(() => this.commit(batch));
        this.release(batch);
        for (const { call } of batch)
          if (--call.waiting === 0) call.settle.resolve(call.stored);
      } catch (error) {
        this.fail(batch, error);
      }
    }
    this.running = null;
  }

  private takeBatch(): Item[] {
    let characters = 0;
    let n = 0;
    while (n < this.queue.length && n < BATCH_EVENTS) {
      characters += this.queue[n]!.payload.length;
      if (n > 0 && characters > BATCH_CHARACTERS) break;
      n++;
    }
    return this.queue.splice(0, n);
  }

  /** All who have something in a batch hear that it failed; their rest is not tried. */
  private fail(batch: readonly Item[], error: unknown): void {
    this.lastCommitOk = false;
    const calls = new Set(batch.map(({ call }) => call));
    const rest = this.queue.filter(({ call }) => calls.has(call));
    this.queue = this.queue.filter(({ call }) => !calls.has(call));
    this.release(batch);
    this.release(rest);
    for (const { settle } of calls) settle.reject(error);
  }

  private async commit(batch: readonly Item[]): Promise<void> {
    const fresh = await this.fresh(batch);
    if (fresh.length > 0) {
      await this.folds.prepare(fresh.map(({ event }) => event));
      const begun = performance.now();
      const lines = eventLines(fresh, this.folds.lastSeq + 1);
      await this.db.run(SQL.insertEvents, [
        lines.join("\n"),
        // Text would be planned anew for each commit.
        new DuckDBTimestampValue(BigInt(Date.now()) * 1_000n),
      ]);
      for (const { event, call } of fresh) {
        this.window.add(event.event_id, event.timestamp);
        this.folds.add(event);
        call.stored.add(event.event_id);
      }
      this.committed((performance.now() - begun) / 1_000, fresh.length);
    }
    this.lastCommitOk = true;
  }

  /** Those that are not stored yet, each once, and of no archived session. */
  private async fresh(batch: readonly Item[]): Promise<Item[]> {
    const byId = new Map<string, Item>();
    const doubtful: string[] = [];
    const times: string[] = [];
    for (const item of batch) {
      const { event_id, timestamp } = item.event;
      if (this.window.has(event_id) || byId.has(event_id)) continue;
      byId.set(event_id, item);
      if (this.window.reaches(timestamp)) continue;
      doubtful.push(event_id);
      times.push(timestamp);
    }
    if (doubtful.length > 0) {
      times.sort();
      const known = await this.db.rows<{ id: string }>(SQL.knownEvents, [
        listValue(doubtful),
        times[0]!,
        times.at(-1)!,
      ]);
      for (const { id } of known) byId.delete(id);
    }
    const fresh = [...byId.values()];
    const archived = await this.tombstones.late(fresh.map((i) => i.event));
    return fresh.filter(({ event }) => !archived.has(event.session_id));
  }

  /** The timestamp under which a stored event is found, when its id is in memory. */
  timeOf(event_id: string): string | undefined {
    return this.window.timeOf(event_id);
  }

  /** What is known of a session, with what is about to be stored. */
  withPending(
    session_id: string,
    stored: SessionBrief | null,
  ): SessionBrief | null {
    const events = this.pending.get(session_id);
    if (!events) return stored;
    const starts = events.filter((e) => e.event_type === "session_start");
    return {
      start_event_id:
        stored?.start_event_id ??
        starts.sort(compareEvents)[0]?.event_id ??
        null,
      ended: (stored?.ended ?? false) || events.some(isEnd),
    };
  }

  /** Takes no more, and waits until all that waits is stored. */
  async close(): Promise<void> {
    this.closed = true;
    await this.running;
  }
}

/** One turn of the event loop: who was just answered may have the next ready. */
const whateverIsReady = () =>
  new Promise<void>((resolve) => setImmediate(resolve));

/** An end that was observed or declared. */
function isEnd(event: Event): boolean {
  const known = event as KnownEvent;
  return known.event_type === "session_end" && known.end_source !== "recovered";
}

const decides = (event: Event) =>
  event.event_type === "session_start" || isEnd(event);

const closedFailure = () =>
  new Failure("storage", "the store is closed", "ask another one");
