/**
 * The writing end of the spool: one file, one writer, append-only lines. The
 * file is created for this session alone and stays locked for the writer's
 * life; it has no content before it is locked, so whoever finds content and a
 * free lock knows that the writer is gone.
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
  linkCount,
  openFile,
  syncAll,
  syncData,
  touchFile,
  writeSome,
} from "../os/file.ts";
import { libc } from "../os/libc.ts";
import { ensurePrivateDir, machineId } from "../os/paths.ts";

/** The folder of this machine's spool files below a data folder. */
export function spoolFolder(data: string): string {
  return `${data}/spool/${machineId()}`;
}

/** Makes the spool folder and its parents, private, when it is not there. */
export function ensureSpool(data: string): string {
  const folder = spoolFolder(data);
  // Each of them: whoever owns one above could put another in the place below.
  ensurePrivateDir(data);
  ensurePrivateDir(`${data}/spool`);
  ensurePrivateDir(folder);
  return folder;
}

const CREATE = O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW;
const encoder = new TextEncoder();

export class SpoolWriter {
  /** True after a write that stopped within a line: the next one starts afresh. */
  private torn = false;

  private constructor(
    private readonly fd: number,
    private readonly folder: string,
  ) {}

  /**
   * Creates and locks the file of a session; never waits for anybody.
   * @param nextId makes another session id when a file of that name exists
   * @throws Error with the system's errno
   */
  static create(
    folder: string,
    nextId: () => string,
  ): { writer: SpoolWriter; session_id: string; locked: boolean } {
    for (;;) {
      const session_id = nextId();
      let fd: number;
      try {
        fd = openFile(`${folder}/${session_id}.ndjson`, CREATE, 0o600);
      } catch (error) {
        if (errnoOf(error) === "EEXIST") continue;
        throw error;
      }
      const locked = lock(fd);
      // A drain may have cleared an empty file away before it was locked.
      if (locked !== "taken" && linkCount(fd) > 0)
        return {
          writer: new SpoolWriter(fd, folder),
          session_id,
          locked: locked === "held",
        };
      closeFile(fd);
    }
  }

  /**
   * Appends one event as one line.
   * @throws Error with the system's errno when the line is not whole on file
   */
  append(event: Event): void {
    const line = `${this.torn ? "\n" : ""}${JSON.stringify(event)}\n`;
    const bytes = encoder.encode(line);
    if (bytes.length > MAX_EVENT_BYTES)
      throw new Error(
        `event of ${bytes.length} bytes exceeds ${MAX_EVENT_BYTES}`,
      );
    // A full disk or a file size limit writes less than asked, then fails.
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

  /** A sign of life: the file's modification time. */
  touch(): void {
    touchFile(this.fd);
  }
}

function lock(fd: number): "held" | "taken" | "none" {
  if (!libc) return "none";
  try {
    return libc.tryLock(fd) ? "held" : "taken";
  } catch {
    // A filesystem without locks: the start line says `lock:none`.
    return "none";
  }
}
