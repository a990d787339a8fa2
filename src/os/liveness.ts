/**
 * Tells whether a process that an event named still runs, or a child of which
 * nobody has written the pid.
 */
import {
  bootId,
  exists,
  isAlive,
  pidNamespace,
  processStat,
  readProc,
  readProcLink,
} from "./proc.ts";

/** A process that an event named. */
export interface ProcessIdentity {
  pid: number;
  start_ticks: number | null;
  pid_namespace: string | null;
  boot_id: string | null;
}

/** A process as far as it was written down. */
export const identityOf = ({
  pid,
  start_ticks = null,
  pid_namespace = null,
  boot_id = null,
}: Partial<ProcessIdentity> & { pid: number }): ProcessIdentity => ({
  ...{ pid, start_ticks, pid_namespace, boot_id },
});

export type Liveness = "alive" | "gone" | "unknown";

/**
 * Whether that very process still runs. `unknown` when this process cannot
 * tell: another pid namespace, or pids hidden from us.
 */
export function liveness(who: ProcessIdentity): Liveness {
  const place = placeOf(who);
  if (place !== "ours") return place;
  const stat = processStat(who.pid);
  if (stat) {
    if (who.start_ticks === null) return "unknown";
    const same = stat.start_ticks === who.start_ticks;
    return same && isAlive(stat) ? "alive" : "gone";
  }
  return exists(who.pid) ? "unknown" : "gone";
}

/** Whether the processes among which one was are those that we see. */
function placeOf(who: ProcessIdentity): "ours" | "gone" | "unknown" {
  const boot = bootId();
  if (!boot || !who.boot_id || !who.pid_namespace) return "unknown";
  if (boot !== who.boot_id) return "gone";
  return pidNamespace() === who.pid_namespace ? "ours" : "unknown";
}

const INIT = 1;
/** How long after its parent a child may have begun, in clock ticks of 10 ms. */
const CHILD_BEGAN_TICKS = 1_000;

/**
 * Whether a child runs on of which nobody has written the pid: it began soon
 * after its parent, and has a variable in its environment. `unknown` when it
 * may be one that we cannot look into: another user's (sudo), a hidden one.
 * @param entry `NAME=value`
 */
export function childLiveness(
  parent: ProcessIdentity,
  entry: string,
): Liveness {
  const place = placeOf(parent);
  if (place === "gone") return "gone";
  const { start_ticks } = parent;
  // Where a process of another user is hidden, so is that of init.
  const undecided =
    place === "unknown" || start_ticks === null || !processStat(INIT);
  let mayBe = undecided;
  for (const pid of pids()) {
    // First what it is: one that becomes a program meanwhile has its environment then.
    const stat = undecided ? null : processStat(pid);
    const { environ, hidden } = environmentOf(pid);
    if (carries(environ, entry)) return "alive";
    // Init is nobody's child, also where it began in the same tick as our wrapper.
    const isIts = pid !== INIT && stat?.ppid !== KTHREADD;
    if (mayBe || !stat || !isAlive(stat) || !isIts) continue;
    const after = stat.start_ticks - start_ticks!;
    if (after < 0 || after > CHILD_BEGAN_TICKS) continue;
    // About to become a program, it has still our environment.
    if (stat.forked && isOurProgram(pid)) mayBe = true;
    else if (hidden) mayBe = isThere(pid);
  }
  return mayBe ? "unknown" : "gone";
}

const isOurProgram = (pid: number): boolean =>
  readProcLink(`${pid}/exe`) === readProcLink("self/exe");

/**
 * What a process was started with; `hidden` where that cannot be seen. In the midst of
 * execve(2) it has neither environment nor words.
 */
function environmentOf(pid: number): {
  environ: string | null;
  hidden: boolean;
} {
  const environ = readProc(`${pid}/environ`);
  if (environ !== "") return { environ, hidden: environ === null };
  const hidden = readProc(`${pid}/cmdline`) === "";
  // It has words by now: what it has not by now it has not at all.
  return { environ: hidden ? null : readProc(`${pid}/environ`), hidden };
}

/** Of one that ends its environment is hidden, too, until its parent asks for it. */
function isThere(pid: number): boolean {
  const stat = processStat(pid);
  return stat !== null && isAlive(stat) && !stat.exiting;
}

/** The parent of the kernel's own threads. */
const KTHREADD = 2;

const pids = (): number[] =>
  process
    .getBuiltinModule("node:fs")
    .readdirSync("/proc")
    .map(Number)
    .filter(Number.isInteger);

/** Whether the process of that pid runs that was started with that variable. */
export function variableLiveness(pid: number, entry: string): Liveness {
  const stat = processStat(pid);
  if (stat && !isAlive(stat)) return "gone";
  const environ = readProc(`${pid}/environ`);
  if (environ !== null) return carries(environ, entry) ? "alive" : "gone";
  return exists(pid) ? "unknown" : "gone";
}

const carries = (environ: string | null, entry: string) =>
  `\0${environ ?? ""}`.includes(`\0${entry}\0`);
