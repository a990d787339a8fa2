/**
 * Group commit. Events that come during a commit wait in a bounded queue, and the next
 * commit takes all that wait. A batch that met others, or a connection that was cut, is
 * done again; whether its COMMIT was done before, its events say.
 */
import type { Clock } from "../../model/clock.ts";
import type { Event } from "../../model/event.ts";
import { type Failure, fail } from "../../model/failure.ts";
import type { Provenance } from "../../model/reporter.ts";
import type { StoreEvents } from "../../model/store.ts";
import { nextTurn } from "../../os/turns.ts";
import { type Rejected, rejectionsOf } from "../admission.ts";
import { type Arrival, arrivalOf } from "../arrivals.ts";
import { type Call, type Item, Queue, answer } from "../queue.ts";
import {
  type Batch,
  type Committed,
  type Rules,
  commitBatch,
} from "./commit.ts";
import type { Connection } from "./connect.ts";
import type { Reach } from "./reach.ts";
import type { Servers } from "./servers.ts";
import { refusalOf, retried } from "./retry.ts";

export interface WriterOptions extends StoreEvents {
  now: Clock;
  /** See Rules. */
  locks: boolean;
}

/** Commits the batch that it is given, the same over all tries. */
export type Work<T extends Arrival> = (
  tx: Connection,
  batch: Batch<T>,
  rules: Rules,
) => Promise<Committed<T>>;

export class Writer {
  readonly queue = new Queue();
  private running: Promise<void> | null = null;
  private closed = false;
  lastCommitOk = true;

  constructor(
    private readonly reach: Reach,
    private readonly servers: Servers,
    private readonly options: WriterOptions,
  ) {}

  /**
   * @param from who brought them; null for events of the store itself
   * @returns the ids of those that were new, once all are committed
   * @throws Failure (overloaded) when too many wait, or the database is away; Rejected
   *   for those that `from` may not report, or the database does not take, once all
   *   others are committed
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
    this.queue.add(
      arrivalsOf(events, from).map((arrival) => ({ ...arrival, call })),
    );
    this.running ??= this.run();
    return call.settle.promise;
  }

  private async run(): Promise<void> {
    while (!this.queue.isEmpty) {
      await nextTurn();
      await this.store(this.queue.takeBatch());
    }
    this.running = null;
  }

  /**
   * Commits a batch and answers for it. Of one that the database refuses for its data the
   * halves are committed apart, until the event that it refuses is alone: others are not
   * kept waiting by it.
   */
  private async store(batch: readonly Item[]): Promise<void> {
    try {
      const { stored, rejected } = await this.commit<Item>((tx, of, rules) =>
        commitBatch(tx, of, batch, rules),
      );
      for (const { call, event } of stored) call.stored.add(event.event_id);
      for (const { call, event, reason } of rejected)
        call.rejected.set(event.event_id, reason);
      this.settle(batch);
    } catch (error) {
      const reason = refusalOf(error);
      if (reason === null) return this.fail(batch, error);
      if (batch.length === 1) return this.reject(batch[0]!, reason);
      const half = batch.length >> 1;
      await this.store(batch.slice(0, half));
      await this.store(batch.slice(half));
    }
  }

  private settle(batch: readonly Item[]): void {
    this.queue.release(batch);
    for (const { call } of batch) if (--call.waiting === 0) answer(call);
  }

  private reject(item: Item, reason: string): void {
    item.call.rejected.set(item.event.event_id, reason);
    this.tell([{ ...item, reason }]);
    this.settle([item]);
  }

  /** Tells who keeps the store open what is not taken. */
  tell(rejected: readonly Rejected<Arrival>[]): void {
    for (const rejection of rejectionsOf(rejected))
      this.options.onRejected?.(rejection);
  }

  /** Rejects all calls with events in a batch, and drops their other events. */
  private fail(batch: readonly Item[], error: unknown): void {
    // One that is away says so itself.
    if (!this.reach.presence.away) this.lastCommitOk = false;
    const calls = new Set(batch.map(({ call }) => call));
    this.queue.release(batch);
    this.queue.drop(calls);
    for (const { settle } of calls) settle.reject(error);
  }

  /**
   * One transaction with a batch in it, done again until it is through.
   */
  async commit<T extends Arrival>(work: Work<T>): Promise<Committed<T>> {
    const { now, locks, onCommit } = this.options;
    const { presence, patience_ms, pool } = this.reach;
    const begun = performance.now();
    const batch: Batch<T> = { tried: null };
    const done = await presence.of(patience_ms, (patience) =>
      retried(patience, () =>
        pool.transaction((tx) =>
          work(tx, batch, {
            locks,
            server: this.servers.id,
            clock_ms: now() - Date.now(),
          }),
        ),
      ),
    );
    this.tell(done.rejected);
    if (done.stored.length > 0)
      onCommit?.((performance.now() - begun) / 1_000, done.stored.length);
    this.lastCommitOk = true;
    return done;
  }

  /** Accepts no more, and stores all that wait. */
  async close(): Promise<void> {
    this.closed = true;
    await this.running;
  }
}

export function arrivalsOf(
  events: readonly Event[],
  from: Provenance | null,
): Arrival[] {
  const provenance = from && JSON.stringify(from);
  return events.map((event) => arrivalOf(event, from, provenance));
}

const closedFailure = (): Failure =>
  fail.storage("the store is closed", "ask another one");
