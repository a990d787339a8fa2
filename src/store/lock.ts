/**
 * `store.lock`: whoever holds it may open the database. Its content names the
 * holder for people; only the lock itself decides.
 */
import {
  closeSync,
  constants,
  ftruncateSync,
  openSync,
  readFileSync,
  writeSync,
} from "node:fs";
import { Failure, errnoOf } from "../model/failure.ts";
import { libc } from "../os/libc.ts";
import { folderFailure } from "../os/paths.ts";

export interface Holder {
  pid: number;
  /** `cli`, later `server`. */
  role: string;
}

const WAIT_MS = 5_000;
const LOOK_MS = 15;
const { O_RDWR, O_CREAT, O_NOFOLLOW } = constants;

export class StoreLock {
  private constructor(private readonly fd: number) {}

  /**
   * Waits for the lock, at most `wait_ms`. Without FFI there are no locks, and
   * DuckDB's own, held while the file is open, has to do.
   * @throws Failure (timeout) naming the holder
   */
  static async acquire(
    path: string,
    role: string,
    wait_ms: number = WAIT_MS,
  ): Promise<StoreLock> {
    const fd = openLock(path);
    const deadline = performance.now() + wait_ms;
    while (libc && !libc.tryLock(fd)) {
      if (performance.now() > deadline) {
        closeSync(fd);
        throw held(path);
      }
      await Bun.sleep(LOOK_MS);
    }
    sign(fd, { pid: process.pid, role });
    return new StoreLock(fd);
  }

  release(): void {
    closeSync(this.fd);
  }
}

function openLock(path: string): number {
  try {
    return openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
  } catch (error) {
    throw errnoOf(error) === "ENOENT"
      ? new Failure(
          "config",
          `the folder of '${path}' does not exist`,
          "make it, or set SESSION_BUDDY_DB_PATH to a path in one that does",
        )
      : folderFailure(path, error);
  }
}

function sign(fd: number, holder: Holder): void {
  try {
    ftruncateSync(fd);
    writeSync(fd, `${JSON.stringify(holder)}\n`, 0);
  } catch {
    // A full disk: the name is missing then, the lock is held all the same.
  }
}

function held(path: string): Failure {
  const { pid, role } = readHolder(path);
  return new Failure(
    "timeout",
    `the database is busy: ${role} (pid ${pid}) holds '${path}'`,
    "try again once it is done; nothing is lost, events wait in the spool",
  );
}

function readHolder(path: string): { pid: number | string; role: string } {
  try {
    const { pid, role } = JSON.parse(readFileSync(path, "utf8")) as Holder;
    if (Number.isInteger(pid) && typeof role === "string") return { pid, role };
  } catch {
    // Taken a moment ago, or on a full disk, and not signed.
  }
  return { pid: "unknown", role: "another session-buddy" };
}
