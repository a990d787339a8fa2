/**
 * Reads the end of a server's log, and follows it as it grows, over every rotation:
 * a file that was read is known by its inode and not by its name.
 */
import {
  type FSWatcher,
  closeSync,
  fstatSync,
  lstatSync,
  readSync,
  watch,
} from "node:fs";
import { LOG_FILES, logFile } from "./log.ts";
import { errnoOf } from "../model/failure.ts";
import { readFailure } from "../os/paths.ts";
import { openTrusted } from "../os/trust.ts";

/** Where no change is told (some filesystems tell none) it is looked for. */
const LOOK_MS = 500;
const CHUNK_BYTES = 1024 * 1024;
/** Twice as much as a server's file ever has. */
const MAX_READ_BYTES = 16 * CHUNK_BYTES;
const NEWLINE = 0x0a;

/**
 * Gives the last lines of a log, oldest first.
 * @param follow then goes on with what comes, until the signal is aborted
 * @param write gets whole lines, their line breaks included
 * @throws Failure (permission, storage), and what `write` throws
 */
export async function followLog(
  folder: string,
  lines: number,
  follow: boolean,
  write: (text: string) => void,
  signal?: AbortSignal,
): Promise<void> {
  const tail = new Tail(folder, write);
  let ring = () => {};
  const timer = setInterval(() => ring(), LOOK_MS);
  const watcher = follow ? watchFolder(folder, () => ring()) : null;
  signal?.addEventListener("abort", () => ring());
  try {
    tail.last(lines);
    while (follow && !signal?.aborted) {
      tail.catchUp();
      await new Promise<void>((resolve) => (ring = resolve));
    }
  } finally {
    clearInterval(timer);
    watcher?.close();
    tail.close();
  }
}

function watchFolder(folder: string, changed: () => void): FSWatcher | null {
  try {
    return watch(folder, changed).on("error", () => {});
  } catch {
    // Not made yet, or no more watches to be had: looking finds it too.
    return null;
  }
}

interface Open {
  fd: number;
  ino: number;
  /** How far it was read. */
  offset: number;
}

/** The files by age; null where there is none. */
type Ages = ({ ino: number; mtimeMs: number } | null)[];

class Tail {
  private file: Open | null = null;
  /** The beginning of a line whose end is not written yet. */
  private rest: Buffer = Buffer.alloc(0);

  constructor(
    private readonly folder: string,
    private readonly write: (text: string) => void,
  ) {}

  /** Writes the last lines of all files, and stands at their end. */
  last(lines: number): void {
    this.file = this.open((ages) => ages.findIndex((file) => file !== null));
    if (!this.file) return;
    const newest = readAll(this.file);
    const whole = newest.lastIndexOf(NEWLINE) + 1;
    this.rest = newest.subarray(whole);
    const texts = [lastLines(newest.subarray(0, whole), lines)];
    let missing = lines - texts[0]!.count;
    for (let by = 1; missing > 0; by++) {
      const older = this.open((ages) => {
        const ours = this.ageIn(ages);
        return ours === -1 ? -1 : ours + by;
      });
      if (!older) break;
      texts.unshift(lastLines(readAll(older), missing));
      closeSync(older.fd);
      missing -= texts[0]!.count;
    }
    this.write(texts.map(({ text }) => text).join(""));
  }

  /** Writes what has come since, in the file itself and in those after it. */
  catchUp(): void {
    for (;;) {
      if (this.file) this.readOn(this.file);
      const next = this.open((ages) => this.newer(ages));
      if (!next) return;
      // Something may have come between the look and the rotation.
      if (this.file) this.readOn(this.file);
      if (this.rest.length > 0) this.pass(Buffer.from("\n"));
      this.close();
      this.file = next;
    }
  }

  close(): void {
    if (this.file) closeSync(this.file.fd);
    this.file = null;
  }

  private readOn(file: Open): void {
    // Emptied by somebody: it begins anew.
    if (fstatSync(file.fd).size < file.offset) file.offset = 0;
    const chunk = Buffer.alloc(CHUNK_BYTES);
    for (;;) {
      const length = readSync(file.fd, chunk, 0, chunk.length, file.offset);
      if (length === 0) return;
      file.offset += length;
      this.pass(chunk.subarray(0, length));
    }
  }

  /** Passes whole lines on, and what is too long to be one. */
  private pass(bytes: Buffer): void {
    const all = Buffer.concat([this.rest, bytes]);
    const endless = all.length > 2 * CHUNK_BYTES ? all.length : 0;
    const whole = all.lastIndexOf(NEWLINE) + 1 || endless;
    if (whole > 0) this.write(all.toString("utf8", 0, whole));
    this.rest = all.subarray(whole);
  }

  /** The age of the file after ours; -1 when there is none. */
  private newer(ages: Ages): number {
    const ours = this.ageIn(ages);
    if (ours !== -1) return ages.slice(0, ours).findLastIndex(Boolean);
    // Ours was removed, or there was none: the oldest that was written later.
    const since = this.file ? fstatSync(this.file.fd).mtimeMs : -Infinity;
    return ages.findLastIndex((file) => file !== null && file.mtimeMs > since);
  }

  private ageIn(ages: Ages): number {
    const ino = this.file?.ino;
    return ages.findIndex((file) => file !== null && file.ino === ino);
  }

  /**
   * Opens the file of the age that is chosen, with no rotation in between:
   * one would have given its name to another.
   */
  private open(choose: (ages: Ages) => number): Open | null {
    for (;;) {
      const ages = this.ages();
      const age = choose(ages);
      const file = ages[age] ? openLog(logFile(this.folder, age)) : null;
      const now = this.ages();
      if (ages.every((was, i) => was?.ino === now[i]?.ino)) return file;
      if (file) closeSync(file.fd);
    }
  }

  /** From the newest on, the way that files are renamed: none is missed. */
  private ages(): Ages {
    return Array.from({ length: LOG_FILES }, (_, age) => {
      const path = logFile(this.folder, age);
      try {
        return lstatSync(path, { throwIfNoEntry: false }) ?? null;
      } catch (error) {
        throw readFailure(path, error);
      }
    });
  }
}

function openLog(path: string): Open | null {
  try {
    const fd = openTrusted(path);
    return { fd, ino: fstatSync(fd).ino, offset: 0 };
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return null;
    throw readFailure(path, error);
  }
}

/** A file's content, of one that is far too large its end. */
function readAll(file: Open): Buffer {
  const { size } = fstatSync(file.fd);
  const bytes = Buffer.alloc(Math.min(size, MAX_READ_BYTES));
  const begin = size - bytes.length;
  const length = readSync(file.fd, bytes, 0, bytes.length, begin);
  file.offset = begin + length;
  return bytes.subarray(0, length);
}

/** The end of a text of lines. */
function lastLines(
  bytes: Buffer,
  lines: number,
): { text: string; count: number } {
  let at = bytes.length;
  let count = 0;
  for (; at > 0 && count < lines; count++)
    at = at > 1 ? bytes.lastIndexOf(NEWLINE, at - 2) + 1 : 0;
  return { text: bytes.toString("utf8", at), count };
}
