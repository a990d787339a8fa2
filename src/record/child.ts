/**
 * Runs a program on the terminal that we were given, as if we were not there:
 * we relay only what the child missed, stop when it stops, and end as it ends.
 *
 * The terminal's own signals (Ctrl-C, Ctrl-Z, Ctrl-\) reach the child through
 * the foreground group, so we ignore them. A shell that suspends itself stops
 * in its own group, where our parent cannot see it: we stop in its stead and
 * hand the terminal back when continued.
 */
import { type Libc, type Usage, libc } from "../os/libc.ts";
import { closeFile } from "../os/file.ts";
import {
  inheritedDescriptors,
  inOrphanedGroup,
  isTerminal,
  openFileLimits,
  processStatus,
} from "../os/proc.ts";
import { SIGNALS } from "../os/signals.ts";

export interface ChildProgram {
  /** Looked up on PATH when it holds no slash. */
  file: Uint8Array;
  /** Passed byte for byte, argv[0] included. */
  argv: readonly Uint8Array[];
  envp: readonly Uint8Array[];
}

export type Outcome =
  /** It could not be started: 126 cannot run, 127 not found. */
  | { kind: "unstarted"; exit_status: 126 | 127; reason: string }
  | {
      kind: "exited";
      exit_code: number | null;
      signal: number | null;
      usage: Usage | null;
      /** The terminal went away under it. */
      hung_up: boolean;
      /** The signal that told us to go, when one did. */
      told_to_go: number | null;
    }
  /** We were told to go, and the child did not within the grace. */
  | { kind: "abandoned"; told_to_go: number };

const GRACE_MS = 3_000;
const { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGCHLD, SIGCONT } = SIGNALS;
const { SIGTSTP, SIGTTIN, SIGTTOU } = SIGNALS;
const FROM_TERMINAL = [SIGINT, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU];
/** The runtime ignores these, whatever we were given. */
const RUNTIME_IGNORES = [SIGNALS.SIGPIPE, SIGNALS.SIGXFSZ];
/** The runtime catches these, whatever we were given. */
const RUNTIME_CATCHES = [
  ...[SIGNALS.SIGILL, SIGNALS.SIGTRAP, SIGNALS.SIGABRT, SIGNALS.SIGBUS],
  ...[SIGNALS.SIGFPE, SIGNALS.SIGSEGV, SIGNALS.SIGSYS],
];
/** glibc's own two: its posix_spawn leaves them ignored unless told otherwise. */
const LIBC_OWN = [32, 33];
/** On a terminal the runtime catches these too. */
const RUNTIME_CATCHES_ON_TERMINAL = [SIGINT, SIGTERM];
const ENOENT = 2;
const ENOEXEC = 8;
/** Shells whose ignored signals are a user's `trap ''`; fish ignores SIGPIPE for itself. */
const SHELLS = ["sh", "bash", "dash", "zsh", "ksh", "mksh"];

/**
 * @param spawned called once, right after the start
 * @param alive called when the child was seen to go on after a stop
 */
export async function runChild(
  program: ChildProgram,
  spawned: (pid: number) => void,
  alive: () => void,
): Promise<Outcome> {
  const run = libc ? new NativeRun(libc, alive) : new PlainRun();
  return run.run(program, spawned);
}

class NativeRun {
  private readonly terminal = [0, 1, 2].find(isTerminal) ?? null;
  private pid = 0;
  private told: number | null = null;
  private finish!: (outcome: Outcome) => void;

  constructor(
    private readonly c: Libc,
    private readonly alive: () => void,
  ) {}

  run(program: ChildProgram, spawned: (pid: number) => void): Promise<Outcome> {
    const inherited = inheritedIgnored(this.terminal !== null);
    for (const signal of FROM_TERMINAL) this.c.ignoreSignal(signal);
    const done = new Promise<Outcome>((resolve) => (this.finish = resolve));
    this.listen(inherited);
    const limits = openFileLimits(process.ppid);
    restoreOpenFiles(this.c, limits);
    const started = this.start(program, inherited);
    if ("errno" in started) return Promise.resolve(unstarted(started.errno));
    this.pid = started.pid;
    spawned(this.pid);
    this.look();
    return done;
  }

