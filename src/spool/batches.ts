/**
 * What a pass reads, on its way to the store: a batch of events is stored while
 * the next one is read, and a file is moved away once its every line is stored.
 */
import {
  closeSync,
  existsSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  renameSync,
  unlinkSync,
} from "node:fs";
import type { Event } from "../model/event.ts";
import { Rejected, errnoOf } from "../model/failure.ts";
import { Task } from "../model/progress.ts";
import { libc } from "../os/libc.ts";
import { lockFile } from "../os/file.ts";
import { openOwn } from "./folder.ts";
import { Rejections, quarantineWhole } from "./quarantine.ts";
import type { BadLine } from "./read.ts";
import type { DrainReport, DrainTarget } from "./report.ts";

const BATCH_EVENTS = 4_096;
/** How often it is said how far a pass is. */
const EVENTS_TOLD = 256;
/** A sparse file may say of itself that it has more: it would take hours to read. */
const MAX_FILE_BYTES = 4 * 1024 ** 3;
/** How old an empty file is when it is removed, and one in done/ when it is read again. */
export const REST_MS = 60_000;

export interface BatchOptions {
  /** This machine's spool folder, or the one that is adopted. */
  folder: string;
  /** Where files go that are done. */
  done: string;
  /** How long they rest there. */
  rest_ms: number;
  store: DrainTarget;
  report: DrainReport;
}

/** A file that was read to its end; one of the same name made since has another inode. */
interface FinishedFile {
  inode: number;
  oversized: BadLine | null;
}

/** The files of a spool folder that a pass may read. */
export class PassFiles {
  private task: Task | null = null;
  /** How many there are, and how many were opened. */
  private all = 0;
  private opened = 0;
  private events = 0;

  constructor(private readonly of: Omit<BatchOptions, "store">) {}

  /** From now on it is said how far the pass is, until that is disposed of. */
  begin(): Disposable {
    return (this.task = new Task("drain"));
  }

  expect(files: number): void {
    this.all = files;
    this.opened = 0;
  }

  /** An event was read. */
  count(): void {
    if (++this.events % EVENTS_TOLD === 0) this.tell();
  }

  /** How long a single file is nobody knows before. */
  private tell(): void {
    const fraction = this.all > 1 ? (this.opened - 1) / this.all : null;
    this.task?.at(`${this.events} events`, fraction);
  }

  /** @returns null for a file that may not be read; the report says why */
  open(name: string): number | null {
    this.opened++;
    this.tell();
    const { folder, report } = this.of;
    const refuse = (reason: string) => void report.refused.push(reason);
    const fd = openOwn(folder, name, refuse);
    if (fd === null) return null;
    const { size } = fstatSync(fd);
    if (size <= MAX_FILE_BYTES) return fd;
    try {
      const reason = `${size} bytes are more than any session writes`;
      if (lockFile(fd) === "taken") refuse(`${name}: ${reason}`);
      else this.quarantine(name, { offset: 0, length: size, reason });
      return null;
    } finally {
      closeSync(fd);
    }
  }

  /** Removes an empty file that is old and has no writer. */
  removeEmpty(name: string, fd: number, age_ms: number): void {
    if (age_ms < REST_MS || !libc || lockFile(fd) === "taken") return;
    // Locked by us and still empty: nobody was told of it.
    if (fstatSync(fd).size === 0) unlinkSync(`${this.of.folder}/${name}`);
  }

  /** Quarantines a whole file, for a line that is too long to be copied. */
  quarantine(name: string, line: BadLine): void {
    const path = quarantineWhole(this.of.folder, name);
    this.of.report.quarantined.push({ ...line, path });
  }

  /** Moves files to done/, and those with a line that is too long to quarantine/. */
  moveAway(finished: ReadonlyMap<string, FinishedFile>): void {
    if (finished.size === 0) return;
    const { folder, done } = this.of;
    mkdirSync(done, { recursive: true, mode: 0o700 });
    for (const [name, { inode, oversized }] of finished) {
      const path = `${folder}/${name}`;
      if (lstatSync(path, { throwIfNoEntry: false })?.ino !== inode) continue;
      if (oversized) {
        this.quarantine(name, oversized);
        continue;
      }
      // A shell may have made its file again, and both are done.
      const taken = existsSync(`${done}/${name}`);
      const as = taken ? `${name}.${Bun.randomUUIDv7()}` : name;
      try {
        renameSync(path, `${done}/${as}`);
      } catch (error) {
        // Where there are no locks another drain may have moved it.
        if (errnoOf(error) !== "ENOENT") throw error;
      }
    }
  }
}

export class Batches {
  private batch: Event[] = [];
  /** Files whose every line is in the batch or stored before it. */
  private finished = new Map<string, FinishedFile>();
  private storing: Promise<void> = Promise.resolve();
  private readonly rejections: Rejections;

  /** @param onStored is given each batch, and the ids of its events that were new */
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

  /** Adds an event, unless the store has rejected it before. */
  async add(event: Event): Promise<void> {
    this.files.count();
    if (this.rejections.has(event)) return;
    this.addOwn(event);
    if (this.batch.length >= BATCH_EVENTS) await this.send();
  }

  /** Adds an event that the pass itself made. */
  addOwn(event: Event): void {
    this.batch.push(event);
  }

  /** Has a file moved away once what was added is stored. */
  finish(name: string, file: FinishedFile): void {
    this.finished.set(name, file);
  }

  /** Stores all that was added. */
  async commit(): Promise<void> {
    await this.send();
    await this.storing;
  }

  /** Waits until nothing is being stored; drops errors. */
  async settle(): Promise<void> {
    await this.storing.catch(() => {});
  }

  /** Starts to store the batch, once the one before it is stored. */
  private async send(): Promise<void> {
    const { batch, finished } = this;
    this.batch = [];
    this.finished = new Map();
    await this.storing;
    this.storing = this.store(batch).then(() => this.files.moveAway(finished));
    // The next that waits for it gets the error.
    this.storing.catch(() => {});
  }

  private async store(batch: readonly Event[]): Promise<void> {
    if (batch.length === 0) return;
    const { store, report } = this.of;
    let stored: ReadonlySet<string>;
    try {
      stored = await store.append(batch);
    } catch (error) {
      if (!(error instanceof Rejected)) throw error;
      report.rejected.push(...this.rejections.keep(batch, error.reasons));
      stored = error.stored;
    }
    report.stored += stored.size;
    this.onStored(batch, stored);
  }
}
