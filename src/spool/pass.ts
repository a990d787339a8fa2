/**
 * One pass over a spool folder: it reads the shells' files, then the sessions'
 * own, and closes the sessions whose wrapper and child are gone.
 */
import { type Stats, closeSync, fstatSync, futimesSync, rmSync } from "node:fs";
import type { Clock } from "../model/clock.ts";
import { EMITTED, lostEnd } from "../model/event.ts";
import { MemoryFolder, memoryFolderOf } from "../os/memory-folder.ts";
import { isFileAt } from "../os/stat.ts";
import { nextTurn } from "../os/turns.ts";
import { Batches, type BatchOptions, PassFiles } from "./batches.ts";
import { append, isSpoolFile, listFolder, spoolName } from "./folder.ts";
import { MOST_COPIED_BYTES, quarantine } from "./quarantine.ts";
import { type Line, readLines } from "./read.ts";
import { skipStored } from "./resume.ts";
import {
  FileFacts,
  type Look,
  SignsOfLife,
  goesOn,
  isShellFile,
  sessionOf,
  shellLiveness,
} from "./file-facts.ts";

/** After so many lines the event loop goes on: a server answers meanwhile. */
const LINES_AT_ONCE = 256;

/** A file whose every line up to `facts.read_to` is stored. */
export interface Known {
  inode: number;
  size: number;
  facts: FileFacts;
}

/** What earlier passes found; empty after one that failed. */
export interface Before {
  known: ReadonlyMap<string, Known>;
  /** What was read of files that are done, by `restingKey`. */
  resting: Map<string, FileFacts>;
}

export interface PassOptions extends BatchOptions {
  now: Clock;
  before: Before;
  /** See Look. */
  adopt: boolean;
  heartbeat_ms: number;
}

/** A file of a shell within a session. */
type ShellFile = { name: string; facts: FileFacts };

/** One pass, by the holder of the lock. */
export class Pass {
  private lines = 0;
  private readonly signs: SignsOfLife;
  /** Of sessions whose own file is here. */
  private readonly shells = new Map<string, ShellFile[]>();
  /** Sessions that may be open although none of their processes is left. */
  private readonly leftOpen = new Set<string>();
  /** The shells' files of those; they are finished once the sessions are closed. */
  private readonly late: string[] = [];
  /** The files of sessions of which no process is left, and that have no end yet. */
  private readonly lost: string[] = [];
  /** Sessions whose own file is finished in this pass. */
  private readonly closed = new Set<string>();
  /** Whether done/ is read: what is new there comes late. */
  private rereading = false;
  /** Files that live on, as they were read. */
  readonly unchanged = new Map<string, Known>();

  /** In milliseconds since the epoch; `now` for every file. */
  private readonly began: number;
  private readonly folder: string;
  private readonly files: PassFiles;
  private readonly batches: Batches;

  constructor(private readonly of: PassOptions) {
    this.began = of.now();
    this.signs = new SignsOfLife(this.began, of.now);
    this.folder = of.folder;
    this.files = new PassFiles(of);
    this.batches = new Batches(of, this.files, (batch, stored) => {
      if (!this.rereading) return;
      for (const { event_id, session_id } of batch)
        if (stored.has(event_id)) this.leftOpen.add(session_id);
    });
  }

  async run(): Promise<void> {
    using _ = this.files.begin();
    try {
      await this.through();
    } finally {
      await this.batches.settle();
    }
  }

  private async through(): Promise<void> {
    await this.clearDone();
    const names = new Set(listFolder(this.folder).filter(isSpoolFile));
    this.files.expect(names.size);
    // First what shells wrote: the end of their session may depend on it.
    for (const name of names)
      if (isShellFile(name)) await this.takeShell(name, names);
    for (const name of names) {
      if (!isShellFile(name)) await this.takeFile(name);
      // Closing and quarantining wait for the disk.
      await nextTurn();
    }
    await this.endLost(names);
    await this.batches.commit();
    await this.closeLeftOpen(names);
    await this.of.store.seen(this.signs.latest);
  }

