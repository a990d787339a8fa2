/**
 * Connections beside the writer's. Each query has one of its own; few run at a time,
 * so that a commit always finds a thread. So has each long job, which is interrupted
 * when the file is closed.
 */
import type { DuckDBConnection, DuckDBValue } from "@duckdb/node-api";
import { Gate } from "../gate.ts";

/** Queries that run at a time; the others wait between two chunks. */
const AT_WORK = 2;
const INTERRUPT_MS = 5;
/** How long an interrupted job may take to end before it is interrupted again. */
const INTERRUPT_JOB_MS = 20;

export class Readers {
  private readonly open = new Set<Reading>();
  private readonly gate = new Gate(AT_WORK);
  private closed = false;

  constructor(private readonly connect: () => Promise<DuckDBConnection>) {}

  /**
   * The rows of a query, chunk by chunk, as of one moment.
   * @param gone ends it when nobody waits any more
   * @throws Closed
   */
  async *read(
    sql: string,
    values: DuckDBValue[],
    gone?: AbortSignal,
  ): AsyncGenerator<object[], void> {
    if (this.closed || gone?.aborted) throw new Closed();
    const reading = new Reading(this.connect());
    this.open.add(reading);
    const end = () => void reading.end();
    gone?.addEventListener("abort", end);
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
      gone?.removeEventListener("abort", end);
      this.open.delete(reading);
      await reading.end();
    }
  }

  /** Ends all queries; more may come. */
  async cut(): Promise<void> {
    await Promise.allSettled([...this.open].map((reading) => reading.end()));
  }

  /** Ends all queries; no more may come. */
  async close(): Promise<void> {
    this.closed = true;
    await this.cut();
  }
}

/** The readers were closed during a query, or nobody waits for it. */
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

  /** A result that is not read to its end keeps the file open: interrupts and reads it. */
  private async finish(): Promise<void> {
    const connection = await this.connection;
    // Again and again: a query that has not begun is not interrupted.
    const timer = setInterval(() => connection.interrupt(), INTERRUPT_MS);
    try {
      connection.interrupt();
      const chunks = await this.chunks;
      while (chunks && !(await chunks.next()).done) connection.interrupt();
    } catch {
      // Interrupted, or failed before: the caller has got that error.
    } finally {
      clearInterval(timer);
      connection.closeSync();
    }
  }
}

/** Long work, each piece on a connection of its own. */
export class Jobs {
  /** Each with the connections that it uses. */
  private readonly running = new Map<Promise<unknown>, Set<DuckDBConnection>>();

  constructor(private readonly connect: () => Promise<DuckDBConnection>) {}

  /** @param work calls `joins` for connections elsewhere that it uses as well */
  async run<T>(
    work: (
      connection: DuckDBConnection,
      joins: (other: DuckDBConnection) => void,
    ) => Promise<T>,
  ): Promise<T> {
    const connection = await this.connect();
    const used = new Set([connection]);
    const job = work(connection, (other) => used.add(other));
    this.running.set(job, used);
    try {
      return await job;
    } finally {
      this.running.delete(job);
      connection.closeSync();
    }
  }

  /** Interrupts all, until none is left. */
  async end(): Promise<void> {
    while (this.running.size > 0) {
      // One statement ends by it; the next may have to be interrupted too.
      for (const used of this.running.values())
        for (const connection of used) connection.interrupt();
      await Promise.race([
        Promise.allSettled(this.running.keys()),
        Bun.sleep(INTERRUPT_JOB_MS),
      ]);
    }
  }
}
