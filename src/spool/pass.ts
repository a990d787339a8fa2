/**
 * One pass over a spool folder: what shells wrote first, then the sessions' own
 * files; a batch is stored while the next one is read.
 */
import { closeSync, fstatSync, futimesSync, rmSync, unlinkSync } from "node:fs";
import type { Event } from "../model/event.ts";
import { Rejected } from "../model/failure.ts";
import { lostEnd } from "../model/lost.ts";
import { isFileAt } from "../os/stat.ts";
import { libc } from "../os/libc.ts";
import { lockFile } from "../os/lock.ts";
import { type Liveness, variableLiveness } from "../os/proc.ts";
import { append, isSpoolFile, listFolder } from "./folder.ts";
import { SESSION_ID_VARIABLE } from "../os/parent.ts";
import { type Finished, PassFiles } from "./pass-files.ts";
import { MOST_COPIED_BYTES, Rejections, quarantine } from "./quarantine.ts";
import { BEGINNING, type Line, readLines } from "./read.ts";
import { FileFacts, type Look, writerOf } from "./file-facts.ts";
import type { Known, PassOptions } from "./report.ts";

const BATCH_EVENTS = 4_096;
/** After so many lines others have their turn: a server answers meanwhile. */
const LINES_AT_ONCE = 256;
/** How long a file rests: an empty one before it counts as abandoned, a done one before it is read again. */
const REST_MS = 60_000;
/** A file of a shell within a session. */
interface ShellFile {
  name: string;
  facts: FileFacts;
}

/** One pass, by the holder of the lock. */
export class Pass {
  private batch: Event[] = [];
  /** One batch is stored while the next one is read. */
  private storing: Promise<void> = Promise.resolve();
  private lines = 0;
  /** Files whose every line is in the batch or stored before it. */
  private finished: Finished = new Map();
  private readonly signs = new Map<string, string>();
  private readonly rejections: Rejections;
  /** Of sessions whose own file is here. */
  private readonly shells = new Map<string, ShellFile[]>();
  /** Sessions that may be open although nobody of them is left. */
  private readonly leftOpen = new Set<string>();
  /** Of those, the shells' files: they go when their sessions are closed. */
  private readonly late: string[] = [];
  /** Whose own file goes in this pass. */
  private readonly closed = new Set<string>();
  /** What is new now comes late. */
  private rereading = false;
  /** Files that live on, as they were read. */
  readonly unchanged = new Map<string, Known>();

  /** The moment at which every file is judged, in milliseconds since the epoch. */
  private readonly began: number;
  private readonly folder: string;
  private readonly files: PassFiles;

  constructor(private readonly of: PassOptions) {
    this.began = of.now();
    this.folder = of.folder;
    this.files = new PassFiles(of.folder, of.report);
    this.rejections = new Rejections(of.folder);
  }

  async run(): Promise<void> {
    try {
      await this.through();
    } finally {
      // Nothing goes on behind the back of who hears that it failed.
      await this.storing.catch(() => {});
    }
  }

  private async through(): Promise<void> {
    await this.clearDone();
    // It may have been moved away since its lock was taken.
    const names = new Set(listFolder(this.folder).filter(isSpoolFile));
    // First what shells wrote: the end of their session may depend on it.
    for (const name of names)
      if (isShells(name)) await this.takeShell(name, names);
    for (const name of names) {
      if (!isShells(name)) await this.takeFile(name);
      // To close one, and to keep what is torn, are calls that wait for the disk.
      await othersTurn();
    }
    await this.commit();
    await this.closeLeftOpen(names);
    await this.of.store.seen(this.signs);
  }

  private async takeFile(name: string): Promise<void> {
    const fd = this.files.open(name);
    if (fd === null) return;
    try {
      const { size, mtime } = fstatSync(fd);
      if (size === 0) return this.clearEmpty(name, fd, mtime);
      const facts = await this.read(name, fd);
      const writer = this.writerLiveness(fd, facts, this.look(mtime));
      if (writer !== "gone") {
        // Who wrote the end was the last to touch it, and perhaps not the writer.
        if (!facts.ended) this.sign(name, mtime, writer);
        return;
      }
      // Its last words may have come after we read, or lack their newline.
      const now = fstatSync(fd);
      if (now.size !== size || facts.unfinished)
        await this.takeLines(name, fd, "gone", facts);
      // Its writer may have made it anew elsewhere, and let go of this one.
      if (isFileAt(fd, `${this.folder}/${name}`))
        await this.close(name, fd, facts, now.mtime);
    } finally {
      closeSync(fd);
    }
  }