  /** Opens a file that may be read and is not empty, and closes it after `use`. */
  private async withFile(
    name: string,
    use: (fd: number, stat: Stats) => Promise<void>,
  ): Promise<void> {
    const fd = this.files.open(name);
    if (fd === null) return;
    try {
      const stat = fstatSync(fd);
      if (stat.size > 0) await use(fd, stat);
      else this.files.removeEmpty(name, fd, this.began - +stat.mtime);
    } finally {
      closeSync(fd);
    }
  }

  private takeFile(name: string): Promise<void> {
    return this.withFile(name, async (fd, { size, mtime }) => {
      const facts = await this.read(name, fd);
      const writer = facts.writerLiveness(fd, this.look(mtime));
      if (writer !== "gone") {
        // The end was written last, and perhaps not by the writer.
        if (!facts.ended) this.signs.add(name, mtime, writer);
        return;
      }
      // Its last lines may have come after we read, or lack their newline.
      const now = fstatSync(fd);
      if (now.size !== size || facts.unfinished)
        await this.takeLines(name, fd, "gone", facts);
      // The writer may have made the file again elsewhere.
      if (isFileAt(fd, `${this.folder}/${name}`))
        this.close(name, fd, facts, now.mtime);
    });
  }

  /** A shell's file belongs to its session, and is finished with that. */
  private takeShell(name: string, names: ReadonlySet<string>): Promise<void> {
    return this.withFile(name, async (fd, { mtime }) => {
      const id = sessionOf(name);
      const facts = await this.read(name, fd);
      if (names.has(`${id}.ndjson`))
        return void this.shells.set(id, [
          ...this.shellsOf(id),
          { name, facts },
        ]);
      // The shell has outlived its session's program, in the background perhaps.
      const state = shellLiveness(name);
      if (state !== "gone") return this.signs.add(name, mtime, state);
      this.leftOpen.add(id);
      this.late.push(name);
    });
  }

  private shellsOf(session_id: string): readonly ShellFile[] {
    return this.shells.get(session_id) ?? [];
  }

  /** Reads what the last pass has not read of a file. */
  private async read(name: string, fd: number): Promise<FileFacts> {
    const { ino: inode, size } = fstatSync(fd);
    const known = this.unchanged.get(name) ?? this.of.before.known.get(name);
    const same = known?.inode === inode && known.size <= size;
    const facts = same ? known.facts : new FileFacts(name);
    if (!same) await skipStored(fd, facts, this.of.store);
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
    const lines = readLines(fd, writer, facts.read_to, facts.form);
    for (;;) {
      const { done, value } = lines.next();
      if (done) return void (facts.read_to = value);
      if (value.kind === "pause") await nextTurn();
      else if (value.kind === "tail") facts.unfinished = true;
      else await this.takeLine(name, fd, value, facts);
      if (++this.lines % LINES_AT_ONCE === 0) await nextTurn();
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
      if (kept) this.of.report.quarantined.push(kept);
      return nextTurn();
    }
    facts.take(line.event);
    await this.batches.add(line.event);
  }

  /** Of a writer that is gone: the session is over with it, unless its child is alive. */
  private close(name: string, fd: number, facts: FileFacts, mtime: Date): void {
    if (facts.ended) return this.finishSession(name, facts);
    const child = facts.childLiveness(this.look(mtime));
    if (child === "gone") return void this.lost.push(name);
    const now_s = this.began / 1_000;
    if (child === "alive") futimesSync(fd, now_s, now_s);
    this.signs.add(name, mtime, child);
  }

