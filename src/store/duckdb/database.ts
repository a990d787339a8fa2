/**
 * The database's file: opened, brought up to date, written in turns through
 * one connection and read through others beside it.
 *
 * Exactly one process has the file open (`store.lock`), and in it one instance.
 */
import { copyFileSync, existsSync, renameSync, statSync } from "node:fs";
import {
  type DuckDBConnection,
  DuckDBInstance,
  type DuckDBPreparedStatement,
  type DuckDBValue,
} from "@duckdb/node-api";
import type { Failure, Warn } from "../../model/failure.ts";
import { libc } from "../../os/libc.ts";
import { isFatal, newerSchema, storeFailure } from "./failure.ts";
import {
  closedFailure,
  identityOf,
  movedFailure,
  publish,
  refuseQuestionMark,
  removeWithLog,
} from "./file.ts";
import { withOwnLog } from "./foreign-log.ts";
import { Jobs } from "./jobs.ts";
import { OPTIONS } from "./options.ts";
import { Closed, Readers } from "./readers.ts";
import { SQL } from "./statements.ts";
import { openMended } from "./torn-log.ts";

export class Database {
  /** The end of the queue of writes: they go one after the other. */
  private turn: Promise<unknown> = Promise.resolve();
  private readonly statements = new Map<string, DuckDBPreparedStatement>();
  private readonly readers = new Readers(() => this.instance.connect());
  /** Long work, none of it begun once the file is to be let go. */
  readonly jobs = new Jobs(() => this.connection());
  private closed = false;
  /** What DuckDB gave the file up for: only to open it anew helps then. */
  givenUp: Failure | null = null;
  /** Which file it is; null while we put another in its place ourselves. */
  private identity: string | null;

  private constructor(
    readonly path: string,
    private instance: DuckDBInstance,
    private writer: DuckDBConnection,
  ) {
    this.identity = identityOf(path);
  }

  /**
   * Gives the file up when its name leads elsewhere: what is acknowledged would
   * be gone with it.
   * @returns what it was given up for
   */
  lookForIt(): Failure | null {
    const { identity } = this;
    if (identity === null || identityOf(this.path) === identity)
      return this.givenUp;
    return (this.givenUp ??= movedFailure(this.path));
  }

  /**
   * Opens the file, makes it when it is not there, and brings it up to date.
   * @param migrations the steps to the newest schema, oldest first
   * @param warn hears of what had to be left out
   * @throws Failure (timeout, storage, permission) with the mend
   */
  static async open(
    path: string,
    migrations: readonly string[],
    warn: Warn = () => {},
  ): Promise<Database> {
    let db: Database | null = null;
    try {
      refuseQuestionMark(path);
      if (!existsSync(path)) await Database.create(path, migrations);
      db = await withOwnLog(path, warn, () =>
        openMended(path, () => Database.connect(path), warn),
      );
      const have = await db.schemaVersion();
      if (have > migrations.length)
        throw newerSchema(path, have, migrations.length);
      if (have > 0 && have < migrations.length) {
        db.disconnect();
        db = null;
        copyFileSync(path, `${path}.schema-${have}`);
        db = await Database.connect(path);
      }
      await db.migrate(have, migrations);
      return db;
    } catch (error) {
      // A second instance of an open file would lose rows: leave none behind.
      db?.disconnect();
      throw storeFailure(path, error);
    }
  }

  /**
   * A new file appears whole or not at all: half of one, from a full disk or a
   * kill, would never open again.
   */
  private static async create(
    path: string,
    migrations: readonly string[],
  ): Promise<void> {
    // Without locks several may be at it, each with a file of its own.
    const half = libc ? `${path}.new` : `${path}.${process.pid}.new`;
    removeWithLog(half);
    try {
      const db = await Database.connect(half);
      try {
        await db.migrate(0, migrations);
      } finally {
        db.disconnect();
      }
      publish(half, path);
    } finally {
      removeWithLog(half);
    }
  }

  async checkpointOrDisconnect(): Promise<void> {
    try {
      await this.run(SQL.checkpoint);
    } catch (error) {
      this.disconnect();
      throw error;
    }
  }

  private static async connect(path: string): Promise<Database> {
    const instance = await DuckDBInstance.create(path, OPTIONS);
    return new Database(path, instance, await instance.connect());
  }

  /** The schema's version; 0 for an empty file. */
  private async schemaVersion(): Promise<number> {
    if ((await this.one<number>(SQL.hasSchema)) === 0) return 0;
    return this.one<number>(SQL.schemaVersion);
  }

  private async migrate(
    have: number,
    migrations: readonly string[],
  ): Promise<void> {
    for (let version = have + 1; version <= migrations.length; version++) {
      await this.transaction(async () => {
        await this.writer.run(migrations[version - 1]!);
        await this.run(SQL.setSchemaVersion, [version]);
      });
      // A changed table in the write-ahead log cannot always be replayed.
      await this.run(SQL.checkpoint);
    }
  }

