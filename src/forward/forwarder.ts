/**
 * Brings every event to one destination, in the order of arrival, at least once, from
 * where it left off. It reads what is stored, as any other reader: nothing that is
 * stored waits for it, and what its destination cannot take waits in the database.
 */
import type { Clock } from "../model/clock.ts";
import { Displaced, type Documents } from "../model/documents.ts";
import { reasonOf } from "../model/failure.ts";
import { plainJson } from "../model/json.ts";
import type { Choice } from "../model/redaction/custom.ts";
import { redactEvent } from "../model/redaction/event.ts";
import { nextTurn } from "../os/turns.ts";
import {
  type Took,
  type Destination,
  Later,
  type Outgoing,
  Refused,
} from "./destination.ts";
import { within } from "./within.ts";
import { type Source, isHere } from "./source.ts";
import {
  BEGINNING,
  type Progress,
  freshProgress,
  placeOf,
  readProgress,
  writeProgress,
} from "./position.ts";

export interface Hears {
  /** Once for each reason. */
  failed(reason: string): void;
  recovered(): void;
  warn(event: string, fields: object): void;
}

export interface Figures {
  /** Events that wait; some of them may be archived since. */
  lag_events: number;
  /** How long ago the oldest of them arrived. */
  lag_seconds: number;
  exported: number;
  /** Attempts. */
  failures: number;
  refused: number;
}

interface Options {
  destination: Destination;
  source: Source;
  /** Where its position is, and under which name. */
  documents: Documents;
  name: string;
  /** Whether it is this process that delivers, just now. */
  may: () => boolean;
  redaction: Choice;
  since: "start" | "now";
  hears: Hears;
  now?: Clock;
  /** How long one delivery may take. */
  deliver_ms?: number;
}

const PAGE_EVENTS = 512;
/** Of JSON in one delivery; one event alone may have more. */
const BATCH_CHARS = 256 * 1024;
/** So long a piece of work keeps others waiting. */
const TURN_MS = 5;
const LINGER_MS = 200;
/** A look without having been woken. */
const LOOK_MS = 5_000;
const DELIVER_MS = 30_000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
/** What its end may take, before what is under way is broken off. */
const STOP_MS = 500;
const MOST_REASON = 500;

export class Forwarder {
  private pending: Outgoing[] = [];
  /** When the oldest of what waits arrived, as far as it was looked. */
  private oldest: string | null = null;
  /** Events in one delivery. */
  private most = PAGE_EVENTS;
  /** Whether the last failure was that it took too long. */
  private late = false;
  private exported = 0;
  private failures = 0;
  /** Whether its place may be of another database. */
  private doubts = true;
  private kept = true;
  /** The delivery under way: what does not hear of its end is waited for. */
  private under: Promise<void> | null = null;
  private ending = false;
  private woken = Promise.withResolvers<void>();
  private readonly stopping = new AbortController();
  private running = Promise.resolve();
  private readonly now: Clock;
  /** Of its position, for people. */
  private readonly file: string;

  private constructor(
    private readonly options: Options,
    private progress: Progress,
  ) {
    this.now = options.now ?? Date.now;
    this.file = placeOf(options.documents, options.name);
  }

  /**
   * Goes on from where it left off.
   * @throws Error where that cannot be read
   */
  static async begin(options: Options): Promise<Forwarder> {
    const { documents, name, since, source, hears } = options;
    const read = await readProgress(documents, name);
    const fresh = freshProgress(since === "now" ? source.last_seq : 0);
    const forwarder = new Forwarder(options, read?.progress ?? fresh);
    const { file } = forwarder;
    if (read?.damaged)
      hears.warn("export_position_lost", { file, reason: read.damaged });
    // From here on it is where it left off, whatever comes of it.
    if (!read) await forwarder.keep();
    forwarder.running = forwarder
      .run()
      .catch((error: unknown) => hears.failed(reasonOf(error)));
    return forwarder;
  }

  /** There may be more to deliver. */
  wake(): void {
    this.woken.resolve();
  }

  /** The database may be another one now. */
  doubt(): void {
    this.doubts = true;
    this.pending = [];
    this.wake();
  }

  figures(): Figures {
    const { exported, failures } = this;
    const lag_events = this.lag();
    const since = lag_events === 0 ? null : this.oldest;
    const age_ms = since === null ? 0 : this.now() - Date.parse(since);
    const lag_seconds = Math.max(0, age_ms) / 1_000;
    const { refused } = this.progress;
    return { lag_events, lag_seconds, exported, failures, refused };
  }

  /** What was delivered is kept; what was under way is broken off after a moment. */
  async stop(): Promise<void> {
    const end = setTimeout(() => this.stopping.abort(), STOP_MS);
    this.ending = true;
    this.wake();
    // What hangs in the kernel hears of nothing.
    await Promise.race([this.running, Bun.sleep(2 * STOP_MS)]);
    clearTimeout(end);
    if (!this.under) await this.options.destination.close();
  }

  private lag(): number {
    try {
      return Math.max(
        0,
        this.options.source.last_seq - this.progress.place.seq,
      );
    } catch {
      return this.pending.length;
    }
  }

  private async run(): Promise<void> {
    let pause_ms = FIRST_PAUSE_MS;
    while (!this.ending)
      try {
        this.late = false;
        const batch = await this.next();
        const ready = batch.length > 0 && this.options.may();
        if (ready) await this.deliver(batch);
        pause_ms = FIRST_PAUSE_MS;
        if (!ready) await this.idle();
      } catch (error) {
        if (this.ending) break;
        await this.failed(error);
        // What was not done in time has taken its time.
        if (this.late) continue;
        const asked = error instanceof Later ? error.after_ms : 0;
        await this.sleep(Math.max(asked, pause_ms));
        pause_ms = Math.min(LONGEST_PAUSE_MS, pause_ms * 2);
      }
    await this.keep();
  }

