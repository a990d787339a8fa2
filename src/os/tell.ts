/**
 * Sends a signal to a process that a file names: to that very one, never to
 * another that has its pid by now, here or in another pid namespace.
 */
import { closeSync } from "node:fs";
import type { Pointer } from "bun:ffi";
import { errnoOf } from "../model/failure.ts";
import { libc } from "./libc.ts";
import { type ProcessIdentity, liveness } from "./liveness.ts";
import { SIGNALS } from "./signals.ts";

const SYS_PIDFD_SEND_SIGNAL = 424;
const SYS_PIDFD_OPEN = 434;
const NOTHING = 0 as unknown as Pointer;

/**
 * @param who as it was written down, by whomever
 * @param isIt what else tells it from others
 * @returns false when that process does not run, or cannot be told from another
 */
export function tellProcess(
  who: ProcessIdentity,
  signal: keyof typeof SIGNALS,
  isIt: () => boolean = () => true,
): boolean {
  // 0 is our own group, and a negative one another's.
  if (!Number.isInteger(who.pid) || who.pid < 1) return false;
  // None with an old kernel, without JIT, or of a process that is gone.
  const { syscall } = libc?.calls ?? {};
  const fd = Number(syscall?.(SYS_PIDFD_OPEN, who.pid, NOTHING, 0, 0) ?? -1);
  const held = fd < 0 ? null : fd;
  try {
    // Looked at once it is held: its pid cannot become another's after that.
    if (liveness(who) !== "alive" || !isIt()) return false;
    return held === null ? byPid(who.pid, signal) : byHandle(held, signal);
  } finally {
    if (held !== null) closeSync(held);
  }
}

function byHandle(held: number, signal: keyof typeof SIGNALS): boolean {
  const number = SIGNALS[signal] as unknown as Pointer;
  const { syscall } = libc!.calls;
  return Number(syscall(SYS_PIDFD_SEND_SIGNAL, held, number, 0, 0)) === 0;
}

function byPid(pid: number, signal: keyof typeof SIGNALS): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    if (errnoOf(error) === "ESRCH") return false;
    throw error;
  }
}
