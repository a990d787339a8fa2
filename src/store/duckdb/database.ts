/**
 * The file of the database: opens and migrates it, writes to it through one
 * connection, one work after the other, and reads through others. One process has
 * the file open (`store.lock`), with one instance.
 */
import { copyFileSync, existsSync, renameSync } from "node:fs";
import type {
  DuckDBConnection,
  DuckDBPreparedStatement,
  DuckDBValue,
} from "@duckdb/node-api";
import { type Failure, type Warn, nobodyWaits } from "../../model/failure.ts";
import { libc } from "../../os/libc.ts";
import { isFatal, newerSchema, storeFailure } from "./failure.ts";
import {
  closedFailure,
  identityOf,
  movedFailure,
  publish,
  refuseQuestionMark,
  removeWithLog,
  sizesOf,
} from "./file.ts";
import { MOST_LOG_BYTES, hasRoom } from "./checkpoint.ts";
import { withOwnLog } from "./foreign-log.ts";
import { OpenFile } from "./open-file.ts";
import { Closed, Jobs, Readers } from "./readers.ts";
import { SQL } from "./statements.ts";
import { openRepaired } from "./wal.ts";

export class Database {
  /** The last of the queued writes. */
  private turn: Promise<unknown> = Promise.resolve();
  private readonly statements = new Map<string, DuckDBPreparedStatement>();
  private readonly readers = new Readers(() => this.file.instance.connect());
  readonly jobs = new Jobs(() => this.connection());
  private closed = false;
  /** Why the file can no longer be used, until it is opened again. */
  givenUp: Failure | null = null;
  /** Of the file; null while we replace it ourselves. */
  private identity: string | null;

  private constructor(
    readonly path: string,
    private file: OpenFile,
  ) {
    this.identity = identityOf(path);
  }

  /**
   * Gives the file up when its name leads elsewhere: what is written would be lost.
   * @returns why it was given up
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
   * @param warn is told what of the log was left out
   * @throws Failure (timeout, storage, permission)
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
        openRepaired(path, () => Database.connect(path), warn),
      );
      const have = await db.schemaVersion();
      if (have > migrations.length)
        throw newerSchema(path, have, migrations.length);
      if (have > 0 && have < migrations.length) {
        await db.moveLog();
        db.disconnect();
        db = null;
        copyFileSync(path, `${path}.schema-${have}`);
        db = await Database.connect(path);
      }
      await db.migrate(have, migrations);
      return db;
    } catch (error) {
      // A second instance of an open file would lose rows.
      db?.disconnect();
      throw storeFailure(path, error);
    }
  }

  /** Makes a new file, whole or not at all: half of one would never open. */
  private static async create(
    path: string,
    migrations: readonly string[],
  ): Promise<void> {
    // Without locks several processes may do so, each with a file of its own.
    const half = libc ? `${path}.new` : `${path}.${process.pid}.new`;
    removeWithLog(half);
    try {
      const db = await Database.connect(half);
      try {
        // It is thrown away when that fails: no step has to last by itself.
        await db.transaction(async () => {
          for (let version = 1; version <= migrations.length; version++)
            await db.step(version, migrations);
        });
        await db.moveLog();
      } finally {
        db.disconnect();
      }
      publish(half, path);
    } finally {
      removeWithLog(half);
    }
  }

