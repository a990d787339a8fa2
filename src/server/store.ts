/**
 * What a server keeps: the database, for as long as it lives. It takes the spool
 * in each second and before every read, tells the dead from the living, and
 * writes to the file what can wait when nobody asks for anything.
 */
import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import type { Settings } from "../config/load.ts";
import type { Log } from "../log/log.ts";
import type { Clock } from "../model/clock.ts";
import type { Event } from "../model/event.ts";
import { type Failure, Rejected, errnoOf, reasonOf } from "../model/failure.ts";
import type { EventFilter, SessionFilter } from "../model/filter.ts";
import type { Keeping } from "../model/maintenance.ts";
import type { Session } from "../model/session.ts";
import type { Provenance } from "../model/reporter.ts";
import {
  QUEUE_EVENTS,
  type ServedStore,
  type SessionBrief,
  type SessionStats,
  type StoredEvent,
} from "../model/store.ts";
import { databasePath, openAgain, openFile } from "../access/claim.ts";
import { requireNotOwn } from "../access/own-files.ts";
import { Drain } from "../spool/drain.ts";
import { spoolBacklog } from "../spool/folder.ts";
import type { DrainReport, DrainTarget } from "../spool/report.ts";
import { spooledSessions } from "../spool/contents.ts";
import type { DuckDBStore } from "../store/duckdb/store.ts";
import type { Rejection } from "../store/duckdb/admission.ts";
import type { StoreLock } from "../store/lock.ts";
import { SpoolCounter } from "./tools/telemetry.ts";
import type { Gauges, Metrics } from "./http/metrics.ts";

const TICK_MS = 1_000;
/** How often a pass waits for descriptors, and how long. */
const ROOM_TRIES = 8;
const ROOM_MS = 120;
/** Quiet for so long, the file is brought up to date. */
const IDLE_MS = 5_000;
/** A last pass that was longer ago, in seconds: what is recorded is not seen. */
const PASS_AGE_SECONDS = 60;
/** How long the last pass of all may take; what it leaves waits in the spool. */
const LAST_PASS_MS = 2_000;
/** Below this a disk counts as full: a checkpoint would not fit. */
const DISK_FLOOR_BYTES = 64 * 1024 * 1024;

export type Checks = Record<"database" | "disk" | "queue" | "spool", Check>;
export type Check = "ok" | "failed";

/** How a server is: each part by name, nothing private in it. */
export interface Health {
  healthy: boolean;
  checks: Checks;
  /** Since the last whole pass over the spool, or since the start. */
  last_drain_age_seconds: number;
}

export class Core implements ServedStore {
  /** Sees to it that the files of a pass can be opened, as far as it can. */
  makeRoom: () => void = () => {};
  private drain: Drain;
  /** Of which store, for it may be opened anew. */
  private keeper: { of: DuckDBStore; keeping: Keeping } | null = null;
  private readonly timer: ReturnType<typeof setInterval>;
  private pass: Promise<void> | null = null;
  private next: Promise<void> | null = null;
  /** Why the database is closed for now. */
  private away: Failure | null = null;
  private reopening: Promise<void> | null = null;
  private spoolFailed: string | null = null;
  private lastPass = performance.now();
  private lastAppend = 0;
  private idle = false;

  private constructor(
    private readonly settings: Settings,
    private store: DuckDBStore,
    private readonly reopen: () => Promise<DuckDBStore>,
    private readonly lock: StoreLock,
    private readonly log: Log,
    private readonly counter: SpoolCounter,
    private readonly now: Clock,
  ) {
    this.drain = this.draining();
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
  ): Promise<Core> {
    const options = {
      now,
      onCommit: (seconds: number, events: number) =>
        metrics.commit(seconds, events),
      tell: (reason: string) => log.warn("database_mended", { reason }),
      onRejected: (rejection: Rejection) => {
        metrics.rejected(rejection.events);
        log.warn("events_rejected", rejection);
      },
    };
    const { store } = await openFile(settings, lock, options);
    const again = () => openAgain(settings, options);
    const counter = new SpoolCounter(metrics);
    return new Core(settings, store, again, lock, log, counter, now);
  }

