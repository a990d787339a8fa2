/**
 * The store in a DuckDB file. Events are appended and never changed; sessions
 * are folds over them, written behind the events and always reconstructible:
 * on open, what was not folded yet is.
 *
 * Exactly one process has the file open (`store.lock`), and in it one instance.
 */
import {
  copyFileSync,
  existsSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import {
  type DuckDBConnection,
  DuckDBInstance,
  type DuckDBValue,
  listValue,
} from "@duckdb/node-api";
import type { Event, KnownEvent } from "../model/event.ts";
import type { EventFilter, SessionFilter } from "../model/filter.ts";
import {
  type Session,
  type State,
  apply,
  emptyState,
  isClosed,
  parseState,
} from "../model/session.ts";
import type {
  Provenance,
  ServedStore,
  SessionBrief,
  SessionStats,
  StoredEvent,
} from "../model/store.ts";
import { newerSchema, storeFailure } from "./failure.ts";
import {
  type StatsRow,
  type StoredRow,
  among,
  eventLines,
  sessionLines,
  sessionOf,
  statsOf,
  storedEventOf,
  wellFormed,
} from "./rows.ts";
import { MIGRATIONS } from "./schema.ts";
import { eventsQuery, listQuery, statsQuery } from "./queries.ts";
import { SQL } from "./statements.ts";

const BATCH_EVENTS = 4_096;
const OPTIONS = {
  memory_limit: "512MB",
  wal_autocheckpoint: "64MB",
  autoinstall_known_extensions: "false",
  autoload_known_extensions: "false",
};

export interface StoreOptions {
  /** The steps to the newest schema, oldest first. */
  migrations?: readonly string[];
  /** Hears of each commit of events: how long it took, how many were new. */
  onCommit?: (seconds: number, events: number) => void;
}

/** What can be told of a store at no cost. */
export interface StoreFacts {
  /** Events that wait for their commit. */
  queued_events: number;
  last_commit_ok: boolean;
  /** The file and its write-ahead log. */
  database_bytes: number;
}

export class DuckDBStore implements ServedStore {
  /** Folds of open sessions, as far as this process has needed them. */
  private readonly states = new Map<string, State>();
  /** Sessions whose fold is ahead of their row. */
  private readonly dirty = new Set<string>();
  /** Those in memory that have a row among the closed. */
  private readonly closedRows = new Set<string>();
  private readonly signs = new Map<string, string>();
  private onCommit: (seconds: number, events: number) => void = () => {};
  private lastCommitOk = true;
  private queued = 0;
  private lastSeq = 0;
  /** Events since the rows were brought up to the folds. */
  private unflushed = 0;
  /** The end of the queue of writes: they go one after the other. */
  private turn: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly path: string,
    private readonly instance: DuckDBInstance,
    private readonly db: DuckDBConnection,
  ) {}

  /**
   * Opens the file, makes it when it is not there, and brings it up to date.
   * @throws Failure (timeout, storage, permission) with the mend
   */
  static async open(
    path: string,
    { migrations = MIGRATIONS, onCommit }: StoreOptions = {},
  ): Promise<DuckDBStore> {
    let store: DuckDBStore | null = null;
    try {
      if (!existsSync(path)) await DuckDBStore.create(path, migrations);
      store = await DuckDBStore.connect(path);
      const have = await store.schemaVersion();
      if (have > migrations.length)
        throw newerSchema(path, have, migrations.length);
      if (have > 0 && have < migrations.length) {
        store.disconnect();
        store = null;
        copyFileSync(path, `${path}.schema-${have}`);
        store = await DuckDBStore.connect(path);
      }
      await store.migrate(have, migrations);
      await store.catchUp();
      if (onCommit) store.onCommit = onCommit;
      return store;
    } catch (error) {
      // A second instance of an open file would lose rows: leave none behind.
      store?.disconnect();
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
    const half = `${path}.new`;
    const remove = () => {
      for (const file of [half, `${half}.wal`]) rmSync(file, { force: true });
    };
    remove();
    try {
      const store = await DuckDBStore.connect(half);
      try {
        await store.migrate(0, migrations);
      } finally {
        store.disconnect();
      }
      renameSync(half, path);
    } finally {
      remove();
    }
  }

  private static async connect(path: string): Promise<DuckDBStore> {
    const instance = await DuckDBInstance.create(path, OPTIONS);
    return new DuckDBStore(path, instance, await instance.connect());
  }

  /** The schema's version; 0 for an empty file. */
  private async schemaVersion(): Promise<number> {
    if ((await this.number(SQL.hasSchema)) === 0) return 0;
    return this.number(SQL.schemaVersion);
  }

  private async migrate(
    have: number,
    migrations: readonly string[],
  ): Promise<void> {
    for (let version = have + 1; version <= migrations.length; version++) {
      await this.transaction(async () => {
        await this.db.run(migrations[version - 1]!);
        await this.db.run(SQL.setSchemaVersion, [version]);
      });
      // A changed table in the write-ahead log cannot always be replayed.
      await this.db.run(SQL.checkpoint);
    }
    this.lastSeq = await this.number(SQL.lastSeq);
  }

  /** Folds what was committed but not folded when the last process ended. */
  private async catchUp(): Promise<void> {
    const folded = await this.number(SQL.foldedSeq);
    if (folded === this.lastSeq) return;
    const tail = await this.payloads(SQL.eventsAfter, [folded]);
    const ids = new Set(tail.map(({ session_id }) => session_id));
    await this.noteClosed(ids);
    await this.refold(ids);
    for (const id of ids) this.dirty.add(id);
    await this.flush();
  }

  append(
    events: readonly Event[],
    _from?: Provenance,
  ): Promise<ReadonlySet<string>> {
    this.queued += events.length;
    return this.inTurn(async () => {
      this.queued -= events.length;
      const stored = new Set<string>();
      const kept = events.filter((event) => event.event_type !== "heartbeat");
      for (let at = 0; at < kept.length; at += BATCH_EVENTS)
        await this.appendBatch(kept.slice(at, at + BATCH_EVENTS), stored);
      return stored;
    });
  }

  private async appendBatch(
    events: readonly Event[],
    stored: Set<string>,
  ): Promise<void> {
    const fresh = (await this.unknown(events)).map(wellFormed);
    if (fresh.length === 0) return;
    if (this.unflushed >= BATCH_EVENTS) await this.flush();
    await this.loadStates(fresh.map(({ event }) => event));
    const lines = eventLines(fresh, this.lastSeq + 1);
    const begun = performance.now();
    this.lastCommitOk = false;
    await this.db.run(SQL.insertEvents, [listValue(lines)]);
    this.lastCommitOk = true;
    this.onCommit((performance.now() - begun) / 1_000, fresh.length);
    this.lastSeq += fresh.length;
    this.unflushed += fresh.length;
    for (const { event } of fresh) {
      apply(this.states.get(event.session_id)!, event);
      this.dirty.add(event.session_id);
      stored.add(event.event_id);
    }
  }

  /** Does a piece of writing once all before it are done. */
  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.turn.then(work).catch((error) => {
      throw storeFailure(this.path, error);
    });
    // Whoever asked for it hears of its failure, the next in turn does not.
    this.turn = mine.catch(() => {});
    return mine;
  }

  /** Those that are not stored yet, each once. */
  private async unknown(events: readonly Event[]): Promise<Event[]> {
    const byId = new Map(events.map((event) => [event.event_id, event]));
    const times = events.map((event) => event.timestamp).sort();
    const known = await this.rows<{ id: string }>(SQL.knownEvents, [
      listValue([...byId.keys()]),
      times[0]!,
      times.at(-1)!,
    ]);
    for (const { id } of known) byId.delete(id);
    return [...byId.values()];
  }

  /**
   * Makes the state of every session of some events available in memory: from
   * its open row, empty for one that starts now, else (a late event of a closed
   * session) from all its events.
   */
  private async loadStates(events: readonly Event[]): Promise<void> {
    const missing = new Set<string>();
    for (const { session_id } of events)
      if (!this.states.has(session_id)) missing.add(session_id);
    if (missing.size === 0) return;
    const open = await this.rows<{ id: string; state: string }>(
      SQL.openStates,
      [listValue([...missing])],
    );
    for (const { id, state } of open) {
      this.states.set(id, parseState(state));
      missing.delete(id);
    }
    const closed = await this.noteClosed(missing);
    for (const { event_type, session_id } of events)
      if (
        event_type === "session_start" &&
        missing.has(session_id) &&
        !closed.has(session_id)
      ) {
        missing.delete(session_id);
        this.states.set(session_id, emptyState(session_id));
      }
    await this.refold(missing);
  }

  /** Which of some sessions have a row among the closed; it will be replaced. */
  private async noteClosed(ids: ReadonlySet<string>): Promise<Set<string>> {
    if (ids.size === 0) return new Set();
    const rows = await this.rows<{ id: string }>(SQL.closedAmong, among(ids));
    for (const { id } of rows) this.closedRows.add(id);
    return new Set(rows.map(({ id }) => id));
  }

  /** Folds some sessions anew from all their stored events. */
  private async refold(ids: ReadonlySet<string>): Promise<void> {
    if (ids.size === 0) return;
    for (const id of ids) this.states.set(id, emptyState(id));
    const list = listValue([...ids]);
    for (const event of await this.payloads(SQL.eventsOf, [list]))
      apply(this.states.get(event.session_id)!, event);
  }

  /** Brings the rows up to the folds, in one transaction. */
  private async flush(): Promise<void> {
    if (this.dirty.size === 0) return;
    const states = [...this.dirty].map((id) => this.states.get(id)!);
    const { open, closed } = sessionLines(states);
    // Only of rows that are written anew: others were looked at for an append that failed.
    const replaced = [...this.closedRows].filter((id) => this.dirty.has(id));
    await this.transaction(async () => {
      await this.db.run(SQL.deleteOpen, [listValue([...this.dirty])]);
      if (replaced.length > 0)
        await this.db.run(SQL.deleteClosed, among(replaced));
      if (closed.length > 0)
        await this.db.run(SQL.insertClosed, [listValue(closed)]);
      if (open.length > 0) await this.db.run(SQL.insertOpen, [listValue(open)]);
      await this.db.run(SQL.setFoldedSeq, [this.lastSeq]);
    });
    this.dirty.clear();
    this.unflushed = 0;
    for (const id of replaced) this.closedRows.delete(id);
    for (const state of states)
      if (isClosed(state)) this.states.delete(state.session_id);
  }

  async seen(signs: ReadonlyMap<string, string>): Promise<void> {
    for (const [id, sign] of signs)
      if (sign > (this.signs.get(id) ?? "")) this.signs.set(id, sign);
  }

  /**
   * Closes sessions that came over the wire and are gone, at their last sign
   * of life.
   * @param now_ms milliseconds since the epoch
   * @param unleased_timeout_ms how long one without heartbeats may be silent
   * @returns how many
   */
  async lapse(_now_ms: number, _unleased_timeout_ms: number): Promise<number> {
    return 0;
  }

  /** To be called in a quiet moment: writes what is pending to its place. */
  async idle(): Promise<void> {
    await this.inTurn(() => this.flush());
  }

  facts(): StoreFacts {
    const bytes = (path: string) =>
      statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    return {
      queued_events: this.queued,
      last_commit_ok: this.lastCommitOk,
      database_bytes: bytes(this.path) + bytes(`${this.path}.wal`),
    };
  }

  async brief(session_id: string): Promise<SessionBrief | null> {
    let brief: SessionBrief | null = null;
    for await (const { event } of this.events({ session_id })) {
      brief ??= { start_event_id: null, ended: false };
      const known = event as KnownEvent;
      if (known.event_type === "session_start")
        brief.start_event_id ??= known.event_id;
      if (known.event_type === "session_end")
        brief.ended ||= known.end_source !== "recovered";
    }
    return brief;
  }

  open(session_type: string): Promise<Session[]> {
    return Array.fromAsync(this.sessions(SQL.openOfType, [session_type]));
  }

  async *events(filter: EventFilter): AsyncIterable<StoredEvent> {
    const { sql, values } = eventsQuery(filter);
    for await (const rows of this.chunks(sql, values))
      for (const row of rows as StoredRow[]) yield storedEventOf(row);
  }

  async stats(filter: SessionFilter): Promise<SessionStats> {
    const { sql, values } = statsQuery(filter);
    for await (const [row] of this.chunks(sql, values))
      return statsOf(row as StatsRow);
    throw new Error("a count has always a row");
  }

  async *list(filter: SessionFilter): AsyncIterable<Session> {
    const { sql, values } = listQuery(filter);
    yield* this.sessions(sql, values);
  }

  async get(session_id: string): Promise<Session | null> {
    for await (const session of this.sessions(SQL.session, among([session_id])))
      return session;
    return null;
  }

  async close(): Promise<void> {
    try {
      await this.inTurn(() => this.flush());
    } catch (error) {
      throw storeFailure(this.path, error);
    } finally {
      this.disconnect();
    }
  }

  private disconnect(): void {
    this.db.closeSync();
    this.instance.closeSync();
  }

  private async *sessions(
    sql: string,
    values: DuckDBValue[],
  ): AsyncIterable<Session> {
    const now = Date.now();
    for await (const rows of this.chunks(sql, values))
      for (const row of rows) yield sessionOf(row as never, this.signs, now);
  }

  /** The rows of a query, brought up to date, as they come. */
  private async *chunks(
    sql: string,
    values: DuckDBValue[],
  ): AsyncIterable<object[]> {
    let db: DuckDBConnection | null = null;
    try {
      await this.inTurn(() => this.flush());
      // Another statement on its connection would end a stream.
      db = await this.instance.connect();
      const result = await db.stream(sql, values);
      yield* result.yieldRowObjectJson();
    } catch (error) {
      throw storeFailure(this.path, error);
    } finally {
      db?.closeSync();
    }
  }

  private async rows<T>(sql: string, values: DuckDBValue[]): Promise<T[]> {
    const result = await this.db.runAndReadAll(sql, values);
    return result.getRowObjectsJson() as T[];
  }

  private async number(sql: string): Promise<number> {
    return (await this.rows<{ n: number }>(sql, []))[0]!.n;
  }

  private async payloads(sql: string, values: DuckDBValue[]): Promise<Event[]> {
    const rows = await this.rows<{ payload: string }>(sql, values);
    return rows.map(({ payload }) => JSON.parse(payload) as Event);
  }

  private async transaction(work: () => Promise<void>): Promise<void> {
    await this.db.run(SQL.begin);
    try {
      await work();
      await this.db.run(SQL.commit);
    } catch (error) {
      await this.db.run(SQL.rollback).catch(() => {
        // The database has rolled back by itself; the cause is what counts.
      });
      throw error;
    }
  }
}
