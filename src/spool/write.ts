/**
 * Writes the spool file of a session: append-only lines, one writer. The file is
 * locked before it has content and stays locked while the writer lives, so that
 * content and a free lock mean that the writer is gone.
 *
 * The writer remembers its few events: what a full disk did not take is written
 * once there is room, and a file whose name is gone (its folder was removed or
 * moved) is made again with all of them.
 */
import { type Event, MAX_EVENT_BYTES } from "../model/event.ts";
import { errnoOf } from "../model/failure.ts";
import {
  O_APPEND,
  O_CREAT,
  O_EXCL,
  O_NOFOLLOW,
  O_RDONLY,
  O_WRONLY,
  closeFile,
  isMissing,
  openFile,
  setMode,
  syncAll,
  syncData,
  touchFile,
  writeSome,
  openRegular,
  type Locked,
  lockFile,
} from "../os/file.ts";
import { isFileAt, statOpen } from "../os/stat.ts";
import { ensurePrivateDir, ensurePrivateDirIn } from "../os/paths.ts";
import { machineId } from "../os/proc.ts";
import { quickOwner } from "../os/trust.ts";

/** The folder of this machine's spool files. */
export function spoolFolder(data: string): string {
  return `${data}/spool/${machineId()}`;
}

/** Makes the spool folder and its parents, private, if missing. */
export function ensureSpool(data: string): string {
  const folder = spoolFolder(data);
  if (quickOwner(folder, 3) !== null) return folder;
  ensurePrivateDir(data);
  ensurePrivateDirIn(`${data}/spool`);
  ensurePrivateDirIn(folder);
  return folder;
}

const CREATE = O_WRONLY | O_CREAT | O_EXCL | O_APPEND;
const FOUND = O_WRONLY | O_APPEND;
const encoder = new TextEncoder();
/** More than a session's own events ever are. */
const MOST_EVENTS = 16;

interface Line {
  bytes: Uint8Array;
  series: string | undefined;
}

export class SpoolWriter {
  /** Whether the last write stopped within a line: the next begins a new one. */
  private torn = false;
  /** The events so far, as lines, but what a later one has superseded. */
  private readonly lines: Line[] = [];
  /** How many of them are on file. */
  private written = 0;

  private constructor(
    private fd: number,
    private readonly folder: string,
    private readonly path: string,
  ) {}

  /**
   * Creates and locks the file of a session; never waits.
   * @param nextId makes another session id when a file of that name exists
   * @throws Error with the system's errno
   */
  static create(
    folder: string,
    nextId: () => string,
  ): { writer: SpoolWriter; session_id: string; locked: boolean } {
    for (;;) {
      const session_id = nextId();
      const path = `${folder}/${session_id}.ndjson`;
      let fd: number;
      try {
        fd = openFile(path, CREATE | O_NOFOLLOW, 0o600);
      } catch (error) {
        if (errnoOf(error) === "EEXIST") continue;
        throw error;
      }
      const locked = lock(fd);
      // A drain may have cleared an empty file away before it was locked.
      const { nlink, mode } = statOpen(fd);
      // A umask may have taken our own rights away.
      if (mode !== 0o600) setMode(fd, 0o600);
      if (locked !== "taken" && nlink > 0)
        return {
          writer: new SpoolWriter(fd, folder, path),
          session_id,
          locked: locked === "held",
        };
      closeFile(fd);
    }
  }

  /**
   * Appends an event as a line, after those that there was no room for.
   * @param series of which but the last event is remembered
   * @throws Error with the system's errno when a line is not written; see `retry`
   */
  append(event: Event, series?: string): void {
    const bytes = encoder.encode(`${JSON.stringify(event)}\n`);
    if (bytes.length > MAX_EVENT_BYTES || this.lines.length >= MOST_EVENTS)
      throw new Error(
        `event ${this.lines.length + 1} of ${bytes.length} bytes exceeds ${MOST_EVENTS} of ${MAX_EVENT_BYTES}`,
      );
    if (series !== undefined) this.forget(series);
    this.lines.push({ bytes, series });
    this.retry();
  }

  private forget(series: string): void {
    const at = this.lines.findIndex((line) => line.series === series);
    if (at === -1) return;
    this.lines.splice(at, 1);
    if (at < this.written) this.written--;
  }

  /**
   * Writes the events that are not on file yet.
   * @throws Error with the system's errno when that fails again
   */
  retry(): void {
    for (; this.written < this.lines.length; this.written++) {
      if (this.torn) this.put(NEWLINE);
      this.put(this.lines[this.written]!.bytes);
    }
  }

  /**
   * Makes the file again, with all events, when its name is gone.
   * @param makeFolder makes the folder, if that is gone too
   * @throws what that throws, or Error with the system's errno
   */
  renew(makeFolder: () => void): void {
    if (isFileAt(this.fd, this.path)) return;
    makeFolder();
    const { fd: old, written, torn } = this;
    const { fd, found } = openAnew(this.path);
    this.fd = fd;
    this.written = 0;
    // A copy may end within a line; its events are ours, and count once.
    this.torn = found;
    try {
      this.retry();
    } catch (error) {
      // Half of it is worse than the old one, which may come back to its place.
      if (!found) removeFile(this.path);
      closeFile(fd);
      Object.assign(this, { fd: old, written, torn });
      throw error;
    }
    closeFile(old);
  }

  /** A full disk or a file size limit writes less than asked, then fails. */
  private put(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      at += writeSome(this.fd, bytes.subarray(at));
      this.torn = at < bytes.length;
    }
  }

  /** Brings everything appended so far to the disk. */
  sync(): void {
    syncData(this.fd);
  }

  /** Brings the file's name to the disk too. */
  syncFolder(): void {
    const fd = openFile(this.folder, O_RDONLY);
    try {
      syncAll(fd);
    } finally {
      closeFile(fd);
    }
  }

  /** What a heartbeat touches; null while events are not on file. */
  get touched(): { fd: number; path: string } | null {
    if (this.written < this.lines.length) return null;
    return { fd: this.fd, path: this.path };
  }

  /** A heartbeat: sets the modification time. */
  touch(): void {
    touchFile(this.fd);
  }
}

/**
 * Appends an event to a file of its own beside the session's, as a shell within it
 * does, and brings it to the disk.
 * @param pid of who writes it
 * @throws Error with the system's errno
 */
export function appendBeside(folder: string, event: Event, pid: number): void {
  const path = `${folder}/${event.session_id}.${pid}.ndjson`;
  const flags = O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW;
  const fd = openFile(path, flags, 0o600);
  try {
    const line = encoder.encode(`${JSON.stringify(event)}\n`);
    for (let at = 0; at < line.length;) at += writeSome(fd, line.subarray(at));
    syncData(fd);
  } finally {
    closeFile(fd);
  }
}

const NEWLINE = encoder.encode("\n");

/** Rare enough for what is slow to load. */
const removeFile = (path: string) =>
  process.getBuiltinModule("node:fs").rmSync(path, { force: true });

/** In a folder that was put in the place of ours, a copy of our file may be. */
function openAnew(path: string): { fd: number; found: boolean } {
  const found = !isMissing(path);
  const fd = openRegular(path, found ? FOUND : CREATE);
  if (lock(fd) !== "taken") return { fd, found };
  closeFile(fd);
  throw new Error(`'${path}' is locked by another`);
}

function lock(fd: number): Locked {
  try {
    return lockFile(fd);
  } catch (error) {
    closeFile(fd);
    throw error;
  }
}