  /** One that knows nothing yet of what the store has. */
  private draining(): Drain {
    const { config, paths } = this.settings;
    const target: DrainTarget = {
      append: (events) => this.appendCounted(events, this.counter),
      seen: (signs) => this.file.seen(signs),
      get: (session_id) => this.file.get(session_id),
      requireThere: () => this.file.requireThere(),
    };
    return new Drain(
      paths.data!,
      target,
      this.now,
      config.session.heartbeat_ms,
    );
  }

  /** @throws Failure while the database cannot be opened again */
  private get file(): DuckDBStore {
    if (this.away) throw this.away;
    return this.store;
  }

  append(
    events: readonly Event[],
    from?: Provenance,
  ): Promise<ReadonlySet<string>> {
    this.lastAppend = performance.now();
    this.idle = false;
    return this.file.append(events, from);
  }

  private async appendCounted(
    events: readonly Event[],
    counter: SpoolCounter,
  ): Promise<ReadonlySet<string>> {
    try {
      const stored = await this.append(events);
      counter.count(events, stored);
      return stored;
    } catch (error) {
      if (error instanceof Rejected) counter.count(events, error.stored);
      throw error;
    }
  }

  seen(
    signs: ReadonlyMap<string, string>,
    from?: Provenance,
    theirs?: ReadonlyMap<string, string>,
  ): Promise<ReadonlySet<string>> {
    return this.file.seen(signs, from, theirs);
  }

  brief(session_id: string): Promise<SessionBrief | null> {
    return this.file.brief(session_id);
  }

  sessionOf(event: Event, from: Provenance): Promise<string | null> {
    return this.file.sessionOf(event, from);
  }

  async open(session_type: string): Promise<Session[]> {
    return this.file.open(session_type);
  }

  async *list(filter: SessionFilter): AsyncIterable<Session> {
    await this.freshAsCanBe();
    yield* this.file.list(filter);
  }

  async get(session_id: string): Promise<Session | null> {
    await this.freshAsCanBe();
    return this.file.get(session_id);
  }

  async *events(filter: EventFilter): AsyncIterable<StoredEvent> {
    await this.freshAsCanBe();
    yield* this.file.events(filter);
  }

  async stats(filter: SessionFilter): Promise<SessionStats> {
    await this.freshAsCanBe();
    return this.file.stats(filter);
  }

  /** Its copies and archives, with what the spool holds brought in if it can be. */
  async keeping(): Promise<Keeping> {
    await this.freshAsCanBe();
    const { file, log } = this;
    if (this.keeper?.of !== file) {
      const keeping = file.keeping({
        spooled: () => spooledSessions(this.settings.paths.data!),
        requireNotOwn: (path) => requireNotOwn(this.settings, path),
        alone: false,
        tell: (reason) => log.warn("keeping", { reason }),
      });
      this.keeper = { of: file, keeping };
    }
    return this.keeper.keeping;
  }

  /** @returns why the spool was not drained; null when it was */
  async drainNow(): Promise<string | null> {
    await this.freshAsCanBe();
    return this.notDrained;
  }

  /** Takes the spool in a last time, then lets the database go. */
  async close(): Promise<void> {
    clearInterval(this.timer);
    try {
      await Promise.race([this.lastLook(), Bun.sleep(LAST_PASS_MS)]);
    } catch (error) {
      this.log.error("drain_failed", { reason: reasonOf(error) });
    }
    await this.store.close().finally(() => this.lock.release());
  }

  private async lastLook(): Promise<void> {
    await this.reopening;
    await this.fresh();
  }

  health(): Health {
    const { last_commit_ok, queued_events, given_up } = this.store.facts();
    const check = (ok: boolean): Check => (ok ? "ok" : "failed");
    const age_ms = performance.now() - this.lastPass;
    const last_drain_age_seconds = Math.round(age_ms / 100) / 10;
    const checks = {
      database: check(last_commit_ok && !given_up && !this.away),
      disk: check(this.diskHasRoom()),
      queue: check(queued_events < QUEUE_EVENTS),
      spool: check(
        this.spoolFailed === null && last_drain_age_seconds < PASS_AGE_SECONDS,
      ),
    };
    const healthy = Object.values(checks).every((state) => state === "ok");
    return { healthy, checks, last_drain_age_seconds };
  }

