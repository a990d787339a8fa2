/**
 * Duties: work that one server at a time does for all that share the database. A duty
 * is had for a few seconds, by the database's clock, and taken again by whoever has it;
 * another takes it once that time is over.
 */
import type { Connection } from "./connect.ts";
import { UNWAITED, databaseTime } from "./rows.ts";
import { timeOf } from "./text.ts";

/** How long one has a duty that it does not take again. */
export const TERM_MS = 5_000;
/** After a longer pause nobody did it: what counts on it begins anew. */
export const PAUSE_MS = 2_500;
/** Clocks that differ by less are the same. */
export const APART_MS = 1_000;

export interface Held {
  /** Since when it is done without a break, by whoever has it. */
  since: string;
  now: string;
  /** The same until another has had it. */
  term: string;
}

const CLOCK = databaseTime("$3");
const ms = (number: number) => `interval '${number} milliseconds'`;

/** One that has a later end than it can have was taken by a clock that was ahead. */
const TAKE = `INSERT INTO duties AS d (name, holder, until, since, done_at, term)
  SELECT $1::text, $2::text, c.now + ${ms(TERM_MS)}, c.now, c.now,
    (extract(epoch FROM c.now) * 1000000)::bigint
    FROM (SELECT ${CLOCK} AS now, ${UNWAITED}) AS c
  ON CONFLICT (name) DO UPDATE SET holder = excluded.holder,
    until = excluded.until, done_at = excluded.done_at,
    term = CASE WHEN d.holder = excluded.holder THEN d.term
      ELSE greatest(excluded.term, d.term + 1) END,
    since = CASE WHEN d.holder = excluded.holder
        AND excluded.done_at BETWEEN d.done_at - ${ms(APART_MS)}
          AND d.done_at + ${ms(PAUSE_MS)}
      THEN d.since ELSE excluded.since END
  WHERE d.holder = excluded.holder
    OR excluded.done_at NOT BETWEEN d.until - ${ms(TERM_MS + APART_MS)} AND d.until
  RETURNING since, done_at AS now, term`;

const RELEASE = "DELETE FROM duties WHERE holder = $1::text";

export class Duties {
  /** Until when this process has one, by `performance.now()`. */
  private readonly until = new Map<string, number>();

  /** @param holder names this process, and no other */
  constructor(
    private readonly connection: Connection,
    readonly holder: string,
  ) {}

  /**
   * Takes a duty, or takes it again.
   * @param clock_ms how far the caller's clock is moved
   * @returns null while another has it
   */
  async take(name: string, clock_ms: number): Promise<Held | null> {
    const asked_ms = performance.now();
    const [row] = await this.connection.ask<{
      since: Date;
      now: Date;
      term: string;
    }>(TAKE, [name, this.holder, clock_ms]);
    if (row) this.until.set(name, asked_ms + TERM_MS);
    else this.until.delete(name);
    if (!row) return null;
    const { since, now, term } = row;
    return { since: timeOf(since), now: timeOf(now), term };
  }

  /** Whether this process has a duty, as it knows without asking. */
  holds(name: string): boolean {
    return (this.until.get(name) ?? 0) > performance.now();
  }

  /** Lets all of them go. */
  async release(): Promise<void> {
    this.until.clear();
    await this.connection.ask(RELEASE, [this.holder]);
  }
}
