/**
 * Reads from /proc what the processes of a tree have used. A look is bounded in count
 * and in time, and reads nothing that waits for a process: not its arguments, nor its
 * environment. Processes that have left the tree are told apart, where they were seen
 * in it before.
 */
import { SMALL_BYTES, isMissing, namesIn, readText } from "./file.ts";
import { libc } from "./libc.ts";
import { exists, hostNames, readProc, seesOwnProcesses } from "./proc.ts";

/** The most processes of which a look reads. */
const MOST_PROCESSES = 256;
/** The most threads of one of which a look asks what they started. */
const MOST_THREADS = 32;
/** After so long a look goes no further. */
const MOST_NS = 30e6;
/** USER_HZ: the same on all machines that this is built for. */
const TICKS_A_SECOND = 100;

export interface CpuTimes {
  cpu_user_seconds: number;
  cpu_system_seconds: number;
}

/** Of block devices, not of the page cache; null when that is not to be known. */
export interface BlockIo {
  read_bytes: number | null;
  written_bytes: number | null;
}

/** What processes have used so far. */
export interface Used extends CpuTimes, BlockIo {
  /** The peak of the largest one of them that was read; null when none was. */
  max_rss_bytes: number | null;
}

/** What is told apart. */
export interface Split {
  root: Used;
  /** Those that one of the tree has waited for, and in a look those that are there. */
  descendants: Used;
}

/** What a tree has used, as far as it was read. */
export interface Look extends Split, BlockIo {
  escaped: Escaped | null;
  /** How many there are, the root too. */
  processes: number;
  /** Whether all of the tree were read. */
  complete: boolean;
}

/** Processes that were seen in the tree, and had a parent outside of it later. */
export interface Escaped extends CpuTimes {
  processes: number;
}

interface Ticks {
  user: number;
  system: number;
}

/** A process, with what it and those that it has waited for have used. */
interface Read {
  pid: number;
  ppid: number;
  /** Over, but not waited for. */
  over: boolean;
  threads: number;
  start_ticks: number;
  own: Ticks;
  waited: Ticks;
}

interface Seen {
  start_ticks: number;
  escaped: boolean;
  used: Ticks;
}

export class ProcessTree {
  /** Of the last look, without the root. */
  private seen = new Map<number, Seen>();
  /** Of those that escaped and are over, as they were seen last. */
  private readonly gone: (Ticks & { processes: number })[] = [];
  private readonly peak: Record<keyof Split, number | null> = {
    ...{ root: null, descendants: null },
  };
  /** Whether the root had one thread, whenever it was looked at. */
  private single: boolean | null = null;

  constructor(private readonly root: number) {}

  /** @returns null when the root is not there to be read */
  look(): Look | null {
    const root = readProcess(this.root);
    if (!root || root.over) return null;
    const walk = new Walk();
    walk.descend(root, false);
    this.follow(walk);
    this.seen = walk.seen;
    this.peak.root = larger(this.peak.root, peakOf(root.pid));
    this.peak.descendants = larger(this.peak.descendants, walk.peak);
    this.single = root.threads === 1 && (this.single ?? true);
    return {
      ...this.split(root, walk),
      ...ioOf(`${root.pid}`, walk.io),
      escaped: this.escaped(),
      processes: 1 + walk.processes,
      complete: !walk.isCut() && !walk.partial,
    };
  }

  /** Of the root when it is over and was not waited for: exact, but for the peaks. */
  ending(): Split | null {
    const root = readProcess(this.root);
    return root?.over ? this.split(root, { used: NONE, io: NO_IO }) : null;
  }

  /** Those that were seen and go on without the root, which is over, are escaped. */
  left(): Escaped | null {
    const walk = new Walk();
    this.follow(walk);
    this.seen = walk.seen;
    return this.escaped();
  }

  /** The largest peak of all looks. */
  get max_rss_bytes(): number | null {
    return larger(this.peak.root, this.peak.descendants);
  }

  private split(
    { pid, own, waited }: Read,
    { used, io }: { used: Ticks; io: BlockIo },
  ): Split {
    // Of more threads, those that are over cannot be told from descendants.
    const [all, one] = this.single
      ? [ioOf(`${pid}`, io), ioOf(`${pid}/task/${pid}`)]
      : [UNKNOWN_IO, UNKNOWN_IO];
    const rest = withIo(all, one, (a, b) => Math.max(0, a - b));
    return {
      root: { ...secondsOf(own), max_rss_bytes: this.peak.root, ...one },
      descendants: {
        ...secondsOf(sum(waited, used)),
        max_rss_bytes: this.peak.descendants,
        ...rest,
      },
    };
  }

  /** Looks after those that were seen and that a walk has not met. */
  private follow(walk: Walk): void {
    for (const [pid, { start_ticks, escaped, used }] of this.seen) {
      if (walk.seen.has(pid)) continue;
      // It may be in the tree as well: judged another time.
      if (walk.isCut() || walk.partial) {
        if (escaped) walk.seen.set(pid, { start_ticks, escaped, used });
        continue;
      }
      // Asked first, for most are over: an error object costs more.
      const now = isMissing(`/proc/${pid}`) ? null : readProcess(pid);
      if (now?.start_ticks === start_ticks && !now.over) walk.meet(now, true);
      // One of the tree that is over was waited for, most likely.
      else if (escaped) this.gone.push({ processes: 1, ...used });
    }
    if (this.gone.length > 1)
      this.gone.splice(0, Infinity, this.gone.reduce(both));
  }

  private escaped(): Escaped | null {
    const all = [...this.gone];
    for (const { escaped, used } of this.seen.values())
      if (escaped) all.push({ processes: 1, ...used });
    if (all.length === 0) return null;
    const { processes, ...used } = all.reduce(both);
    return { processes, ...secondsOf(used) };
  }
}