  /** What /metrics tells of the moment. */
  async gauges(): Promise<Gauges> {
    const active = await this.file.stats({ status: "active" });
    const lost = await this.file.stats({ status: "lost" });
    const { queued_events, database_bytes } = this.file.facts();
    const backlog = spoolBacklog(this.settings.paths.data!);
    return {
      active_sessions: new Map(
        active.by_component.map((c) => [c.component_name, c.sessions]),
      ),
      lost_sessions: lost.sessions,
      queue_depth: queued_events,
      spool_backlog_files: backlog.files,
      spool_backlog_bytes: backlog.bytes,
      database_bytes,
      log_dropped: this.log.dropped,
    };
  }

  private diskHasRoom(): boolean {
    const { bavail, bsize } = statfsSync(dirname(databasePath(this.settings)));
    return bavail * bsize > DISK_FLOOR_BYTES;
  }

  /**
   * Resolves after a pass over the spool that began after this call. Calls that
   * come while one is under way share the one after it.
   */
  private fresh(): Promise<void> {
    if (!this.pass) {
      this.pass = this.take().finally(() => (this.pass = null));
      return this.pass;
    }
    const begin = () => {
      this.next = null;
      return this.fresh();
    };
    return (this.next ??= this.pass.then(begin, begin));
  }

  /** What is stored can be read, whatever keeps the spool from the store. */
  private async freshAsCanBe(): Promise<void> {
    try {
      await this.fresh();
    } catch (error) {
      this.drainFailed(error);
    }
  }

  private drainFailed(error: unknown): void {
    const reason = reasonOf(error);
    if (this.spoolFailed !== reason) this.log.error("drain_failed", { reason });
    this.spoolFailed = reason;
  }

  /** Why the last pass over the spool did not come to its end; null when it did. */
  notDrained: string | null = null;

  private async take(): Promise<void> {
    const { config } = this.settings;
    const now = this.now();
    const report = await this.passOnce().catch((error) => {
      this.notDrained = `the spool was not drained: ${reasonOf(error)}`;
      throw error;
    });
    const { passed, quarantined, refused, adopted } = report;
    this.notDrained = report.busy;
    if (passed) this.lastPass = performance.now();
    for (const { path, reason } of quarantined)
      this.log.warn("line_quarantined", { path, reason });
    for (const folder of adopted) this.log.info("spool_adopted", { folder });
    this.sayRefused(refused);
    await this.file.lapse(now, config.session.unleased_timeout_ms);
    if (this.spoolFailed !== null) this.log.info("drain_recovered", {});
    this.spoolFailed = null;
  }

  /** A pass; what others have taken of the descriptors is given back in a moment. */
  private async passOnce(): Promise<DrainReport> {
    for (let tries = 1; ; tries++) {
      this.makeRoom();
      try {
        return await this.drain.pass();
      } catch (error) {
        const { cause } = error as { cause?: unknown };
        const exhausted = [error, cause].map(errnoOf).includes("EMFILE");
        if (!exhausted || tries === ROOM_TRIES) throw error;
        await Bun.sleep(ROOM_MS);
      }
    }
  }

  private refusedSaid = "";

  /** The same files are met each second: said once. */
  private sayRefused(refused: readonly string[]): void {
    const all = refused.join("; ");
    if (all !== this.refusedSaid && all !== "")
      this.log.warn("spool_file_refused", { files: refused });
    this.refusedSaid = all;
  }

  /**
   * DuckDB gives a file up for good when it cannot write at the wrong moment, on
   * a full disk; we do when it was removed or replaced. What was acknowledged is in
   * the file, or in the spool: it is opened anew as soon as that can be, and until
   * then everything is refused with the reason.
   */
  private openAnew(): Promise<void> {
    return (this.reopening ??= this.replace().finally(
      () => (this.reopening = null),
    ));
  }

  private async replace(): Promise<void> {
    if (!this.away) {
      this.away = this.store.facts().given_up!;
      this.log.error("database_given_up", { reason: reasonOf(this.away) });
      // Fails, as everything on it does, but lets go of the file.
      await this.store.close().catch(() => {});
    }
    if (!this.diskHasRoom()) return;
    this.store = await this.reopen();
    // It may be another one.
    this.drain = this.draining();
    this.away = null;
    this.log.info("database_reopened", {});
  }

  private async tick(): Promise<void> {
    try {
      if (this.away || this.store.facts().given_up) await this.openAnew();
      if (!this.pass) await this.fresh();
      if (this.idle || performance.now() - this.lastAppend < IDLE_MS) return;
      this.idle = true;
      await this.file.idle();
    } catch (error) {
      this.drainFailed(error);
    }
  }
}
