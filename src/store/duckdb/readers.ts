/**
 * Reading beside the writer: each question on a connection of its own, and few
 * at work at a time, so that a commit always finds a thread.
 */
import type { DuckDBConnection, DuckDBValue } from "@duckdb/node-api";

/** Questions at work at a time; the others wait their turn between two chunks. */
const AT_WORK = 2;
const INTERRUPT_MS = 5;

export class Readers {
  private readonly open = new Set<Reading>();
  private readonly gate = new Gate(AT_WORK);
  private closed = false;

  constructor(private readonly connect: () => Promise<DuckDBConnection>) {}

  /**
   * The rows of a query as they come, chunk by chunk, as of one moment.
   * @throws Closed
   */
  async *read(
    sql: string,
    values: DuckDBValue[],
  ): AsyncGenerator<object[], void> {
    if (this.closed) throw new Closed();
    const reading = new Reading(this.connect());
    this.open.add(reading);
    try {
      await this.gate.pass(() => reading.begin(sql, values));
      for (;;) {
        const { done, value } = await this.gate.pass(() => reading.next());
        if (reading.isEnded) throw new Closed();
        if (done) return;
        yield value;
      }
    } catch (error) {
      throw reading.isEnded ? new Closed() : error;
    } finally {
      this.open.delete(reading);
      await reading.end();
    }
  }

  /** Ends all that is still read; more may be asked. */
  async cut(): Promise<void> {
    await Promise.allSettled([...this.open].map((reading) => reading.end()));
  }

  /** Ends all that is still read, and answers nothing more. */
  async close(): Promise<void> {
    this.closed = true;
    await this.cut();
  }
}

/** The readers were closed in the midst of a question. */
export class Closed extends Error {}

class Reading {
  private chunks: Promise<AsyncGenerator<object[]>> | null = null;
  private ended: Promise<void> | null = null;

  constructor(private readonly connection: Promise<DuckDBConnection>) {}

  async begin(sql: string, values: DuckDBValue[]): Promise<void> {
    const connection = await this.connection;
    if (this.ended) return;
    this.chunks = connection
      .stream(sql, values)
      .then(
        (result) => result.yieldRowObjectJson() as AsyncGenerator<object[]>,
      );
    await this.chunks;
  }

  async next(): Promise<IteratorResult<object[], void>> {
    if (this.ended || !this.chunks) return { done: true, value: undefined };
    return (await this.chunks).next();
  }

  get isEnded(): boolean {
    return this.ended !== null;
  }

  end(): Promise<void> {
    return (this.ended ??= this.finish());
  }

  /** A result that is left in its midst keeps the file open: it is cut short and read out. */
  private async finish(): Promise<void> {
    const connection = await this.connection;
    // Again and again: what has not begun yet is not interrupted.
    const timer = setInterval(() => connection.interrupt(), INTERRUPT_MS);
    try {
      connection.interrupt();
      const chunks = await this.chunks;
      while (chunks && !(await chunks.next()).done) connection.interrupt();
    } catch {
      // Interrupted, or it had failed before: whoever asked has heard of that.
    } finally {
      clearInterval(timer);
      connection.closeSync();
    }
  }
}

/** Lets so many through at a time, the others in the order of their coming. */
class Gate {
  private readonly waiting: (() => void)[] = [];

  constructor(private free: number) {}

  async pass<T>(work: () => Promise<T>): Promise<T> {
    if (this.free > 0) this.free--;
    else await new Promise<void>((resolve) => this.waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.free++;
    }
  }
}
