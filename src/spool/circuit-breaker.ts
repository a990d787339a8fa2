/**
 * What is known of bringing events to a server on another host, beside the spool
 * for all of this host: since when that fails and why, and until when nobody
 * need try. After a failure the circuit is open; automatic drains leave a server
 * alone until it closes, so one that is dead costs an attempt per interval,
 * however many shells there are. Who asks himself always tries.
 */
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { type Clock, isoTime } from "../model/clock.ts";
import type { Event } from "../model/event.ts";
import { Failure, Overloaded, Rejected, reasonOf } from "../model/failure.ts";
import { SMALL_BYTES, tryReadText } from "../os/file.ts";
import type { SessionStore } from "../model/store.ts";

export interface DeliveryState {
  /** Intervals at whose end the server was away, since the last success. */
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
/** No attempt begins later: with the longest wait for an answer it is a minute. */
const RETRY_FOR_MS = 30_000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;
/** A success is written down anew when the last one is so old. */
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
    // Not there, or damaged: the next attempt writes it.
    return FRESH;
  }
}

const fileIn = (folder: string) => `${folder}/delivery.json`;

/** Whether automatic drains leave the server alone at this moment. */
export function isOpen({ open_until }: DeliveryState, now: number): boolean {
  const left_ms = Date.parse(open_until ?? "") - now;
  // Longer than ever written: the clock was set back.
  return left_ms > 0 && left_ms <= LONGEST_INTERVAL_MS;
}

/** The attempts of one process to bring this host's events away. */
export class Courier {
  private attempts = 0;
  private failure: unknown = null;
  private readonly began_ms = performance.now();
  /** Whether others had failed when this process began. */
  private readonly failing: boolean;

  /**
   * @param folder this machine's spool folder
   * @param automatic nobody asked for it, and nobody waits
   */
  constructor(
    private readonly folder: string,
    private readonly automatic: boolean,
    private readonly now: Clock,
    private readonly random: () => number = Math.random,
  ) {
    this.failing = readDelivery(folder).failures > 0;
  }

  /** The store, with every attempt to bring events to it noted. */
  noting(store: SessionStore): SessionStore {
    return new NotedStore(store, this);
  }

  /** @throws Failure while the circuit is open, and nobody asked */
  begin(): void {
    if (!this.automatic || this.attempts > 0) return;
    const { open_until, last_error } = this.state;
    if (!isOpen(this.state, this.now())) return;
    throw new Failure(
      "unreachable",
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
    // Who asks while the server is left alone changes nothing for the others,
    // and our own retries are one failure.
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
   * @returns null when it shall not: nothing would be different, others failed
   *   before us, or it was long enough
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
      // A full disk, or a read-only one: without it an attempt more is made.
      rmSync(made, { force: true });
    }
  }
}

/** Longer with each failure, and never the same for two hosts. */
function interval(
  failures: number,
  failure: Failure | null,
  random: number,
): number {
  const longest = Math.min(
    FIRST_INTERVAL_MS * 2 ** (failures - 1),
    LONGEST_INTERVAL_MS,
  );
  const jittered = longest * (0.5 + random / 2);
  const asked_ms = failure ? retryAfter(failure) : 0;
  return Math.min(Math.max(jittered, asked_ms), LONGEST_INTERVAL_MS);
}

const retryAfter = (failure: Failure): number =>
  failure instanceof Overloaded ? (failure.retry_after_ms ?? 0) : 0;

/** What asks leaves no trace; what brings does. */
class NotedStore implements SessionStore {
  constructor(
    private readonly store: SessionStore,
    private readonly courier: Courier,
  ) {}

  append(events: readonly Event[]): Promise<ReadonlySet<string>> {
    return this.attempt(() => this.store.append(events));
  }

  async seen(signs: ReadonlyMap<string, string>): Promise<unknown> {
    return signs.size > 0 && this.attempt(() => this.store.seen(signs));
  }

  list: SessionStore["list"] = (filter) => this.store.list(filter);
  events: SessionStore["events"] = (filter) => this.store.events(filter);
  get: SessionStore["get"] = (session_id) => this.store.get(session_id);
  stats: SessionStore["stats"] = (filter) => this.store.stats(filter);
  close: SessionStore["close"] = () => this.store.close();

  private async attempt<T>(bring: () => Promise<T>): Promise<T> {
    this.courier.begin();
    try {
      const result = await bring();
      this.courier.succeeded();
      return result;
    } catch (error) {
      if (error instanceof Rejected) this.courier.succeeded();
      else this.courier.failed(error);
      throw error;
    }
  }
}
