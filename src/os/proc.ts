/**
 * Reads processes and the host from /proc. Everything that may be
 * missing (a hidden pid, no /proc at all) is null, never a guess.
 */
import { errnoOf } from "../model/failure.ts";
import {
  isOwnFile,
  namesIn,
  readBytes,
  readLink,
  tryReadText,
  readText,
} from "./file.ts";
import { statFile } from "./stat.ts";
import { signalsIn } from "./layout.ts";
import { libc } from "./libc.ts";
import { readFailure } from "./paths.ts";

/** The kernel's text, or null when it cannot be read. */
export const readProc = (path: string) => tryReadText(`/proc/${path}`);
export const readProcLink = (path: string) => readLink(`/proc/${path}`);

/** What follows a label in a text of labelled lines, up to the line's end. */
function labelled(text: string | null, label: string): string | null {
  const at = text?.indexOf(`${label}`) ?? -1;
  if (at === -1) return null;
  const end = text!.indexOf("\n", at);
  return text!.slice(at + label.length, end === -1 ? undefined : end).trim();
}

interface ProcessStat {
  /** One letter: R, S, T (stopped), Z (zombie)… */
  state: string;
  ppid: number;
  pgrp: number;
  session: number;
  /** The process group that its terminal listens to; -1 without a terminal. */
  foreground: number;
  /** It was forked, and runs no program of its own yet. */
  forked: boolean;
  /** It ends, and has let go of its memory. */
  exiting: boolean;
  /** Clock ticks between boot and the process's start. */
  start_ticks: number;
}

const PF_EXITING = 0x4;
const PF_FORKNOEXEC = 0x40;

/** /proc/PID/stat; the name in it may hold blanks and parentheses. */
export function processStat(pid: number): ProcessStat | null {
  const text = readProc(`${pid}/stat`);
  if (!text) return null;
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return {
    state: fields[0]!,
    ppid: Number(fields[1]),
    pgrp: Number(fields[2]),
    session: Number(fields[3]),
    foreground: Number(fields[5]),
    forked: (Number(fields[6]) & PF_FORKNOEXEC) !== 0,
    exiting: (Number(fields[6]) & PF_EXITING) !== 0,
    start_ticks: Number(fields[19]),
  };
}

export const bootId = () =>
  readProc("sys/kernel/random/boot_id")?.trim() ?? null;

/** When this kernel was started, by its clock of now; null when it does not say. */
export function bootTime(): Date | null {
  const seconds = Number(labelled(readProc("stat"), "btime ") ?? NaN);
  return Number.isFinite(seconds) ? new Date(seconds * 1_000) : null;
}

let own: boolean | null = null;
/** Whether /proc is there and is that of our own pid namespace: another's pids are other processes. */
export const seesOwnProcesses = (): boolean =>
  (own ??= readProcLink("self") === `${process.pid}`);

export const pidNamespace = () => readProcLink("self/ns/pid");

/** Host name and kernel release. */
export function hostNames(): { hostname: string; release: string } {
  if (libc) return libc.uname();
  const read = (name: string) => readProc(`sys/kernel/${name}`)?.trim() ?? "";
  return { hostname: read("hostname"), release: read("osrelease") };
}

/** Whether a process is there and stands still, by a signal or a debugger. */
export const isStopped = (pid: number): boolean =>
  /^t$/i.test(processStat(pid)?.state ?? "");

/**
 * Whether a process is at work, or waits for a processor or a disk: its first thread,
 * which serves all of its events.
 */
export const isAtWork = (pid: number): boolean =>
  /^[RD]$/.test(processStat(pid)?.state ?? "");

export const isAlive = ({ state }: ProcessStat) => !"ZX".includes(state);

/** Whether a pid is taken, also by a process that /proc hides from us. */
export function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) === "EPERM";
  }
}

/** A process's name (15 bytes of it), and the signals that it ignores and catches. */
export function processStatus(pid: number | "self"): {
  name: string | null;
  ignored: ReadonlySet<number>;
  caught: ReadonlySet<number>;
} {
  const status = readProc(`${pid}/status`);
  const signals = (label: string) =>
    signalsIn(BigInt(`0x${labelled(status, label) ?? "0"}`));
  return {
    name: labelled(status, "Name:"),
    ignored: signals("SigIgn:"),
    caught: signals("SigCgt:"),
  };
}