  /** What is to be delivered now, as far as it fits. */
  private async next(): Promise<Outgoing[]> {
    if (this.doubts) await this.verifyPlace();
    if (this.pending.length === 0) await this.read();
    let chars = 0;
    const end = this.pending.findIndex(({ json }, i) => {
      chars += json.length;
      return i === this.most || (i > 0 && chars > BATCH_CHARS);
    });
    return end < 0 ? this.pending : this.pending.slice(0, end);
  }

  private async read(): Promise<void> {
    const { source, redaction } = this.options;
    const { place } = this.progress;
    const { last_seq } = source;
    if (last_seq <= place.seq) return;
    const filter = { after_seq: place.seq, limit: PAGE_EVENTS };
    let turn = performance.now();
    for await (const stored of source.events(filter)) {
      const event = redactEvent(stored.event, redaction);
      this.pending.push({ ...stored, event, json: plainJson(event) });
      if (performance.now() - turn < TURN_MS) continue;
      await nextTurn();
      turn = performance.now();
    }
    this.oldest = this.pending[0]?.received_at ?? null;
    // The rest was archived.
    if (this.pending.length === 0)
      this.progress.place = { ...place, seq: last_seq };
  }

  private async deliver(batch: readonly Outgoing[]): Promise<void> {
    const { destination, hears } = this.options;
    const signal = AbortSignal.any([
      this.stopping.signal,
      AbortSignal.timeout(this.options.deliver_ms ?? DELIVER_MS),
    ]);
    let taken = 0;
    try {
      await within(signal, this.under);
      const took: Took = (count, rejected) => {
        taken = count;
        if (!rejected) return;
        this.progress.refused += rejected.events;
        hears.warn("export_rejected", rejected);
      };
      this.under = destination
        .deliver(batch, signal, took)
        .finally(() => (this.under = null));
      await within(signal, this.under);
      const more = Math.ceil(this.most / 8);
      this.most = Math.min(PAGE_EVENTS, this.most + more);
    } catch (error) {
      // One that is slow takes fewer at a time.
      this.late = signal.aborted;
      if (this.late) this.most = Math.ceil(batch.length / 8);
      if (!(error instanceof Refused)) throw error;
      await this.refuse(batch[taken]!, reasonOf(error));
      taken++;
    } finally {
      if (taken > 0) await this.advance(batch[taken - 1]!, taken);
    }
  }

  private async refuse(
    { event, seq }: Outgoing,
    reason: string,
  ): Promise<void> {
    this.progress.refused++;
    const { event_id, session_id } = event;
    const fields = { event_id, session_id, seq, reason };
    this.options.hears.warn("export_refused", fields);
  }

  private async advance(last: Outgoing, count: number): Promise<void> {
    this.pending = this.pending.slice(count);
    this.exported += count;
    const { progress } = this;
    const { seq, received_at, event } = last;
    progress.place = { seq, event_id: event.event_id, received_at };
    progress.delivered_at = new Date(this.now()).toISOString();
    this.oldest = this.pending[0]?.received_at ?? null;
    if (progress.failing_since !== null) this.options.hears.recovered();
    progress.failing_since = null;
    progress.last_error = null;
    await this.keep();
  }

  private async failed(error: unknown): Promise<void> {
    const { progress } = this;
    // Some of it may be what the other end said.
    const said = plainJson(reasonOf(error)).slice(1, -1);
    const reason = said.replaceAll('\\"', '"').slice(0, MOST_REASON);
    this.failures++;
    progress.failing_since ??= new Date(this.now()).toISOString();
    if (progress.last_error === reason) return;
    progress.last_error = reason;
    this.options.hears.failed(reason);
    await this.keep();
  }

  /** Where that fails events are delivered once more after a crash. */
  private async keep(): Promise<void> {
    const { documents, name, hears } = this.options;
    try {
      await writeProgress(documents, name, this.progress);
      this.kept = true;
    } catch (error) {
      // It goes on there.
      if (error instanceof Displaced) return void (this.ending = true);
      const { file } = this;
      const reason = reasonOf(error);
      if (this.kept) hears.warn("export_position_not_kept", { file, reason });
      this.kept = false;
    }
  }

  /** A backup that was restored numbers what comes anew. */
  private async verifyPlace(): Promise<void> {
    const { source, hears } = this.options;
    const { place } = this.progress;
    if (place.event_id !== null && !(await isHere(source, place))) {
      const now = await source.resumeAfter(place);
      const { file } = this;
      hears.warn("export_other_database", { file, was: place.seq, now });
      this.progress.place = { ...BEGINNING, seq: now };
    }
    this.doubts = false;
  }

  private async idle(): Promise<void> {
    const { destination } = this.options;
    await Promise.race([this.woken.promise, this.sleep(LOOK_MS)]);
    this.woken = Promise.withResolvers<void>();
    // What comes together goes together.
    if (!this.ending) await this.sleep(destination.linger_ms ?? LINGER_MS);
  }

  /** Or until its end. */
  private sleep(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { signal } = this.stopping;
    const timer = setTimeout(resolve, ms);
    const end = () => (clearTimeout(timer), resolve());
    signal.addEventListener("abort", end, { once: true });
    return promise.finally(() => signal.removeEventListener("abort", end));
  }
}
