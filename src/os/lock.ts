/**
 * Locks of open files, flock(2): held until the descriptor is closed or the
 * process is gone, however it went.
 */
import { Failure, errnoOf, reasonOf } from "../model/failure.ts";
import { readLink } from "./file.ts";
import { NO_LOCKS, libc } from "./libc.ts";

/** `none`: there are no locks, of that filesystem or without FFI. */
export type Locked = "held" | "taken" | "none";

/**
 * Takes the lock of an open file; never waits.
 * @throws Failure (storage) when it fails otherwise
 */
export function lockFile(fd: number): Locked {
  if (!libc) return "none";
  try {
    return libc.tryLock(fd) ? "held" : "taken";
  } catch (error) {
    if (NO_LOCKS.includes(errnoOf(error) ?? "")) return "none";
    const path = readLink(`/proc/self/fd/${fd}`) ?? "a file";
    throw new Failure(
      "storage",
      `'${path}' cannot be locked: ${reasonOf(error)}`,
      "check its disk and its mount",
      { cause: error },
    );
  }
}