  private static async connect(path: string): Promise<Database> {
    return new Database(path, await OpenFile.open(path));
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
      await this.transaction(() => this.step(version, migrations));
      // A changed table in the write-ahead log cannot always be replayed.
      await this.moveLog();
    }
  }

  private async step(
    version: number,
    migrations: readonly string[],
  ): Promise<void> {
    await this.file.writer.run(migrations[version - 1]!);
    await this.run(SQL.setSchemaVersion, [version]);
  }

  /** Does work once all work before it is done. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.closed) return Promise.reject(closedFailure(this.path));
    const mine = this.turn.then(work).catch((error) => {
      throw this.failure(error);
    });
    // Its caller gets the error, the next in the queue does not.
    this.turn = mine.then(
      () => this.shorten(),
      () => {},
    );
    return mine;
  }

  private failure(error: unknown): Failure {
    const failure = storeFailure(this.path, error);
    if (isFatal(error)) this.givenUp ??= failure;
    return failure;
  }

  /** Runs a statement on the writer's connection; to be called `inTurn`. */
  async run(sql: string, values: DuckDBValue[] = []): Promise<void> {
    await (await this.prepared(sql, values)).run();
  }

  /**
   * As `run`, for a statement that is not run again.
   * @returns the number of rows that it changed, or what it counts
   */
  async once(sql: string): Promise<number> {
    const result = await this.file.writer.runAndReadAll(sql);
    const [row] = result.getRowsJson();
    return Number(row?.[0] ?? 0);
  }

  /** As `run`, for rows. */
  async rows<T>(sql: string, values: DuckDBValue[] = []): Promise<T[]> {
    const result = await (await this.prepared(sql, values)).runAndReadAll();
    return result.getRowObjectsJson() as T[];
  }

  /** As `rows`, chunk by chunk; all have to be taken. */
  async *chunks<T>(sql: string, values: DuckDBValue[]): AsyncGenerator<T[]> {
    const result = await (await this.prepared(sql, values)).stream();
    yield* result.yieldRowObjectJson() as AsyncGenerator<T[]>;
  }

  /** As `run`, for one row with one column `value`. */
  async one<T>(sql: string): Promise<T> {
    return (await this.rows<{ value: T }>(sql))[0]!.value;
  }

  /** Planning a statement takes as long as running it: each is planned once. */
  private async prepared(
    sql: string,
    values: DuckDBValue[],
  ): Promise<DuckDBPreparedStatement> {
    let statement = this.statements.get(sql);
    if (!statement) {
      statement = await this.file.writer.prepare(sql);
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
        // DuckDB has rolled back by itself; the cause is thrown.
      });
      throw error;
    }
  }

  readonly moveLog = (): Promise<void> => this.file.moveLog();

  /** Moves a long log into the file. What was written is so, whatever comes of that. */
  private async shorten(): Promise<void> {
    try {
      if (this.givenUp || this.closed) return;
      if (this.sizes().log > MOST_LOG_BYTES && this.hasRoom())
        await this.moveLog();
    } catch (error) {
      // It is tried again after the next work, unless the file was given up.
      this.failure(error);
    }
  }

  /**
   * The rows of a query, as they come, beside the writer.
   * @param gone interrupts it when nobody waits any more
   */
  async *read<T>(
    sql: string,
    values: DuckDBValue[] = [],
    gone?: AbortSignal,
  ): AsyncGenerator<T, void> {
    try {
      for await (const rows of this.readers.read(sql, values, gone))
        yield* rows as T[];
    } catch (error) {
      if (!(error instanceof Closed)) throw this.failure(error);
      throw gone?.aborted ? nobodyWaits() : closedFailure(this.path);
    }
  }

  /**
   * @returns the failure that an error is for the whole file; null when it is for
   *   whoever asked alone
   */
  fatal(error: unknown): Failure | null {
    return isFatal(error) ? this.failure(error) : null;
  }

  /** One more, which its user closes. */
  connection(): Promise<DuckDBConnection> {
    if (this.closed) throw closedFailure(this.path);
    return this.file.instance.connect();
  }

  /**
   * Replaces the file by another with the same content, in the writer's turn. Queries
   * that run are ended.
   * @param path on the same filesystem, closed, without a write-ahead log
   */
  async replaceBy(path: string): Promise<void> {
    this.identity = null;
    await this.readers.cut();
    // On a full disk, say: then the log is there still, and belongs to the old file.
    await this.moveLog().catch(() => {});
    this.release();
    try {
      if (this.sizes().log === 0) renameSync(path, this.path);
      this.file = await OpenFile.open(this.path);
      this.identity = identityOf(this.path);
    } catch (error) {
      throw (this.givenUp = storeFailure(this.path, error));
    }
  }

  readonly ask = <T>(
    sql: string,
    values: DuckDBValue[],
    gone?: AbortSignal,
  ): Promise<T[]> => Array.fromAsync(this.read<T>(sql, values, gone));

  /** Of the file and its write-ahead log, in bytes. */
  sizes = (): { file: number; log: number } => sizesOf(this.path);

  /** Whether a checkpoint would fit on the disk. */
  hasRoom = (): boolean => hasRoom(this.path);

  /**
   * Moves the write-ahead log into the file and joins small row groups, in the
   * writer's turn.
   * @param least_bytes a shorter log is left as it is
   */
  async checkpoint(least_bytes = 0): Promise<void> {
    if (this.sizes().log < least_bytes) return;
    await this.run(SQL.joinRowGroups);
    try {
      await this.moveLog();
    } finally {
      await this.run(SQL.keepRowGroups);
    }
  }

  /** Ends queries and closes the file. */
  async close(): Promise<void> {
    this.closed = true;
    await this.readers.close();
    await this.turn;
    try {
      if (!this.givenUp) await this.checkpoint(1);
    } catch {
      // On a full disk, say: the log is there for whoever opens the file next.
    } finally {
      this.release();
    }
  }

  disconnect(): void {
    this.closed = true;
    this.release();
  }

  private release(): void {
    this.statements.clear();
    this.file.close();
  }
}
