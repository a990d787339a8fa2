/**
 * Stops when the child stops, and continues it when we are continued: a shell that
 * suspends itself stops in a group of its own, which our parent does not see.
 *
 * With a terminal between (terminal.ts) every child has a group of its own, and one that
 * nobody but us could continue: the kernel lets none stop by SIGTSTP there. Of a program
 * that would, by the key, we see to that.
 */
import type { Libc } from "../os/libc.ts";
import { inOrphanedGroup, processStat, processStatus } from "../os/proc.ts";
import { SIGNALS } from "../os/signals.ts";
import type { ChildChange } from "../os/spawn.ts";

const { SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN } = SIGNALS;
/** How long a signal that came with the one that continued us may take to be heard. */
const SETTLED_MS = 20;

/** What of a run a job has to do with. */
export interface Running {
  /** Of the child; 0 once it is over. */
  readonly pid: number;
  /** A descriptor of the terminal that we share with it; null: there is none. */
  readonly terminal: number | null;
  /** The signal that told us to go. */
  readonly told: number | null;
  relay(signal: number): boolean;
  after(ms: number, step: () => void): void;
  /** The terminal between, when there is one, and whether ours listens to us. */
  readonly recorded: { readonly isInFront: boolean } | null;
  /** What has become of the child meanwhile, when it had stopped. */
  changeOf(pid: number): ChildChange | { kind: "continued" } | null;
  changed(change: ChildChange): void;
  /** We are about to stop, and were continued. */
  left(): void;
  back(): void;
}

export class Job {
  /** The child was stopped for a key, by us. */
  private by_key = false;

  constructor(
    private readonly c: Libc,
    private readonly run: Running,
  ) {}

  stopAlong(signal: number): void {
    const { run } = this;
    const { by_key } = this;
    this.by_key = false;
    // A shell that suspends itself has a group of its own. This one somebody stops
    // by its pid, and will continue by its pid.
    if (signal === SIGSTOP && this.isMember() && !by_key) return;
    // Nobody would continue us: then the child cannot stop either.
    if (inOrphanedGroup() || run.told !== null) return void run.relay(SIGCONT);
    run.left();
    // Whoever continues our group before we have stopped has continued the child
    // too; nobody would do it again. SIGSTOP could not be taken back.
    const reason = () => by_key || this.isStopped();
    this.c.stop(signal === SIGSTOP ? SIGTSTP : signal, reason, by_key);
    run.back();
    this.goOn();
  }

  /**
   * A key was passed on that sends a signal to a group of the program's terminal. Who
   * would have been in ours without one between gets it here; the program, by the kernel.
   */
  keySent(signal: number, group: number): void {
    if (signal === SIGTSTP) this.stopForKey(group);
    else if (group === this.run.pid && this.isMember())
      this.c.calls.kill(0, signal);
  }

  /** Stops the program as the key would, were there somebody else to continue it. */
  stopForKey(group: number): void {
    const { pid, told } = this.run;
    if (group !== pid || !this.isMember()) return;
    const { ignored, caught } = processStatus(pid);
    if (ignored.has(SIGTSTP) || caught.has(SIGTSTP)) return;
    if (inOrphanedGroup() || told !== null) return;
    this.by_key = this.c.calls.kill(-pid, SIGSTOP) === 0;
  }

  /** As a job that reads keys in the background: with all of our group, until `fg`. */
  waitForTerminal(): void {
    if (inOrphanedGroup() || this.run.told !== null) return;
    this.run.left();
    this.c.stop(SIGTTIN, () => true, true);
    this.run.back();
  }

  /** The child is in our group, as all are but shells with jobs, or would be; or is gone. */
  private isMember(): boolean {
    const { pid, recorded } = this.run;
    if (recorded) return !processStatus(pid).ignored.has(SIGTSTP);
    const group = this.c.calls.getpgid(pid);
    return group <= 0 || group === this.c.calls.getpgid(0);
  }

  private isStopped(): boolean {
    const { pid } = this.run;
    return pid !== 0 && processStat(pid)?.state === "T";
  }

  /** Continued: so is the child, in the foreground (`fg`) with the terminal. */
  private goOn(): void {
    if (this.run.recorded) return this.goOnBehind(this.run.recorded);
    if (this.isMember()) return this.continueMember();
    const { pid, terminal } = this.run;
    const own = this.c.calls.getpgid(0);
    const group = this.c.calls.getpgid(pid);
    if (terminal !== null) {
      const foreground = this.c.calls.tcgetpgrp(terminal);
      if (foreground === own) this.c.calls.tcsetpgrp(terminal, group);
      else if (foreground !== group) return this.wantTerminal();
    }
    this.c.calls.kill(-group, SIGCONT);
  }

  /** With a terminal between: a program goes on in the background, too. */
  private goOnBehind({ isInFront }: { isInFront: boolean }): void {
    if (!isInFront && !this.isMember()) return this.wantTerminal();
    this.c.calls.kill(-this.run.pid, SIGCONT);
  }

  /**
   * A child of our own group was continued with us, mostly, and may even have
   * stopped again by now, which we would undo.
   */
  private continueMember(): void {
    const change = this.run.changeOf(this.run.pid);
    if (change === null) this.run.relay(SIGCONT);
    else if (change.kind !== "continued") this.run.changed(change);
  }

  /**
   * In the background (`bg`) a suspended shell would take the terminal from the
   * one around us: like any job that wants it, we stop until `fg`.
   */
  private wantTerminal(): void {
    this.run.after(SETTLED_MS, () => {
      if (this.isStopped()) this.stopAlong(SIGTTIN);
    });
  }

  /** A killed shell leaves the terminal to a group that died with it. */
  takeTerminalBack(): void {
    const { terminal, pid } = this.run;
    if (terminal === null) return;
    if (this.c.calls.tcgetpgrp(terminal) === pid)
      this.c.calls.tcsetpgrp(terminal, this.c.calls.getpgid(0));
  }
}
