/**
 * Tells alerts to their channels: at least once each, in order, with patience. An
 * alert is on the disk before it is told, and what was not told is told after a
 * restart. Channels do not wait for each other, and nobody waits for them.
 */
import {
  type Alert,
  type AlertConfig,
  type Channel,
  type KeptAlert,
  LOG_CHANNEL,
  type Told,
} from "../model/alert.ts";
import { type Clock, isoTime } from "../model/clock.ts";
import { Displaced } from "../model/documents.ts";
import { reasonOf } from "../model/failure.ts";
import type { AlertBook } from "./book.ts";
import { Refused, type Send } from "./send.ts";
import type { AlertLog } from "./source.ts";
import { isAboutTexts, toldJson, withoutTexts } from "./words.ts";

/** Alerts that are kept, those that wait not counted. */
const MOST_KEPT = 1_000;
/** Alerts that wait for one channel; the oldest are given up. */
const MOST_WAITING = 1_000;
const LONGEST_WAIT_MS = 60_000;

interface Line {
  name: string;
  channel: Channel;
  waiting: KeptAlert[];
  /** Attempts in a row that failed. */
  failures: number;
  failed_ms: number;
  next_ms: number;
  busy: Promise<void> | null;
}

/** @param failures attempts in a row that had failed before this one */
export const waitAfter = (failures: number, retry_ms: number): number =>
  Math.min(retry_ms * 2 ** failures, Math.max(retry_ms, LONGEST_WAIT_MS));

/** A clock that was put back makes nobody wait. */
const isEarly = ({ failed_ms, next_ms }: Line, now: number) =>
  now >= failed_ms && now < next_ms;

interface DeliveryParts {
  book: AlertBook;
  send: Send;
  /** Whether it is this process that tells, just now. */
  may: () => boolean;
  log: AlertLog;
  now: Clock;
}

export class Deliveries {
  private readonly kept = new Map<string, KeptAlert>();
  private readonly lines: Line[];
  private seq = 0;
  private readonly end = new AbortController();
  /** Since the start. */
  readonly counts = { raised: 0, given_up: 0 };

  /** @param before those that are kept, oldest first */
  constructor(
    { channels }: AlertConfig,
    before: readonly KeptAlert[],
    private readonly parts: DeliveryParts,
  ) {
    this.lines = Object.entries(channels).map(([name, channel]) => ({
      ...{ name, channel, waiting: [], busy: null },
      ...{ failures: 0, failed_ms: 0, next_ms: 0 },
    }));
    for (const alert of before) {
      this.take(alert);
      for (const [name, told] of Object.entries(alert.told))
        if (told.state === "pending" && !(name in channels))
          this.giveUp(name, alert, "there is no such channel any more");
    }
  }

  all(): Iterable<KeptAlert> {
    return this.kept.values();
  }

  has(id: string): boolean {
    return this.kept.has(id);
  }

  /** How many wait for a channel. */
  get waiting(): number {
    return this.lines.reduce((sum, { waiting }) => sum + waiting.length, 0);
  }

  /** Resolves once it is kept; where that fails it is told all the same. */
  async add(alert: Alert, channels: readonly string[]): Promise<void> {
    const at = isoTime(this.parts.now());
    const told: Record<string, Told> = {};
    for (const name of channels)
      told[name] = { state: "pending", attempts: 0, at, error: null };
    const seq = ++this.seq;
    const kept = { ...alert, seq, told, acked: null, resolved: null };
    this.counts.raised++;
    if (told[LOG_CHANNEL]) {
      this.parts.log.warn("alert", logged(kept));
      told[LOG_CHANNEL] = { state: "told", attempts: 1, at, error: null };
    }
    this.take(kept);
    await this.save(kept);
    this.tick();
  }

  /** What it was about holds no more. */
  async resolved(id: string, at: string): Promise<void> {
    const alert = this.kept.get(id);
    if (!alert) return;
    alert.resolved = at;
    await this.save(alert);
  }

  /** Somebody removed them where they were recorded. @param of null: all of the session */
  async removeTexts(session_id: string, of: string | null): Promise<void> {
    for (const alert of this.kept.values())
      if (isAboutTexts(alert, session_id, of === null ? null : [of])) {
        Object.assign(alert, withoutTexts(alert));
        await this.save(alert);
      }
  }

