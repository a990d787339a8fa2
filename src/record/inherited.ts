/**
 * Restores for the child what the runtime has changed before our first line:
 * ignored and blocked signals, the limit of open files, and descriptors of its
 * own among ours. The child gets what we were given.
 */
import { type AtExec, atExec } from "../os/at-exec.ts";
import { signalsIn } from "../os/layout.ts";
import type { Libc } from "../os/libc.ts";
import { openDescriptors, processStatus } from "../os/proc.ts";
import { SIGNALS } from "../os/signals.ts";

/** The runtime ignores these, whatever we were given. */
export const RUNTIME_IGNORES = [SIGNALS.SIGPIPE, SIGNALS.SIGXFSZ];
const FAULTS = [
  ...[SIGNALS.SIGILL, SIGNALS.SIGTRAP, SIGNALS.SIGABRT, SIGNALS.SIGBUS],
  ...[SIGNALS.SIGFPE, SIGNALS.SIGSEGV, SIGNALS.SIGSYS],
];

/**
 * Whatever kills us does so in silence: the runtime's own report would show the
 * whole command line at the terminal.
 */
export function dieSilently(c: Libc): void {
  for (const signal of FAULTS) c.defaultSignal(signal);
}

export interface Inherited {
  ignored: ReadonlySet<number>;
  /** Descriptors above the standard ones; the runtime marks them close-on-exec. */
  descriptors: readonly number[];
}

/** What the child is to get of it; where we were not built to know, no more than /proc says. */
export function inherited(c: Libc): Inherited {
  const kept = atExec(c);
  if (kept === null)
    return {
      ignored: processStatus("self").ignored.difference(
        new Set(RUNTIME_IGNORES),
      ),
      descriptors: openDescriptors()
        .filter(({ isEvents }) => !isEvents())
        .map(({ fd }) => fd),
    };
  c.inheritedMask[0] = kept.blocked;
  return { ignored: signalsIn(kept.ignored), descriptors: descriptorsOf(kept) };
}

/** The runtime raises the soft limit of open files. */
export function restoreOpenFiles(c: Libc): void {
  const kept = atExec(c);
  if (kept?.open_files) c.setOpenFileSoftLimit(kept.open_files);
}

/** Beyond the 64 lowest, which the runtime takes first, an event's may be its own. */
const descriptorsOf = ({ open }: AtExec): number[] =>
  openDescriptors()
    .filter(({ fd, isEvents }) =>
      fd < 64 ? (open >> BigInt(fd)) & 1n : !isEvents(),
    )
    .map(({ fd }) => fd);
