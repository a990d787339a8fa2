/**
 * `drain.lock`: one drain at a time works on a spool. Only its holder probes
 * session locks, closes, renames or unlinks.
 */
import { closeSync, fstatSync, futimesSync } from "node:fs";
import { errnoOf } from "../model/failure.ts";
import { lockFile, O_CREAT, O_RDWR, openRegular } from "../os/file.ts";
import { folderFailure } from "../os/paths.ts";
import { isStopped } from "../os/proc.ts";
import { lockedBy } from "../os/use.ts";

/** How long a drain waits for its turn; one who reads waits with it. */
const TURN_MS = 5_000;
const LOOK_MS = 15;
/** A server drains each second and need not say so each time. */
const SAID_MS = 5_000;

/**
 * Takes `drain.lock`. When another drain is at work, one at a time waits for it
 * (`drain.next`): it may have passed by what was written since. Those that come
 * while one waits leave it to that one.
 * @param waits false of who holds another folder's: it may be waited for itself
 * @returns the lock's descriptor, or why there is none: `busy` when it was waited
 *   for in vain
 */
export async function takeTurn(
  folder: string,
  waits = true,
): Promise<number | "no spool" | "elsewhere" | "busy"> {
  const lock = openLock(`${folder}/drain.lock`);
  if (lock === null) return "no spool";
  if (tryLock(lock)) return lock;
  if (!waits) {
    closeSync(lock);
    return "elsewhere";
  }
  const next = openLock(`${folder}/drain.next`);
  try {
    if (next === null || !tryLock(next)) return letGo(lock, "elsewhere");
    const deadline = performance.now() + TURN_MS;
    while (!tryLock(lock)) {
      if (performance.now() > deadline) return letGo(lock, "busy");
      await Bun.sleep(LOOK_MS);
    }
    return lock;
  } catch (error) {
    closeSync(lock);
    throw error;
  } finally {
    if (next !== null) closeSync(next);
  }
}

/** When a drain last began; others look at it. */
export function sayBegun(lock: number, now: number): void {
  // A time to come was written before the clock was set back.
  if (Math.abs(now - fstatSync(lock).mtimeMs) < SAID_MS) return;
  futimesSync(lock, new Date(now), new Date(now));
}

/** Who keeps the drains of a spool from their turn. */
export function busySentence(folder: string): string {
  const path = `${folder}/drain.lock`;
  const pid = lockedBy(path);
  const stopped = pid !== null && isStopped(pid) ? ", stopped by a signal" : "";
  const holder = pid === null ? "another process" : `pid ${pid}${stopped}`;
  return `the spool was not drained: ${holder} holds '${path}'`;
}

function letGo<T>(lock: number, why: T): T {
  closeSync(lock);
  return why;
}

/** Without locks nobody has to wait: what is done twice changes nothing. */
const tryLock = (fd: number): boolean => lockFile(fd) !== "taken";

function openLock(path: string): number | null {
  try {
    return openRegular(path, O_RDWR | O_CREAT);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return null;
    throw folderFailure(path, error);
  }
}
