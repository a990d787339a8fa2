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
import type { Clock } from "../../model/clock.ts";
import { type Event, compareEvents, isKind } from "../../model/event.ts";
import { Failure, Rejected } from "../../model/failure.ts";
import {
  type Provenance,
  claimantOf,
  mayReport,
  rejectionOf,
} from "../../model/reporter.ts";
import type { SessionBrief } from "../../model/store.ts";
import type { Database } from "./database.ts";
import type { Folds } from "./folds.ts";
import {
  type Rejection,
  type Stored,
  isFirm,
  judge,
  keyOf,
  rejectionsOf,
} from "./admission.ts";
import {
  type Arrival,
  type StoredRow,
  arrivalOf,
  eventLines,
  provenances,
} from "./rows.ts";
import { SQL } from "./statements.ts";
import type { Tombstones } from "./tombstones.ts";
import type { IdWindow } from "./id-window.ts";

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

type StoredKey = Omit<Stored, "from"> & Pick<StoredRow, "provenance">;

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
    private readonly now: Clock,
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
        if (this.folds.lags) this.writeRows();
      } catch (error) {
        this.fail(batch, error);
      }
    }
    this.running = null;
  }

  /** While the calls that come next are read; who fails there fails again in a commit. */
  private writeRows(): void {
    this.db.inTurn(() => this.folds.flushOldest()).catch(() => {});
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
    const judged = items.filter((item) => {
      const stored = known.get(keyOf(item.event));
      return isQuestioned(item) || !stored || !isFirm(stored);
    });
    await this.folds.prepare(judged.map(({ event }) => event));
    const { fresh, rejected, again, replaced } = judge(items, known, (id) =>
      this.folds.get(id),
    );
    if (fresh.length > 0) await this.store(fresh, replaced);
    for (const { event, call, reason } of rejected)
      call.rejected.set(event.event_id, reason);
    for (const items of [rejected, again])
      this.folds.release(items.map(({ event }) => event.session_id));
    for (const rejection of rejectionsOf(rejected))
      this.hears.onRejected?.(rejection);
    this.lastCommitOk = true;
  }

  /** @param replaced those in whose place some of them go */
  private async store(
    items: readonly Item[],
    replaced: readonly Stored[],
  ): Promise<void> {
    const begun = performance.now();
    if (replaced.length === 0) await this.insert(items);
    else
      await this.db.transaction(async () => {
        const ids = listValue(replaced.map(({ session_id }) => session_id));
        await this.db.run(SQL.deleteEvents, [...spanOf(replaced), ids]);
        await this.insert(items);
      });
    for (const item of items) {
      this.window.add(item.event.event_id, item.event.timestamp);
      this.folds.add(item);
      item.call.stored.add(item.event.event_id);
    }
    this.folds.reconsider(replaced.map(({ session_id }) => session_id));
    await this.folds.settle();
    const seconds = (performance.now() - begun) / 1_000;
    this.hears.onCommit?.(seconds, items.length);
  }

  private insert(items: readonly Item[]): Promise<void> {
    return this.db.run(SQL.insertEvents, [
      eventLines(items, this.folds.lastSeq + 1).join("\n"),
      // Text would be planned anew for each commit.
      new DuckDBTimestampValue(BigInt(this.now()) * 1_000n),
    ]);
  }

  /** Those that are stored, by `keyOf`. */
  private async known(
    batch: readonly Item[],
  ): Promise<ReadonlyMap<string, Stored>> {
    const known = new Map<string, Stored>();
    const doubtful: Pick<Stored, "event_id" | "timestamp">[] = [];
    for (const { event } of batch) {
      const { event_id } = event;
      for (const timestamp of this.timesOf(event_id, event.timestamp))
        doubtful.push({ event_id, timestamp });
    }
    if (doubtful.length === 0) return known;
    const found = await this.db.rows<StoredKey>(
      SQL.knownEvents,
      spanOf(doubtful),
    );
    const froms = provenances();
    for (const { provenance, ...key } of found) {
      const stored = { ...key, from: froms(provenance) };
      const before = known.get(keyOf(key));
      if (!before || isFirm(stored)) known.set(keyOf(key), stored);
    }
    return known;
  }

  /** Those that do not come too late, for a session that went to an archive. */
  private async unarchived(
    batch: readonly Item[],
    known: ReadonlyMap<string, Stored>,
  ): Promise<readonly Item[]> {
    const fresh = new Map<string, Event>();
    for (const { event } of batch)
      if (!known.has(keyOf(event))) fresh.set(keyOf(event), event);
    const archived = await this.tombstones.late([...fresh.values()]);
    if (archived.size === 0) return batch;
    return batch.filter(({ event }) => !archived.has(event.session_id));
  }

  /**
   * When an event of an id may have been stored, as far as memory tells; none
   * when it has not been.
   * @param timestamp as the event says that is asked for
   * @returns in order
   */
  timesOf(event_id: string, timestamp: string): string[] {
    const times = this.window.timesOf(event_id);
    if (times.length > 0) return [...times, timestamp].sort();
    return this.window.reaches(timestamp) ? [] : [timestamp];
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
function spanOf(
  events: readonly Pick<Event, "event_id" | "timestamp">[],
): DuckDBValue[] {
  const times = events.map(({ timestamp }) => timestamp).sort();
  const ids = events.map(({ event_id }) => event_id);
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
  return isKind(event, "session_end") && event.end_source !== "recovered";
}

const decides = (event: Event) =>
  event.event_type === "session_start" || isEnd(event);

const closedFailure = () =>
  new Failure("storage", "the store is closed", "ask another one");
