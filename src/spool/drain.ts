/**
 * Moves events from the spool to a store, and closes sessions whose wrapper is
 * gone. Only the holder of `drain.lock` probes session locks, closes, renames
 * or unlinks. A file leaves in two steps: renamed to `done/` once every line is
 * committed, and unlinked by a later pass that has read it again.
 */
import {
  closeSync,
  constants,
  fstatSync,
  futimesSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import type { Event } from "../model/event.ts";
import { Rejected, errnoOf } from "../model/failure.ts";
import { isSessionId } from "../model/id.ts";
import type { SessionStore } from "../model/store.ts";
import { libc } from "../os/libc.ts";
import { folderFailure } from "../os/paths.ts";
import {
  type Quarantined,
  quarantine,
  quarantineRejected,
  rejectedEvents,
} from "./quarantine.ts";
import { type Line, readLines } from "./read.ts";
import { FileFacts } from "./reconcile.ts";
import { spoolFolder } from "./write.ts";

export interface DrainReport {
  /** Events that were new to the store. */
  stored: number;
  /** Lines that could not be read, kept beside the spool. */
  quarantined: Quarantined[];
  /** Events that the store will never take as they are, kept there too. */
  rejected: Quarantined[];
  /** Files that are not ours to read, and why. */
  refused: string[];
}

const BATCH_EVENTS = 4_096;
/** How long a file rests: an empty one before it counts as abandoned, a done one before it is read again. */
const REST_MS = 60_000;
/** How long a drain waits for its turn. */
const TURN_MS = 30_000;
const LOOK_MS = 15;
/** A server drains each second and need not say so each time. */
const SAID_MS = 5_000;
const { O_RDWR, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;

/** What is known of a file whose every line is stored, while it does not grow. */
interface Known {
  inode: number;
  size: number;
  facts: FileFacts;
}

/** Passes over this machine's spool, into one store. */
export class Drain {
  /** Files that the last pass left as they are; none after one that failed. */
  private known: ReadonlyMap<string, Known> = new Map();

  /** @param data the data folder */
  constructor(
    private readonly data: string,
    private readonly store: SessionStore,
  ) {}

  /**
   * One pass.
   * @param now milliseconds since the epoch
   */
  async pass(now: number): Promise<DrainReport> {
    const report: DrainReport = {
      ...{ stored: 0, quarantined: [], rejected: [], refused: [] },
    };
    const folder = spoolFolder(this.data);
    const lock = await takeTurn(folder);
    if (lock === null) return report;
    const { known } = this;
    this.known = new Map();
    try {
      sayBegun(lock, now);
      const pass = new Pass(folder, this.store, now, report, known);
      await pass.run();
      this.known = pass.unchanged;
    } catch (error) {
      throw errnoOf(error) ? folderFailure(folder, error) : error;
    } finally {
      closeSync(lock);
    }
    return report;
  }
}

/** A single pass, see Drain. */
export function drain(
  data: string,
  store: SessionStore,
  now: number,
): Promise<DrainReport> {
  return new Drain(data, store).pass(now);
}

/**
 * Takes `drain.lock`. When another drain is at work, one at a time waits for it
 * (`drain.next`): it may have passed by what was written since. Those that come
 * while one waits leave it to that one.
 * @returns null when there is no spool yet, or another one will see to it
 */
async function takeTurn(folder: string): Promise<number | null> {
  const lock = openLock(`${folder}/drain.lock`);
  if (lock === null || tryLock(lock)) return lock;
  const next = openLock(`${folder}/drain.next`);
  try {
    if (next === null || !tryLock(next)) throw new Elsewhere();
    const deadline = performance.now() + TURN_MS;
    while (!tryLock(lock)) {
      if (performance.now() > deadline) throw new Elsewhere();
      await Bun.sleep(LOOK_MS);
    }
    return lock;
  } catch (error) {
    closeSync(lock);
    if (error instanceof Elsewhere) return null;
    throw error;
  } finally {
    if (next !== null) closeSync(next);
  }
}

/** When a drain last began; others look at it. */
function sayBegun(lock: number, now: number): void {
  if (now - fstatSync(lock).mtimeMs < SAID_MS) return;
  futimesSync(lock, new Date(now), new Date(now));
}

/** Another drain will see to it. */
class Elsewhere extends Error {}

const tryLock = (fd: number): boolean => !libc || libc.tryLock(fd);

function openLock(path: string): number | null {
  try {
    return openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return null;
    throw folderFailure(path, error);
  }
}

class Pass {
  private batch: Event[] = [];
  /** Files whose every line is in the batch or stored before it. */
  private finished: string[] = [];
  private readonly signs = new Map<string, string>();
  /** Looked up when the first line is there. */
  private rejected: Set<string> | null = null;
  /** Files that live on, as they were read. */
  readonly unchanged = new Map<string, Known>();

  constructor(
    private readonly folder: string,
    private readonly store: SessionStore,
    private readonly now: number,
    private readonly report: DrainReport,
    private readonly known: ReadonlyMap<string, Known>,
  ) {}

  async run(): Promise<void> {
    await this.clearDone();
    for (const name of readdirSync(this.folder))
      if (name.endsWith(".ndjson")) await this.takeFile(name);
    await this.commit();
    await this.store.seen(this.signs);
  }

  private async takeFile(name: string): Promise<void> {
    const fd = this.open(name);
    if (fd === null) return;
    try {
      const { ino: inode, size, mtime } = fstatSync(fd);
      if (size === 0) return this.clearEmpty(name, fd, mtime);
      const known = this.known.get(name);
      const same = known?.inode === inode && known.size === size;
      let facts = same ? known.facts : await this.takeLines(name, fd, "here");
      this.unchanged.set(name, { inode, size, facts });
      if (!this.writerGone(fd, facts)) return this.sign(name, mtime);
      // Its last words may have come after we read, or lack their newline.
      const now = fstatSync(fd);
      if (now.size !== size || facts.unfinished)
        facts = await this.takeLines(name, fd, "gone");
      await this.close(name, fd, facts, now.mtime);
    } finally {
      closeSync(fd);
    }
  }

  /** Opens a regular file of our own, whatever else lies there. */
  private open(name: string): number | null {
    let fd: number;
    try {
      fd = openSync(`${this.folder}/${name}`, O_RDWR | O_NOFOLLOW | O_NONBLOCK);
    } catch (error) {
      if (errnoOf(error) !== "ENOENT")
        this.report.refused.push(`${name}: ${errnoOf(error)}`);
      return null;
    }
    const stat = fstatSync(fd);
    if (stat.isFile() && stat.uid === process.geteuid!()) return fd;
    this.report.refused.push(`${name}: not a file of ours`);
    closeSync(fd);
    return null;
  }

  private async takeLines(
    name: string,
    fd: number,
    writer: "here" | "gone",
  ): Promise<FileFacts> {
    const facts = new FileFacts();
    for (const line of readLines(fd, writer))
      if (line.kind === "tail") facts.unfinished = true;
      else await this.takeLine(name, fd, line, facts);
    return facts;
  }

  private async takeLine(
    name: string,
    fd: number,
    line: Exclude<Line, { kind: "tail" }>,
    facts: FileFacts,
  ): Promise<void> {
    if (line.kind === "bad") {
      const kept = quarantine(this.folder, name, fd, line.line);
      if (kept) this.report.quarantined.push(kept);
      return;
    }
    facts.take(line.event);
    this.rejected ??= rejectedEvents(this.folder);
    if (this.rejected.has(line.event.event_id)) return;
    this.batch.push(line.event);
    if (this.batch.length >= BATCH_EVENTS) await this.commit();
  }

  /** Content comes after the lock: a free lock means that the writer is gone. */
  private writerGone(fd: number, facts: FileFacts): boolean {
    if (!facts.lockable) return facts.writerLiveness() === "gone";
    if (!libc?.tryLock(fd)) return false;
    libc.unlock(fd);
    return true;
  }

  /** The writer is gone: so is the session, unless its child lives on. */
  private async close(
    name: string,
    fd: number,
    facts: FileFacts,
    mtime: Date,
  ): Promise<void> {
    if (!facts.ended) {
      const child = facts.childLiveness();
      if (child === "alive") {
        const now = new Date(this.now);
        futimesSync(fd, now, now);
        return this.sign(name, now);
      }
      if (child === "unknown") return this.sign(name, mtime);
      const end = facts.recoveredEnd(mtime);
      if (end) {
        // The last line may be torn: the end stands alone.
        append(this.folder, name, `\n${JSON.stringify(end)}\n`);
        this.batch.push(end);
      }
    }
    this.finished.push(name);
    this.unchanged.delete(name);
  }

  private sign(name: string, at: Date): void {
    const session_id = name.slice(0, -".ndjson".length);
    if (isSessionId(session_id)) this.signs.set(session_id, at.toISOString());
  }

  private clearEmpty(name: string, fd: number, mtime: Date): void {
    if (this.now - mtime.getTime() < REST_MS || !libc?.tryLock(fd)) return;
    // Locked by us and still empty: nobody was ever told of it.
    if (fstatSync(fd).size === 0) unlinkSync(`${this.folder}/${name}`);
  }

  private async commit(): Promise<void> {
    const batch = this.batch;
    this.batch = [];
    if (batch.length > 0) this.report.stored += (await this.stored(batch)).size;
    const finished = this.finished;
    this.finished = [];
    if (finished.length === 0) return;
    mkdirSync(`${this.folder}/done`, { recursive: true, mode: 0o700 });
    for (const name of finished)
      renameSync(`${this.folder}/${name}`, `${this.folder}/done/${name}`);
  }

  /** Brings events to the store; what it will never take is put aside. */
  private async stored(batch: readonly Event[]): Promise<ReadonlySet<string>> {
    try {
      return await this.store.append(batch);
    } catch (error) {
      if (!(error instanceof Rejected)) throw error;
      const { reasons, stored } = error;
      for (const event of batch) {
        const reason = reasons.get(event.event_id);
        if (reason === undefined || this.rejected?.has(event.event_id))
          continue;
        const kept = quarantineRejected(this.folder, event, reason);
        this.report.rejected.push(kept);
        this.rejected?.add(event.event_id);
      }
      return stored;
    }
  }

  /** Reads files that were done a while ago once more, then lets them go. */
  private async clearDone(): Promise<void> {
    const folder = `${this.folder}/done`;
    const rested: string[] = [];
    for (const name of listFolder(folder)) {
      const fd = this.open(`done/${name}`);
      if (fd === null) continue;
      try {
        if (this.now - fstatSync(fd).ctimeMs < REST_MS) continue;
        await this.takeLines(name, fd, "gone");
        rested.push(name);
      } finally {
        closeSync(fd);
      }
    }
    await this.commit();
    for (const name of rested) unlinkSync(`${folder}/${name}`);
  }
}

/** What waits in this machine's spool, done files not counted. */
export function spoolBacklog(data: string): { files: number; bytes: number } {
  const folder = spoolFolder(data);
  let files = 0;
  let bytes = 0;
  for (const name of listFolder(folder)) {
    if (!name.endsWith(".ndjson")) continue;
    const stat = lstatSync(`${folder}/${name}`, { throwIfNoEntry: false });
    files++;
    bytes += stat?.size ?? 0;
  }
  return { files, bytes };
}

function append(folder: string, name: string, text: string): void {
  const { O_WRONLY, O_APPEND } = constants;
  const fd = openSync(`${folder}/${name}`, O_WRONLY | O_APPEND | O_NOFOLLOW);
  try {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
  } finally {
    closeSync(fd);
  }
}

function listFolder(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}
