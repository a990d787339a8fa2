/**
 * Runs programs beside the child and reads what they print, and steps that are due
 * later, while no event loop runs: os/wait.ts watches the pipes and the time.
 */
import { closeFile } from "../os/file.ts";
import type { Libc } from "../os/libc.ts";
import { SIGNALS } from "../os/signals.ts";
import { pipe, spawnAside } from "../os/spawn.ts";
import type { Waiter } from "../os/wait.ts";
import { MAX_ANSWER_BYTES, type Question, type Run } from "./outcome.ts";

interface Asked {
  pid: number;
  waiter: Waiter;
  bytes: Uint8Array;
  length: number;
  answered: (text: string) => void;
}

export class Answers {
  /** By the descriptor that the answer comes from. */
  private readonly open = new Map<number, Asked>();

  constructor(
    private readonly c: Libc,
    private readonly after: Run["after"],
  ) {}

  /** @see Run.ask */
  ask(
    { command, argv0, limit_ms }: Question,
    answered: (text: string) => void,
    waiter: Waiter,
  ): void {
    const ends = pipe(this.c);
    if (!ends) return answered("");
    const { from, to } = ends;
    const pid = spawnAside(this.c, command, argv0 ?? command[0]!, to);
    closeFile(to);
    if (pid === null) {
      closeFile(from);
      return answered("");
    }
    const asked = { pid, waiter, bytes: new Uint8Array(4096), length: 0 };
    this.open.set(from, { ...asked, answered });
    waiter.watch(from);
    this.after(limit_ms, () => this.giveUp(from, pid));
  }

  /** Takes what there is to be read. @returns false: somebody waits for it */
  read(fd: number): false {
    const asked = this.open.get(fd)!;
    if (asked.length === asked.bytes.length) {
      const larger = new Uint8Array(asked.length * 4);
      larger.set(asked.bytes);
      asked.bytes = larger;
    }
    const rest = asked.bytes.subarray(asked.length);
    const got = this.c.calls.read(fd, rest, rest.length);
    if (got > 0 && asked.length + got <= MAX_ANSWER_BYTES) asked.length += got;
    else if (got > 0) this.giveUp(fd, asked.pid);
    else if (got === 0)
      this.close(
        fd,
        new TextDecoder().decode(asked.bytes.subarray(0, asked.length)),
      );
    return false;
  }

  stop(): void {
    for (const [fd, { pid }] of this.open) this.giveUp(fd, pid);
  }

  private giveUp(fd: number, pid: number): void {
    // The descriptor may be another question's by now.
    if (this.open.get(fd)?.pid !== pid) return;
    this.c.calls.kill(-pid, SIGNALS.SIGKILL);
    this.close(fd, "");
  }

  private close(fd: number, text: string): void {
    const { waiter, answered } = this.open.get(fd)!;
    this.open.delete(fd);
    waiter.unwatch(fd);
    closeFile(fd);
    answered(text);
  }
}

/** Steps that are due later, while no event loop runs. */
export class Agenda {
  private readonly steps: { at: number; step: () => void }[] = [];

  after(ms: number, step: () => void): void {
    this.steps.push({ at: Bun.nanoseconds() + ms * 1e6, step });
    this.steps.sort((a, b) => a.at - b.at);
  }

  /** When the next one is due, as `Bun.nanoseconds()` counts; Infinity: none is. */
  get next_at(): number {
    return this.steps[0]?.at ?? Infinity;
  }

  runDue(): void {
    while (this.next_at <= Bun.nanoseconds()) this.steps.shift()!.step();
  }
}
