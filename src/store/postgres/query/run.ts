/**
 * Runs the queries of users beside everything else: each in a transaction of its own
 * that nothing remains of. PostgreSQL first makes a view of the query, which runs
 * nothing, and what it has made is checked; then the transaction may only read. Where
 * there is a role that may read the views alone, the query has its rights.
 */
import type { Json } from "../../../model/event.ts";
import { Failure } from "../../../model/failure.ts";
import {
  type QueryAnswer,
  type QueryColumn,
  type QueryRequest,
  type QueryRow,
  VIEW_NAMES,
} from "../../../model/query.ts";
import { requireText } from "../../query-failure.ts";
import { Limit, Turns } from "../../query-turns.ts";
import type { Connection, Pool } from "../connect.ts";
import { Setup } from "./setup.ts";
import { asQueryFailure, withoutEnd } from "./place.ts";
import { toJson, typeName } from "./values.ts";

/** How often a statement that is to end is interrupted. */
const INTERRUPT_MS = 100;

const INTERRUPT = `SELECT pg_cancel_backend(pid) FROM pg_stat_activity
  WHERE pid = $1::integer AND xact_start = $2::text::timestamptz`;

export class Queries {
  private readonly turns = new Turns();

  /**
   * @param pool of connections for queries alone
   * @param others interrupts them
   * @param before is done before each, in its turn
   * @param failure of the database itself
   */
  constructor(
    private readonly pool: Pool,
    private readonly others: Connection,
    private readonly before: () => Promise<unknown>,
    private readonly failure: (error: unknown) => Failure,
  ) {}

  /**
   * Resolves once it runs and its columns are known.
   * @throws Failure (usage) of the query, with the place; (timeout), (overloaded)
   */
  async run(request: QueryRequest): Promise<QueryAnswer> {
    const { sql, timeout_ms } = request;
    requireText(sql);
    const described = DESCRIBE.exec(sql);
    const limit = new Limit(request);
    try {
      await this.turns.take(limit);
      const running = new Running(this.pool, this.others, limit);
      this.turns.hold(running);
      const text = described ? describedIn(described[1]!) : sql;
      const columns = await running.begin(text, timeout_ms, this.before);
      if (described) running.end();
      const rows = described
        ? columns.map(({ name, type }) => [name, type])
        : this.rows(running, sql);
      return {
        columns: described ? DESCRIPTION : columns,
        rows: rowsOf(rows),
        cut: () => false,
      };
    } catch (error) {
      limit.end();
      throw this.failureOf(sql, error);
    }
  }

  private async *rows(running: Running, sql: string): AsyncGenerator<QueryRow> {
    try {
      yield* running.rows();
    } catch (error) {
      throw this.failureOf(sql, error);
    } finally {
      running.end();
    }
  }

  private failureOf(sql: string, error: unknown): Failure {
    if (error instanceof Failure) return error;
    return asQueryFailure(sql, error, 0) ?? this.failure(error);
  }

  /** Ends all; no more may come. One that cannot be interrupted is left behind. */
  end(): Promise<void> {
    return this.turns.end();
  }
}

async function* rowsOf(
  rows: Iterable<QueryRow> | AsyncIterable<QueryRow>,
): AsyncGenerator<QueryRow> {
  yield* rows;
}

/** It is no SQL of PostgreSQL, and is there for whoever looks for columns. */
const DESCRIBE = /^\s*DESCRIBE\s+([^]+)$/i;
const DESCRIPTION: readonly QueryColumn[] = [
  { name: "column_name", type: "VARCHAR" },
  { name: "column_type", type: "VARCHAR" },
];
const describedIn = (text: string): string => {
  const name = withoutEnd(text);
  return (VIEW_NAMES as readonly string[]).includes(name.toLowerCase())
    ? `SELECT * FROM ${name}`
    : text;
};

/** One query, from its transaction to its last row. */
class Running {
  private readonly begun = Promise.withResolvers<QueryColumn[]>();
  private readonly finished = Promise.withResolvers<void>();
  /** That more rows are wanted, or none any more. */
  private asked = Promise.withResolvers<void>();
  private wanted: PromiseWithResolvers<Json[][]> | null = null;
  private isEnding = false;
  private setup: Setup | null = null;
  /** Resolves when nothing of it is left. */
  readonly over = this.finished.promise;

  constructor(
    private readonly pool: Pool,
    private readonly others: Connection,
    readonly limit: Limit,
  ) {}

  /** @throws whatever goes wrong, after which it ends by itself */
  async begin(
    sql: string,
    timeout_ms: number,
    before: () => Promise<unknown>,
  ): Promise<QueryColumn[]> {
    void this.work(sql, timeout_ms, before);
    try {
      return await this.limit.race(this.begun.promise);
    } catch (error) {
      this.end();
      throw this.limit.reason ?? error;
    }
  }

  async *rows(): AsyncGenerator<QueryRow> {
    for (;;) {
      if (this.limit.reason) throw this.limit.reason;
      this.wanted = Promise.withResolvers();
      this.asked.resolve();
      let rows: Json[][];
      try {
        rows = await this.limit.race(this.wanted.promise);
      } catch (error) {
        throw this.limit.reason ?? error;
      }
      if (rows.length === 0) return;
      yield* rows;
    }
  }

  private async work(
    sql: string,
    timeout_ms: number,
    before: () => Promise<unknown>,
  ): Promise<void> {
    this.begun.promise.catch(() => {
      // Whoever waits for it has the error; nobody may.
    });
    try {
      await before();
      await this.pool.transaction(async (tx) => {
        this.setup = new Setup(tx, sql);
        await this.setup.prepare(timeout_ms);
        const { columns, names } = this.setup;
        this.begun.resolve(
          columns.map((column, i) => ({
            name: names[i]!,
            type: typeName(column),
          })),
        );
        while (await this.goesOn()) {
          const rows = await this.setup.fetch();
          const values = rows.map((row) =>
            columns.map((column, i) => toJson(row[i]!, column)),
          );
          this.wanted!.resolve(values);
          if (values.length === 0) break;
        }
        // Nothing of it remains.
        throw new Done();
      });
    } catch (error) {
      if (error instanceof Done) return;
      this.begun.reject(error);
      this.wanted?.promise.catch(() => {
        // Whoever waits for it has the error; nobody may.
      });
      this.wanted?.reject(error);
    } finally {
      this.setup = null;
      this.finished.resolve();
    }
  }

  /** Once more rows are wanted. */
  private async goesOn(): Promise<boolean> {
    await this.asked.promise;
    this.asked = Promise.withResolvers();
    return !this.isEnding;
  }

  /** Interrupts it where it works, and rolls it back. */
  end(): void {
    if (this.isEnding) return;
    this.isEnding = true;
    this.limit.end();
    this.asked.resolve();
    void this.interrupt();
  }

  private async interrupt(): Promise<void> {
    // Again and again: what has not begun is not interrupted.
    for (;;) {
      const over = await Promise.race([
        this.over.then(() => true),
        Bun.sleep(INTERRUPT_MS).then(() => false),
      ]);
      const transaction = this.setup?.transaction;
      if (over || !transaction) return;
      await this.others.ask(INTERRUPT, [...transaction]).catch(() => {
        // Its own limit of time ends it, wherever the database is.
      });
    }
  }
}

class Done extends Error {}