  /** What a shell wrote belongs to its session, and ends when that does. */
  private async takeShell(
    name: string,
    names: ReadonlySet<string>,
  ): Promise<void> {
    const fd = this.files.open(name);
    if (fd === null) return;
    try {
      const { size, mtime } = fstatSync(fd);
      if (size === 0) return this.clearEmpty(name, fd, mtime);
      const { session_id, shell } = writerOf(name)!;
      const facts = await this.read(name, fd);
      if (names.has(`${session_id}.ndjson`)) {
        const file = { name, facts };
        this.shells.set(session_id, [...this.shellsOf(session_id), file]);
        return;
      }
      // It has outlived its session's program, in the background perhaps.
      const entry = `${SESSION_ID_VARIABLE}=${session_id}`;
      const state = variableLiveness(shell!, entry);
      if (state !== "gone")
        return this.sign(
          name,
          state === "alive" ? new Date(this.began) : mtime,
          state,
        );
      this.leftOpen.add(session_id);
      this.late.push(name);
    } finally {
      closeSync(fd);
    }
  }

  private shellsOf(session_id: string): readonly ShellFile[] {
    return this.shells.get(session_id) ?? [];
  }

  /** What a file holds: what the last pass has seen of it, and what came since. */
  private async read(name: string, fd: number): Promise<FileFacts> {
    const { ino: inode, size } = fstatSync(fd);
    const known = this.unchanged.get(name) ?? this.of.before.known.get(name);
    const same = known?.inode === inode && known.size <= size;
    const facts = same ? known.facts : new FileFacts();
    if (!same || known.size < size)
      await this.takeLines(name, fd, "here", facts);
    this.unchanged.set(name, { inode, size, facts });
    return facts;
  }

  private async takeLines(
    name: string,
    fd: number,
    writer: "here" | "gone",
    facts: FileFacts,
  ): Promise<void> {
    facts.unfinished = false;
    const lines = readLines(fd, writer, facts.read_to);
    for (;;) {
      const { done, value } = lines.next();
      if (done) return void (facts.read_to = value);
      if (value.kind === "pause") await othersTurn();
      else if (value.kind === "tail") facts.unfinished = true;
      else await this.takeLine(name, fd, value, facts);
      if (++this.lines % LINES_AT_ONCE === 0) await othersTurn();
    }
  }

  private async takeLine(
    name: string,
    fd: number,
    line: Extract<Line, { kind: "event" | "bad" }>,
    facts: FileFacts,
  ): Promise<void> {
    if (line.kind === "bad") {
      if (line.line.length > MOST_COPIED_BYTES)
        return void (facts.oversized = line.line);
      const kept = quarantine(this.folder, name, fd, line.line);
      if (!kept) return;
      this.of.report.quarantined.push(kept);
      // That waited for the disk, which may be slow.
      return othersTurn();
    }
    facts.take(line.event);
    if (this.rejections.has(line.event)) return;
    this.batch.push(line.event);
    if (this.batch.length >= BATCH_EVENTS) await this.hand();
  }

  /** Content comes after the lock: a free lock means that the writer is gone. */
  private writerLiveness(fd: number, facts: FileFacts, look: Look): Liveness {
    if (facts.elsewhere(look) === "unknown") return "unknown";
    if (!facts.lockable) return facts.writerLiveness(look);
    if (!libc) return "unknown";
    const lock = lockFile(fd);
    // It was locked where it was written: its folder has been moved since.
    if (lock === "none") return facts.writerLiveness(look);
    if (lock === "taken") return "alive";
    libc.unlock(fd);
    return "gone";
  }

  /** The writer is gone: so is the session, unless its child lives on. */
  private async close(
    name: string,
    fd: number,
    facts: FileFacts,
    mtime: Date,
  ): Promise<void> {
    const session_id = writerOf(name)?.session_id ?? "";
    if (!facts.ended) {
      const child = facts.childLiveness(this.look(mtime));
      if (child === "alive") {
        const now = new Date(this.began);
        futimesSync(fd, now, now);
        return this.sign(name, now, child);
      }
      if (child === "unknown") return this.sign(name, mtime, child);
      const shells = await this.lastWords(session_id);
      const end = facts.recoveredEnd(this.past(mtime), shells);
      if (end) {
        // The last line may be torn: the end stands alone.
        append(fd, `\n${JSON.stringify(end)}\n`);
        this.batch.push(end);
      }
    }
    this.closed.add(session_id);
    for (const shell of this.shellsOf(session_id)) {
      // Later than an end that an earlier pass has found, and did not bring away.
      if (facts.recovered) this.leftOpen.add(session_id);
      this.late.push(shell.name);
    }
    this.finish(name);
  }

