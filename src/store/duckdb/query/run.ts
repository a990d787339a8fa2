/**
 * Runs the queries of users beside everything else: few at a time, each on a
 * connection of its own on which the views alone can be named, with a limit of time
 * and of memory.
 *
 * DuckDB interrupts between two vectors of rows, so one that is in a long function
 * goes on for a while. Whoever asked has its answer at the limit all the same; the
 * place of the query is free once it has ended.
 */
import type { DuckDBConnection, DuckDBResult } from "@duckdb/node-api";
import type { Json } from "../../../model/event.ts";
import {
  Failure,
  Overloaded,
  fail,
  nobodyWaits,
} from "../../../model/failure.ts";
import {
  MAX_QUERY_BYTES,
  type QueryAnswer,
  type QueryColumn,
  type QueryRequest,
  type QueryRow,
} from "../../../model/query.ts";
import { limitData } from "../../../os/data-limit.ts";
import type { Database } from "../database.ts";
import { checkQuery } from "./check.ts";
import { asQueryFailure, parserFailure, queryFailure } from "./place.ts";
import { toJson, typeName } from "./values.ts";
import { setupSql } from "./views.ts";

/** Queries that run at a time, and that wait. */
const PLACES = 2;
const WAITING_MAX = 16;
const INTERRUPT_MS = 5;
/** How long the end of the store waits for queries that were interrupted. */
const END_MS = 1_000;
/** What a query may take beside what DuckDB counts, which leaves out texts in work. */
const MORE_BYTES = 1024 * 1024 * 1024;

const PARSE = `SELECT json_serialize_sql($1::VARCHAR, skip_default := true,
  skip_empty := true, skip_null := true)`;

export class Queries {
  private readonly running = new Set<Running>();
  private readonly waiting: { limit: Limit; go: () => void }[] = [];
  private free = PLACES;
  private closed = false;

  constructor(private readonly db: Pick<Database, "connection" | "fatal">) {}

  /**
   * Resolves once it runs and its columns are known.
   * @throws Failure (usage) of the query, with the place; (timeout), (overloaded)
   */
  async run(request: QueryRequest): Promise<QueryAnswer> {
    const { sql } = request;
    if (Buffer.byteLength(sql) > MAX_QUERY_BYTES)
      throw queryFailure(
        sql,
        null,
        `it is longer than ${MAX_QUERY_BYTES} bytes`,
      );
    // The parser would stop there.
    if (sql.includes("\0")) throw queryFailure(sql, null, "it has a NUL in it");
    const limit = new Limit(request);
    try {
      await this.place(limit);
      const running = new Running(() => this.db.connection(), limit);
      this.running.add(running);
      void running.over.finally(() => this.left(running));
      const columns = await running.begin(sql);
      return { columns, rows: this.rows(running, sql), cut: () => false };
    } catch (error) {
      limit.end();
      throw this.failure(sql, error);
    }
  }

  private async *rows(running: Running, sql: string): AsyncGenerator<QueryRow> {
    try {
      yield* running.rows();
    } catch (error) {
      throw this.failure(sql, error);
    } finally {
      running.end();
    }
  }

  private failure(sql: string, error: unknown): Failure {
    if (error instanceof Failure) return error;
    return this.db.fatal(error) ?? asQueryFailure(sql, error);
  }

  private async place(limit: Limit): Promise<void> {
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

  private left(running: Running): void {
    this.running.delete(running);
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
class Limit {
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

/** One query, from its connection to its last row. */
class Running {
  /** What DuckDB is at; no two things at a time. */
  private work: Promise<unknown> = Promise.resolve();
  private connection: DuckDBConnection | null = null;
  private result: DuckDBResult | null = null;
  private readonly finished = Promise.withResolvers<void>();
  private readonly memory = limitData(MORE_BYTES);
  private isEnding = false;
  /** Resolves when nothing of it is left. */
  readonly over = this.finished.promise;

  constructor(
    private readonly connect: () => Promise<DuckDBConnection>,
    readonly limit: Limit,
  ) {}

  /** @throws whatever goes wrong, after which it ends by itself */
  async begin(sql: string): Promise<QueryColumn[]> {
    try {
      await this.do(async () => {
        this.connection = await this.connect();
        const connection = this.connection;
        const file = await connection.runAndReadAll(
          "SELECT current_database()",
        );
        const name = String(file.getRows()[0]![0]);
        await connection.run(setupSql(name));
        const parsed = await connection.runAndReadAll(PARSE, [sql]);
        checkQuery(parsedOf(String(parsed.getRows()[0]![0]), sql), sql);
      });
      await this.do(async () => {
        this.result = await this.connection!.stream(sql);
      });
      const names = this.result!.deduplicatedColumnNames();
      const types = this.result!.columnTypes();
      return names.map((name, i) => ({ name, type: typeName(types[i]!) }));
    } catch (error) {
      this.end();
      throw error;
    }
  }

  async *rows(): AsyncGenerator<Json[]> {
    // Those of a chunk do not say which texts are JSON.
    const types = this.result!.columnTypes();
    for (;;) {
      const chunk = await this.do(() => this.result!.fetchChunk());
      if (!chunk || chunk.rowCount === 0) return;
      for (const row of chunk.getRows())
        yield row.map((value, i) => toJson(value, types[i]!, toJson));
    }
  }

  /** @throws the reason of the limit, where that is what ended it */
  private async do<T>(work: () => Promise<T>): Promise<T> {
    const { reason } = this.limit;
    if (reason) throw reason;
    const done = work();
    this.work = done.catch(() => {
      // Whoever waits for it has the error.
    });
    try {
      return await this.limit.race(done);
    } catch (error) {
      throw this.limit.reason ?? error;
    }
  }

  /** Interrupts it, and frees what it has once DuckDB lets go. */
  end(): void {
    if (this.isEnding) return;
    this.isEnding = true;
    this.limit.end();
    void this.finish();
  }

  private async finish(): Promise<void> {
    // Again and again: what has not begun is not interrupted.
    const interrupt = () => this.connection?.interrupt();
    const timer = setInterval(interrupt, INTERRUPT_MS);
    try {
      interrupt();
      await this.work;
      // A result that is not read to its end holds on to the file.
      while ((await this.result?.fetchChunk())?.rowCount) interrupt();
    } catch {
      // Interrupted, or it failed before: the caller has got that error.
    } finally {
      clearInterval(timer);
      this.connection?.closeSync();
      this.memory[Symbol.dispose]();
      this.finished.resolve();
    }
  }
}

/** @throws Failure (usage) of what is no SQL, or no query */
function parsedOf(json: string, sql: string): unknown {
  const parsed = JSON.parse(json) as { error: boolean };
  if (parsed.error) throw parserFailure(sql, parsed);
  return parsed;
}
