/**
 * Waits for a child, signals, descriptors and the next heartbeat in one call of
 * poll(2). The event loop, whose timers start collections, does not run meanwhile: an
 * idle wrapper costs nothing, and has a single thread.
 */
import { POLLIN } from "./constants.ts";
import { type Pointer, ptr } from "bun:ffi";
import type { Libc } from "./libc.ts";
import {
  type Drain,
  type PreparedDrain,
  prepareDrain,
} from "./drain-at-beats.ts";
import { type ChildChange, decodeStatus } from "./spawn.ts";

/** poll(2) waits no longer at once. */
const LONGEST_MS = 2 ** 31 - 1;
const SFD_NONBLOCK_CLOEXEC = 0o4000 | 0o2000000;
/** struct signalfd_siginfo. */
const INFO_BYTES = 128;

const SI_KERNEL = 0x80;
const EMPTY = new Uint8Array(1);

/** Why `Waiter.wait` came back. */
export type Woken =
  | { kind: "child"; change: ChildChange }
  | Signalled
  /** What was done with a descriptor that was ready may concern the caller. */
  | { kind: "ready" }
  /** A heartbeat is due that is more than a touch. */
  | { kind: "beat" }
  | { kind: "time" };

export interface Signalled {
  kind: "signal";
  signal: number;
  /** Else a process sent it. */
  from_kernel: boolean;
  /** The pid of that process. */
  sender: number;
}

/** A file whose heartbeat is to touch it, as long as its name leads to it. */
export interface Touched {
  fd: number;
  path: string;
}

/** What the loop reads and writes; see `loop`. */
interface State {
  /** The signals' descriptor first, then the watched ones: fd, events | revents << 16. */
  fds: Int32Array;
  fds_at: Pointer;
  count: number;
  child: number;
  /** Children may have changed that nobody has asked after. */
  reap: boolean;
  before_reaping: () => void;
  /** What is done with a descriptor that is ready. @returns whether the wait goes on */
  ready: (fd: number) => boolean;
  status_at: Pointer;
  usage_at: Pointer;
  info: Int32Array;
  info_at: Pointer;
  info_bytes: number;
  longest_ms: number;
  /** When to come back, and when the next heartbeat is due, in nanoseconds. */
  time_at: number;
  beat_at: number;
  beat_every: number;
  /** null: every heartbeat is the caller's. */
  path_at: Pointer | null;
  touched_fd: number;
  stat: Uint32Array;
  stat_at: Pointer;
  /** What a heartbeat starts as well; null: nothing. */
  drain: PreparedDrain | null;
  /** Device and inode of what is touched. */
  identity: Uint32Array;
}

const CHILD = 1;
const SIGNAL = 2;
const READY = 3;
const BEAT = 4;
const TIME = 5;

/** Goes round until something concerns the caller: one of the constants above. */
function loop(c: Libc["calls"], s: State): number {
  for (;;) {
    if (s.reap) {
      s.before_reaping();
      // WNOHANG | WUNTRACED, whoever it is: probes, drains, and what PID 1 inherits.
      const pid = c.wait4(-1, s.status_at, 3, s.usage_at);
      if (pid === s.child) return CHILD;
      if (pid <= 0) s.reap = false;
      continue;
    }
    const now = Bun.nanoseconds();
    if (now >= s.time_at) return TIME;
    if (now >= s.beat_at) {
      const { stat, identity } = s;
      // AT_FDCWD, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS
      if (
        s.path_at === null ||
        c.statx(-100, s.path_at, 0x100, 0x7ff, s.stat_at)
      )
        return BEAT;
      if (stat[8] !== identity[8] || stat[9] !== identity[9]) return BEAT;
      if (stat[34] !== identity[34] || stat[35] !== identity[35]) return BEAT;
      if (c.futimens(s.touched_fd, null)) return BEAT;
      s.beat_at = now + s.beat_every;
      const d = s.drain;
      if (d === null) continue;
      if (!c.statx(-100, d.lock_at, 0x100, 0x7ff, s.stat_at)) {
        // A time to come was written before the clock was set back.
        const age_ms = Date.now() - (stat[28]! + stat[29]! * 2 ** 32) * 1000;
        if (age_ms >= 0 && age_ms < d.lately_ms) continue;
      }
      // O_CLOEXEC
      const file = c.open(d.delivery_at, 0o2000000, 0);
      if (file !== -1) {
        const got = c.read(file, d.page_at, d.page.length);
        c.close(file);
        const said = got > 0 ? d.page.latin1Slice(0, got) : "";
        const at = said.indexOf('"open_until":"');
        const until = Date.parse(said.slice(at + 14, at + 38));
        const left_ms = at === -1 ? 0 : until - Date.now();
        if (left_ms > 0 && left_ms <= d.longest_ms) continue;
      }
      // O_PATH | O_CLOEXEC
      const here = c.open(d.here_at, 0o12000000, 0);
      if (here === -1) continue;
      c.chdir(d.root_at);
      c.posix_spawnp(
        d.pid_at,
        d.file_at,
        d.actions_at,
        d.attr_at,
        d.argv_at,
        d.env_at,
      );
      c.fchdir(here);
      c.close(here);
      continue;
    }
    const ms = Math.ceil((Math.min(s.time_at, s.beat_at) - now) / 1e6);
    const timeout = ms > s.longest_ms ? s.longest_ms : ms;
    const ready = c.poll(s.fds_at, s.count, timeout);
    if (ready === 0) continue;
    if (ready < 0) {
      // Our limit of open files was lowered under us, or poll is forbidden.
      c.poll(null, 0, 50);
      s.reap = true;
    } else if (s.fds[1]! >> 16 === 0) {
      if (s.ready(readyOf(s))) continue;
      return READY;
    }
    if (c.read(s.fds[0]!, s.info_at, s.info_bytes) <= 0) continue;
    if (s.info[0] !== 17) return SIGNAL;
    s.reap = true;
  }
}

