/**
 * Runs a program on the terminal: relays the signals that only the wrapper gets, stops
 * when the child stops, and ends as it ends.
 *
 * The signals of keys (Ctrl-C, Ctrl-Z, Ctrl-\) reach the child through the foreground
 * group, so the wrapper ignores them. A shell that suspends itself stops in a group of
 * its own, which our parent does not see: the wrapper stops too, and gives the terminal
 * back when continued. The event loop does not run meanwhile (os/wait.ts).
 */
import { EAGAIN } from "../os/constants.ts";
import { closeFile } from "../os/file.ts";
import { allSignalsBut, signalSet } from "../os/layout.ts";
import type { Libc } from "../os/libc.ts";
import {
  type ChildChange,
  type Program,
  asScript,
  become,
  setVariable,
  spawn,
  spawnAside,
} from "../os/spawn.ts";
import { ancestry, isTerminal, processStatus } from "../os/proc.ts";
import { LIBC_OWN, SIGNALS } from "../os/signals.ts";
import { type Signalled, Waiter } from "../os/wait.ts";
import { Agenda, Answers } from "./answers.ts";
import { Job, type Running } from "./job.ts";
import type { Keyed, RecordedTerminal } from "./terminal.ts";
import {
  type Inherited,
  RUNTIME_IGNORES,
  inherited,
  restoreOpenFiles,
} from "./inherited.ts";
import {
  EMFILE,
  type Outcome,
  type Question,
  type Run,
  type Watch,
  tellToGo,
  unstarted,
} from "./outcome.ts";

const { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGCHLD, SIGCONT } = SIGNALS;
const { SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGWINCH } = SIGNALS;
const FROM_TERMINAL = [SIGINT, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU];
const TO_GO: readonly number[] = [SIGHUP, SIGTERM];
/** What the kernel sends to us and means the child by: the terminal is gone, a timer that was set before we were run. */
const FROM_KERNEL: readonly number[] = [
  ...[SIGHUP, SIGNALS.SIGALRM, SIGNALS.SIGVTALRM, SIGNALS.SIGPROF],
];
/**
 * Of all others we hear when we wait, and no other thread does: they are blocked
 * from the start. What stops and continues a job is our own affair, too; SIGPWR
 * is the runtime's, which suspends threads by it, and two are the C library's.
 */
const UNHEARD: readonly number[] = [
  ...[SIGNALS.SIGKILL, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT],
  ...[SIGNALS.SIGPWR, ...LIBC_OWN],
];
/** Those of them that a key sends as well end us until there is a child. */
const KEYS: readonly number[] = [SIGINT, SIGQUIT];
const OF_KEYS: readonly number[] = [...KEYS, SIGTSTP];
/** The first process of a container: the kernel keeps them from it then. */
const LATER = process.pid === 1 ? [] : KEYS;
export const HEARD = allSignalsBut([...UNHEARD, ...LATER]);
const ENOEXEC = 8;
/** execve(2)'s: ENOENT, E2BIG, EACCES, ENOTDIR, ETXTBSY, ENAMETOOLONG, ELOOP. */
const OF_PROGRAM: readonly number[] = [2, 7, 13, 20, 26, 36, 40];
/** Why a program cannot be a child of ours: errno, and in words. */
const NO_PROCESS: readonly [number, string] = [
  EAGAIN,
  "no more processes are allowed",
];
const NO_DESCRIPTOR: typeof NO_PROCESS = [
  EMFILE,
  "no more open files are allowed",
];
/** What filters of older container engines do to clone3(2); posix_spawn(3) knows but ENOSYS for "not there". */
const FORBIDDEN = "no process can be made here";
/**
 * Heard as well with a terminal of the program's own: whoever stopped us has left ours
 * in another way, and before we have it again its keys send signals to us alone.
 */
const BETWEEN = signalSet([SIGCONT, SIGTSTP]);

export class NativeRun implements Run, Running, Keyed {
  readonly terminal = [0, 1, 2].find(isTerminal) ?? null;
  pid = 0;
  told: number | null = null;
  private readonly agenda = new Agenda();
  private readonly answers: Answers;
  private waiter!: Waiter;
  private watch!: Watch;
  private outcome: Outcome | null = null;
  private ignored: ReadonlySet<number> = new Set();
  private readonly job: Job;
  private given: Inherited | null = null;
  recorded: RecordedTerminal | null = null;

  constructor(private readonly c: Libc) {
    this.answers = new Answers(c, (ms, step) => this.after(ms, step));
    this.job = new Job(c, this);
  }