/** The descriptors above the standard ones, but files that we opened ourselves. */
export function openDescriptors(): {
  fd: number;
  /** An epoll or an eventfd, as the runtime has them, or whatever cannot be told. */
  isEvents(): boolean;
}[] {
  let names: string[];
  try {
    names = namesIn("/proc/self/fd");
  } catch {
    // No /proc: the child gets the standard ones.
    return [];
  }
  return names
    .map(Number)
    .filter((fd) => fd > 2 && !isOwnFile(fd))
    .map((fd) => ({ fd, isEvents: () => isEvents(fd) }));
}

const isEvents = (fd: number) =>
  readProcLink(`self/fd/${fd}`)?.startsWith("anon_inode:[event") ?? true;

/** The terminal on a descriptor, `/dev/pts/3`; null when it is none. */
export function terminalOf(fd: number): string | null {
  return libc?.isatty(fd) || !libc ? terminalPath(fd) : null;
}

function terminalPath(fd: number): string | null {
  const path = readProcLink(`self/fd/${fd}`);
  const places = ["/dev/pts/", "/dev/tty", "/dev/console"];
  return path && places.some((p) => path.startsWith(p)) ? path : null;
}

/** Whether a descriptor is a terminal, also without the C library. */
export function isTerminal(fd: number): boolean {
  return libc ? libc.isatty(fd) : terminalPath(fd) !== null;
}

/**
 * Whether our process group is orphaned: no member has a parent in another
 * group of the same session, so nobody would continue us once stopped.
 */
export function inOrphanedGroup(): boolean {
  const self = processStat(process.pid);
  if (!self) return true;
  let ppid = self.ppid;
  for (;;) {
    const parent = processStat(ppid);
    if (!parent || parent.session !== self.session) return true;
    if (parent.pgrp !== self.pgrp) return false;
    ppid = parent.ppid;
  }
}

export interface StartedProcess {
  pid: number;
  start_ticks: number;
}

/** A process and its ancestors, nearest first, as far as they can be seen. */
export function* ancestry(of: number): Generator<StartedProcess> {
  for (let pid = of; pid > 0;) {
    const stat = processStat(pid);
    if (!stat) return;
    yield { pid, start_ticks: stat.start_ticks };
    pid = stat.ppid;
  }
}

/** The user whose process it is; null when there is none that we can see. */
export const ownerOf = (pid: number): number | null =>
  statFile(`/proc/${pid}`, { follow: false })?.uid ?? null;

/**
 * A variable that a process was started with.
 * @returns null when it has none of that name, or is not ours to look into
 */
export function variableOf(pid: number, name: string): string | null {
  const words = readProc(`${pid}/environ`)?.split("\0") ?? [];
  const entry = words.find((word) => word.startsWith(`${name}=`));
  return entry?.slice(name.length + 1) ?? null;
}

/**
 * The words that /proc gives as NUL-ended bytes: `self/cmdline`, `self/environ`.
 * @returns null when it cannot be read
 */
export function procWords(
  path: "self/cmdline" | "self/environ",
): Uint8Array[] | null {
  let bytes: Uint8Array;
  try {
    bytes = readBytes(`/proc/${path}`);
  } catch {
    return null;
  }
  const words: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf(0, at);
    words.push(bytes.subarray(at, end === -1 ? bytes.length : end));
    at = end === -1 ? bytes.length : end + 1;
  }
  return words;
}

const MACHINE_ID = "/etc/machine-id";
let machine: string | null = null;

/**
 * Names this machine's spool folder: /etc/machine-id, else the host name.
 * Containers often have none, and on a first boot it is empty for a while.
 * @throws Failure when there is one that cannot be read: that is not none
 */
export function machineId(): string {
  const host = () => hostNames().hostname.replace(/[^a-zA-Z0-9.-]/g, "-");
  return (machine ??= givenMachineId() ?? `host-${host() || "unknown"}`);
}

function givenMachineId(): string | null {
  let id: string;
  try {
    id = readText(MACHINE_ID).trim();
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return null;
    throw readFailure(MACHINE_ID, error);
  }
  return id.length === 32 && !id.includes("/") ? id : null;
}
