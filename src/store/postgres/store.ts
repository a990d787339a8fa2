/**
 * The store in a PostgreSQL database, which any number of servers share. Nothing of it
 * is kept in memory: what a session is stands in its row, and whoever changes it
 * compares and sets.
 */
import type { FigureRow, Question } from "../../model/analytics.ts";
import { type Clock, isoTime } from "../../model/clock.ts";
import type { Command, CommandFilter } from "../../model/command.ts";
import type { Event, SessionStart } from "../../model/event.ts";
import type { EventFilter, SessionFilter } from "../../model/filter.ts";
import {
  NOT_YOURS,
  type Provenance,
  SPOOL,
  reporterOf,
} from "../../model/reporter.ts";
import type { MaintenanceOptions } from "../../model/maintenance.ts";
import type { QueryAnswer, QueryRequest } from "../../model/query.ts";
import type { Hit, SearchFilter } from "../../model/search.ts";
import type { Session, SessionSummary } from "../../model/session.ts";
import type {
  Begun,
  Conversation,
  Duty,
  KeptStore,
  SessionStats,
  StoreFacts,
  StoredEvent,
} from "../../model/store.ts";
import { keptOf } from "../arrivals.ts";
import { withPending } from "../queue.ts";
import { Asked } from "./asked.ts";
import { Beginnings } from "./begin.ts";
import type { Address } from "./address.ts";
import type { Connection } from "./connect.ts";
import { DatabaseContents } from "./contents.ts";
import { DatabaseDocuments } from "./documents.ts";
import { Duties } from "./duties.ts";
import { readSummary, sessionOfEvent } from "./known.ts";
import { LAPSE, Lapse } from "./lapse.ts";
import { DatabaseMaintenance } from "./maintenance.ts";
import { prepare } from "./migrate.ts";
import { type PostgresOptions, noArchives } from "./options.ts";
import { PostgresOutput } from "./output.ts";
import { Reach } from "./reach.ts";
import {
  getSession,
  hostsSeen,
  listSessions,
  sessionStats,
} from "./sessions.ts";
import { Servers } from "./servers.ts";
import { Signs } from "./signs.ts";
import { Tail } from "./tail.ts";
import { Writer } from "./writer.ts";

export class PostgresStore implements KeptStore {
  /** What terminals showed. */
  readonly output: PostgresOutput;
  private readonly asked: Asked;
  private readonly writer: Writer;
  private readonly signs: Signs;
  private readonly lapse: Lapse;
  private readonly servers: Servers;
  private readonly duties: Duties;
  private readonly tail: Tail;
  private readonly beginnings: Beginnings;
  private readonly now: Clock;
  private readonly connection: Connection;
  private database_bytes = 0;
  private measured_ms = 0;
  private closing: Promise<void> | null = null;

  private constructor(
    private readonly reach: Reach,
    private readonly options: PostgresOptions,
  ) {
    const { reads, writes, transaction } = reach;
    const { locks = true, now = Date.now, recordings = "" } = options;
    this.now = now;
    this.connection = reads;
    const append = (events: readonly Event[]) =>
      this.writer.append(events, null);
    this.servers = new Servers(writes, options.server ?? null);
    this.writer = new Writer(reach, this.servers, { ...options, now, locks });
    this.signs = new Signs(writes.ask, append, this.servers, () =>
      this.clock_ms(),
    );
    this.duties = new Duties(writes, crypto.randomUUID());
    this.lapse = new Lapse(
      reads.ask,
      this.servers,
      this.duties,
      this.signs,
      append,
    );
    this.beginnings = new Beginnings(reads, this.writer, now);
    this.tail = new Tail(reads, transaction, locks);
    this.output = new PostgresOutput({ ...writes, transaction }, recordings);
    this.asked = new Asked(reach, this.tail, options.patterns);
  }

