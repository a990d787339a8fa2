/**
 * Stops when the child stops, and continues it when we are continued: a shell that
 * suspends itself stops in a group of its own, which our parent does not see.
 */
import type { Libc } from "../os/libc.ts";
import { inOrphanedGroup, processStat } from "../os/proc.ts";
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
  /** What has become of the child meanwhile, when it had stopped. */
  changeOf(pid: number): ChildChange | { kind: "continued" } | null;
  changed(change: ChildChange): void;
  /** We are about to stop, and were continued. */
  left(): void;
  back(): void;
}

export class Job {
  constructor(
    private readonly c: Libc,
    private readonly run: Running,
  ) {}

  stopAlong(signal: number): void {
    const { run } = this;
    // A shell that suspends itself has a group of its own. This one somebody stops
    // by its pid, and will continue by its pid.
    if (signal === SIGSTOP && this.isMember()) return;
    // Nobody would continue us: then the child cannot stop either.
    if (inOrphanedGroup() || run.told !== null) return void run.relay(SIGCONT);
    // Whoever continues our group before we have stopped has continued the child
    // too; nobody would do it again. SIGSTOP could not be taken back.
    run.left();
    this.c.stop(signal === SIGSTOP ? SIGTSTP : signal, () => this.isStopped());
    run.back();
    this.goOn();
  }

  /** The child is in our group, as all are but shells with jobs; or is gone. */
  private isMember(): boolean {
    const group = this.c.calls.getpgid(this.run.pid);
    return group <= 0 || group === this.c.calls.getpgid(0);
  }

  private isStopped(): boolean {
    const { pid } = this.run;
    return pid !== 0 && processStat(pid)?.state === "T";
  }

  /** Continued: so is the child, in the foreground (`fg`) with the terminal. */
  private goOn(): void {
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
