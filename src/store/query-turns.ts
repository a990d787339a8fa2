/** How many queries of users run at a time, and how long each may. */
import {
  type Failure,
  Overloaded,
  fail,
  nobodyWaits,
} from "../model/failure.ts";
import type { QueryRequest } from "../model/query.ts";

/** Queries that run at a time, and that wait. */
export const PLACES = 2;
const WAITING_MAX = 16;
/** How long the end of the store waits for queries that were interrupted. */
const END_MS = 1_000;

/** A query that has its turn. */
interface Held {
  limit: Limit;
  /** Resolves when nothing of it is left. */
  over: Promise<void>;
}

export class Turns {
  private readonly running = new Set<Held>();
  private readonly waiting: { limit: Limit; go: () => void }[] = [];
  private free = PLACES;
  private closed = false;

  /** Waits for a turn, which is to be held. */
  async take(limit: Limit): Promise<void> {
    if (this.closed) throw closing();
    if (this.free > 0) return void this.free--;
    if (this.waiting.length >= WAITING_MAX)
      throw new Overloaded("too many queries run already", 1_000);
    limit.waits = true;
    await limit.race(
      new Promise<void>((go) => this.waiting.push({ limit, go })),
    );
    limit.waits = false;
  }

  /** Keeps the turn until the query is over. */
  hold(query: Held): void {
    this.running.add(query);
    void query.over.finally(() => this.left(query));
  }

  private left(query: Held): void {
    this.running.delete(query);
    for (;;) {
      const next = this.waiting.shift();
      if (!next) return void this.free++;
      // Its time was over before its turn.
      if (next.limit.reason) continue;
      return next.go();
    }
  }

  /** Ends all; no more may come. One that cannot be interrupted is left behind. */
  async end(): Promise<void> {
    this.closed = true;
    for (const { limit } of [...this.running, ...this.waiting])
      limit.stop(closing());
    const ends = [...this.running].map(({ over }) => over);
    await Promise.race([Promise.all(ends), Bun.sleep(END_MS)]);
  }
}

const closing = () =>
  fail.unreachable(
    "the query was interrupted, for the database is closed",
    "run it again",
  );

/** When a query has to end, and why. */
export class Limit {
  private readonly ended = Promise.withResolvers<never>();
  private readonly timer: ReturnType<typeof setTimeout>;
  reason: Failure | null = null;
  /** For a place. */
  waits = false;

  constructor({ timeout_ms, gone }: QueryRequest) {
    this.timer = setTimeout(
      () => this.stop(this.waits ? noTurn(timeout_ms) : tooLong(timeout_ms)),
      timeout_ms,
    );
    gone?.addEventListener("abort", () => this.stop(nobodyWaits()), {
      once: true,
    });
    this.ended.promise.catch(() => {
      // Whoever waits has heard of it; nobody may.
    });
    if (gone?.aborted) this.stop(nobodyWaits());
  }

  race<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.ended.promise]);
  }

  stop(reason: Failure): void {
    this.reason ??= reason;
    this.end();
    this.ended.reject(this.reason);
  }

  end(): void {
    clearTimeout(this.timer);
  }
}

const tooLong = (ms: number) =>
  fail.timeout(
    `the query did not end within ${ms / 1_000} s`,
    "make it smaller, by WHERE or LIMIT, or give it more: --timeout",
  );
const noTurn = (ms: number) =>
  fail.timeout(
    `${PLACES} other queries did not end within ${ms / 1_000} s`,
    "run it again; where they do not end, session-buddy mcp restart ends them",
  );