export class Waiter {
  /** What is waited for on each descriptor, the signals' first. */
  private readonly watched = new Map<number, number>();
  private readonly status = new Int32Array(1);
  private readonly usage = new BigInt64Array(36);
  private readonly state: State;
  private path = "";
  private name = EMPTY;
  private name_at: Pointer | null = null;

  /**
   * @param signals to hear of, which are blocked; SIGCHLD, which is heard of
   *   as a child's change, has to be among them
   * @returns null when there is no descriptor for them
   */
  static of(c: Libc, signals: BigUint64Array): Waiter | null {
    const fd = c.calls.signalfd(-1, signals, SFD_NONBLOCK_CLOEXEC);
    return fd === -1 ? null : new Waiter(c, fd);
  }

  private constructor(
    private readonly c: Libc,
    fd: number,
  ) {
    const info = new Int32Array(INFO_BYTES / 4);
    const stat = new Uint32Array(64);
    this.watched.set(fd, POLLIN);
    this.state = {
      ...{ longest_ms: LONGEST_MS, child: 0, reap: true },
      before_reaping() {},
      ready: () => false,
      ...this.descriptors(),
      status_at: ptr(this.status),
      usage_at: ptr(this.usage),
      ...{ info, info_at: ptr(info), info_bytes: INFO_BYTES },
      ...{ time_at: Infinity, beat_at: Infinity, beat_every: Infinity },
      ...{ path_at: null, touched_fd: -1, identity: new Uint32Array(64) },
      ...{ stat, stat_at: ptr(stat), drain: null },
    };
  }

  /**
   * @param child the one whose changes are told; all others are reaped
   * @param before_reaping what is done while one that is over is still to be read of
   */
  waitFor(child: number, before_reaping: () => void): void {
    Object.assign(this.state, { child, before_reaping });
  }

  /**
   * @param ready what is done with a descriptor that is ready; it returns whether the
   *   wait goes on
   */
  whenReady(ready: (fd: number) => boolean): void {
    this.state.ready = ready;
  }

  /**
   * What has become of a child that had stopped, without waiting.
   * @returns null when it has been in that stop ever since
   */
  changeOf(child: number): ChildChange | { kind: "continued" } | null {
    const { status_at, usage_at } = this.state;
    this.state.before_reaping();
    // WNOHANG | WUNTRACED | WCONTINUED
    if (this.c.calls.wait4(child, status_at, 11, usage_at) !== child)
      return null;
    const status = this.status[0]!;
    return status === 0xffff
      ? { kind: "continued" }
      : decodeStatus(status, this.usage);
  }

  private descriptors(): Pick<State, "fds" | "fds_at" | "count"> {
    const fds = Int32Array.from([...this.watched].flat());
    return { fds, fds_at: ptr(fds), count: this.watched.size };
  }

  /**
   * Comes back when that can be done, or its other end is closed.
   * @param events of poll(2): to be read, unless something else is said
   */
  watch(fd: number, events: number = POLLIN): void {
    this.watched.set(fd, events);
    Object.assign(this.state, this.descriptors());
  }

  unwatch(fd: number): void {
    this.watched.delete(fd);
    Object.assign(this.state, this.descriptors());
  }

  /** A heartbeat is due then, and as long after each that is but a touch. */
  beatIn(ms: number): void {
    this.state.beat_every = ms * 1e6;
    this.state.beat_at = Bun.nanoseconds() + this.state.beat_every;
  }

  /**
   * From now on a heartbeat that is but a touch starts a drain, too, unless
   * another began lately or the server is to be left alone.
   * @param spool the folder that is drained
   */
  drainAtBeats(spool: string, drain: Drain): void {
    this.state.drain = prepareDrain(this.c, spool, drain);
  }

  /** What a heartbeat has but to touch, while its name leads to it; null: each is the caller's. */
  touch(touched: Touched | null): void {
    const { state, c } = this;
    state.path_at = null;
    if (touched === null) return;
    const { fd, path } = touched;
    // AT_EMPTY_PATH, STATX_BASIC_STATS
    if (c.calls.statx(fd, EMPTY, 0x1000, 0x7ff, state.identity)) return;
    if (this.path !== path) {
      this.name = new TextEncoder().encode(`${path}\0`);
      this.name_at = ptr(this.name);
    }
    this.path = path;
    state.path_at = this.name_at;
    state.touched_fd = fd;
  }

  /** @param time_at when to come back at the latest, as `Bun.nanoseconds()` counts */
  wait(time_at: number): Woken {
    const { state } = this;
    state.time_at = time_at;
    for (;;)
      switch (loop(this.c.calls, state)) {
        case CHILD:
          return {
            kind: "child",
            change: decodeStatus(this.status[0]!, this.usage),
          };
        case SIGNAL: {
          const [signal, , code, sender] = state.info;
          return {
            kind: "signal",
            signal: signal!,
            from_kernel: code === SI_KERNEL,
            sender: sender!,
          };
        }
        case READY:
          return { kind: "ready" };
        case BEAT:
          return { kind: "beat" };
        case TIME:
          return { kind: "time" };
      }
  }

  /** Comes back then at the latest, also when it waits already; see `wait`. */
  wakeAt(time_at: number): void {
    this.state.time_at = time_at;
  }
}

function readyOf({ fds, count }: State): number {
  for (let i = 1; i < count; i++) if (fds[2 * i + 1]! >> 16) return fds[2 * i]!;
  throw new Error("poll: nothing is ready");
}
