/**
 * Group commit. Events that come during a commit wait in a bounded queue, and the next
 * commit takes all that wait. No timer is waited for.
 *
 * An event counts as stored once its commit is done. A duplicate that comes meanwhile
 * waits in the queue behind it.
 */
import {
  DuckDBTimestampValue,
  type DuckDBValue,
  listValue,
} from "@duckdb/node-api";
import type { Clock } from "../../model/clock.ts";
import type { Event } from "../../model/event.ts";
import { fail } from "../../model/failure.ts";
import { type Provenance, mayReport } from "../../model/reporter.ts";
import { summaryOf } from "../../model/session.ts";
import type { StoreEvents } from "../../model/store.ts";
import { nextTurn } from "../../os/turns.ts";
import type { Database } from "./database.ts";
import type { Folds } from "./folds.ts";
import {
  type Stored,
  isFirm,
  admit,
  keyOf,
  rejectionsOf,
} from "../admission.ts";
import { type Call, type Item, Queue, answer } from "../queue.ts";
import { arrivalOf } from "../arrivals.ts";
import { type StoredRow, provenances } from "../rows.ts";
import { eventLines } from "./lines.ts";
import { SQL } from "./statements.ts";
import type { Removals } from "../removals.ts";
import type { Tombstones } from "./tombstones.ts";
import type { IdWindow } from "./id-window.ts";

interface StoredAt extends Stored {
  timestamp: string;
}
type StoredKey = Omit<StoredAt, "from"> & Pick<StoredRow, "provenance">;

export class Writer {
  readonly queue = new Queue();
  private running: Promise<void> | null = null;
  private closed = false;
  lastCommitOk = true;

  constructor(
    private readonly db: Database,
    private readonly folds: Folds,
    private readonly window: IdWindow,
    private readonly tombstones: Tombstones,
    private readonly removals: Removals,
    private readonly hears: StoreEvents,
    private readonly now: Clock,
  ) {}

  /**
   * @param from who brought them; null for events of the store itself
   * @returns the ids of those that were new, once all are committed
   * @throws Failure (overloaded) when too many wait; Rejected for those that `from`
   *   may not report, once all others are committed
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
    this.queue.add(items);
    this.running ??= this.run();
    return call.settle.promise;
  }

  private async run(): Promise<void> {
    while (!this.queue.isEmpty) {
      await nextTurn();
      const batch = this.queue.takeBatch();
      try {
        await this.db.inTurn(() => this.commit(batch));
        this.queue.release(batch);
        for (const { call } of batch) if (--call.waiting === 0) answer(call);
        if (this.folds.lags) this.writeRows();
      } catch (error) {
        this.fail(batch, error);
      }
    }
    this.running = null;
  }

  /** Writes rows while the next calls are read; a commit meets the same errors. */
  private writeRows(): void {
    this.db.inTurn(() => this.folds.flushOldest()).catch(() => {});
  }

  /** Rejects all calls with events in a batch, and drops their other events. */
  private fail(batch: readonly Item[], error: unknown): void {
    this.lastCommitOk = false;
    const calls = new Set(batch.map(({ call }) => call));
    this.queue.release(batch);
    this.queue.drop(calls);
    for (const { settle } of calls) settle.reject(error);
  }

  private async commit(batch: readonly Item[]): Promise<void> {
    const known = await this.known(batch);
    const items = this.removals.applied(await this.unarchived(batch, known));
    const checked = items.filter((item) => {
      const stored = known.get(keyOf(item.event));
      return isChecked(item) || !stored || !isFirm(stored);
    });
    await this.folds.prepare(checked.map(({ event }) => event));
    const { fresh, rejected, again, replaced } = admit(items, known, (id) => {
      const state = this.folds.get(id);
      return state ? summaryOf(state).reporter : null;
    });
    if (fresh.length > 0) await this.store(fresh, replaced);
    for (const { event, call, reason } of rejected)
      call.rejected.set(event.event_id, reason);
    for (const items of [rejected, again])
      this.folds.release(items.map(({ event }) => event.session_id));
    for (const rejection of rejectionsOf(rejected))
      this.hears.onRejected?.(rejection);
    this.lastCommitOk = true;
  }

  /** @param replaced the stored events that some of them replace */
  private async store(
    items: readonly Item[],
    replaced: readonly StoredAt[],
  ): Promise<void> {
    const begun = performance.now();
    if (replaced.length === 0) await this.insert(items);
    else
      await this.db.transaction(async () => {
        const ids = listValue(replaced.map(({ session_id }) => session_id));
        for (const sql of [SQL.deleteTheirColumns, SQL.deleteEvents])
          await this.db.run(sql, [...spanOf(replaced), ids]);
        await this.insert(items);
      });
    for (const item of items) {
      this.window.add(item.event.event_id, item.event.timestamp);
      this.folds.add(item);
      item.call.stored.add(item.event.event_id);
    }
    this.folds.markStale(replaced.map(({ session_id }) => session_id));
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

  private async known(
    batch: readonly Item[],
  ): Promise<ReadonlyMap<string, StoredAt>> {
    const known = new Map<string, StoredAt>();
    const doubtful: Pick<StoredAt, "event_id" | "timestamp">[] = [];
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

  /** The events whose session is not archived. */
  private async unarchived(
    batch: readonly Item[],
    known: ReadonlyMap<string, StoredAt>,
  ): Promise<readonly Item[]> {
    const fresh = new Map<string, Event>();
    for (const { event } of batch)
      if (!known.has(keyOf(event))) fresh.set(keyOf(event), event);
    const archived = await this.tombstones.late([...fresh.values()]);
    if (archived.size === 0) return batch;
    return batch.filter(({ event }) => !archived.has(event.session_id));
  }

  /**
   * The timestamps that stored events of an id may have, as far as memory tells; none
   * when it is not stored.
   * @param timestamp that of the event
   * @returns in order
   */
  timesOf(event_id: string, timestamp: string): string[] {
    const times = this.window.timesOf(event_id);
    if (times.length > 0) return [...times, timestamp].sort();
    return this.window.reaches(timestamp) ? [] : [timestamp];
  }

  /** Accepts no more, and stores all that wait. */
  async close(): Promise<void> {
    this.closed = true;
    await this.running;
  }
}

/** Ids of events, their first and their last timestamp. */
function spanOf(
  events: readonly Pick<Event, "event_id" | "timestamp">[],
): DuckDBValue[] {
  const times = events.map(({ timestamp }) => timestamp).sort();
  const ids = events.map(({ event_id }) => event_id);
  return [listValue(ids), times[0]!, times.at(-1)!];
}

/** Whether it is checked who may report it, even when it is stored already. */
const isChecked = ({ from }: Item): boolean =>
  from === null || !mayReport("", from);

const closedFailure = () =>
  fail.storage("the store is closed", "ask another one");
