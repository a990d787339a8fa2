/**
 * The circuit breaker of the delivery to a server on another host. Its state is a
 * file in the spool folder, for all processes of this host: since when delivery
 * fails and why, and until when the circuit is open. While it is open automatic
 * drains do not try, so a dead server costs one attempt an interval, however many
 * shells there are. A drain that the user runs always tries.
 */
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { type Clock, isoTime } from "../model/clock.ts";
import {
  Failure,
  Overloaded,
  Rejected,
  fail,
  reasonOf,
} from "../model/failure.ts";
import { SMALL_BYTES, tryReadText } from "../os/file.ts";
import type { DrainTarget } from "./report.ts";

export interface DeliveryState {
  /** Failed attempts since the last success; retries of one process count once. */
  failures: number;
  /** UTC, ISO 8601; null when the last attempt succeeded. */
  failing_since: string | null;
  /** When an automatic drain may try again; null when at once. */
  open_until: string | null;
  last_error: string | null;
  /** What to do about it. */
  mend: string | null;
  last_success: string | null;
}

const FIRST_INTERVAL_MS = 30_000;
const LONGEST_INTERVAL_MS = 600_000;
/** No retry begins later; with the longest wait for an answer that is a minute. */
const RETRY_FOR_MS = 30_000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;
/** A success is written again when the last one is older. */
const SUCCESS_MS = 60_000;
const MOST_TEXT = 500;

const FRESH: DeliveryState = {
  failures: 0,
  failing_since: null,
  open_until: null,
  last_error: null,
  mend: null,
  last_success: null,
};

/** @param folder this machine's spool folder */
export function readDelivery(folder: string): DeliveryState {
  try {
    const text = tryReadText(fileIn(folder), SMALL_BYTES);
    return { ...FRESH, ...(JSON.parse(text ?? "{}") as DeliveryState) };
  } catch {
    // Damaged: the next attempt writes it.
    return FRESH;
  }
}

const fileIn = (folder: string) => `${folder}/delivery.json`;

/** Whether automatic drains do not try now. */
export function isOpen({ open_until }: DeliveryState, now: number): boolean {
  const left_ms = Date.parse(open_until ?? "") - now;
  // Longer than ever written: the clock was set back.
  return left_ms > 0 && left_ms <= LONGEST_INTERVAL_MS;
}

/** The circuit breaker as one process sees it. */
export class CircuitBreaker {
  private attempts = 0;
  private failure: unknown = null;
  private readonly began_ms = performance.now();
  /** Whether delivery failed already when this process began. */
  private readonly failing: boolean;

  /**
   * @param folder this machine's spool folder
   * @param automatic the user did not ask for it
   */
  constructor(
    private readonly folder: string,
    readonly automatic: boolean,
    private readonly now: Clock,
    private readonly random: () => number = Math.random,
  ) {
    this.failing = readDelivery(folder).failures > 0;
  }

  /** The store behind the circuit breaker, which records each attempt to append. */
  guard(store: DrainTarget): DrainTarget {
    return {
      append: (events) => this.attempt(() => store.append(events)),
      seen: async (signs) =>
        signs.size > 0 && this.attempt(() => store.seen(signs)),
      get: (session_id) => store.get(session_id),
      ...(store.events && {
        events: (filter) => this.asked(store.events!(filter)),
      }),
    };
  }

  /** It is told of, as an attempt to append, when there is nobody to be asked. */
  private async *asked<T>(rows: AsyncIterable<T>): AsyncIterable<T> {
    yield* await this.attempt(() => Array.fromAsync(rows));
  }

  private async attempt<T>(send: () => Promise<T>): Promise<T> {
    this.begin();
    try {
      const result = await send();
      this.succeeded();
      return result;
    } catch (error) {
      if (error instanceof Rejected) this.succeeded();
      else this.failed(error);
      throw error;
    }
  }

  /** @throws Failure while the circuit is open, unless the user asked */
  begin(): void {
    if (!this.automatic || this.attempts > 0) return;
    const { open_until, last_error } = this.state;
    if (!isOpen(this.state, this.now())) return;
    throw fail.unreachable(
      `events are not delivered before ${open_until}: ${last_error}`,
      "to try at once: session-buddy drain",
    );
  }

  succeeded(): void {
    this.failure = null;
    const { failures, last_success } = this.state;
    const age_ms = this.now() - Date.parse(last_success ?? "");
    if (failures === 0 && age_ms >= 0 && age_ms < SUCCESS_MS) return;
    this.write({ ...FRESH, last_success: isoTime(this.now()) });
  }

  failed(error: unknown): void {
    this.failure = error;
    const { state } = this;
    const now = this.now();
    const first = this.attempts++ === 0;
    const failure = error instanceof Failure ? error : null;
    // A user's attempt while the circuit is open changes nothing for the others.
    const asked = first && isOpen(state, now);
    const failures = state.failures + (first && !asked ? 1 : 0);
    const open_ms = interval(failures, failure, this.random());
    this.write({
      failures,
      failing_since: state.failing_since ?? isoTime(now),
      open_until: asked ? state.open_until : isoTime(now + open_ms),
      last_error: (failure?.sentence ?? reasonOf(error)).slice(0, MOST_TEXT),
      mend: failure?.hint?.slice(0, MOST_TEXT) ?? null,
      last_success: state.last_success,
    });
  }

  /**
   * How long to wait before this process tries again.
   * @returns null when it shall not: it would fail again, delivery failed before
   *   this process began, or the time is over
   */
  pause_ms(): number | null {
    const { failure } = this;
    if (!this.automatic || this.failing || this.attempts === 0) return null;
    if (!(failure instanceof Failure)) return null;
    if (failure.code !== "unreachable" && failure.code !== "overloaded")
      return null;
    const longest = FIRST_PAUSE_MS * 2 ** (this.attempts - 1);
    const asked_ms = retryAfter(failure);
    const jitter_ms = this.random() * Math.min(longest, LONGEST_PAUSE_MS);
    const pause_ms = asked_ms + jitter_ms;
    const spent_ms = performance.now() - this.began_ms;
    return spent_ms + pause_ms > RETRY_FOR_MS ? null : pause_ms;
  }

  private get state(): DeliveryState {
    return readDelivery(this.folder);
  }

  private write(state: DeliveryState): void {
    const made = `${fileIn(this.folder)}.${process.pid}`;
    try {
      rmSync(made, { force: true });
      writeFileSync(made, `${JSON.stringify(state)}\n`, {
        ...{ mode: 0o600, flag: "wx" },
      });
      renameSync(made, fileIn(this.folder));
    } catch {
      // A full or read-only disk: one more attempt is made.
      rmSync(made, { force: true });
    }
  }
}

/**
 * How long the circuit is open: by chance, and longer with each failure. A server that
 * answers is there, and says so for as long as its database is away: no sign of life
 * reaches it before the circuit closes, and then their sessions would be lost.
 */
function interval(
  failures: number,
  failure: Failure | null,
  random: number,
): number {
  const longest =
    failure instanceof Overloaded
      ? FIRST_INTERVAL_MS
      : Math.min(FIRST_INTERVAL_MS * 2 ** (failures - 1), LONGEST_INTERVAL_MS);
  const jittered = longest * (0.5 + random / 2);
  const asked_ms = failure ? retryAfter(failure) : 0;
  return Math.min(Math.max(jittered, asked_ms), LONGEST_INTERVAL_MS);
}

const retryAfter = (failure: Failure): number =>
  failure instanceof Overloaded ? (failure.retry_after_ms ?? 0) : 0;
