/**
 * Keeps the database open for as long as the server lives. The spool is drained each
 * second and before every read; what can wait is written when nobody asks.
 */
import type { Settings } from "../config/load.ts";
import type { Log } from "../log/log.ts";
import type { FigureRow, Question } from "../model/analytics.ts";
import type { Clock } from "../model/clock.ts";
import type { Command, CommandFilter } from "../model/command.ts";
import type { Event } from "../model/event.ts";
import { type Failure, reasonOf } from "../model/failure.ts";
import type { EventFilter, SessionFilter } from "../model/filter.ts";
import type { Maintenance } from "../model/maintenance.ts";
import type { QueryAnswer, QueryRequest } from "../model/query.ts";
import type { Session, SessionSummary } from "../model/session.ts";
import type { Provenance } from "../model/reporter.ts";
import type { Hit, SearchFilter } from "../model/search.ts";
import {
  type Conversation,
  QUEUE_EVENTS,
  type KeptStore,
  type Rejection,
  type ServedStore,
  type SessionStats,
  type StoredEvent,
} from "../model/store.ts";
import { filesBeside } from "../access/archived-recordings.ts";
import { type OpenedStore, openStore } from "../access/open-store.ts";
import { spoolBacklog } from "../spool/folder.ts";
import type { StoreLock } from "../store/lock.ts";
import { type Drained, ServerDrain } from "./drain.ts";
import { ServerAlerts } from "./alerts.ts";
import { sessionCounts } from "./session-counts.ts";
import { Imports } from "./imports.ts";
import { SearchedOutput } from "./searched-output.ts";
import { check } from "./tools/health-check.ts";
import type { Gauges, Metrics } from "./http/metrics.ts";

const TICK_MS = 1_000;
/** Quiet for so long, the file is brought up to date. */
const IDLE_MS = 5_000;
/** How long the last pass of all may take; what it leaves waits in the spool. */
const LAST_PASS_MS = 2_000;

export class ServerStore implements ServedStore {
  readonly drain: ServerDrain;
  readonly imports: Imports;
  /** Who reads along. */
  hears: { committed(): void; reopened(): void; ticks(): void } | null = null;
  private readonly alerts: ServerAlerts;
  private readonly searched: SearchedOutput;
  /** Of which store, for it may be opened anew. */
  private keeper: { of: KeptStore; maintenance: Maintenance } | null = null;
  private readonly timer: ReturnType<typeof setInterval>;
  /** Why the database is closed for now. */
  private away: Failure | null = null;
  private reopening: Promise<void> | null = null;
  private lastAppend = 0;
  private idle = false;
  private ticking = false;

  private constructor(
    private readonly settings: Settings,
    private store: KeptStore,
    readonly opened: OpenedStore,
    private readonly lock: StoreLock,
    private readonly log: Log,
    metrics: Metrics,
    now: Clock,
  ) {
    const into: Drained = {
      append: (events) => this.append(events),
      seen: (signs) => this.file.seen(signs),
      get: (session_id) => this.file.get(session_id),
      events: (filter) => this.file.events(filter),
      requireThere: () => this.file.requireThere(),
      expireLeases: (...given) => this.file.expireLeases(...given),
    };
    this.drain = new ServerDrain(settings, into, log, metrics, now);
    const watched = {
      file: () => this.file,
      health: () => this.health(),
      undrained_ms: () => this.drain.age_seconds * 1_000,
    };
    const looking = { settings, watched, log, now };
    this.alerts = new ServerAlerts(looking, () => this.store, opened.documents);
    this.imports = new Imports(settings, watched.file);
    this.searched = new SearchedOutput(settings, watched.file, log);
    this.timer = setInterval(() => void this.tick(), TICK_MS);
  }

