/**
 * The store in a DuckDB file. Events are appended and never changed; sessions
 * are folds over them, written behind the events and always reconstructible:
 * on open, what was not folded yet is.
 */
import { listValue } from "@duckdb/node-api";
import type { Event } from "../model/event.ts";
import type { Failure } from "../model/failure.ts";
import type { EventFilter, SessionFilter } from "../model/filter.ts";
import { type Session, isClosed, parseState } from "../model/session.ts";
import type {
  Provenance,
  ServedStore,
  SessionBrief,
  SessionStats,
  StoredEvent,
} from "../model/store.ts";
import {
  type ClosedRow,
  type End,
  closedAmong,
  sessionQuery,
  writtenDown,
} from "./closed.ts";
import { Database } from "./database.ts";
import { Folds, briefOf } from "./folds.ts";
import { Leases } from "./leases.ts";
import { type Query, eventsQuery, listQuery, statsQuery } from "./queries.ts";
import {
  type ReadRow,
  type StatsRow,
  type StoredRow,
  sessionOf,
  statsOf,
  storedEventOf,
} from "./rows.ts";
import { MIGRATIONS } from "./schema.ts";
import { Signs, signOfLife } from "./signs.ts";
import { SQL } from "./statements.ts";
import { IdWindow } from "./window.ts";
import { Writer } from "./writer.ts";

const WINDOW_EVENTS = 262_144;
/** Processes to look for at once: each costs some readings of /proc. */
const MAX_LOOKS = 128;
/** Events that are read at once. */
const PAGE_EVENTS = 1_024;

const SPOOL: Provenance = {
  via: "spool",
  uid: null,
  subject: null,
  address: null,
};

export interface StoreOptions {
  /** The steps to the newest schema, oldest first. */
  migrations?: readonly string[];
  /** Of how many events the ids are kept in memory. */
  window_events?: number;
  /** Hears of each commit of events: how long it took, how many were new. */
  onCommit?: (seconds: number, events: number) => void;
}

/** What can be told of a store at no cost. */
export interface StoreFacts {
  /** Events that wait for their commit. */
  queued_events: number;
  last_commit_ok: boolean;
  /** What the database was given up for: it has to be closed and opened anew. */
  given_up: Failure | null;
  /** The file and its write-ahead log. */
  database_bytes: number;
}

export class DuckDBStore implements ServedStore {
  private readonly signs = new Signs();
  private readonly leases: Leases;
  private readonly folds: Folds;
  private writer!: Writer;
  /** Whether the leases of sessions from before are known. */
  private watching: Promise<void> | null = null;
  private closing: Promise<void> | null = null;

  private constructor(private readonly db: Database) {
    this.leases = new Leases(Date.now(), this.signs);
    this.folds = new Folds(db, (state) => {
      const { session_id, end } = state;
      this.leases.note(state, Date.now());
      // A later sign of life than its end is for `lapse` to look at.
      if (
        isClosed(state) &&
        (this.signs.get(session_id) ?? "") <= end!.timestamp
      )
        this.signs.delete(session_id);
    });
  }

  /**
   * Opens the file, makes it when it is not there, and brings it up to date.
   * @throws Failure (timeout, storage, permission) with the mend
   */
  static async open(
    path: string,
    options: StoreOptions = {},
  ): Promise<DuckDBStore> {
    const { migrations = MIGRATIONS, window_events = WINDOW_EVENTS } = options;
    const db = await Database.open(path, migrations);
    try {
      return await db.inTurn(async () => {
        const store = new DuckDBStore(db);
        await store.folds.open();
        const last = await db.one<string | null>(SQL.lastTimestamp);
        const window = new IdWindow(window_events, last ?? "");
        const committed = options.onCommit ?? (() => {});
        store.writer = new Writer(db, store.folds, window, committed);
        return store;
      });
    } catch (error) {
      db.disconnect();
      throw error;
    }
  }

  append(
    events: readonly Event[],
    from: Provenance = SPOOL,
  ): Promise<ReadonlySet<string>> {
    // A heartbeat moves last_seen and is not kept.
    const kept = events.filter(({ event_type }) => event_type !== "heartbeat");
    return this.writer.append(kept, JSON.stringify(from));
  }

