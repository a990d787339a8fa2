/**
 * `store.lock`: its holder may open the database. The content names the holder, and
 * how to ask it if it is a server; only the lock itself decides.
 */
import { closeSync, fstatSync, ftruncateSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { Failure, errnoOf, fail } from "../model/failure.ts";
import {
  O_CREAT,
  O_RDONLY,
  O_RDWR,
  readOpen,
  openRegular,
  lockFile,
} from "../os/file.ts";
import { libc } from "../os/libc.ts";
import { folderFailure } from "../os/paths.ts";
import { identityOf, liveness } from "../os/liveness.ts";
import { bootId, isStopped, pidNamespace, processStat } from "../os/proc.ts";
import { useOf } from "../os/use.ts";
import { trustedPath } from "../os/trust.ts";

const MOST_BYTES = 65_536;

export interface Holder {
  pid: number;
  role: "cli" | "server" | "stdio";
  /** Of a server: whether it can be asked. */
  state?: "starting" | "ready" | "stopping";
  /** The socket for our own commands. */
  socket?: string;
  /** The URL for MCP clients; none over stdio. */
  url?: string;
  version?: string;
  /** UTC, ISO 8601. */
  started_at?: string;
  /** The flags that it was started with. */
  flags?: string[];
  /** Of a server: identifies its process. */
  start_ticks?: number;
  pid_namespace?: string | null;
  boot_id?: string | null;
  /** The start ticks of a server without a lock. */
  unlocked_start_ticks?: number;
}

export class StoreLock {
  private constructor(private readonly fd: number) {}

  /**
   * Takes the lock when it is free; never waits. Without FFI there are no locks, and
   * DuckDB's own has to do.
   * @returns null when another process holds it
   * @throws Failure (config, permission) when there can be no lock
   */
  static tryAcquire(path: string, role: Holder["role"]): StoreLock | null {
    const fd = makeLock(path);
    const locked = isTakenBySigner(path) ? "taken" : lockFile(fd);
    if (locked === "none" && libc) {
      closeSync(fd);
      throw noLocks(path);
    }
    if (locked === "taken") {
      closeSync(fd);
      return null;
    }
    const lock = new StoreLock(fd);
    // Over nobody's name who took the lock just now.
    if (locked === "held" || role !== "cli")
      lock.sign({ pid: process.pid, role });
    return lock;
  }

  /** Writes down who holds it. */
  sign(given: Holder): void {
    const holder = given.role === "cli" ? given : identified(given);
    try {
      // Over the old text, then cut: a reader never finds nothing.
      const bytes = Buffer.from(`${JSON.stringify(holder)}\n`);
      writeSync(this.fd, bytes, 0, bytes.length, 0);
      ftruncateSync(this.fd, bytes.length);
    } catch {
      // A full disk: the name is missing then, the lock is held all the same.
    }
  }

  release(): void {
    closeSync(this.fd);
  }
}

function makeLock(path: string): number {
  try {
    return openLock(path, O_RDWR | O_CREAT);
  } catch (error) {
    throw errnoOf(error) === "ENOENT"
      ? fail.config(
          `the folder of '${path}' does not exist`,
          "make it, or set SESSION_BUDDY_DB_PATH to a path in one that does",
        )
      : folderFailure(path, error, hintFor(path));
  }
}

/**
 * Opens the lock, which nobody else may be able to write or replace.
 * @throws Failure (permission); Error with `code`
 */
function openLock(path: string, flags: number): number {
  trustedPath(dirname(path));
  const fd = openRegular(path, flags);
  const { uid, mode } = fstatSync(fd);
  const others = (mode & 0o022) !== 0;
  if (uid === process.geteuid!() && !others) return fd;
  closeSync(fd);
  if (uid === process.geteuid!())
    throw fail.permission(
      `others can write to '${path}'`,
      `try: chmod go-w '${path}'`,
    );
  throw fail.permission(
    `'${path}' belongs to another user`,
    "remove it, or keep the database in a folder of your own",
  );
}

/**
 * The sentence for a filesystem without locks.
 * @param path of a file on it
 */
export const noLocks = (path: string): Failure =>
  fail.config(
    `'${path}' cannot be locked: its filesystem has no file locks`,
    "mount it with locks (NFS: without nolock, and with its lock service), or set SESSION_BUDDY_DATA_DIR to a local disk; what is recorded waits in the spool",
  );

/** @param holder as far as it has signed */
export function heldFailure(path: string, holder: Holder | null): Failure {
  const named = holder && isHolding(holder, path) !== "no";
  const who = named
    ? `${holder.role} (pid ${holder.pid}${isStopped(holder.pid) ? ", stopped by a signal" : ""})`
    : "another session-buddy (pid unknown)";
  return fail.timeout(
    `the database is busy: ${who} holds '${path}'`,
    "try again once it is done; nothing is lost, events wait in the spool",
  );
}

/**
 * Who signed the lock last; null when its content is not valid.
 * @throws Failure (permission) for what is not ours
 */
export function readHolder(path: string): Holder | null {
  let fd: number | null = null;
  try {
    fd = openLock(path, O_RDONLY);
    const bytes = readOpen(fd, path, MOST_BYTES);
    const holder: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (isHolder(holder)) return holder;
  } catch (error) {
    if (error instanceof Failure) throw error;
    // Not there; or taken a moment ago, or on a full disk, and not signed.
  } finally {
    if (fd !== null) closeSync(fd);
  }
  return null;
}

const TYPES: Record<string, readonly string[]> = {
  role: ["string"],
  state: ["string", "undefined"],
  socket: ["string", "undefined"],
  url: ["string", "undefined"],
  version: ["string", "undefined"],
  started_at: ["string", "undefined"],
  flags: ["object", "undefined"],
  start_ticks: ["number", "undefined"],
  pid_namespace: ["string", "object", "undefined"],
  boot_id: ["string", "object", "undefined"],
  unlocked_start_ticks: ["number", "undefined"],
};

function isHolder(value: unknown): value is Holder {
  if (typeof value !== "object" || value === null) return false;
  const { pid } = value as Holder;
  const text = value as Record<string, unknown>;
  return (
    Number.isInteger(pid) &&
    pid > 0 &&
    Object.entries(TYPES).every(([key, types]) =>
      types.includes(typeof text[key]),
    ) &&
    (text["flags"] === undefined || Array.isArray(text["flags"]))
  );
}

/**
 * Whether the process that signed the lock holds it: the content may be an earlier
 * holder's, or come with a copy of the folder. `unknown` when that process is in
 * another pid namespace, cannot be read, or is of an older version.
 */
export function isHolding(
  holder: Holder,
  path: string,
): "yes" | "no" | "unknown" {
  const alive = liveness(identityOf(holder));
  if (alive !== "alive") return alive === "gone" ? "no" : "unknown";
  const use = useOf(holder.pid, path);
  if (use !== "open") return use === "locked" ? "yes" : use;
  return holder.unlocked_start_ticks === undefined ? "unknown" : "yes";
}

/** Whether some process holds the lock now. */
export function isHeld(path: string): boolean {
  let fd: number;
  try {
    fd = openLock(path, O_RDWR);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return false;
    throw folderFailure(path, error, hintFor(path));
  }
  try {
    if (isTakenBySigner(path)) return true;
    const locked = lockFile(fd);
    if (locked === "held") libc?.unlock(fd);
    return locked === "taken";
  } finally {
    closeSync(fd);
  }
}

/** Identifies the process of a server. */
function identified(holder: Holder): Holder {
  const { start_ticks } = processStat(process.pid)!;
  return {
    ...holder,
    ...{ start_ticks, pid_namespace: pidNamespace(), boot_id: bootId() },
    ...(libc ? {} : { unlocked_start_ticks: start_ticks }),
  };
}

/**
 * Whether who signed is seen to have it: a server without a lock that is alive; where we
 * have no locks ourselves, anybody who has the file locked.
 */
function isTakenBySigner(path: string): boolean {
  const holder = readHolder(path);
  if (!holder) return false;
  if (!libc && useOf(holder.pid, path) === "locked") return true;
  if (holder.unlocked_start_ticks === undefined) return false;
  const stat = processStat(holder.pid);
  return (
    stat?.start_ticks === holder.unlocked_start_ticks && stat.state !== "Z"
  );
}

const hintFor = (path: string) =>
  path.endsWith("/store.lock")
    ? undefined
    : "make its folder writable, or set SESSION_BUDDY_DB_PATH to a path in one that is";
