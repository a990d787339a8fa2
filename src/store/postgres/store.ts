/**
 * The store in a PostgreSQL database, which any number of servers share. Nothing of it
 * is kept in memory: what a session is stands in its row, and whoever changes it
 * compares and sets.
 */
import { type Clock, isoTime } from "../../model/clock.ts";
import type { Event } from "../../model/event.ts";
import type { EventFilter, SessionFilter } from "../../model/filter.ts";
import {
  NOT_YOURS,
  type Provenance,
  SPOOL,
  reporterOf,
} from "../../model/reporter.ts";
import type { Session, SessionSummary } from "../../model/session.ts";
import type {
  Duty,
  KeptStore,
  OpenOptions,
  SessionStats,
  StoreFacts,
  StoredEvent,
} from "../../model/store.ts";
import { keptOf } from "../arrivals.ts";
import type { Address } from "./address.ts";
import { type Connection, HostsPool, type Pool } from "./connect.ts";
import { Duties } from "./duties.ts";
import { readSummary, sessionOfEvent } from "./known.ts";
import { LAPSE, Lapse } from "./lapse.ts";
import { migrate } from "./migrate.ts";
import { Presence } from "./presence.ts";
import { retried } from "./retry.ts";
import { MIGRATIONS } from "./schema.ts";
import {
  getSession,
  hostsSeen,
  listSessions,
  sessionStats,
} from "./sessions.ts";
import { Signs } from "./signs.ts";
import { Tail } from "./tail.ts";
import { Writer } from "./writer.ts";

/** Connections of one process. */
const WRITES = 4;
const READS = 8;
const STATEMENT_TIMEOUT_MS = 60_000;
/** How long work is tried while others, or the network, are in the way. */
const PATIENCE_MS = 5_000;

export interface PostgresOptions extends OpenOptions {
  /** The steps to the newest schema, oldest first. */
  migrations?: readonly (readonly string[])[];
  /** Whether rows are locked while they are worked on; they are compared in any case. */
  locks?: boolean;
  patience_ms?: number;
  statement_timeout_ms?: number;
}

interface Parts {
  writes: Pool;
  reads: Pool;
  presence: Presence;
}

export class PostgresStore implements Omit<
  KeptStore,
  | "output"
  | "endQueries"
  | "maintenance"
  | "commands"
  | "search"
  | "analytics"
  | "query"