  async seen(signs: ReadonlyMap<string, string>): Promise<void> {
    const first = new Map<string, string>();
    for (const [session_id, sign] of signs) {
      this.leases.heard(session_id, Date.now());
      if (this.signs.merge(session_id, sign)) first.set(session_id, sign);
    }
    await this.reopen(first);
  }

  /**
   * Sessions that were thought lost and show a later sign of life get an event
   * that says so; of those that have ended, signs are forgotten.
   */
  private async reopen(signs: ReadonlyMap<string, string>): Promise<void> {
    const back: Event[] = [];
    const doubtful: End[] = [];
    for (const end of await this.endsOf(signs.keys())) {
      const { id, end_source, end_time } = end;
      const sign = signs.get(id)!;
      if (end_source !== "recovered") this.signs.delete(id);
      else if (sign > end_time) back.push(signOfLife(id, sign));
      else doubtful.push(end);
    }
    // By a clock that is ahead of ours it may have ended in times to come.
    const found = await writtenDown(this.ask, doubtful);
    for (const { id, end_time } of doubtful)
      if (signs.get(id)! > (found.get(id) ?? end_time))
        back.push(signOfLife(id, justAfter(end_time)));
      else this.signs.delete(id);
    try {
      await this.writer.append(back, null);
    } catch (error) {
      // The next sign will be the first again.
      for (const { session_id } of back) this.signs.delete(session_id);
      throw error;
    }
  }

  /** The ends of those of some sessions that have one. */
  private async endsOf(ids: Iterable<string>): Promise<End[]> {
    const ends: End[] = [];
    const asked = new Set<string>();
    for (const id of ids) {
      const state = this.folds.get(id);
      if (!state) {
        if (this.folds.recall(id) !== null) asked.add(id);
      } else if (isClosed(state)) {
        const { timestamp, value } = state.end!;
        ends.push({ id, end_source: value.end_source, end_time: timestamp });
      }
    }
    if (asked.size === 0) return ends;
    // Most live on: what is among the open rows need not be looked for further.
    for (const row of await this.ask<ClosedRow>(SQL.openEnds, [
      listValue([...asked]),
    ])) {
      asked.delete(row.id);
      if (row.end_source) ends.push(row);
    }
    return [...ends, ...(await closedAmong(this.ask, asked))];
  }

  /**
   * Closes sessions that came over the wire and are gone, at their last sign
   * of life.
   * @param now_ms milliseconds since the epoch
   * @param unleased_timeout_ms how long one without heartbeats may be silent
   * @param looks how many processes may be looked for; the others' turn comes
   * @returns how many
   */
  async lapse(
    now_ms: number,
    unleased_timeout_ms: number,
    looks: number = MAX_LOOKS,
  ): Promise<number> {
    await (this.watching ??= this.watch().catch((error) => {
      this.watching = null;
      throw error;
    }));
    const now = new Date(now_ms).toISOString();
    const ends = this.leases.lost(now_ms, unleased_timeout_ms, looks, (id) =>
      this.signs.merge(id, now),
    );
    if (ends.length === 0) return 0;
    const stored = await this.writer.append(ends, null);
    const late = new Map<string, string>();
    for (const { session_id, timestamp } of ends) {
      const sign = this.signs.get(session_id) ?? "";
      if (sign > timestamp) late.set(session_id, sign);
      else this.signs.delete(session_id);
    }
    await this.reopen(late);
    return stored.size;
  }

  /** Learns the leases of sessions from before this process. */
  private watch(): Promise<void> {
    return this.db.inTurn(async () => {
      await this.folds.flush();
      const rows = await this.db.rows<{ state: string }>(SQL.leasedStates);
      for (const { state } of rows) {
        const { session_id } = parseState(state);
        if (!this.folds.get(session_id)) this.leases.note(parseState(state), 0);
      }
    });
  }