  private start(
    program: ChildProgram,
    inherited: ReadonlySet<number>,
  ): { pid: number } | { errno: number } {
    for (const signal of [...RUNTIME_CATCHES, ...RUNTIME_CATCHES_ON_TERMINAL])
      if (inherited.has(signal)) this.c.ignoreSignal(signal);
    const changed = [...FROM_TERMINAL, ...RUNTIME_IGNORES, ...LIBC_OWN];
    const defaults = changed.filter((signal) => !inherited.has(signal));
    const descriptors = inheritedDescriptors();
    for (const fd of descriptors) this.c.passOn(fd);
    const spawn = ({ file, argv, envp }: ChildProgram) =>
      this.c.spawn(file, argv, envp, defaults);
    const started = spawn(program);
    const plain = "errno" in started && started.errno === ENOEXEC;
    const result = plain ? spawn(asScript(program)) : started;
    // The child's alone now: its reader shall see when the child closes one.
    for (const fd of descriptors) closeFile(fd);
    return result;
  }

  private listen(inherited: ReadonlySet<number>): void {
    this.c.unblockSignals([SIGHUP, SIGTERM, SIGCHLD, SIGCONT]);
    process.on("SIGCHLD", () => this.look());
    if (!inherited.has(SIGTERM)) process.on("SIGTERM", () => this.go(SIGTERM));
    if (!inherited.has(SIGHUP)) process.on("SIGHUP", () => this.go(SIGHUP));
    for (const signal of ["SIGUSR1", "SIGUSR2"] as const)
      if (!inherited.has(SIGNALS[signal]))
        process.on(signal, () => this.relay(SIGNALS[signal]));
  }

  private relay(signal: number): void {
    if (this.pid) this.c.kill(this.pid, signal);
  }

  /** We are to end: so is the child, stopped or not, but it is asked first. */
  private go(signal: number): void {
    if (this.told !== null) return;
    this.told = signal;
    for (const s of [SIGTERM, SIGHUP, SIGCONT]) this.relay(s);
    setTimeout(
      () => this.finish({ kind: "abandoned", told_to_go: signal }),
      GRACE_MS,
    );
  }

  private look(): void {
    if (!this.pid) return;
    for (;;) {
      const change = this.c.wait(this.pid);
      if (!change) return;
      if (change.kind === "stopped") {
        this.stopAlong(change.signal);
        continue;
      }
      this.takeTerminalBack();
      this.pid = 0;
      return this.finish({
        ...change,
        hung_up: this.terminal !== null && !this.c.isatty(this.terminal),
        told_to_go: this.told,
      });
    }
  }

  private stopAlong(signal: number): void {
    // Nobody would continue us: then the child cannot stop either.
    if (inOrphanedGroup() || this.told !== null) return this.relay(SIGCONT);
    this.c.defaultSignal(signal);
    this.c.kill(process.pid, signal);
    // Continued.
    if (FROM_TERMINAL.includes(signal as never)) this.c.ignoreSignal(signal);
    this.giveTerminal();
    this.relay(SIGCONT);
    this.alive();
  }

  /** In the foreground (`fg`, not `bg`), the terminal goes to the child's group. */
  private giveTerminal(): void {
    const own = this.c.getpgid(0);
    const group = this.c.getpgid(this.pid);
    if (group <= 0 || group === own) return;
    if (this.terminal !== null && this.c.tcgetpgrp(this.terminal) === own)
      this.c.tcsetpgrp(this.terminal, group);
    this.c.kill(-group, SIGCONT);
  }

  /** A killed shell leaves the terminal to a group that died with it. */
  private takeTerminalBack(): void {
    if (this.terminal === null) return;
    if (this.c.tcgetpgrp(this.terminal) === this.pid)
      this.c.tcsetpgrp(this.terminal, this.c.getpgid(0));
  }
}