  /** Before descriptors of our own are opened that could be taken for it. */
  keepInherited(): void {
    this.given ??= inherited(this.c);
  }

  /** The child gets this terminal in place of ours. */
  showOn(recorded: RecordedTerminal): void {
    this.recorded = recorded;
  }

  setVariable(name: string, value: string | null): void {
    setVariable(this.c, name, value);
  }

  after(ms: number, step: () => void): void {
    this.agenda.after(ms, step);
  }

  ask(question: Question, answered: (text: string) => void): void {
    this.answers.ask(question, answered, this.waiter);
  }

  stopAsking(): void {
    this.answers.stop();
  }

  detach(command: readonly string[], argv0: string): void {
    spawnAside(this.c, command, argv0, null);
  }

  async until(so: () => boolean, at_most_ms: number): Promise<void> {
    let late = false;
    this.after(at_most_ms, () => (late = true));
    for (;;) {
      this.agenda.runDue();
      if (so() || late) return;
      this.wait();
    }
  }

  async run(program: Program, watch: Watch): Promise<Outcome> {
    this.watch = watch;
    this.keepInherited();
    const given = this.given!;
    for (const signal of FROM_TERMINAL) this.c.ignoreSignal(signal);
    // Ignored, our children would vanish before they could be asked after.
    this.c.defaultSignal(SIGCHLD);
    // Before that, nobody else was there to end by a key.
    this.c.blockSignals(signalSet(KEYS));
    this.ignored = given.ignored;
    const started = this.start(program, given);
    if ("errno" in started) return unstarted(started.errno);
    this.pid = started.pid;
    this.waiter = started.waiter;
    this.waiter.waitFor(this.pid, () => watch.over());
    this.waiter.whenReady((fd) => this.ready(fd));
    this.recorded?.begin(this.waiter);
    watch.spawned(this.pid);
    const { heartbeat } = watch;
    if (heartbeat) this.waiter.beatIn(heartbeat.every_ms);
    if (heartbeat?.drain)
      this.waiter.drainAtBeats(heartbeat.drain.folder, heartbeat.drain);
    for (;;) {
      this.agenda.runDue();
      if (this.outcome && this.isShown()) return this.outcome;
      this.wait();
    }
  }

  /** Whoever is told to go does not wait for a terminal that takes nothing. */
  private isShown(): boolean {
    return this.told !== null || (this.recorded?.shown() ?? true);
  }

  private start(
    program: Program,
    { ignored, descriptors }: Inherited,
  ): { pid: number; waiter: Waiter } | { errno: number } {
    // The runtime catches some. Our children's changes we have to hear of.
    for (const signal of ignored)
      if (signal !== SIGCHLD) this.c.ignoreSignal(signal);
    const changed = [...FROM_TERMINAL, ...RUNTIME_IGNORES, ...LIBC_OWN];
    const defaults = changed.filter((signal) => !ignored.has(signal));
    // Before there is a child: without it nobody would see to that.
    // Blocked signals come even when they are ignored.
    const heard = allSignalsBut(UNHEARD);
    if (this.recorded) {
      this.c.blockSignals(BETWEEN);
      heard[0]! |= BETWEEN[0]!;
    }
    const waiter = Waiter.of(this.c, heard);
    restoreOpenFiles(this.c);
    for (const fd of descriptors) this.c.passOn(fd);
    const started = waiter
      ? this.spawn(program, defaults)
      : this.inOurPlace(program, defaults, NO_DESCRIPTOR);
    // The child's alone now: its reader shall see when the child closes one.
    for (const fd of descriptors) closeFile(fd);
    return "pid" in started ? { ...started, waiter: waiter! } : started;
  }

  private spawn(
    program: Program,
    defaults: readonly number[],
  ): { pid: number } | { errno: number } {
    const onto = this.recorded?.path ?? null;
    const started = spawn(this.c, program, defaults, onto);
    if ("pid" in started) return started;
    if (started.errno === ENOEXEC)
      return spawn(this.c, asScript(program), defaults, onto);
    if (OF_PROGRAM.includes(started.errno)) return started;
    return started.errno === EAGAIN
      ? this.inOurPlace(program, defaults, NO_PROCESS)
      : this.inOurPlace(program, defaults, [started.errno, FORBIDDEN]);
  }