  /** Does a piece of writing once all before it are done. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.turn.then(work).catch((error) => {
      throw this.failure(error);
    });
    // Whoever asked for it hears of its failure, the next in turn does not.
    this.turn = mine.catch(() => {});
    return mine;
  }

  private failure(error: unknown): Failure {
    const failure = storeFailure(this.path, error);
    if (isFatal(error)) this.givenUp ??= failure;
    return failure;
  }

  /** Runs a statement of the writer's, in its turn. */
  async run(sql: string, values: DuckDBValue[] = []): Promise<void> {
    await (await this.prepared(sql, values)).run();
  }

  /**
   * Runs a statement of the writer's that is not run again, in its turn.
   * @returns the number that it gives: of rows it changed, or what it counts
   */
  async once(sql: string): Promise<number> {
    const result = await this.writer.runAndReadAll(sql);
    const [row] = result.getRowsJson();
    return Number(row?.[0] ?? 0);
  }

  /** What a statement of the writer's gives, in its turn. */
  async rows<T>(sql: string, values: DuckDBValue[] = []): Promise<T[]> {
    const result = await (await this.prepared(sql, values)).runAndReadAll();
    return result.getRowObjectsJson() as T[];
  }

  /** The one value, called `value`, of the one row of a statement of the writer's. */
  async one<T>(sql: string): Promise<T> {
    return (await this.rows<{ value: T }>(sql))[0]!.value;
  }

  /** To plan a statement takes as long as to run it: each is planned once. */
  private async prepared(
    sql: string,
    values: DuckDBValue[],
  ): Promise<DuckDBPreparedStatement> {
    let statement = this.statements.get(sql);
    if (!statement) {
      statement = await this.writer.prepare(sql);
      this.statements.set(sql, statement);
    }
    statement.bind(values);
    return statement;
  }

  async transaction(work: () => Promise<void>): Promise<void> {
    await this.run(SQL.begin);
    try {
      await work();
      await this.run(SQL.commit);
    } catch (error) {
      await this.run(SQL.rollback).catch(() => {
        // The database has rolled back by itself; the cause is what counts.
      });
      throw error;
    }
  }

  /** The rows of a query, as they come, whatever is written meanwhile. */
  async *read<T>(
    sql: string,
    values: DuckDBValue[] = [],
  ): AsyncGenerator<T, void> {
    try {
      for await (const rows of this.readers.read(sql, values))
        yield* rows as T[];
    } catch (error) {
      throw error instanceof Closed
        ? closedFailure(this.path)
        : this.failure(error);
    }
  }

  private connection(): Promise<DuckDBConnection> {
    if (this.closed) throw closedFailure(this.path);
    return this.instance.connect();
  }

  /**
   * Puts another file, which holds the same, in the place of this one. In the
   * writer's turn; who reads meanwhile is cut short.
   * @param path on the same filesystem, closed, without a write-ahead log
   */
  async replaceBy(path: string): Promise<void> {
    this.identity = null;
    // One who still read would keep the old file open.
    await this.readers.cut();
    this.release();
    // Closing has emptied the log; one that is there still belongs to the old.
    if (this.sizes().log === 0) renameSync(path, this.path);
    const again = await Database.connect(this.path);
    this.instance = again.instance;
    this.writer = again.writer;
    this.identity = again.identity;
  }

  /** All the rows of a query. */
  readonly ask = <T>(sql: string, values: DuckDBValue[]): Promise<T[]> =>
    Array.fromAsync(this.read<T>(sql, values));

  /** The file and its write-ahead log, in bytes. */
  sizes(): { file: number; log: number } {
    const bytes = (path: string) =>
      statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    return { file: bytes(this.path), log: bytes(`${this.path}.wal`) };
  }

  /**
   * Moves what is in the write-ahead log into the file and joins small row
   * groups, up to a whole one, in its turn, when nobody waits for a commit.
   * @param least_bytes a shorter log is left as it is
   */
  async checkpoint(least_bytes = 0): Promise<void> {
    if (this.sizes().log < least_bytes) return;
    await this.run(SQL.joinRowGroups);
    try {
      await this.run(SQL.checkpoint);
    } finally {
      await this.run(SQL.keepRowGroups);
    }
  }

  /** Ends all that is read, and lets the file go. */
  async close(): Promise<void> {
    this.closed = true;
    await this.readers.close();
    // Of one that DuckDB has given up nothing is written any more.
    if (!this.givenUp) await this.run(SQL.joinRowGroups);
    this.release();
  }

  disconnect(): void {
    this.closed = true;
    this.release();
  }

  private release(): void {
    this.statements.clear();
    this.writer.closeSync();
    this.instance.closeSync();
  }
}
