/**
 * A file of NDJSON, a line an event as an export has it. It is rotated by its size, or
 * by somebody else; every line in it is whole. All of it is asynchronous: a disk that
 * hangs holds up nobody.
 */
import { type FileHandle, lstat, open, rename } from "node:fs/promises";
import { dirname } from "node:path";
import type { FileDestination } from "../config/destinations.ts";
import { errnoOf, fail } from "../model/failure.ts";
import {
  O_APPEND,
  O_CREAT,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_RDWR,
  lockFile,
} from "../os/file.ts";
import { isOwn, requireUnshared } from "../os/trust.ts";
import type { Destination, Outgoing } from "./destination.ts";
import { BEGIN, lineOf } from "./line.ts";

/** More than any line has. */
const LONGEST_LINE = 1024 * 1024;
const NEWLINE = 10;

export class NdjsonFile implements Destination {
  private file: { handle: FileHandle; ino: number; size: number } | null = null;

  private trusted = false;

  constructor(private readonly settings: FileDestination) {}

  async deliver(
    events: readonly Outgoing[],
    signal: AbortSignal,
    took: (count: number) => void,
  ): Promise<void> {
    const lines = events.map((event) => Buffer.from(`${lineOf(event)}\n`));
    for (let at = 0; at < lines.length;) {
      signal.throwIfAborted();
      const next = lines[at]!.length;
      const { handle, size } = await this.ready(next);
      let end = at + 1;
      let bytes = next;
      // At least one: a file takes a line that is longer than a file may be.
      while (
        end < lines.length &&
        size + bytes + lines[end]!.length <= this.settings.max_bytes
      )
        bytes += lines[end++]!.length;
      await this.append(Buffer.concat(lines.slice(at, end)));
      await handle.datasync();
      took((at = end));
    }
  }

  async close(): Promise<void> {
    const { file } = this;
    this.file = null;
    await file?.handle.close();
  }

  /** What was written of a chunk that does not fit is taken back. */
  private async append(bytes: Buffer): Promise<void> {
    const file = this.file!;
    try {
      for (let at = 0; at < bytes.length;) {
        const { bytesWritten } = await file.handle.write(bytes, at);
        at += bytesWritten;
      }
      file.size += bytes.length;
    } catch (error) {
      await file.handle.truncate(file.size).catch(() => {});
      // Else its end is looked for when it is opened again.
      await this.close();
      throw error;
    }
  }

  /** The file of this name, with room for so much. */
  private async ready(bytes: number) {
    const { path, max_bytes } = this.settings;
    const there = await lstat(path).catch((error: unknown) => {
      if (errnoOf(error) === "ENOENT") return null;
      throw error;
    });
    const full = there && there.size > 0 && there.size + bytes > max_bytes;
    if (full) await this.rotate();
    // Moved away by somebody else, it is not the one that is read any more.
    if (full || there?.ino !== this.file?.ino) await this.close();
    // Copied and cut by somebody else, as logrotate does where it is told to.
    if (this.file && there) this.file.size = there.size;
    return (this.file ??= await this.openFile());
  }

  private async rotate(): Promise<void> {
    const { path, files } = this.settings;
    const named = (age: number) => (age === 0 ? path : `${path}.${age}`);
    if (files === 0) {
      const file = (this.file ??= await this.openFile());
      await file.handle.truncate(0);
      return;
    }
    for (let age = files; age > 0; age--)
      await rename(named(age - 1), named(age)).catch((error: unknown) => {
        if (errnoOf(error) !== "ENOENT") throw error;
      });
  }

  private async openFile() {
    const { path } = this.settings;
    if (!this.trusted) requireUnshared(dirname(path));
    this.trusted = true;
    const flags = O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK;
    const handle = await open(path, flags, 0o600);
    try {
      const { uid, ino, size } = await requireFile(handle, path);
      if (!isOwn(uid))
        throw fail.permission(`'${path}' belongs to uid ${uid}, not to us`);
      if (lockFile(handle.fd) === "taken")
        throw fail.storage(`another process writes to '${path}'`);
      const whole = await wholeLines(handle, size);
      if (whole === null)
        throw fail.refused(
          `'${path}' is there, and is no file of events`,
          "give another name, or move it away",
        );
      if (whole < size) await handle.truncate(whole);
      return { handle, ino, size: whole };
    } catch (error) {
      await handle.close();
      throw error;
    }
  }
}

async function requireFile(handle: FileHandle, path: string) {
  const stat = await handle.stat();
  if (stat.isFile()) return stat;
  throw fail.permission(`'${path}' is not a regular file`);
}

/**
 * How much of a file its whole lines are, for a crash may have torn the last one; null
 * where it begins with what we never write.
 */
async function wholeLines(
  handle: FileHandle,
  size: number,
): Promise<number | null> {
  const start = Buffer.alloc(Math.min(size, BEGIN.length));
  await handle.read(start, 0, start.length, 0);
  if (!BEGIN.startsWith(start.toString())) return null;
  const from = Math.max(0, size - LONGEST_LINE);
  const end = Buffer.alloc(size - from);
  await handle.read(end, 0, end.length, from);
  return from + end.lastIndexOf(NEWLINE) + 1;
}
