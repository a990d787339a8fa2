/**
 * The store in a DuckDB file. Events are appended and never changed; the rows of
 * sessions are folds over them and are written behind.
 */
import type { FigureRow, Question } from "../../model/analytics.ts";
import type { Clock } from "../../model/clock.ts";
import type { Command, CommandFilter } from "../../model/command.ts";
import type { Event, Redaction } from "../../model/event.ts";
import type { EventFilter, SessionFilter } from "../../model/filter.ts";
import type { MaintenanceOptions } from "../../model/maintenance.ts";
import type { Hit, SearchFilter } from "../../model/search.ts";
import type { QueryAnswer, QueryRequest } from "../../model/query.ts";
import type { Session, SessionSummary } from "../../model/session.ts";
import {
  NOT_YOURS,
  type Provenance,
  SPOOL,
  reporterOf,
} from "../../model/reporter.ts";
import type {
  Begun,
  Conversation,
  Duty,
  KeptStore,
  SessionStats,
  StoreEvents,
  StoreFacts,
  StoredEvent,
} from "../../model/store.ts";
import { Beginnings } from "./beginnings.ts";
import { analyticsQuery } from "./analytics.ts";
import { FileContents } from "./contents.ts";
import { sessionQuery } from "./session-tables.ts";
import { Database } from "./database.ts";
import type { StoreOptions } from "./facts.ts";
import { EventColumns } from "./event-columns.ts";
import { Folds } from "./folds.ts";
import { FileMaintenance } from "./maintenance.ts";
import { LivenessTracker } from "./liveness.ts";
import { Lookup } from "./lookup.ts";
import { listCommands, tableOf } from "./commands.ts";
import { Queries } from "./query/run.ts";
import { type Query, eventsQuery, listQuery, statsQuery } from "./queries.ts";
import {
  type ReadRow,
  type StatsRow,
  type StoredRow,
  sessionOf,
  statsOf,
  storedEventOf,
} from "../rows.ts";
import { keptOf } from "../arrivals.ts";
import { withPending } from "../queue.ts";
import { MIGRATIONS } from "./schema.ts";
import { search } from "./search.ts";
import { FileOutputLines } from "./output.ts";
import { EVENT_COLUMNS, SQL } from "./statements.ts";
import { Removals } from "../removals.ts";
import { Tombstones } from "./tombstones.ts";
import { readSummary } from "./summary.ts";
import { IdWindow } from "./id-window.ts";
import { Writer } from "./writer.ts";

const WINDOW_EVENTS = 262_144;
/** Events that one query reads. */
const PAGE_EVENTS = 1_024;

const OPEN_CHANNELS = { sql: SQL.openOfType, values: ["channel"] };
/** A smaller write-ahead log waits for the next checkpoint. */
const WORTH_A_CHECKPOINT_BYTES = 1024 * 1024;

export class DuckDBStore implements KeptStore {
  private readonly folds: Folds;
  private readonly columns: EventColumns;
  private readonly liveness: LivenessTracker;
  private readonly tombstones: Tombstones;
  private readonly lookup: Lookup;
  /** Those that users wrote. */
  private readonly queries: Queries;
  private readonly removals = new Removals();
  /** What terminals showed. */
  readonly output: FileOutputLines;
  private writer!: Writer;
  private beginnings!: Beginnings;
  private closing: Promise<void> | null = null;
  private readonly appendOwn = (events: readonly Event[]) =>
    this.writer.append(events, null);

  private constructor(
    private readonly db: Database,
    private readonly hears: StoreEvents,
    private readonly now: Clock,
  ) {
    this.folds = new Folds(db, (state, by) => this.liveness.note(state, by));
    this.columns = new EventColumns(db, this.folds);
    this.liveness = new LivenessTracker(db, this.folds, now, this.appendOwn);
    this.tombstones = new Tombstones(db, this.folds);
    this.lookup = new Lookup(db, this.folds, this.liveness);
    this.queries = new Queries(db);
    this.output = new FileOutputLines(db, this.removals, () =>
      this.folds.flushBetween(),
    );
  }