  /** Begins what is due; returns at once. */
  tick(): void {
    const now = this.parts.now();
    for (const line of this.lines)
      if (!line.busy && line.waiting.length > 0 && !isEarly(line, now))
        line.busy = this.run(line).finally(() => (line.busy = null));
  }

  /** Breaks off what is under way; it is told again after the next start. */
  async close(): Promise<void> {
    this.end.abort();
    await Promise.all(this.lines.map(({ busy }) => busy));
    await this.parts.book.settled();
  }

  private take(alert: KeptAlert): void {
    this.kept.set(alert.id, alert);
    this.seq = Math.max(this.seq, alert.seq);
    for (const line of this.lines)
      if (alert.told[line.name]?.state === "pending") {
        line.waiting.push(alert);
        if (line.waiting.length > MOST_WAITING)
          this.giveUp(line.name, line.waiting.shift()!, "too many wait");
      }
    this.forget();
  }

  /** Tells what waits until one attempt fails. */
  private async run(line: Line): Promise<void> {
    for (let told = true; told && line.waiting.length > 0;)
      told = await this.attempt(line, line.waiting[0]!);
  }

  /** @returns whether the next one may be told at once */
  private async attempt(line: Line, alert: KeptAlert): Promise<boolean> {
    const { name, channel } = line;
    if (this.end.signal.aborted || !this.parts.may()) return false;
    const told = alert.told[name]!;
    told.attempts++;
    try {
      await this.parts.send(channel, toldJson(alert), this.end.signal);
      Object.assign(told, { state: "told", error: null });
      if (line.failures > 0)
        this.parts.log.info("alerts_told_again", { channel: name });
      line.failures = 0;
      this.done(line, alert);
    } catch (error) {
      if (this.end.signal.aborted) return false;
      told.error = reasonOf(error);
      this.failed(line, alert, error);
    }
    told.at = isoTime(this.parts.now());
    await this.save(alert);
    return line.failures === 0;
  }

  private failed(line: Line, alert: KeptAlert, error: unknown): void {
    const { name, channel } = line;
    const { retry_ms, retry_for_ms } = channel;
    const reason = reasonOf(error);
    if (line.failures === 0)
      this.parts.log.error("alert_not_told", {
        channel: name,
        id: alert.id,
        reason,
      });
    line.failed_ms = this.parts.now();
    line.next_ms = line.failed_ms + waitAfter(line.failures++, retry_ms);
    if (this.parts.now() - Date.parse(alert.time) > retry_for_ms) {
      this.done(line, alert);
      this.giveUp(name, alert, reason);
    } else if (error instanceof Refused) {
      // Perhaps this one alone: the others are tried before it is tried again.
      this.done(line, alert);
      line.waiting.push(alert);
    }
  }

  private giveUp(name: string, alert: KeptAlert, reason: string): void {
    Object.assign(alert.told[name]!, { state: "given_up", error: reason });
    this.counts.given_up++;
    this.parts.log.error("alert_given_up", {
      channel: name,
      id: alert.id,
      reason,
    });
    void this.save(alert);
  }

  private done({ waiting }: Line, alert: KeptAlert): void {
    const at = waiting.indexOf(alert);
    if (at >= 0) waiting.splice(at, 1);
  }

  /** Removes the oldest of too many that are told. */
  private forget(): void {
    let over = this.kept.size - MOST_KEPT;
    for (const [id, { told }] of this.kept) {
      if (over <= 0) return;
      if (Object.values(told).some(({ state }) => state === "pending"))
        continue;
      this.kept.delete(id);
      void this.attemptTo(id, () => this.parts.book.remove(id));
      over--;
    }
  }

  private async save(alert: KeptAlert): Promise<void> {
    if (this.kept.has(alert.id))
      await this.attemptTo(alert.id, () => this.parts.book.save(alert));
  }

  private async attemptTo(id: string, write: () => Promise<void>) {
    try {
      await write();
    } catch (error) {
      // Whoever does it now tells what waits.
      if (error instanceof Displaced) return this.end.abort();
      // On a full disk somebody has to be told the more.
      const reason = reasonOf(error);
      this.parts.log.error("alert_not_kept", { id, reason });
    }
  }
}

/** What was typed is not in the log: nobody could remove it there. */
function logged(alert: KeptAlert): object {
  const { session, details, ...rest } = toldJson(withoutTexts(alert));
  const { session_id = null } = session ?? {};
  return { ...rest, session_id, ...details };
}