> {
  private readonly writer: Writer;
  private readonly signs: Signs;
  private readonly lapse: Lapse;
  private readonly duties: Duties;
  private readonly tail: Tail;
  private readonly now: Clock;
  private readonly patience_ms: number;
  /** Reads, and what may be written twice: tried for a while. */
  private readonly connection: Connection;
  private database_bytes = 0;
  private closing: Promise<void> | null = null;

  private constructor(
    private readonly parts: Parts,
    private readonly options: PostgresOptions,
  ) {
    const { writes, reads, presence } = parts;
    const { locks = true, patience_ms = PATIENCE_MS } = options;
    this.now = options.now ?? Date.now;
    this.patience_ms = patience_ms;
    this.connection = this.tried(reads);
    const { ask } = this.connection;
    const written = this.tried(writes);
    const append = (events: readonly Event[]) =>
      this.writer.append(events, null);
    this.writer = new Writer(writes, presence, {
      ...options,
      ...{ now: this.now, locks, patience_ms },
    });
    this.signs = new Signs(written.ask, append, () => this.clock_ms());
    this.duties = new Duties(written, crypto.randomUUID());
    this.lapse = new Lapse(ask, this.duties, this.signs, append);
    this.tail = new Tail(this.connection, (use) => this.transact(use), locks);
  }

  /** @throws Failure when it cannot be used, or is of a newer program */
  static async open(
    address: Address,
    options: PostgresOptions = {},
  ): Promise<PostgresStore> {
    const { statement_timeout_ms = STATEMENT_TIMEOUT_MS } = options;
    const pool = (size: number) =>
      new HostsPool(address, { size, statement_timeout_ms });
    const presence = new Presence(address.name);
    const parts = { writes: pool(WRITES), reads: pool(READS), presence };
    const store = new PostgresStore(parts, options);
    try {
      const { migrations = MIGRATIONS } = options;
      await presence.of(store.patience_ms, () =>
        migrate(parts.writes, address.name, migrations),
      );
      // Leases run from now on, if nobody else has looked at them.
      await store.duties.take(LAPSE, store.clock_ms());
      return store;
    } catch (error) {
      await Promise.all([parts.writes.end(), parts.reads.end()]);
      throw error;
    }
  }

  append(
    events: readonly Event[],
    from: Provenance = SPOOL,
  ): Promise<ReadonlySet<string>> {
    return this.writer.append(keptOf(events, from, this.now()), from);
  }

  bring(
    events: readonly Event[],
    from: Provenance | null,
  ): Promise<ReadonlySet<string>> {
    return this.writer.append(events, from);
  }

  async seen(
    signs: ReadonlyMap<string, string>,
    from: Provenance = SPOOL,
    theirs = signs,
  ): Promise<ReadonlySet<string>> {
    const others = await this.signs.seen(signs, from, theirs);
    const rejection = { reporter: reporterOf(from), reason: NOT_YOURS };
    for (const session_id of others)
      this.options.onRejected?.({ session_id, ...rejection, events: 1 });
    return others;
  }

  expireLeases(
    now_ms: number,
    unleased_timeout_ms: number,
    looks?: number,
  ): Promise<number> {
    const clock_ms = now_ms - Date.now();
    return this.lapse.expire(clock_ms, unleased_timeout_ms, looks);
  }

  async summary(session_id: string): Promise<SessionSummary | null> {
    const stored = await readSummary(this.connection, session_id);
    return this.writer.queue.withPending(session_id, stored);
  }

  sessionOf(event: Event, from: Provenance): Promise<string | null> {
    return sessionOfEvent(this.connection, event, from);
  }

  list(filter: SessionFilter): AsyncIterable<Session> {
    return listSessions(this.connection, filter, this.now());
  }

  get(session_id: string): Promise<Session | null> {
    return getSession(this.connection, session_id, this.now());
  }

  session(session_id: string, now_ms: number): Promise<Session | null> {
    return getSession(this.connection, session_id, now_ms);
  }

  open(session_type: string): Promise<Session[]> {
    return Array.fromAsync(this.list({ session_type, status: "active" }));
  }

  stats(filter: SessionFilter): Promise<SessionStats> {
    return sessionStats(this.connection, filter, this.now());
  }

  events(filter: EventFilter): AsyncIterable<StoredEvent> {
    return this.tail.events(filter);
  }

  hosts(since_ms: number): Promise<Map<string, number>> {
    return hostsSeen(this.connection, isoTime(since_ms));
  }

  /** Takes its duties again, and numbers what has come. */
  async catchUp(): Promise<void> {
    await this.duties.take(ALERTS, this.clock_ms());
    await this.tail.number();
  }

  async idle(): Promise<void> {
    const [row] = await this.connection.ask<{ bytes: string }>(
      "SELECT pg_database_size(current_database()) AS bytes",
    );
    this.database_bytes = Number(row!.bytes);
  }

  facts(): StoreFacts {
    return {
      queued_events: this.writer.queue.events,
      last_commit_ok: this.writer.lastCommitOk,
      away: this.parts.presence.away,
      given_up: false,
      last_seq: this.tail.last,
      database_bytes: this.database_bytes,
    };
  }

  /** It is its server's care. */
  hasRoom(): boolean {
    return true;
  }

  /** @throws Failure (overloaded) while the database is away */
  requireThere(): void {
    const { away } = this.parts.presence;
    if (away) throw away;
  }

  holds(duty: Duty): boolean {
    return this.duties.holds(duty);
  }

  /** Stores what was accepted, and closes its connections. */
  close(): Promise<void> {
    return (this.closing ??= this.end());
  }

  private async end(): Promise<void> {
    const { writes, reads } = this.parts;
    try {
      await this.writer.close();
      // Where it is away, its duties are over in a few seconds.
      if (!this.parts.presence.away) await this.duties.release();
    } finally {
      await Promise.all([writes.end(), reads.end()]);
    }
  }

  /** How far our clock is moved, by a test, against that of this host. */
  private clock_ms(): number {
    return this.now() - Date.now();
  }

  private transact<T>(use: (tx: Connection) => Promise<T>): Promise<T> {
    return this.parts.presence.of(this.patience_ms, (patience_ms) =>
      retried(patience_ms, () => this.parts.writes.transaction(use)),
    );
  }

  private tried(pool: Pool): Connection {
    return {
      ask: (sql, values) =>
        this.parts.presence.of(this.patience_ms, (patience_ms) =>
          retried(patience_ms, () => pool.ask(sql, values)),
        ),
    };
  }
}

const ALERTS: Duty = "alerts";
