/**
 * Removes texts from the files of the spool, those in done/ and quarantine/ and those
 * of other machine ids too. A shell may be writing at this moment, a wrapper holds its
 * file open, and a server knows places in it: each line keeps its length, and is
 * overwritten where it stands. `drain.lock` keeps the files where they are meanwhile.
 */
import { closeSync, fdatasyncSync, fstatSync, futimesSync } from "node:fs";
import { readSync, writeSync } from "node:fs";
import type { ChosenCommand } from "../model/command-reference.ts";
import type { Event } from "../model/event.ts";
import { fail, reasonOf } from "../model/failure.ts";
import { isSessionId } from "../model/id.ts";
import { bareLine } from "../model/redaction/removal.ts";
import { machineId } from "../os/proc.ts";
import { CommandLines, blanked, blankedBad } from "./command-lines.ts";
import { busySentence, lockDrain } from "./drain-lock.ts";
import { shellLiveness, writerOf } from "./file-facts.ts";
import {
  entriesOf,
  isOfSpool,
  listFolder,
  openOwn,
  spoolName,
} from "./folder.ts";
import { type Piece, linePieces } from "./pieces.ts";
import { REJECTED } from "./quarantine.ts";
import { EVENT_LINES, type LineForm } from "./read.ts";

/** How long another drain of a folder is waited for. */
const LOCK_MS = 15_000;
/** How long a shell may take to write one line. */
const LINE_MS = 1_000;
const POLL_MS = 15;
const [NEWLINE, HASH, DASH] = [10, 35, 45];
const BELOW = ["", "done/", "quarantine/"];

export interface SpoolRemoval {
  session_id: string;
  /** null: every text of the session. */
  commands: readonly ChosenCommand[] | null;
  /** Only what happened until then; null: all that is there. */
  up_to: string | null;
}

export interface SpoolRemoved {
  /** Lines that lost their texts. */
  lines: number;
  /** What could not be done. */
  left: string[];
}

/**
 * @param data the data folder
 * @throws Failure (timeout) when a drain of this machine's folder does not end
 */
export async function removeFromSpool(
  data: string,
  removal: SpoolRemoval,
): Promise<SpoolRemoved> {
  const report: SpoolRemoved = { lines: 0, left: [] };
  for (const entry of entriesOf(`${data}/spool`)) {
    const folder = `${data}/spool/${entry.name}`;
    if (entry.isSymbolicLink())
      report.left.push(`'${folder}' is a link, and was not looked into`);
    if (!entry.isDirectory()) continue;
    try {
      await removeIn(folder, removal, report);
    } catch (error) {
      if (entry.name === machineId()) throw error;
      report.left.push(`'${folder}': ${reasonOf(error)}`);
    }
  }
  return report;
}

async function removeIn(
  folder: string,
  removal: SpoolRemoval,
  report: SpoolRemoved,
): Promise<void> {
  const lock = await waitForLock(folder);
  if (lock === null) return;
  try {
    for (const below of BELOW)
      for (const name of listFolder(`${folder}/${below}`)) {
        if (!mayHold(name, removal.session_id)) continue;
        const path = `${below}${name}`;
        const refuse = (why: string) =>
          report.left.push(`in '${folder}', ${why}`);
        const fd = openOwn(folder, path, refuse);
        if (fd === null) continue;
        try {
          await new SpoolFile(fd, path, removal).run(report, refuse);
        } finally {
          closeSync(fd);
        }
      }
  } finally {
    closeSync(lock);
  }
}

/** @returns null when the folder is gone */
async function waitForLock(folder: string): Promise<number | null> {
  const deadline = performance.now() + LOCK_MS;
  for (;;) {
    const lock = await lockDrain(folder);
    if (typeof lock === "number") return lock;
    if (lock === "no spool") return null;
    if (performance.now() > deadline)
      throw fail.timeout(busySentence(folder), "look what it waits for");
    await Bun.sleep(POLL_MS);
  }
}

/** By its name; a file that is named after no session may have anybody's lines. */
function mayHold(name: string, session_id: string): boolean {
  if (!isOfSpool(name) && !name.endsWith(REJECTED)) return false;
  if (name.startsWith(`${session_id}.`)) return true;
  return !isSessionId(name.split(".", 1)[0]!);
}

class SpoolFile {
  private readonly form: LineForm;
  /** Of the shell that writes it, by its name; null of other files. */
  private readonly shell: number | null;
  private readonly ofCommands: boolean;
  private readonly isKept: boolean;
  private changed = 0;
  /** Whether the long line goes whose pieces come now. */
  private blanking = false;