  private inOurPlace(
    program: Program,
    defaults: readonly number[],
    [errno, why]: typeof NO_PROCESS,
  ): { errno: number } {
    if (!this.watch.noChild(why)) return { errno };
    const failed = become(this.c, program, defaults);
    return failed.errno === ENOEXEC
      ? become(this.c, asScript(program), defaults)
      : failed;
  }

  /** Until something has happened or is due, and does what that asks for. */
  private wait(): void {
    const { heartbeat } = this.watch;
    if (heartbeat) this.waiter.touch(heartbeat.touches());
    const woken = this.waiter.wait(this.agenda.next_at);
    if (woken.kind === "child") this.changed(woken.change);
    if (woken.kind === "signal") this.signalled(woken);
    if (woken.kind !== "beat" || !heartbeat) return;
    heartbeat.beat();
    this.waiter.beatIn(heartbeat.every_ms);
  }

  /** @returns whether there is nothing else to do but to wait on */
  private ready(fd: number): boolean {
    if (!this.recorded?.owns(fd)) return this.answers.read(fd);
    const passed = this.recorded.ready(fd);
    this.waiter.wakeAt(this.agenda.next_at);
    return passed && this.outcome === null;
  }

  private signalled({ signal, from_kernel, sender }: Signalled): void {
    // By the kernel as well: the program has another terminal, and is told by that.
    if (signal === SIGWINCH) this.recorded?.resized();
    if (signal === SIGCONT) return this.recorded?.enter();
    if (from_kernel && this.recorded && OF_KEYS.includes(signal))
      return this.keyBefore(signal, this.recorded);
    if (signal === SIGTSTP) return;
    // Our own write to a pipe that nobody reads, say, is no affair of the child.
    if (from_kernel ? !FROM_KERNEL.includes(signal) : this.isOurs(sender))
      return;
    if (this.ignored.has(signal) && !this.isCaught(signal)) return;
    if (TO_GO.includes(signal)) this.go(signal);
    else this.relay(signal);
  }

  /** Our terminal was not ours again when it was typed. */
  private keyBefore(signal: number, recorded: RecordedTerminal): void {
    recorded.enter();
    const group = recorded.foreground;
    if (group <= 0 || this.pid === 0) return;
    this.c.calls.kill(-group, signal);
    if (signal === SIGTSTP) this.job.stopForKey(group);
  }

  /** A program may want to hear of what we were both started to ignore (nohup). */
  private isCaught(signal: number): boolean {
    return processStatus(this.pid).caught.has(signal);
  }

  /**
   * Ourselves, and whoever of the program's processes is in our group: by
   * kill(0) the program has it already, and whom a program calls its parent it
   * does not mean itself by. Others in our group mean us: a script's `kill $!`,
   * and in a container the first process, `kill 1`, is the program to them.
   */
  private isOurs(sender: number): boolean {
    if (sender === process.pid) return true;
    if (process.pid === 1) return false;
    const own = this.c.calls.getpgid(0);
    const inside = [this.pid, sender].every(
      (pid) => pid > 0 && this.c.calls.getpgid(pid) === own,
    );
    return inside && [...ancestry(sender)].some(({ pid }) => pid === this.pid);
  }

  /** @returns whether it was told, or is gone */
  relay(signal: number): boolean {
    return !this.pid || this.c.calls.kill(this.pid, signal) === 0;
  }

  /** We are to end: the child is told so. */
  private go(signal: number): void {
    this.told ??= signal;
    const after = (ms: number, step: () => void) => this.after(ms, step);
    const relay = (word: number) => this.relay(word);
    tellToGo(signal, this.pid, relay, after, () => {
      this.outcome ??= { kind: "abandoned", told_to_go: signal };
    });
  }

  changeOf(pid: number): ChildChange | { kind: "continued" } | null {
    return this.waiter.changeOf(pid);
  }

  keySent(signal: number, group: number): void {
    this.job.keySent(signal, group);
  }

  wantsKeys(): void {
    this.job.waitForTerminal();
  }

  left(): void {
    this.recorded?.leave();
  }

  back(): void {
    // To stop, one of them was let through.
    if (this.recorded) this.c.blockSignals(BETWEEN);
    this.recorded?.enter();
    this.watch.alive();
  }

  changed(change: ChildChange): void {
    if (change.kind === "stopped") return this.job.stopAlong(change.signal);
    this.job.takeTerminalBack();
    this.pid = 0;
    this.outcome ??= {
      ...change,
      hung_up: this.terminal !== null && !this.c.isatty(this.terminal),
      told_to_go: this.told,
    };
  }
}