/** Without the C library: no stopping along, no bytes that are not UTF-8, standard streams alone. */
class PlainRun {
  async run(
    program: ChildProgram,
    spawned: (pid: number) => void,
  ): Promise<Outcome> {
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    let told: number | null = null;
    for (const name of ["SIGINT", "SIGQUIT", "SIGTSTP"] as const)
      process.on(name, () => {});
    let child: Bun.Subprocess;
    try {
      child = Bun.spawn(
        [text(program.file), ...program.argv.slice(1).map(text)],
        {
          argv0: text(program.argv[0]!),
          env: environmentOf(program.envp.map(text)),
          stdio: ["inherit", "inherit", "inherit"],
        },
      );
    } catch (error) {
      return unstarted((error as { errno?: number }).errno ?? 0);
    }
    const abandoned = Promise.withResolvers<Outcome>();
    const go = (signal: number) => {
      if (told !== null) return;
      told = signal;
      for (const s of [SIGTERM, SIGHUP, SIGCONT]) child.kill(s);
      setTimeout(
        () => abandoned.resolve({ kind: "abandoned", told_to_go: signal }),
        GRACE_MS,
      );
    };
    process.on("SIGTERM", () => go(SIGTERM));
    process.on("SIGHUP", () => go(SIGHUP));
    spawned(child.pid);
    const exited = child.exited.then((): Outcome => {
      const signal = child.signalCode && SIGNALS[child.signalCode as never];
      return {
        kind: "exited",
        exit_code: signal ? null : child.exitCode,
        signal: signal || null,
        usage: null,
        hung_up: false,
        told_to_go: told,
      };
    });
    return Promise.race([exited, abandoned.promise]);
  }
}

function environmentOf(entries: readonly string[]): Record<string, string> {
  const out = Object.create(null) as Record<string, string>;
  for (const entry of entries) {
    const at = entry.indexOf("=", 1);
    if (at > 0) out[entry.slice(0, at)] = entry.slice(at + 1);
  }
  return out;
}

/** A file without a first line is the shell's, as for execvp(3) and every shell. */
function asScript({ file, argv, envp }: ChildProgram): ChildProgram {
  const encoder = new TextEncoder();
  const sh = encoder.encode("/bin/sh");
  const found = file.includes(0x2f)
    ? null
    : Bun.which(new TextDecoder().decode(file));
  const script = found === null ? file : encoder.encode(found);
  return { file: sh, argv: [sh, script, ...argv.slice(1)], envp };
}

function unstarted(errno: number): Outcome {
  const code = Math.abs(errno);
  return code === ENOENT
    ? { kind: "unstarted", exit_status: 127, reason: "no such program" }
    : {
        kind: "unstarted",
        exit_status: 126,
        reason: SPAWN_ERRORS[code] ?? `errno ${code}`,
      };
}

const SPAWN_ERRORS: Record<number, string> = {
  7: "the arguments and the environment are too long",
  8: "it is not a program this machine runs",
  11: "no more processes are allowed",
  12: "out of memory",
  13: "it is not executable, or not by us",
  20: "a part of its path is not a folder",
  26: "it is being written",
  36: "its name is too long",
  40: "its path has too many links",
};

/**
 * Signals that were ignored when we started. Of those that the runtime takes
 * for itself our parent's own state tells, when it is a shell (others restore
 * them between fork and exec).
 */
function inheritedIgnored(onTerminal: boolean): ReadonlySet<number> {
  const own = new Set(processStatus("self").ignored);
  const parent = processStatus(process.ppid);
  const shell = SHELLS.includes(parent.name ?? "");
  const parents = shell ? parent.ignored : new Set<number>();
  for (const signal of [...RUNTIME_IGNORES, ...RUNTIME_CATCHES])
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
function restoreOpenFiles(
  c: Libc,
  parent: { soft: bigint; hard: bigint } | null,
): void {
  const [soft, hard] = c.openFileLimits();
  if (parent && parent.hard === hard && parent.soft < soft)
    c.setOpenFileSoftLimit(parent.soft);
}