  constructor(
    private readonly fd: number,
    private readonly path: string,
    private readonly of: SpoolRemoval,
  ) {
    const name = path.slice(path.lastIndexOf("/") + 1);
    const writer = writerOf(spoolName(name));
    this.shell = writer?.shell ?? null;
    this.ofCommands =
      this.shell !== null && spoolName(name).endsWith(".commands");
    this.form = this.ofCommands
      ? new CommandLines(writer!.session_id, this.shell!)
      : EVENT_LINES;
    this.isKept = path.startsWith("quarantine/");
  }

  async run(
    report: SpoolRemoved,
    refuse: (why: string) => void,
  ): Promise<void> {
    await this.lastLine();
    const { fd } = this;
    const { atimeMs, mtimeMs } = fstatSync(fd);
    for (const piece of linePieces(fd)) {
      let kept: Uint8Array | null = null;
      try {
        kept = this.withoutTexts(piece);
      } catch (error) {
        refuse(`${this.path} at byte ${piece.at}: ${reasonOf(error)}`);
      }
      if (kept === null || Buffer.from(kept).equals(piece.bytes)) continue;
      overwrite(fd, piece.at, kept);
      this.changed++;
    }
    if (this.changed === 0) return;
    // The time tells of a session's life, and we are none of it.
    futimesSync(fd, atimeMs / 1_000, mtimeMs / 1_000);
    fdatasyncSync(fd);
    report.lines += this.changed;
  }

  /** Waits until the line is whole that a shell is writing. */
  private async lastLine(): Promise<void> {
    const { path, fd, of } = this;
    if (!this.isLive || of.up_to !== null || this.shell === null) return;
    const deadline = performance.now() + LINE_MS;
    while (!endsInNewline(fd) && performance.now() < deadline) {
      if (shellLiveness(path) === "gone") return;
      await Bun.sleep(POLL_MS);
    }
  }

  /** Whether it may have a writer. */
  private get isLive(): boolean {
    return !this.path.includes("/");
  }

  /** @returns null where nothing is to be changed */
  private withoutTexts({ bytes, at, part, ended }: Piece): Uint8Array | null {
    if (part === "next")
      return this.blanking ? new Uint8Array(bytes).fill(DASH!) : null;
    // Since then: it is not ours to judge yet.
    if (!ended && this.isLive && this.of.up_to !== null) return null;
    if (part === "first") {
      const kept = this.bad(bytes);
      this.blanking = kept !== null;
      return kept;
    }
    let event: Event | null;
    try {
      event = this.form.parse(bytes, at);
    } catch {
      return this.bad(bytes);
    }
    if (event === null || !this.isChosen(event)) return null;
    return this.ofCommands ? blanked(bytes) : bareLine(bytes, event);
  }

  private isChosen({ session_id, event_id, timestamp }: Event): boolean {
    const { of } = this;
    if (session_id !== of.session_id) return false;
    if (of.up_to !== null && timestamp > of.up_to) return false;
    return (
      of.commands === null ||
      of.commands.some((command) => command.event_id === event_id)
    );
  }

  /** A line that cannot be read: what is, or may be, of such a text goes. */
  private bad(bytes: Uint8Array): Uint8Array | null {
    const { of } = this;
    // Why a line is kept may quote it.
    if (this.isKept && bytes[0] === HASH)
      return of.commands === null || this.changed > 0
        ? new Uint8Array(bytes).fill(DASH!, 2)
        : null;
    if (this.ofCommands) {
      if (of.commands === null) return blankedBad(bytes, null);
      for (const { pid, seq } of of.commands)
        if (pid === this.shell && seq !== null) {
          const kept = blankedBad(bytes, seq);
          if (kept) return kept;
        }
      return null;
    }
    const names = of.commands?.map(({ event_id }) => event_id) ?? [
      of.session_id,
    ];
    const text = Buffer.from(bytes).toString("latin1");
    const own = of.commands === null && this.isOwn;
    return own || names.some((name) => text.includes(name))
      ? new Uint8Array(bytes).fill(DASH!)
      : null;
  }

  /** Whether it is named after the session. */
  private get isOwn(): boolean {
    const name = this.path.slice(this.path.lastIndexOf("/") + 1);
    return name.startsWith(`${this.of.session_id}.`);
  }
}

function endsInNewline(fd: number): boolean {
  const { size } = fstatSync(fd);
  const last = new Uint8Array(1);
  return (
    size === 0 || (readSync(fd, last, 0, 1, size - 1), last[0] === NEWLINE)
  );
}

function overwrite(fd: number, at: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;)
    done += writeSync(fd, bytes, done, bytes.length - done, at + done);
}