  /** Ends the sessions of which no process is left, at the last that their shells wrote. */
  private async endLost(names: ReadonlySet<string>): Promise<void> {
    // One of their shells may have begun its file after the folder was listed.
    const listed = this.lost.length > 0 ? listFolder(this.folder) : [];
    for (const name of listed.filter(isShellFile))
      if (!names.has(name) && names.has(`${sessionOf(name)}.ndjson`))
        await this.takeShell(name, names);
    for (const name of this.lost) {
      await nextTurn();
      await this.withFile(name, async (fd, { ino, mtime }) => {
        const { inode, facts } = this.unchanged.get(name)!;
        if (ino !== inode) return;
        await this.takeLines(name, fd, "gone", facts);
        if (facts.ended) return this.finishSession(name, facts);
        // A wrapper that was killed could not.
        MemoryFolder.sweep(memoryFolderOf(sessionOf(name)));
        const shells = this.shellsOf(sessionOf(name));
        for (const shell of shells) await this.takeRest(shell.name);
        // One that was made anew counts with what it was before.
        const now = shells.map((shell) => this.unchanged.get(shell.name)!);
        const all = [...shells, ...now].map((each) => each.facts);
        const end = facts.recoveredEnd(this.signs.past(mtime), all);
        if (end) {
          // The last line may be torn: the end stands alone.
          append(fd, `\n${JSON.stringify(end)}\n`);
          this.batches.addOwn(end);
        }
        this.finishSession(name, facts);
      });
    }
  }

  private finishSession(name: string, facts: FileFacts): void {
    const id = sessionOf(name);
    this.closed.add(id);
    // A shell may have written later than a recovered end, of this pass or before.
    if (!facts.ended || facts.recovered) this.leftOpen.add(id);
    for (const shell of this.shellsOf(id))
      if (!goesOn(shell.name)) this.late.push(shell.name);
    this.finish(name);
  }

  /** What a shell wrote after we read; once it is gone, a line without its newline, too. */
  private async takeRest(name: string): Promise<void> {
    const gone = shellLiveness(name) === "gone";
    await this.withFile(name, async (fd) => {
      const facts = await this.read(name, fd);
      if (gone && facts.unfinished)
        await this.takeLines(name, fd, "gone", facts);
    });
  }

  private look(touched: Date): Look {
    const { adopt, heartbeat_ms } = this.of;
    return { touched, now: this.began, adopt, heartbeat_ms };
  }

  private finish(name: string): void {
    const { inode, facts } = this.unchanged.get(name)!;
    this.batches.finish(name, { inode, oversized: facts.oversized });
    this.of.before.resting.set(restingKey(name, inode), facts);
    this.unchanged.delete(name);
  }

  /** Reads the files in done/ again that are old enough, then removes them. */
  private async clearDone(): Promise<void> {
    const folder = `${this.folder}/done`;
    const rested: string[] = [];
    this.rereading = true;
    for (const name of listFolder(folder))
      await this.withFile(`done/${name}`, async (fd, { ctimeMs, ino }) => {
        if (this.began - ctimeMs < this.of.rest_ms) return;
        const key = restingKey(name, ino);
        const facts = this.of.before.resting.get(key) ?? new FileFacts(name);
        this.of.before.resting.delete(key);
        await this.takeLines(name, fd, "gone", facts);
        if (facts.oversized)
          this.files.quarantine(`done/${name}`, facts.oversized);
        else rested.push(name);
      });
    await this.batches.commit();
    this.rereading = false;
    if (rested.length > 0) this.of.store.requireThere?.();
    for (const name of rested) rmSync(`${folder}/${name}`, { force: true });
  }

  /**
   * Ends sessions again that a late line has reopened: no process is left that
   * would end them.
   */
  private async closeLeftOpen(names: ReadonlySet<string>): Promise<void> {
    for (const name of this.late) await this.takeRest(name);
    await this.batches.commit();
    for (const session_id of this.leftOpen) {
      const file = names.has(`${session_id}.ndjson`);
      if (
        (file && !this.closed.has(session_id)) ||
        this.signs.latest.has(session_id)
      )
        continue;
      const session = await this.of.store.get(session_id);
      // One that was emitted has no process, or one that its lease knows.
      if (
        session?.status === "active" &&
        session.metadata["recorder"] !== EMITTED
      )
        this.batches.addOwn(lostEnd(session_id, session.last_seen));
    }
    for (const name of this.late) this.finish(name);
    await this.batches.commit();
  }
}

/** A file in done/ keeps its inode, and its name as a prefix. */
const restingKey = (name: string, inode: number) =>
  `${spoolName(name)} ${inode}`;