  /**
   * @param lock held for this process; it is free again after `close`
   * @throws Failure when the database cannot be opened
   */
  static async open(
    settings: Settings,
    lock: StoreLock,
    log: Log,
    metrics: Metrics,
    now: Clock = Date.now,
  ): Promise<ServerStore> {
    let opened: ServerStore | null = null;
    const options = {
      now,
      serves: true,
      onCommit: (seconds: number, events: number) => {
        metrics.commit(seconds, events);
        opened?.hears?.committed();
        opened?.alerts.wake();
      },
      warn: (reason: string) => log.warn("database_mended", { reason }),
      onAway: (why: Failure) =>
        log.error("database_away", { reason: reasonOf(why) }),
      onBack: () => {
        log.info("database_back", {});
        opened?.drain.cameBack();
      },
      onRejected: (rejection: Rejection) => {
        metrics.rejected(rejection.events);
        log.warn("events_rejected", rejection);
      },
    };
    const all = await openStore(settings, lock, options);
    const { store } = all;
    opened = new ServerStore(settings, store, all, lock, log, metrics, now);
    await opened.alerts.begin();
    return opened;
  }

  /** @throws Failure while the database cannot be opened again */
  private get file(): KeptStore {
    if (this.away) throw this.away;
    return this.store;
  }

  /** What is stored, without a look at the spool. @throws Failure as `file` */
  get stored(): Pick<KeptStore, "events" | "get" | "query" | "facts"> {
    return this.file;
  }

  /** Also while it is away. */
  readonly kept = (): KeptStore => this.store;

  /** It is, and not quiet. */
  private get busy(): KeptStore {
    this.lastAppend = performance.now();
    this.idle = false;
    return this.file;
  }

  append(...given: Parameters<ServedStore["append"]>) {
    return this.busy.append(...given);
  }

  seen(...given: Parameters<ServedStore["seen"]>) {
    return this.file.seen(...given);
  }

  summary(session_id: string): Promise<SessionSummary | null> {
    return this.file.summary(session_id);
  }

  sessionOf(event: Event, from: Provenance): Promise<string | null> {
    return this.file.sessionOf(event, from);
  }

  begin(...given: Parameters<ServedStore["begin"]>) {
    return this.busy.begin(...given);
  }

  going(conversation: Conversation) {
    return this.file.going(conversation);
  }

  async *list(filter: SessionFilter): AsyncIterable<Session> {
    await this.drain.freshAsCanBe();
    yield* this.file.list(filter);
  }

  async get(session_id: string): Promise<Session | null> {
    await this.drain.freshAsCanBe();
    return this.file.get(session_id);
  }

  async *events(filter: EventFilter): AsyncIterable<StoredEvent> {
    await this.drain.freshAsCanBe();
    yield* this.file.events(filter);
  }

  async *commands(filter: CommandFilter): AsyncIterable<Command> {
    await this.drain.freshAsCanBe();
    yield* this.file.commands(filter);
  }

  async *search(filter: SearchFilter, gone?: AbortSignal): AsyncIterable<Hit> {
    await this.drain.freshAsCanBe();
    yield* this.file.search(filter, gone);
  }

  async stats(filter: SessionFilter): Promise<SessionStats> {
    await this.drain.freshAsCanBe();
    return this.file.stats(filter);
  }

  async analytics(
    question: Question,
    gone?: AbortSignal,
  ): Promise<FigureRow[]> {
    await this.drain.freshAsCanBe();
    return this.file.analytics(question, gone);
  }

  async query(request: QueryRequest): Promise<QueryAnswer> {
    await this.drain.freshAsCanBe();
    return this.file.query(request);
  }

  /** Ends the queries of users, which may run for long. */
  async endQueries(): Promise<void> {
    await this.store.endQueries();
  }

  /** Its copies and archives, with what the spool holds brought in if it can be. */
  async maintenance(): Promise<Maintenance> {
    await this.drain.freshAsCanBe();
    const { file, log } = this;
    if (this.keeper?.of !== file) {
      const maintenance = file.maintenance({
        ...filesBeside(this.settings),
        alone: false,
        warn: (reason) => log.warn("keeping", { reason }),
      });
      this.keeper = { of: file, maintenance };
    }
    return this.keeper.maintenance;
  }

