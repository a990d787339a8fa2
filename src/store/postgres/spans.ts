/**
 * Spans of time, by which what was recorded is walked through backwards: they are short
 * at first, and longer where there was little. What nothing has is looked for in all there
 * is: what took long is followed by a shorter span, so that no statement has to look
 * through most of it.
 */
import { isoTime } from "../../model/clock.ts";
import type { Connection, Value } from "./connect.ts";

const FIRST_SPAN_MS = 3_600_000;
const LEAST_SPAN_MS = 1_000;
/** How much longer a span is than one that had too little. */
const LONGER = 8;
/** How long a span may take before the next is shorter. */
const LONG_MS = 2_000;

/** What has times, each in an index. */
const TIMES = {
  commands: { table: "commands", column: "start_time" },
  notes: { table: "notes", column: "timestamp" },
  output: { table: "output", column: "timestamp" },
  sessions: { table: "sessions", column: "start_time" },
};
type Place = keyof typeof TIMES;

const outermost = (
  which: "min" | "max",
  places: readonly Place[],
  and: (column: string) => string,
) => {
  const each = places.map((place) => {
    const { table, column } = TIMES[place];
    return `(SELECT ${which}(${column}) AS t FROM ${table} WHERE ${and(column)})`;
  });
  return `SELECT ${which}(t) AS t FROM (${each.join(" UNION ALL ")}) AS e`;
};

/** What is looked at is asked for here, so that it is known how long that takes. */
export class Spans implements Connection {
  private span_ms = FIRST_SPAN_MS;
  private took_ms = 0;
  /** Before the first span, and after one that was cut. */
  private given = true;

  /** In milliseconds since the epoch. */
  private constructor(
    private readonly connection: Connection,
    private readonly places: readonly Place[],
    private readonly clock: () => number,
    private readonly first_ms: number,
    private until_ms: number,
  ) {}

  /**
   * Of the time that there is to look at.
   * @param clock in milliseconds
   */
  static async of(
    connection: Connection,
    { after, before }: { after?: string; before?: string },
    places: readonly Place[],
    clock = () => performance.now(),
  ): Promise<Spans> {
    const [row] = await connection.ask<{ t: Date | null }>(
      outermost("min", places, (column) => `${column} IS NOT NULL`),
    );
    const first = row!.t === null ? Infinity : row!.t.getTime();
    return new Spans(
      ...([connection, places, clock] as const),
      Math.max(first, after === undefined ? first : Date.parse(after)),
      before === undefined ? Infinity : Date.parse(before),
    );
  }

  /** Nothing later is looked at. */
  from(last_ms: number): void {
    this.until_ms = Math.min(this.until_ms, last_ms + 1);
  }

  async ask<T>(sql: string, values?: readonly Value[]): Promise<T[]> {
    const began = this.clock();
    try {
      return await this.connection.ask<T>(sql, values);
    } finally {
      this.took_ms += this.clock() - began;
    }
  }

  /**
   * The next span, from its first moment to that after its last.
   * @returns null once all was looked through
   */
  async next(): Promise<[since_ms: number, until_ms: number] | null> {
    if (this.until_ms <= this.first_ms) return null;
    if (!this.given) this.span_ms = this.paced();
    this.given = false;
    this.took_ms = 0;
    const last_ms = await this.lastBefore(this.until_ms);
    // Beyond a time with nothing in it, such as a clock's that was wrong, it is as at first.
    if (last_ms < this.until_ms - this.span_ms) this.span_ms = FIRST_SPAN_MS;
    const until_ms = Math.min(this.until_ms, last_ms + 1);
    this.until_ms = Math.max(this.first_ms, until_ms - this.span_ms);
    return until_ms <= this.first_ms ? null : [this.until_ms, until_ms];
  }

  /** That span had more than was taken: the next goes on where that ended. */
  cut([, until_ms]: readonly [number, number], seen_ms: number): void {
    this.until_ms = seen_ms + 1;
    this.span_ms = Math.max(LEAST_SPAN_MS, (until_ms - seen_ms) * 2);
    this.given = true;
  }

  private paced(): number {
    const { span_ms, took_ms } = this;
    if (took_ms > LONG_MS) return Math.max(LEAST_SPAN_MS, span_ms / LONGER);
    return took_ms > LONG_MS / LONGER ? span_ms : span_ms * LONGER;
  }

  private async lastBefore(until_ms: number): Promise<number> {
    const [row] = await this.connection.ask<{ t: Date | null }>(
      outermost(
        ...(["max", this.places] as const),
        (column) => `${column} < $1::text::timestamptz`,
      ),
      [until_ms === Infinity ? "infinity" : isoTime(until_ms)],
    );
    return row!.t === null ? -Infinity : row!.t.getTime();
  }
}
