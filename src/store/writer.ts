/**
 * Group commit. What is to be stored while a commit is under way waits in a
 * bounded queue, and goes together with all that waits there in the next one.
 * No clock is waited for: only what can be read at once joins, and a commit that
 * finds one event takes that one.
 *
 * An event counts as stored once its commit is done, and not before. Who brings
 * it again meanwhile waits in the queue behind it, and finds it stored, or not.
 */
import {
  DuckDBTimestampValue,
  type DuckDBValue,
  listValue,
} from "@duckdb/node-api";
import type { Event, KnownEvent } from "../model/event.ts";
import { compareEvents } from "../model/event.ts";
import { Failure, Rejected } from "../model/failure.ts";
import {
  type Provenance,
  mayReport,
  rejectionOf,
  reporterOf,
} from "../model/reporter.ts";
import type { SessionBrief } from "../model/store.ts";
import type { Database } from "./database.ts";
import type { Folds } from "./folds.ts";
import { type Rejection, judge, rejectionsOf } from "./judge.ts";
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

/** What hears of the writer's work. */
export interface WriterEvents {
  /** How long a commit took, and of how many new events. */
  onCommit?: (seconds: number, events: number) => void;
  /** Events that who brought them may not report. */
  onRejected?: (rejection: Rejection) => void;
}

/** One call of `append`. */
interface Call {
  /** Arrivals of it that are not committed yet. */
  waiting: number;
  stored: Set<string>;
  /** event_id → why not. */
  rejected: Map<string, string>;
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
  private readonly pending = new Map<string, Item[]>();
  private running: Promise<void> | null = null;
  private closed = false;
  lastCommitOk = true;

  constructor(
    private readonly db: Database,
    private readonly folds: Folds,
    private readonly window: IdWindow,
    private readonly tombstones: Tombstones,
    private readonly hears: WriterEvents,
  ) {}

  get queuedEvents(): number {
    return this.load.events;
  }

