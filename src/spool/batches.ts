/**
 * Events and finished files on their way to the store: a batch is stored while the
 * next one is read, and a file is put away once its every line is stored.
 */
import type { Event } from "../model/event.ts";
import { Rejected } from "../model/failure.ts";
import type { Finished, PassFiles } from "./pass-files.ts";
import { Rejections } from "./quarantine.ts";
import type { BadLine } from "./read.ts";
import type { DrainReport, DrainTarget } from "./report.ts";

const BATCH_EVENTS = 4_096;

export interface BatchOptions {
  /** This machine's spool folder, or the one that is adopted. */
  folder: string;
  /** Where files go that are done. */
  done: string;
  store: DrainTarget;
  report: DrainReport;
}

export class Batches {
  private batch: Event[] = [];
  /** Files whose every line is in the batch or stored before it. */
  private finished: Finished = new Map();
  private storing: Promise<void> = Promise.resolve();
  private readonly rejections: Rejections;

  /** @param onStored hears of the events of a batch, and of those that were new */
  constructor(
    private readonly of: BatchOptions,
    private readonly files: PassFiles,
    private readonly onStored: (
      batch: readonly Event[],
      stored: ReadonlySet<string>,
    ) => void,
  ) {
    this.rejections = new Rejections(of.folder);
  }

  /** Takes an event; one that the store has rejected before is passed by. */
  async take(event: Event): Promise<void> {
    if (this.rejections.has(event)) return;
    this.batch.push(event);
    if (this.batch.length >= BATCH_EVENTS) await this.hand();
  }

  /** Takes an event of the pass itself, whatever the size of the batch. */
  add(event: Event): void {
    this.batch.push(event);
  }

  /** Every line of a file was taken. */
  finish(
    name: string,
    file: { inode: number; oversized: BadLine | null },
  ): void {
    this.finished.set(name, file);
  }

  /** Stores all that was taken so far. */
  async commit(): Promise<void> {
    await this.hand();
    await this.storing;
  }

  /** Has the batch stored, once the one before it is. */
  private async hand(): Promise<void> {
    const { batch, finished } = this;
    this.batch = [];
    this.finished = new Map();
    await this.storing;
    this.storing = this.put(batch, finished);
    // Whoever waits for it next hears of it.
    this.storing.catch(() => {});
  }

  private async put(
    batch: readonly Event[],
    finished: Finished,
  ): Promise<void> {
    if (batch.length > 0) {
      const stored = await this.bring(batch);
      this.of.report.stored += stored.size;
      this.onStored(batch, stored);
    }
    this.files.putAway(finished, this.of.done);
  }

  /** To the store; what it will never take is put aside. */
  private async bring(batch: readonly Event[]): Promise<ReadonlySet<string>> {
    try {
      return await this.of.store.append(batch);
    } catch (error) {
      if (!(error instanceof Rejected)) throw error;
      this.of.report.rejected.push(
        ...this.rejections.keep(batch, error.reasons),
      );
      return error.stored;
    }
  }

  /** What is being stored comes to its end; nobody hears how. */
  async settle(): Promise<void> {
    await this.storing.catch(() => {});
  }
}
