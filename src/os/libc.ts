/**
 * Binds the C library: locks, the terminal, signals, and the wrapped child. `libc`
 * is null where the engine has no JIT (systemd's
 * MemoryDenyWriteExecute, ulimit -v): callers then do without, and say so. Numbers and
 * offsets are those of 64-bit Linux, glibc and musl alike.
 */
import { CString, type FFIFunction, type Pointer, dlopen, read } from "bun:ffi";
import { allSignalsBut, signalSet } from "./layout.ts";
import { signalName } from "./signals.ts";

const SYMBOLS = {
  __errno_location: { args: [], returns: "ptr" },
  _exit: { args: ["i32"], returns: "void" },
  alarm: { args: ["u32"], returns: "u32" },
  access: { args: ["ptr", "i32"], returns: "i32" },
  chdir: { args: ["ptr"], returns: "i32" },
  close: { args: ["i32"], returns: "i32" },
  dlsym: { args: ["ptr", "ptr"], returns: "ptr" },
  execvp: { args: ["ptr", "ptr"], returns: "i32" },
  fchdir: { args: ["i32"], returns: "i32" },
  fcntl: { args: ["i32", "i32", "i32"], returns: "i32" },
  fdatasync: { args: ["i32"], returns: "i32" },
  flock: { args: ["i32", "i32"], returns: "i32" },
  getauxval: { args: ["u64"], returns: "ptr" },
  getpgid: { args: ["i32"], returns: "i32" },
  getpwuid: { args: ["u32"], returns: "ptr" },
  fsync: { args: ["i32"], returns: "i32" },
  futimens: { args: ["i32", "ptr"], returns: "i32" },
  getrandom: { args: ["ptr", "u64", "u32"], returns: "i64" },
  getrlimit: { args: ["i32", "ptr"], returns: "i32" },
  isatty: { args: ["i32"], returns: "i32" },
  mkdir: { args: ["ptr", "u32"], returns: "i32" },
  open: { args: ["ptr", "i32", "u32"], returns: "i32" },
  // 32 bits: the kernel takes no more than that at once, and 64 would be a BigInt.
  read: { args: ["i32", "ptr", "u64"], returns: "i32" },
  readlink: { args: ["ptr", "ptr", "u64"], returns: "i64" },
  kill: { args: ["i32", "i32"], returns: "i32" },
  pipe2: { args: ["ptr", "i32"], returns: "i32" },
  poll: { args: ["ptr", "u64", "i32"], returns: "i32" },
  posix_spawn_file_actions_adddup2: {
    args: ["ptr", "i32", "i32"],
    returns: "i32",
  },
  posix_spawn_file_actions_addopen: {
    args: ["ptr", "i32", "ptr", "i32", "u32"],
    returns: "i32",
  },
  posix_spawn_file_actions_init: { args: ["ptr"], returns: "i32" },
  posix_spawnattr_init: { args: ["ptr"], returns: "i32" },
  posix_spawnattr_setflags: { args: ["ptr", "i16"], returns: "i32" },
  posix_spawnattr_setsigdefault: { args: ["ptr", "ptr"], returns: "i32" },
  posix_spawnattr_setsigmask: { args: ["ptr", "ptr"], returns: "i32" },
  posix_spawnp: {
    args: ["ptr", "ptr", "ptr", "ptr", "ptr", "ptr"],
    returns: "i32",
  },
  raise: { args: ["i32"], returns: "i32" },
  setrlimit: { args: ["i32", "ptr"], returns: "i32" },
  signal: { args: ["i32", "ptr"], returns: "ptr" },
  signalfd: { args: ["i32", "ptr", "i32"], returns: "i32" },
  sigprocmask: { args: ["i32", "ptr", "ptr"], returns: "i32" },
  syscall: { args: ["i64", "i32", "ptr", "u64", "u64"], returns: "i64" },
  tcgetpgrp: { args: ["i32"], returns: "i32" },
  tcsetpgrp: { args: ["i32", "i32"], returns: "i32" },
  statx: { args: ["i32", "ptr", "i32", "u32", "ptr"], returns: "i32" },
  write: { args: ["i32", "ptr", "u64"], returns: "i32" },
  setenv: { args: ["ptr", "ptr", "i32"], returns: "i32" },
  unsetenv: { args: ["ptr"], returns: "i32" },
  uname: { args: ["ptr"], returns: "i32" },
  wait4: { args: ["i32", "ptr", "i32", "ptr"], returns: "i32" },
} as const;