  /**
   * Whoever decides by it whether to append shall have no other such decision
   * about that session under way until he has called `append`.
   */
  async brief(session_id: string): Promise<SessionBrief | null> {
    let stored = this.folds.recall(session_id);
    if (stored === undefined) {
      const read = await this.readBrief(session_id);
      // It may have come into memory meanwhile, and changed there.
      stored = this.folds.recall(session_id) ?? read;
    }
    return this.writer.withPending(session_id, stored);
  }

  private async readBrief(session_id: string): Promise<SessionBrief | null> {
    const [open] = await this.ask<{ state: string }>(SQL.openStates, [
      listValue([session_id]),
    ]);
    if (open) return briefOf(parseState(open.state));
    const [closed] = await closedAmong(this.ask, [session_id]);
    if (!closed) return null;
    const [start] = await this.ask<{ id: string }>(SQL.startOf, [
      session_id,
      closed.start_time,
    ]);
    return {
      start_event_id: start?.id ?? null,
      ended: closed.end_source !== "recovered",
    };
  }

  async sessionOf(event_id: string, timestamp: string): Promise<string | null> {
    const time = this.writer.timeOf(event_id) ?? timestamp;
    const found = await this.ask<{ id: string }>(SQL.sessionOfEvent, [
      event_id,
      time,
    ]);
    return found[0]?.id ?? null;
  }

  async *list(filter: SessionFilter): AsyncIterable<Session> {
    yield* this.sessions(listQuery(filter));
  }

  async get(session_id: string): Promise<Session | null> {
    // Read to its end: a result that is left keeps the file open.
    const found = await Array.fromAsync(
      this.sessions(sessionQuery(session_id)),
    );
    return found[0] ?? null;
  }

  open(session_type: string): Promise<Session[]> {
    return Array.fromAsync(
      this.sessions({ sql: SQL.openOfType, values: [session_type] }),
    );
  }

  async stats(filter: SessionFilter): Promise<SessionStats> {
    await this.flush();
    const { sql, values } = statsQuery(filter);
    const [row] = await this.ask<StatsRow>(sql, values);
    return statsOf(row!);
  }

  async *events(filter: EventFilter): AsyncIterable<StoredEvent> {
    let { after_seq, limit = Infinity } = filter;
    while (limit > 0) {
      const page = Math.min(limit, PAGE_EVENTS);
      const { sql, values } = eventsQuery({
        ...filter,
        ...(after_seq !== undefined && { after_seq }),
        limit: page,
      });
      const rows = await this.ask<StoredRow>(sql, values);
      for (const row of rows) yield storedEventOf(row);
      if (rows.length < page) return;
      limit -= page;
      after_seq = rows.at(-1)!.seq;
    }
  }

  /** Sessions as the rows say, brought up to date. */
  private async *sessions({ sql, values }: Query): AsyncIterable<Session> {
    await this.flush();
    const now = Date.now();
    for await (const row of this.db.read<ReadRow>(sql, values))
      yield sessionOf(row, this.signs, now);
  }

  private readonly ask = <T>(sql: string, values: Query["values"]) =>
    Array.fromAsync(this.db.read<T>(sql, values));

  private async flush(): Promise<void> {
    if (this.folds.isDirty) await this.db.inTurn(() => this.folds.flush());
  }

  /** To be called in a quiet moment: moves what is pending to its place. */
  async idle(): Promise<void> {
    await this.db.inTurn(async () => {
      await this.folds.flush();
      await this.db.checkpoint();
    });
  }

  facts(): StoreFacts {
    const { file, log } = this.db.sizes();
    return {
      queued_events: this.writer.queuedEvents,
      last_commit_ok: this.writer.lastCommitOk,
      given_up: this.db.givenUp,
      database_bytes: file + log,
    };
  }

  /** Stores what was accepted, and lets the file go. */
  close(): Promise<void> {
    return (this.closing ??= this.end());
  }

  private async end(): Promise<void> {
    try {
      await this.writer.close();
      await this.db.inTurn(() => this.folds.flush());
    } finally {
      this.db.disconnect();
    }
  }
}

const justAfter = (time: string) =>
  new Date(Date.parse(time) + 1).toISOString();