/** One look's way through a tree. */
class Walk {
  readonly seen = new Map<number, Seen>();
  /** Of the tree: without what has escaped. */
  used = NONE;
  io: BlockIo = NO_IO;
  peak: number | null = null;
  processes = 0;
  /** Some were there and were not read. */
  partial = false;
  private cut = false;
  private readonly until = Bun.nanoseconds() + MOST_NS;

  /** There are more than a look reads: it goes no further. */
  isCut(): boolean {
    const enough = this.seen.size >= MOST_PROCESSES;
    return (this.cut ||= enough || Bun.nanoseconds() > this.until);
  }

  /** All that come from one, level by level: who is cut off is far from it. */
  descend(from: Read, escaped: boolean): void {
    const next = [from];
    for (let at = 0; at < next.length; at++)
      for (const pid of this.childrenOf(next[at]!)) {
        if (this.isCut()) return;
        const child = readProcess(pid);
        if (!child) this.partial ||= exists(pid);
        // The pid may be another's by now.
        if (child?.ppid !== next[at]!.pid || this.seen.has(pid)) continue;
        this.count(child, escaped);
        if (!child.over) next.push(child);
      }
  }

  meet(process: Read, escaped: boolean): void {
    this.count(process, escaped);
    this.descend(process, escaped);
  }

  private count(process: Read, escaped: boolean): void {
    const { pid, start_ticks, own, waited, over } = process;
    const used = sum(own, waited);
    this.seen.set(pid, { start_ticks, escaped, used });
    if (escaped) return;
    this.used = sum(this.used, used);
    this.io = ioOf(`${pid}`, this.io);
    if (over) return;
    this.processes++;
    this.peak = larger(this.peak, peakOf(pid));
  }

  private childrenOf({ pid, threads }: Read): number[] {
    const many = threads > MOST_THREADS;
    this.partial ||= many;
    if (threads === 1 || many) return this.startedBy(pid, pid);
    return threadsOf(pid).flatMap((thread) => this.startedBy(pid, thread));
  }

  private startedBy(pid: number, thread: number): number[] {
    let text: string;
    try {
      text = readText(`/proc/${pid}/task/${thread}/children`, SMALL_BYTES);
    } catch {
      // It is over, or hidden, or this kernel does not tell.
      this.partial ||= exists(pid);
      return [];
    }
    this.partial ||= text.length >= SMALL_BYTES;
    // Each ends with a blank; of the last one there may be but a part.
    return text.split(" ").slice(0, -1).map(Number);
  }
}

function threadsOf(pid: number): number[] {
  try {
    if (libc) return namesIn(`/proc/${pid}/task`).map(Number).filter(Boolean);
  } catch {
    // It is over.
  }
  return [pid];
}

function readProcess(pid: number): Read | null {
  const text = seesOwnProcesses() ? readProc(`${pid}/stat`) : null;
  if (!text) return null;
  // The name may hold blanks and parentheses; the state is field 3 of proc(5). A
  // pattern, which is compiled first, would cost a short program more.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const number = (field: number) => Number(fields[field - 3]);
  return {
    ...{ pid, ppid: number(4), over: "ZX".includes(fields[0]!) },
    ...{ threads: number(20), start_ticks: number(22) },
    own: { user: number(14), system: number(15) },
    waited: { user: number(16), system: number(17) },
  };
}

/** The most memory that a process had at once, since it became its program. */
export function peakOf(pid: number | "self"): number | null {
  const kib = /^VmHWM:\s*(\d+) kB$/m.exec(readProc(`${pid}/status`) ?? "");
  return kib && Number(kib[1]) * 1024;
}

let waits: boolean | null = null;
/** Before Linux 5.11 it waits for a process that becomes a program, which may be on a disk that hangs. */
const ioMayWait = () => {
  const [major = 0, minor = 0] = hostNames().release.split(".").map(parseFloat);
  return major < 5 || (major === 5 && minor < 11);
};

/** Of a process with those that it has waited for, or of a thread alone; and what is added to it. */
function ioOf(path: string, more: BlockIo = NO_IO): BlockIo {
  const text = (waits ??= ioMayWait()) ? null : readProc(`${path}/io`);
  const value = (name: string) => {
    const found = new RegExp(`^${name}: (\\d+)$`, "m").exec(text ?? "");
    return found && Number(found[1]);
  };
  const io = {
    read_bytes: value("read_bytes"),
    written_bytes: value("write_bytes"),
  };
  return withIo(io, more, (a, b) => a + b);
}

const NONE: Ticks = { user: 0, system: 0 };
const NO_IO: BlockIo = { read_bytes: 0, written_bytes: 0 };
const UNKNOWN_IO: BlockIo = { read_bytes: null, written_bytes: null };

const secondsOf = ({ user, system }: Ticks): CpuTimes => ({
  cpu_user_seconds: user / TICKS_A_SECOND,
  cpu_system_seconds: system / TICKS_A_SECOND,
});

const sum = (a: Ticks, b: Ticks): Ticks => ({
  user: a.user + b.user,
  system: a.system + b.system,
});

type Many = Ticks & { processes: number };
const both = (a: Many, b: Many): Many => ({
  ...sum(a, b),
  processes: a.processes + b.processes,
});

/** Unknown when either is. */
function withIo(
  a: BlockIo,
  b: BlockIo,
  of: (a: number, b: number) => number,
): BlockIo {
  const value = (name: keyof BlockIo) =>
    a[name] === null || b[name] === null ? null : of(a[name], b[name]);
  return {
    read_bytes: value("read_bytes"),
    written_bytes: value("written_bytes"),
  };
}

const larger = (a: number | null, b: number | null): number | null =>
  a === null || b === null ? (a ?? b) : Math.max(a, b);