const LOCK_EX_NB = 2 | 4;
const LOCK_SH_NB = 1 | 4;
const LOCK_UN = 8;
const SIG_BLOCK = 0;
const SIG_UNBLOCK = 1;
const SIG_SETMASK = 2;
const F_SETFD = 2;
const RLIMIT_CORE = 4;
const RLIMIT_NOFILE = 7;
/** Each of the six texts in struct utsname. */
const UTSNAME_BYTES = 65;
const SIGALRM = 14;
const EWOULDBLOCK = 11;

const LOCK_ERRNO: Record<number, string> = {
  37: "ENOLCK",
  38: "ENOSYS",
  95: "ENOTSUP",
};
/** What flock(2) says where there are no locks: NFS, SMB, an old or odd mount. */
export const NO_LOCKS: readonly string[] = Object.values(LOCK_ERRNO);

const decoder = new TextDecoder();

/** struct passwd, the parts that we use. */
export interface PasswdEntry {
  username: string;
  home: string;
  shell: string;
}

/**
 * Further calls of the C library, for a file that only some commands load: each
 * one that is bound costs time at every start.
 */
export function cLibrary<T extends Record<string, FFIFunction>>(symbols: T) {
  const machine = process.arch === "arm64" ? "aarch64" : "x86_64";
  for (const name of ["libc.so.6", `libc.musl-${machine}.so.1`])
    try {
      return dlopen(name, symbols).symbols;
    } catch {
      // Not this C library, or no JIT: the caller sees null and goes without.
    }
  return null;
}

class Libc {
  /** The signals that were blocked when this process began to block some. */
  readonly inheritedMask = signalSet([]);
  private blocks = false;

  /** The plain calls on files are for file.ts; -1 means failure, see errno(). */
  constructor(
    readonly calls: ReturnType<typeof dlopen<typeof SYMBOLS>>["symbols"],
  ) {}

  /** Ends the process without the runtime's exit work, which would rewrite the terminal's modes. */
  exit(status: number): never {
    this.calls._exit(status);
    throw new Error("unreachable");
  }

  /** The passwd entry of a user, from wherever the host keeps users; null when there is none. */
  passwd(uid: number): PasswdEntry | null {
    const entry = this.calls.getpwuid(uid);
    if (!entry) return null;
    const text = (offset: number) => {
      const at = read.ptr(entry, offset) as Pointer | 0;
      return at ? new CString(at).toString() : "";
    };
    return { username: text(0), home: text(32), shell: text(40) };
  }

  isatty(fd: number): boolean {
    return this.calls.isatty(fd) === 1;
  }

  /**
   * Takes the lock of an open file; never waits.
   * @returns false when another open file holds one that it does not go with
   * @throws Error whose `code` is in `NO_LOCKS` when the filesystem has no locks
   */
  tryLock(fd: number, how: "exclusive" | "shared" = "exclusive"): boolean {
    const operation = how === "shared" ? LOCK_SH_NB : LOCK_EX_NB;
    if (this.calls.flock(fd, operation) === 0) return true;
    const errno = this.errno();
    if (errno === EWOULDBLOCK) return false;
    const code = LOCK_ERRNO[errno] ?? `errno ${errno}`;
    throw Object.assign(new Error(`flock: ${code}`), { code });
  }

  /** The shared lock, unless another has the exclusive one, whatever the system says. */
  shareLock(fd: number): void {
    this.calls.flock(fd, LOCK_SH_NB);
  }

  unlock(fd: number): void {
    this.calls.flock(fd, LOCK_UN);
  }

