/**
 * `drain.lock`: one process at a time drains a spool folder. Only the holder tries
 * session locks, ends sessions, renames or removes files.
 */
import { closeSync, fstatSync, futimesSync } from "node:fs";
import { errnoOf } from "../model/failure.ts";
import { lockFile, O_CREAT, O_RDWR, openRegular } from "../os/file.ts";
import { folderFailure } from "../os/paths.ts";
import { isStopped } from "../os/proc.ts";
import { lockedBy } from "../os/use.ts";

/** How long a drain waits for the lock; a command that reads waits with it. */
export const WAIT_MS = 5_000;
const POLL_MS = 15;
/** A server drains each second: it need not write the time each second. */
const STAMP_MS = 5_000;

/**
 * Takes `drain.lock`. While another drain holds it one process waits
 * (`drain.next`), since that drain may have read before the last lines were
 * written; further ones leave it to the one that waits.
 * @param waits false while the lock of another folder is held, against deadlock
 * @returns the descriptor of the lock, or why there is none: `busy` when the wait
 *   was in vain
 */
export async function lockDrain(
  folder: string,
  waits = true,
): Promise<number | "no spool" | "elsewhere" | "busy"> {
  const lock = openLock(`${folder}/drain.lock`);
  if (lock === null) return "no spool";
  if (tryLock(lock)) return lock;
  let why: "elsewhere" | "busy" = "elsewhere";
  const next = waits ? openLock(`${folder}/drain.next`) : null;
  try {
    const deadline = performance.now() + WAIT_MS;
    if (next !== null && tryLock(next)) {
      why = "busy";
      // Once more when the time is over: it may have slept for longer than it meant to.
      for (let over = false; !over;) {
        over = performance.now() > deadline;
        if (tryLock(lock)) return lock;
        if (!over) await Bun.sleep(POLL_MS);
      }
    }
  } catch (error) {
    closeSync(lock);
    throw error;
  } finally {
    if (next !== null) closeSync(next);
  }
  closeSync(lock);
  return why;
}

/** Writes down when a drain last began, as the modification time of the lock. */
export function stampBegin(lock: number, now: number): void {
  if (Math.abs(now - fstatSync(lock).mtimeMs) < STAMP_MS) return;
  futimesSync(lock, new Date(now), new Date(now));
}

/** Which process holds the lock for too long. */
export function busySentence(folder: string): string {
  const path = `${folder}/drain.lock`;
  const pid = lockedBy(path);
  const stopped = pid !== null && isStopped(pid) ? ", stopped by a signal" : "";
  const holder = pid === null ? "another process" : `pid ${pid}${stopped}`;
  return `the spool was not drained: ${holder} holds '${path}'`;
}

/** Without locks two may drain at once: what is done twice changes nothing. */
const tryLock = (fd: number): boolean => lockFile(fd) !== "taken";

function openLock(path: string): number | null {
  try {
    return openRegular(path, O_RDWR | O_CREAT);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return null;
    throw folderFailure(path, error);
  }
}