  /** @returns why the spool was not drained; null when it was */
  async drainNow(): Promise<string | null> {
    await this.drain.freshAsCanBe();
    return this.drain.notDrained;
  }

  /** Takes the spool in a last time, then lets the database go. */
  async close(): Promise<void> {
    clearInterval(this.timer);
    await Promise.all([this.alerts.close(), this.searched.close()]);
    try {
      const last = Promise.resolve(this.reopening).then(() =>
        this.drain.fresh(),
      );
      await Promise.race([last, Bun.sleep(LAST_PASS_MS)]);
    } catch (error) {
      this.log.error("drain_failed", { reason: reasonOf(error) });
    }
    await this.store.close().finally(() => this.lock.release());
  }

  /** How the server is: each part by name, nothing private in it. */
  health() {
    const { last_commit_ok, queued_events, away } = this.store.facts();
    const checks = {
      database: check(last_commit_ok && !away && !this.away),
      disk: check(this.store.hasRoom()),
      queue: check(queued_events < QUEUE_EVENTS),
      spool: check(this.drain.works),
    };
    const healthy = Object.values(checks).every((state) => state === "ok");
    // Since the last whole pass over the spool, or since the start.
    const last_drain_age_seconds = this.drain.age_seconds;
    return { healthy, checks, last_drain_age_seconds };
  }

  /** Oldest first. @throws Failure (permission) */
  readonly keptAlerts = () => this.alerts.kept();

  /** What /metrics tells of the moment. */
  async gauges(): Promise<Gauges> {
    const counts = await sessionCounts(() => this.file);
    const { queued_events, database_bytes } = this.store.facts();
    const backlog = spoolBacklog(this.settings.paths.data!);
    return {
      ...counts,
      database_up: counts.active_sessions !== null,
      queue_depth: queued_events,
      spool_backlog_files: backlog.files,
      spool_backlog_bytes: backlog.bytes,
      database_bytes,
      log_dropped: this.log.dropped,
      alerts: this.alerts.counts(),
    };
  }

  /**
   * A database in a file is given up for good when it cannot be written at the wrong
   * moment, on a full disk, and when it was removed or replaced. What was acknowledged
   * is in the file, or in the spool: it is opened anew as soon as that can be, and
   * until then everything is refused with the reason.
   */
  private openAnew(): Promise<void> {
    return (this.reopening ??= this.replace().finally(
      () => (this.reopening = null),
    ));
  }

  private async replace(): Promise<void> {
    if (!this.away) {
      this.away = this.store.facts().away!;
      this.log.error("database_given_up", { reason: reasonOf(this.away) });
      // Fails, as everything on it does, but lets go of the file.
      await this.store.close().catch(() => {});
    }
    if (!this.store.hasRoom()) return;
    this.store = await this.opened.reopen();
    this.drain.beginAnew();
    this.alerts.beginAnew();
    this.away = null;
    this.hears?.reopened();
    this.log.info("database_reopened", {});
  }

  private async tick(): Promise<void> {
    this.alerts.tick();
    this.hears?.ticks();
    // While a database is silent those of each second would wait for it.
    if (this.ticking) return;
    this.ticking = true;
    try {
      if (this.away || this.store.facts().given_up) await this.openAnew();
      // Nothing else asks one that is away whether it is back.
      if (this.store.facts().away) await this.file.catchUp();
      if (!this.drain.isRunning) await this.drain.fresh();
      this.searched.tick();
      await this.file.catchUp();
      // What others have stored is known by now.
      if (this.store.shared) this.hears?.committed();
      if (this.idle || performance.now() - this.lastAppend < IDLE_MS) return;
      this.idle = true;
      await this.file.idle();
    } catch (error) {
      this.drain.sayFailed(error);
    } finally {
      this.ticking = false;
    }
  }
}
