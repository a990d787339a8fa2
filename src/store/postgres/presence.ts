/**
 * Whether the database is there. Its errors become failures here; while it is away
 * nobody waits for it: whoever asks is told at once to come again.
 */
import { type Failure, Overloaded, reasonOf } from "../../model/failure.ts";
import type { StoreEvents } from "../../model/store.ts";
import { failureOf, meaningOf } from "./retry.ts";

/** When to come again. */
const RETRY_AFTER_MS = 5_000;
/** So long after one has tried in vain nobody tries. */
const REST_MS = 200;
/** So long one tries alone: what he asks for may take much longer than that it is there. */
const ALONE_MS = 1_000;

export class Presence {
  /** Why it cannot be used; null while it can. */
  away: Failure | null = null;
  private rests_until = 0;

  /**
   * @param name of the database, for people
   * @param events hears when it goes and comes
   */
  constructor(
    private readonly name: string,
    private readonly events: Pick<StoreEvents, "onAway" | "onBack"> = {},
  ) {}

  /**
   * Works on it.
   * @param patience_ms how long the work may be tried; once, while it is away
   * @throws Failure
   */
  async of<T>(
    patience_ms: number,
    work: (patience_ms: number) => Promise<T>,
  ): Promise<T> {
    // A host that has gone silent keeps everybody who tries for seconds.
    if (this.away && performance.now() < this.rests_until) throw this.away;
    if (this.away) this.rests_until = performance.now() + ALONE_MS;
    try {
      const done = await work(this.away ? 0 : patience_ms);
      if (this.away) {
        this.away = null;
        this.events.onBack?.();
      }
      return done;
    } catch (error) {
      const failure = this.failure(error);
      this.rests_until = performance.now() + REST_MS;
      throw failure;
    }
  }

  private failure(error: unknown): Failure {
    if (meaningOf(error) !== "away") return failureOf(this.name, error);
    const isNew = this.away === null;
    this.away = new Overloaded(
      `${this.name} is away: ${reasonOf(error)}`,
      RETRY_AFTER_MS,
    );
    if (isNew) this.events.onAway?.(this.away);
    return this.away;
  }
}
