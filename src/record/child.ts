/**
 * Runs a program on the terminal that we were given, as if we were not there:
 * we relay only what the child missed, stop when it stops, and end as it ends.
 *
 * The terminal's own signals (Ctrl-C, Ctrl-Z, Ctrl-\) reach the child through
 * the foreground group, so we ignore them. A shell that suspends itself stops
 * in its own group, where our parent cannot see it: we stop in its stead and
 * hand the terminal back when continued.
 */
import { closeFile } from "../os/file.ts";
import { type Libc, libc } from "../os/libc.ts";
import {
  inheritedDescriptors,
  inOrphanedGroup,
  isTerminal,
  openFileLimits,
  processStat,
} from "../os/proc.ts";
import { SIGNALS } from "../os/signals.ts";
import {
  RUNTIME_CATCHES,
  RUNTIME_IGNORES,
  inheritedIgnored,
  restoreOpenFiles,
} from "./inherited.ts";
import {
  type ChildProgram,
  GRACE_MS,
  type Outcome,
  tellToGo,
  unstarted,
} from "./outcome.ts";
import { PlainRun } from "./plain.ts";

const { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGCHLD, SIGCONT } = SIGNALS;
const { SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU } = SIGNALS;
const FROM_TERMINAL = [SIGINT, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU];
/** glibc's own two: its posix_spawn leaves them ignored unless told otherwise. */
const LIBC_OWN = [32, 33];
const ENOEXEC = 8;
/** Nobody says that a child ended without SIGCHLD: this only keeps us waiting for it. */
const LOOK_MS = 3_600_000;
/** How long a signal that came with the one that continued us may take to be heard. */
const SETTLED_MS = 20;

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
    this.c.unblockSignals([SIGHUP, SIGTERM, SIGCHLD, SIGCONT]);
    // Before the spawn: a child that is up may have us signalled at once, and
    // the default would end us without it. We hear of it when we next wait.
    this.listen(inherited);
    const started = this.start(program, inherited);
    if ("errno" in started) return Promise.resolve(unstarted(started.errno));
    this.pid = started.pid;
    spawned(this.pid);
    // A handler of signals does not keep the runtime waiting, and what is not
    // recorded has no heartbeat that would: it would spin, or end before the child.
    setInterval(() => this.look(), LOOK_MS);
    this.look();
    return done;
  }

  private start(
    program: ChildProgram,
    inherited: ReadonlySet<number>,
  ): { pid: number } | { errno: number } {
    for (const signal of RUNTIME_CATCHES)
      if (inherited.has(signal)) this.c.ignoreSignal(signal);
    const changed = [...FROM_TERMINAL, ...RUNTIME_IGNORES, ...LIBC_OWN];
    const defaults = changed.filter((signal) => !inherited.has(signal));
    const descriptors = inheritedDescriptors();
    restoreOpenFiles(this.c, openFileLimits(process.ppid));
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
    tellToGo(signal, this.pid, (s) => this.relay(s));
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
    // Whoever continues our group before we have stopped has continued the child
    // too; nobody would do it again. SIGSTOP could not be taken back.
    this.c.stop(signal === SIGSTOP ? SIGTSTP : signal, () => this.isStopped());
    this.alive();
    this.goOn();
  }

  private isStopped(): boolean {
    return this.pid !== 0 && processStat(this.pid)?.state === "T";
  }

  /** Continued: so is the child, in the foreground (`fg`) with the terminal. */
  private goOn(): void {
    const own = this.c.getpgid(0);
    const group = this.c.getpgid(this.pid);
    if (group <= 0 || group === own) return this.relay(SIGCONT);
    if (this.terminal !== null) {
      const foreground = this.c.tcgetpgrp(this.terminal);
      if (foreground === own) this.c.tcsetpgrp(this.terminal, group);
      else if (foreground !== group) return this.wantTerminal();
    }
    this.c.kill(-group, SIGCONT);
  }

  /**
   * In the background (`bg`) a suspended shell would take the terminal from the
   * one around us: like any job that wants it, we stop until `fg`.
   */
  private wantTerminal(): void {
    setTimeout(() => {
      if (this.isStopped()) this.stopAlong(SIGTTIN);
    }, SETTLED_MS);
  }

  /** A killed shell leaves the terminal to a group that died with it. */
  private takeTerminalBack(): void {
    if (this.terminal === null) return;
    if (this.c.tcgetpgrp(this.terminal) === this.pid)
      this.c.tcsetpgrp(this.terminal, this.c.getpgid(0));
  }
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
