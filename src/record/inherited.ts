/**
 * What we were started with and the runtime has changed before our first line:
 * ignored signals and the limit of open files. The child gets it back.
 */
import type { Libc } from "../os/libc.ts";
import { processStatus } from "../os/proc.ts";
import { SIGNALS } from "../os/signals.ts";

const { SIGINT, SIGQUIT, SIGTERM, SIGTSTP } = SIGNALS;
/** The runtime ignores these, whatever we were given. */
export const RUNTIME_IGNORES = [SIGNALS.SIGPIPE, SIGNALS.SIGXFSZ];
const FAULTS = [
  ...[SIGNALS.SIGILL, SIGNALS.SIGTRAP, SIGNALS.SIGABRT, SIGNALS.SIGBUS],
  ...[SIGNALS.SIGFPE, SIGNALS.SIGSEGV, SIGNALS.SIGSYS],
];
/** The runtime catches these, the last two on a terminal alone. */
export const RUNTIME_CATCHES = [...FAULTS, SIGINT, SIGTERM];

/**
 * Whatever kills us does so in silence: the runtime's own report would show the
 * whole command line at the terminal.
 */
export function dieSilently(c: Libc): void {
  for (const signal of FAULTS) c.defaultSignal(signal);
}

/** Shells whose ignored signals are a user's `trap ''`; fish ignores SIGPIPE for itself. */
const SHELLS = ["sh", "bash", "dash", "zsh", "ksh", "mksh"];

/**
 * Signals that were ignored when we started. Of those that the runtime takes
 * for itself our parent's own state tells, when it is a shell (others restore
 * them between fork and exec).
 */
export function inheritedIgnored(onTerminal: boolean): ReadonlySet<number> {
  const own = new Set(processStatus("self").ignored);
  const parent = processStatus(process.ppid);
  const shell = SHELLS.includes(parent.name ?? "");
  const parents = shell ? parent.ignored : new Set<number>();
  for (const signal of [...RUNTIME_IGNORES, ...FAULTS])
    if (parents.has(signal)) own.add(signal);
    else own.delete(signal);
  if (!onTerminal) return own;
  // A shell ignores both for a job in a script's background.
  if (parents.has(SIGINT) || own.has(SIGQUIT)) own.add(SIGINT);
  // An interactive shell ignores both for itself alone.
  const forItself = parents.has(SIGTSTP) && !own.has(SIGTSTP);
  if (parents.has(SIGTERM) && !forItself) own.add(SIGTERM);
  return own;
}

/**
 * The runtime raises the soft limit of open files to the hard one; the child
 * gets what our parent has, provided that the hard limits show them to agree.
 */
export function restoreOpenFiles(
  c: Libc,
  parent: { soft: bigint; hard: bigint } | null,
): void {
  const [soft, hard] = c.openFileLimits();
  if (parent && parent.hard === hard && parent.soft < soft)
    c.setOpenFileSoftLimit(parent.soft);
}