  /** @throws Failure when it cannot be used, or is of a newer program */
  static async open(
    address: Address,
    options: PostgresOptions = {},
  ): Promise<PostgresStore> {
    const reach = new Reach(address, options);
    const store = new PostgresStore(reach, options);
    try {
      await prepare(reach, options.migrations);
      // Leases run from now on, if nobody else has looked at them.
      await store.servers.begin(store.clock_ms());
      await store.duties.take(LAPSE, store.clock_ms());
      await Promise.all([store.tail.number(), store.measure()]);
      return store;
    } catch (error) {
      await Promise.all([reach.end(), store.asked.close()]);
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
    return this.lapse.expire(now_ms, unleased_timeout_ms, looks);
  }

  async summary(session_id: string): Promise<SessionSummary | null> {
    const { queue } = this.writer;
    // What is stored while the row is read may be missing in the one and in the other.
    const before = queue.pendingOf(session_id);
    const stored = await readSummary(this.connection, session_id);
    const now = queue.pendingOf(session_id);
    return withPending(stored, new Set([...before, ...now]));
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

  begin(
    start: SessionStart,
    ids: readonly string[],
    from: Provenance,
    conversation?: Conversation,
  ): Promise<Begun> {
    const [kept] = keptOf([start], from, this.now()) as [SessionStart];
    return this.beginnings.begin(kept, ids, from, conversation);
  }

  going(conversation: Conversation): Promise<string | null> {
    return this.beginnings.going(conversation);
  }

  stats(filter: SessionFilter): Promise<SessionStats> {
    return sessionStats(this.connection, filter, this.now());
  }

  events(filter: EventFilter): AsyncIterable<StoredEvent> {
    return this.tail.events(filter);
  }

  commands(filter: CommandFilter): AsyncIterable<Command> {
    return this.asked.commands(filter);
  }

  search(filter: SearchFilter, gone?: AbortSignal): AsyncIterable<Hit> {
    return this.asked.search(filter, gone);
  }

  analytics(question: Question, gone?: AbortSignal): Promise<FigureRow[]> {
    return this.asked.analytics(question, this.now(), gone);
  }

  query(request: QueryRequest): Promise<QueryAnswer> {
    return this.asked.query(request);
  }

  endQueries(): Promise<void> {
    return this.asked.endQueries();
  }

  hosts(since_ms: number): Promise<Map<string, number>> {
    return hostsSeen(this.connection, isoTime(since_ms));
  }

  /** Numbers what has come. */
  async catchUp(): Promise<void> {
    await this.tail.number();
    await this.beginnings.forget();
    if (performance.now() - this.measured_ms > MEASURE_MS) await this.measure();
  }

  idle(): Promise<void> {
    return this.measure();
  }

  private async measure(): Promise<void> {
    this.measured_ms = performance.now();
    const [row] = await this.connection.ask<{ bytes: string }>(
      "SELECT pg_database_size(current_database()) AS bytes",
    );
    this.database_bytes = Number(row!.bytes);
  }

  contents(): DatabaseContents {
    const { reads, address } = this.reach;
    return new DatabaseContents(reads, this.duties, address.name);
  }

  maintenance(options: MaintenanceOptions): DatabaseMaintenance {
    const { locks = true, writeArchive = noArchives } = this.options;
    const { reads, transaction, address } = this.reach;
    const parts = {
      ...{ reads, transaction, locks, writeArchive, url: address.url },
      append: (events: readonly Event[]) => this.writer.append(events, null),
      number: () => this.tail.number(),
      contents: this.contents(),
    };
    return new DatabaseMaintenance(parts, options);
  }

  facts(): StoreFacts {
    return {
      queued_events: this.writer.queue.events,
      last_commit_ok: this.writer.lastCommitOk,
      away: this.reach.presence.away,
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
    const { away } = this.reach.presence;
    if (away) throw away;
  }

  readonly shared = true;

  async take(duty: Duty): Promise<string | null> {
    const held = await this.duties.take(duty, this.clock_ms());
    return held && held.term;
  }

  /** @param by by what duty they are written, and its term */
  documents(
    folder: string,
    by: { duty: Duty; term: string } | null,
  ): DatabaseDocuments {
    const { writes, address } = this.reach;
    const fence = by && { ...by, holder: this.duties.holder };
    return new DatabaseDocuments(writes, address.name, folder, fence);
  }

  holds(duty: Duty): boolean {
    return this.duties.holds(duty);
  }

  /** Stores what was accepted, and closes its connections. */
  close(): Promise<void> {
    return (this.closing ??= this.end());
  }

  private async end(): Promise<void> {
    try {
      await this.asked.endQueries();
      await this.writer.close();
      // Where it is away, its duties are over in a few seconds.
      if (!this.reach.presence.away) await this.duties.release();
    } finally {
      await Promise.all([this.reach.end(), this.asked.close()]);
    }
  }

  /** How far our clock is moved, by a test, against that of this host. */
  private clock_ms(): number {
    return this.now() - Date.now();
  }
}

/** How old the size of the database may be. */
const MEASURE_MS = 60_000;