  /**
   * Keeps signals pending until they are asked for (`Waiter`): in this thread
   * and in all that the runtime makes from now on.
   */
  blockSignals(signals: BigUint64Array): void {
    const before = this.blocks ? null : this.inheritedMask;
    this.calls.sigprocmask(SIG_BLOCK, signals, before);
    this.blocks = true;
  }

  /** The kernel ends this process after so many seconds, whatever it is at. */
  endAfter(seconds: number): void {
    this.defaultSignal(SIGALRM);
    this.calls.alarm(seconds);
  }

  ignoreSignal(signal: number): void {
    this.calls.signal(signal, 1 as Pointer);
  }

  defaultSignal(signal: number): void {
    this.calls.signal(signal, null);
  }

  /**
   * Stops this process until it is continued, by a signal that it ignores
   * otherwise; not when it was continued since, or there is no reason any more.
   * @param reason asked while the signal is pending: SIGCONT takes it away then
   * @param group all of our process group stop, as by a key
   */
  stop(signal: number, reason: () => boolean, group = false): void {
    const set = signalSet([signal]);
    this.calls.sigprocmask(SIG_BLOCK, set, null);
    this.defaultSignal(signal);
    // To this thread, which blocks it: another one would stop at once.
    this.calls.raise(signal);
    if (group) this.calls.kill(0, signal);
    if (!reason()) this.ignoreSignal(signal);
    this.calls.sigprocmask(SIG_UNBLOCK, set, null);
    this.ignoreSignal(signal);
  }

  /** Random bytes, at most 256; null where the kernel, or a filter of system calls, gives none. */
  randomBytes(count: number): Uint8Array | null {
    const bytes = new Uint8Array(count);
    const got = Number(this.calls.getrandom(bytes, count, 0));
    return got === count ? bytes : null;
  }

  /** Host name and kernel release. */
  uname(): { hostname: string; release: string } {
    const names = new Uint8Array(6 * UTSNAME_BYTES);
    this.calls.uname(names);
    const field = (index: number) => {
      const from = index * UTSNAME_BYTES;
      return decoder.decode(names.subarray(from, names.indexOf(0, from)));
    };
    return { hostname: field(1), release: field(2) };
  }

  /** Lets the programs that we start have a descriptor. */
  passOn(fd: number): void {
    this.calls.fcntl(fd, F_SETFD, 0);
  }

  /** Soft and hard limit of open files. */
  openFileLimits(): [soft: bigint, hard: bigint] {
    const limit = new BigUint64Array(2);
    this.calls.getrlimit(RLIMIT_NOFILE, limit);
    return [limit[0]!, limit[1]!];
  }

  setOpenFileSoftLimit(soft: bigint): void {
    const [, hard] = this.openFileLimits();
    this.calls.setrlimit(RLIMIT_NOFILE, new BigUint64Array([soft, hard]));
  }

  /** Dies by a signal as the child did, and by no other that waits; without a core file of our own. */
  dieBy(signal: number): void {
    this.calls.setrlimit(RLIMIT_CORE, new BigUint64Array(2));
    this.defaultSignal(signal);
    this.calls.sigprocmask(SIG_SETMASK, allSignalsBut([signal]), null);
    this.calls.kill(process.pid, signal);
  }

  /** Of the last call that failed. */
  errno(): number {
    return read.i32(this.calls.__errno_location() as Pointer, 0);
  }
}

export type { Libc };

const calls = cLibrary(SYMBOLS);
export const libc: Libc | null = calls && new Libc(calls);

/** Node's calls on files, which are loaded only where there is no C library. */
export const nodeFs = () => process.getBuiltinModule("node:fs");

/**
 * Ends this process as a child ended, without the runtime's exit work, which
 * would rewrite the terminal's modes to those of our start.
 * @param signal die by it, when it is not null
 */
export function endAs(exit_code: number | null, signal: number | null): never {
  const status = exit_code ?? 128 + (signal ?? 0);
  if (libc && signal) libc.dieBy(signal);
  else if (signal)
    // With nobody listening the runtime sets the signal's default again.
    process.removeAllListeners(signalName(signal)).kill(process.pid, signal);
  if (!libc) process.exit(status);
  return libc.exit(status);
}
