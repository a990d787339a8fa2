/**
 * Drains the spool for a server: each second, and before every read. One pass
 * runs at a time; what it meets is logged once.
 */
import type { Settings } from "../config/load.ts";
import { drainOptions } from "../access/open.ts";
import type { Log } from "../log/log.ts";
import type { Clock } from "../model/clock.ts";
import { reasonOf } from "../model/failure.ts";
import { Drain } from "../spool/drain.ts";
import { requeueDone } from "../spool/contents.ts";
import type { DrainTarget } from "../spool/report.ts";
import { spoolFolder } from "../spool/write.ts";
import type { Metrics } from "./http/metrics.ts";
import { SpoolCounter, countNew } from "./tools/telemetry.ts";

/** A last pass that was longer ago, in seconds: what is recorded is not seen. */
const PASS_AGE_SECONDS = 60;

/** The database that the spool is drained into. */
export interface Drained extends DrainTarget {
  /** @param now milliseconds since the epoch */
  expireLeases(now: number, unleased_timeout_ms: number): Promise<unknown>;
}

export class ServerDrain {
  /** Why the last pass over the spool did not come to its end; null when it did. */
  notDrained: string | null = null;
  private drain: Drain;
  private readonly counter: SpoolCounter;
  private pass: Promise<void> | null = null;
  private next: Promise<void> | null = null;
  private failed: string | null = null;
  private refused = "";
  private lastPass = performance.now();
  /** Whether files come back from done/ with the next pass. */
  private again = false;

  constructor(
    private readonly settings: Settings,
    private readonly database: Drained,
    private readonly log: Log,
    metrics: Metrics,
    private readonly now: Clock,
  ) {
    this.counter = new SpoolCounter(metrics);
    this.drain = this.begun();
  }

  /** Knows nothing any more of what the database has, for it may be another one. */
  beginAnew(): void {
    this.drain = this.begun();
  }

  /**
   * The database was away. It may be another host's now, and lack what it had
   * acknowledged: what is still here of that is brought once more.
   */
  cameBack(): void {
    this.beginAnew();
    this.again = this.settings.config.store.keep_done_ms !== null;
  }

  get isRunning(): boolean {
    return this.pass !== null;
  }

  /** Since the last whole pass, or since the start. */
  get age_seconds(): number {
    const age_ms = performance.now() - this.lastPass;
    return Math.round(age_ms / 100) / 10;
  }

  get works(): boolean {
    return this.failed === null && this.age_seconds < PASS_AGE_SECONDS;
  }

  /**
   * Resolves after a pass over the spool that began after this call. Calls that
   * come while one is under way share the one after it.
   */
  fresh(): Promise<void> {
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
  async freshAsCanBe(): Promise<void> {
    try {
      await this.fresh();
    } catch (error) {
      this.sayFailed(error);
    }
  }

  sayFailed(error: unknown): void {
    const reason = reasonOf(error);
    if (this.failed !== reason) this.log.error("drain_failed", { reason });
    this.failed = reason;
  }

  private begun(): Drain {
    const target: DrainTarget = {
      ...this.database,
      append: async (events) =>
        countNew(this.database.append(events), events, (event) =>
          this.counter.count(event),
        ),
    };
    const options = drainOptions(this.settings);
    return new Drain(this.settings.paths.data!, target, this.now, options);
  }

  private async take(): Promise<void> {
    const { log, settings, database } = this;
    if (this.again) await requeueDone(spoolFolder(settings.paths.data!));
    this.again = false;
    const report = await this.drain.pass().catch((error) => {
      this.notDrained = `the spool was not drained: ${reasonOf(error)}`;
      throw error;
    });
    const { passed, quarantined, refused, adopted } = report;
    this.notDrained = report.busy;
    if (passed) this.lastPass = performance.now();
    for (const { path, reason } of quarantined)
      log.warn("line_quarantined", { path, reason });
    for (const folder of adopted) log.info("spool_adopted", { folder });
    // The same files are met each second: logged once.
    const files = refused.join("; ");
    if (files !== this.refused && files !== "")
      log.warn("spool_file_refused", { files: refused });
    this.refused = files;
    await database.expireLeases(
      this.now(),
      settings.config.session.unleased_timeout_ms,
    );
    if (this.failed !== null) log.info("drain_recovered", {});
    this.failed = null;
  }
}