  /**
   * @param from who brought them; null for what the store itself adds
   * @returns the ids of those that were new, once all are committed
   * @throws Failure (overloaded) when too much waits already; Rejected once all
   *   are committed but those that he may not report
   */
  async append(
    events: readonly Event[],
    from: Provenance | null,
  ): Promise<ReadonlySet<string>> {
    if (events.length === 0) return new Set();
    if (this.closed) throw closedFailure();
    const call: Call = {
      waiting: events.length,
      stored: new Set(),
      rejected: new Map(),
      settle: Promise.withResolvers(),
    };
    const provenance = from && JSON.stringify(from);
    const items = events.map((event) => ({
      ...arrivalOf(event, from, provenance),
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
      if (of) of.push(item);
      else this.pending.set(session_id, [item]);
    }
  }

  /** Takes what has left the queue, committed or failed, off the books. */
  private release(items: readonly Item[]): void {
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

  private async run(): Promise<void> {
    while (this.queue.length > 0) {
      await whateverIsReady();
      const batch = this.takeBatch();
      try {
        await this.db.inTurn(() => this.commit(batch));
        this.release(batch);
        for (const { call } of batch) if (--call.waiting === 0) answer(call);
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
    const known = await this.known(batch);
    const items = await this.unarchived(batch, known);
    const judged = items.filter(
      (item) => isQuestioned(item) || !known.has(item.event.event_id),
    );
    await this.folds.prepare(judged.map(({ event }) => event));
    const { fresh, rejected, contested } = judge(items, known, (id) =>
      this.folds.get(id),
    );
    const overruling = await this.overruling(contested);
    if (fresh.length > 0 || overruling.length > 0)
      await this.store([...overruling, ...fresh], overruling);
    for (const { event, call, reason } of rejected)
      call.rejected.set(event.event_id, reason);
    this.folds.release(rejected.map(({ event }) => event.session_id));
    for (const rejection of rejectionsOf(rejected))
      this.hears.onRejected?.(rejection);
    this.lastCommitOk = true;
  }

  /** @param overruling those of them in whose place others' are to go */
  private async store(
    items: readonly Item[],
    overruling: readonly Item[],
  ): Promise<void> {
    const begun = performance.now();
    if (overruling.length === 0) await this.insert(items);
    else
      await this.db.transaction(async () => {
        await this.db.run(SQL.deleteEvents, spanOf(overruling));
        await this.insert(items);
      });
    for (const item of items) {
      this.window.add(item.event.event_id, item.event.timestamp);
      this.folds.add(item);
      item.call.stored.add(item.event.event_id);
    }
    this.folds.reconsider(overruling.map(({ event }) => event.session_id));
    await this.folds.settle();
    const seconds = (performance.now() - begun) / 1_000;
    this.hears.onCommit?.(seconds, items.length);
  }

  private insert(items: readonly Item[]): Promise<void> {
    return this.db.run(SQL.insertEvents, [
      eventLines(items, this.folds.lastSeq + 1).join("\n"),
      // Text would be planned anew for each commit.
      new DuckDBTimestampValue(BigInt(Date.now()) * 1_000n),
    ]);
  }

  /** Those of the spool's that another has brought as well: its word outranks his. */
  private async overruling(contested: readonly Item[]): Promise<Item[]> {
    if (contested.length === 0) return [];
    const others = await this.db.rows<{ id: string; session_id: string }>(
      SQL.othersAmong,
      spanOf(contested),
    );
    const theirs = new Map(
      others.map(({ id, session_id }) => [id, session_id]),
    );
    const overruling = new Map<string, Item>();
    for (const item of contested) {
      const { event_id, session_id } = item.event;
      if (theirs.get(event_id) === session_id) overruling.set(event_id, item);
    }
    return [...overruling.values()];
  }

  /** The ids of those that are stored. */
  private async known(batch: readonly Item[]): Promise<ReadonlySet<string>> {
    const known = new Set<string>();
    const doubtful = new Map<string, string>();
    for (const { event } of batch) {
      const { event_id, timestamp } = event;
      if (this.window.has(event_id)) known.add(event_id);
      else if (!this.window.reaches(timestamp))
        doubtful.set(event_id, timestamp);
    }
    if (doubtful.size === 0) return known;
    const times = [...doubtful.values()].sort();
    const found = await this.db.rows<{ id: string }>(SQL.knownEvents, [
      listValue([...doubtful.keys()]),
      times[0]!,
      times.at(-1)!,
    ]);
    for (const { id } of found) known.add(id);
    return known;
  }

  /** Those that do not come too late, for a session that went to an archive. */
  private async unarchived(
    batch: readonly Item[],
    known: ReadonlySet<string>,
  ): Promise<readonly Item[]> {
    const fresh = new Map<string, Event>();
    for (const { event } of batch)
      if (!known.has(event.event_id)) fresh.set(event.event_id, event);
    const archived = await this.tombstones.late([...fresh.values()]);
    if (archived.size === 0) return batch;
    return batch.filter(({ event }) => !archived.has(event.session_id));
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
    const items = this.pending.get(session_id);
    if (!items) return stored;
    let reporter = stored?.reporter ?? null;
    const events: Event[] = [];
    for (const { event, from } of items) {
      if (rejectionOf(event, reporter, from) !== null) continue;
      reporter ??= reporterOf(from);
      events.push(event);
    }
    if (events.length === 0) return stored;
    const starts = events.filter((e) => e.event_type === "session_start");
    return {
      start_event_id:
        stored?.start_event_id ??
        starts.sort(compareEvents)[0]?.event_id ??
        null,
      ended: (stored?.ended ?? false) || events.some(isEnd),
      reporter,
    };
  }

  /** Takes no more, and waits until all that waits is stored. */
  async close(): Promise<void> {
    this.closed = true;
    await this.running;
  }
}

function answer({ settle, rejected, stored }: Call): void {
  if (rejected.size === 0) settle.resolve(stored);
  else settle.reject(new Rejected(rejected, stored));
}

/** Ids of events, and the times between which they are. */
function spanOf(items: readonly Item[]): DuckDBValue[] {
  const times = items.map(({ event }) => event.timestamp).sort();
  const ids = items.map(({ event }) => event.event_id);
  return [listValue(ids), times[0]!, times.at(-1)!];
}

/** Whether whose session it is has to be looked at, be it stored already. */
const isQuestioned = ({ from }: Item): boolean =>
  from === null || !mayReport("", from);

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