  /** See Database.open. */
  static async open(
    path: string,
    options: StoreOptions = {},
  ): Promise<DuckDBStore> {
    const { migrations = MIGRATIONS, window_events = WINDOW_EVENTS } = options;
    const { now = Date.now } = options;
    const db = await Database.open(path, migrations, options.warn);
    try {
      return await db.inTurn(async () => {
        const store = new DuckDBStore(db, options, now);
        await store.folds.open();
        await store.tombstones.open();
        const removed = await db.rows<{ payload: string }>(SQL.redactions);
        for (const { payload } of removed)
          store.removals.add(JSON.parse(payload) as Redaction);
        const last = await db.one<string | null>(SQL.lastTimestamp);
        const window = new IdWindow(window_events, last ?? "");
        store.writer = new Writer(
          ...([db, store.folds, window, store.tombstones] as const),
          ...([store.removals, options, now] as const),
        );
        store.beginnings = new Beginnings(db, store.writer, {
          append: (...given) => store.append(...given),
          summary: (session_id) => store.summary(session_id),
          channels: () => Array.fromAsync(store.sessions(OPEN_CHANNELS)),
        });
        return store;
      });
    } catch (error) {
      await db.close();
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
    const others = await this.liveness.seen(signs, from, theirs);
    const rejection = { reporter: reporterOf(from), reason: NOT_YOURS };
    for (const session_id of others)
      this.hears.onRejected?.({ session_id, ...rejection, events: 1 });
    return others;
  }

  expireLeases(
    now_ms: number,
    unleased_timeout_ms: number,
    looks?: number,
  ): Promise<number> {
    return this.liveness.expireLeases(now_ms, unleased_timeout_ms, looks);
  }

  async summary(session_id: string): Promise<SessionSummary | null> {
    let stored = this.folds.recall(session_id);
    if (stored === undefined) {
      const read = await readSummary(this.db.ask, this.tombstones, session_id);
      // It may have come into memory meanwhile, and changed there.
      stored = this.folds.recall(session_id) ?? read;
    }
    return withPending(stored, this.writer.queue.pendingOf(session_id));
  }

  sessionOf(event: Event, from: Provenance): Promise<string | null> {
    return this.beginnings.sessionOf(event, from);
  }

  begin(...given: Parameters<KeptStore["begin"]>): Promise<Begun> {
    return this.beginnings.begin(...given);
  }

  going(conversation: Conversation): Promise<string | null> {
    return this.beginnings.going(conversation);
  }

  session(session_id: string, now_ms: number): Promise<Session | null> {
    return this.lookup.session(session_id, now_ms);
  }

  hosts(since_ms: number): Promise<Map<string, number>> {
    return this.lookup.hosts(since_ms);
  }

  async *list(filter: SessionFilter): AsyncIterable<Session> {
    yield* this.sessions(listQuery(filter, this.now()));
  }

  async get(session_id: string): Promise<Session | null> {
    const found = await Array.fromAsync(
      this.sessions(sessionQuery(session_id)),
    );
    return found[0] ?? null;
  }

  async stats(filter: SessionFilter): Promise<SessionStats> {
    const { sql, values } = statsQuery(filter, this.now());
    await this.flush(sql);
    const [row] = await this.db.ask<StatsRow>(sql, values);
    return statsOf(row!);
  }

  async analytics(
    question: Question,
    gone?: AbortSignal,
  ): Promise<FigureRow[]> {
    const { sql, values } = analyticsQuery(question, this.now());
    await this.flush(sql);
    return this.db.ask<FigureRow>(sql, values, gone);
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
      const rows = await this.db.ask<StoredRow>(sql, values);
      for (const row of rows) yield storedEventOf(row);
      if (rows.length < page) return;
      limit -= page;
      after_seq = rows.at(-1)!.seq;
    }
  }

  async *commands(filter: CommandFilter): AsyncIterable<Command> {
    await this.flush(tableOf(filter));
    yield* listCommands(this.db, filter);
  }

  async *search(filter: SearchFilter, gone?: AbortSignal): AsyncIterable<Hit> {
    await this.flush();
    yield* search((sql, values) => this.db.ask(sql, values, gone), filter);
  }

  async query(request: QueryRequest): Promise<QueryAnswer> {
    // The view `commands` is made of them.
    await this.flush(/commands/i.test(request.sql) ? EVENT_COLUMNS : "");
    return this.queries.run(request);
  }

  private async *sessions({ sql, values }: Query): AsyncIterable<Session> {
    await this.flush(sql);
    const now = this.now();
    for await (const row of this.db.read<ReadRow>(sql, values))
      yield sessionOf(row, this.liveness.signs, now);
  }

  /** Writes what is stored now to the tables that a statement reads. */
  private async flush(sql: string = EVENT_COLUMNS): Promise<void> {
    await this.folds.flushBetween();
    if (sql.includes(EVENT_COLUMNS)) await this.columns.write();
  }

  catchUp(): Promise<void> {
    return this.columns.catchUp();
  }

  /** Writes rows and a checkpoint. */
  async idle(): Promise<void> {
    await this.flush();
    await this.db.inTurn(() => this.db.checkpoint(WORTH_A_CHECKPOINT_BYTES));
  }

  maintenance(options: MaintenanceOptions): FileMaintenance {
    const { db, folds, columns, removals, output } = this;
    const append = this.appendOwn;
    const keeper = { db, folds, columns, removals, output, append };
    return new FileMaintenance(keeper, this.tombstones, options);
  }

  contents(): FileContents {
    return new FileContents(this.db, this.folds, this.tombstones);
  }

  facts(): StoreFacts {
    const { file, log } = this.db.sizes();
    const away = this.db.lookForIt();
    return {
      queued_events: this.writer.queue.events,
      last_commit_ok: this.writer.lastCommitOk,
      ...{ away, given_up: away !== null },
      last_seq: this.folds.lastSeq,
      database_bytes: file + log,
    };
  }

  requireThere(): void {
    const failure = this.db.lookForIt();
    if (failure) throw failure;
  }

  hasRoom(): boolean {
    return this.db.hasRoom();
  }

  /** Nobody else has the file open. */
  readonly shared = false;
  readonly take = async (_duty: Duty) => "";
  readonly holds = (_duty: Duty) => true;

  endQueries(): Promise<void> {
    return this.queries.end();
  }

  /** Stores what was accepted, and closes the file. */
  close(): Promise<void> {
    return (this.closing ??= this.end());
  }

  private async end(): Promise<void> {
    try {
      this.columns.close();
      const written = this.writer.close();
      await this.queries.end();
      await this.db.jobs.end();
      await written;
      await this.db.inTurn(() => this.folds.flush());
    } finally {
      await this.db.close();
    }
  }
}
