/**
 * Runs the queries of users beside everything else, each on a
 * connection of its own on which the views alone can be named, with a limit of time
 * and of memory.
 *
 * DuckDB interrupts between two vectors of rows, so one that is in a long function
 * goes on for a while. Whoever asked has its answer at the limit all the same; the
 * place of the query is free once it has ended.
 */
import type { DuckDBConnection, DuckDBResult } from "@duckdb/node-api";
import type { Json } from "../../../model/event.ts";
import { Failure } from "../../../model/failure.ts";
import type {
  QueryAnswer,
  QueryColumn,
  QueryRequest,
  QueryRow,
} from "../../../model/query.ts";
import { limitData } from "../../../os/data-limit.ts";
import { Limit, Turns } from "../../query-turns.ts";
import { requireText } from "../../query-failure.ts";
import type { Database } from "../database.ts";
import { checkQuery } from "./check.ts";
import { asQueryFailure, parserFailure } from "./place.ts";
import { toJson, typeName } from "./values.ts";
import { setupSql } from "./views.ts";

const INTERRUPT_MS = 5;
/** What a query may take beside what DuckDB counts, which leaves out texts in work. */
const MORE_BYTES = 1024 * 1024 * 1024;

const PARSE = `SELECT json_serialize_sql($1::VARCHAR, skip_default := true,
  skip_empty := true, skip_null := true)`;

export class Queries {
  private readonly turns = new Turns();

  constructor(private readonly db: Pick<Database, "connection" | "fatal">) {}

  /**
   * Resolves once it runs and its columns are known.
   * @throws Failure (usage) of the query, with the place; (timeout), (overloaded)
   */
  async run(request: QueryRequest): Promise<QueryAnswer> {
    const { sql } = request;
    requireText(sql);
    const limit = new Limit(request);
    try {
      await this.turns.take(limit);
      const running = new Running(() => this.db.connection(), limit);
      this.turns.hold(running);
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

  /** Ends all; no more may come. One that cannot be interrupted is left behind. */
  end(): Promise<void> {
    return this.turns.end();
  }
}

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
      this.memory[Symbol.dispose]();
      this.finished.resolve();
      this.connection?.closeSync();
    }
  }
}

/** @throws Failure (usage) of what is no SQL, or no query */
function parsedOf(json: string, sql: string): unknown {
  const parsed = JSON.parse(json) as { error: boolean };
  if (parsed.error) throw parserFailure(sql, parsed);
  return parsed;
}