  private look(touched: Date): Look {
    const { adopt, heartbeat_ms } = this.of;
    return { touched, now: this.began, adopt, heartbeat_ms };
  }

  /** What its shells have written until now, when the session's child is gone. */
  private async lastWords(session_id: string): Promise<FileFacts[]> {
    const all: FileFacts[] = [];
    for (const { name, facts } of this.shellsOf(session_id)) {
      all.push(facts);
      const fd = this.files.open(name);
      if (fd === null) continue;
      try {
        all.push(await this.read(name, fd));
      } finally {
        closeSync(fd);
      }
    }
    return all;
  }

  private finish(name: string): void {
    const { inode, facts } = this.unchanged.get(name)!;
    this.finished.set(name, { inode, oversized: facts.oversized });
    this.of.before.resting.set(restingKey(name, inode), facts.read_to);
    this.unchanged.delete(name);
  }

  /** Of who is not known to live, a time to come says nothing: least of all now. */
  private sign(name: string, at: Date, who: Liveness): void {
    const session_id = writerOf(name)?.session_id;
    const past = this.past(at);
    if (!session_id || (who !== "alive" && past !== at)) return;
    this.signs.set(session_id, past.toISOString());
  }

  /** A time to come was written before the clock was set back: now, at most. */
  private past(at: Date): Date {
    const now = Math.max(this.began, this.of.now());
    return at.getTime() > now ? new Date(now) : at;
  }

  private clearEmpty(name: string, fd: number, mtime: Date): void {
    if (this.began - mtime.getTime() < REST_MS) return;
    if (!libc || lockFile(fd) === "taken") return;
    // Locked by us and still empty: nobody was ever told of it.
    if (fstatSync(fd).size === 0) unlinkSync(`${this.folder}/${name}`);
  }

  /** Stores all that was read so far. */
  private async commit(): Promise<void> {
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
      if (this.rereading)
        for (const { event_id, session_id } of batch)
          if (stored.has(event_id)) this.leftOpen.add(session_id);
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

  /** Reads files that were done a while ago once more, then lets them go. */
  private async clearDone(): Promise<void> {
    const folder = `${this.folder}/done`;
    const rested: string[] = [];
    this.rereading = true;
    for (const name of listFolder(folder)) {
      const fd = this.files.open(`done/${name}`);
      if (fd === null) continue;
      try {
        const { ctimeMs, ino } = fstatSync(fd);
        if (this.began - ctimeMs < REST_MS) continue;
        const facts = new FileFacts();
        const key = restingKey(name, ino);
        facts.read_to = this.of.before.resting.get(key) ?? BEGINNING;
        this.of.before.resting.delete(key);
        await this.takeLines(name, fd, "gone", facts);
        if (facts.oversized)
          this.files.keepWhole(`done/${name}`, facts.oversized);
        else rested.push(name);
      } finally {
        closeSync(fd);
      }
    }
    await this.commit();
    this.rereading = false;
    if (rested.length > 0) this.of.store.requireThere?.();
    for (const name of rested) rmSync(`${folder}/${name}`, { force: true });
  }

  /**
   * A line that came when its session had been found lost has opened it again:
   * nobody is left who would end it.
   */
  private async closeLeftOpen(names: ReadonlySet<string>): Promise<void> {
    for (const session_id of this.leftOpen) {
      const file = names.has(`${session_id}.ndjson`);
      if ((file && !this.closed.has(session_id)) || this.signs.has(session_id))
        continue;
      const session = await this.of.store.get(session_id);
      if (session?.status === "active")
        this.batch.push(lostEnd(session_id, session.last_seen));
    }
    for (const name of this.late) this.finish(name);
    await this.commit();
  }
}

const othersTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A file that is done keeps its inode, and the name that it had as its beginning. */
const restingKey = (name: string, inode: number) =>
  `${name.slice(0, name.indexOf(".ndjson"))} ${inode}`;

const isShells = (name: string): boolean =>
  typeof writerOf(name)?.shell === "number";
