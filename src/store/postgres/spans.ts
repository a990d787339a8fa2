/**
 * Spans of time, by which what was recorded is walked through backwards: they are short
 * at first, and longer where there was little.
 */
import type { Connection } from "./connect.ts";

const FIRST_SPAN_MS = 3_600_000;
const LEAST_SPAN_MS = 1_000;
/** How much longer a span is than one that had too little. */
const LONGER = 8;

/** What has times, each in an index. */
const TIMES = {
  commands: "SELECT min(start_time) AS a, max(start_time) AS z FROM commands",
  notes: "SELECT min(timestamp) AS a, max(timestamp) AS z FROM notes",
  output: "SELECT min(timestamp) AS a, max(timestamp) AS z FROM output",
  sessions: `SELECT min(start_time) AS a, max(start_time) AS z FROM sessions
    WHERE start_time IS NOT NULL`,
};

export class Spans {
  private span_ms = FIRST_SPAN_MS;

  /** In milliseconds since the epoch. */
  private constructor(
    private readonly first_ms: number,
    private until_ms: number,
  ) {}

  /** Of the time that there is to look at. */
  static async of(
    connection: Connection,
    { after, before }: { after?: string; before?: string },
    places: readonly (keyof typeof TIMES)[],
  ): Promise<Spans> {
    const each = places.map((place) => `(${TIMES[place]})`);
    const [row] = await connection.ask<{ first: Date | null; last: Date }>(
      `SELECT min(a) AS first, max(z) AS last
        FROM (${each.join(" UNION ALL ")}) AS t`,
    );
    if (row!.first === null) return new Spans(0, 0);
    const first = row!.first.getTime();
    return new Spans(
      Math.max(first, after === undefined ? first : Date.parse(after)),
      Math.min(
        row!.last.getTime() + 1,
        before === undefined ? Infinity : Date.parse(before),
      ),
    );
  }

  /** Nothing later is looked at. */
  from(last_ms: number): void {
    this.until_ms = Math.min(this.until_ms, last_ms + 1);
  }

  /**
   * The next span, from its first moment to that after its last.
   * @returns null once all was looked through
   */
  next(): [since_ms: number, until_ms: number] | null {
    if (this.until_ms <= this.first_ms) return null;
    const since_ms = Math.max(this.first_ms, this.until_ms - this.span_ms);
    const span: [number, number] = [since_ms, this.until_ms];
    this.until_ms = since_ms;
    this.span_ms *= LONGER;
    return span;
  }

  /** That span had more than was taken: the next goes on where that ended. */
  cut([, until_ms]: readonly [number, number], seen_ms: number): void {
    this.until_ms = seen_ms + 1;
    this.span_ms = Math.max(LEAST_SPAN_MS, (until_ms - seen_ms) * 2);
  }
}
