/**
 * How far long work is: whoever does it says so here, and whoever has a person before
 * it listens. There is one terminal a process, and what takes long is many layers
 * below the command that has it, so this is of the process and no argument.
 */

/** Hears how far it is. */
export interface Steps {
  /**
   * @param step what is done now: "reading back"
   * @param fraction how much of all is done, 0 to 1; null when nobody knows
   */
  at(step: string, fraction: number | null): void;
}

/** For work that nobody waits for. */
export const SILENT: Steps = { at: () => {} };

/** Steps that are a part of others: from one fraction to another. */
export const part = (whole: Steps, from: number, to: number): Steps => ({
  at: (step, fraction) =>
    whole.at(step, fraction === null ? null : from + (to - from) * fraction),
});

/** A piece of work that is under way. */
export class Task implements Steps, Disposable {
  step = "";
  fraction: number | null = null;
  /** By the clock that only goes on. */
  readonly began_ms = performance.now();

  /** @param name the command's, or the work's: `backup`, `drain` */
  constructor(readonly name: string) {
    tasks.add(this);
    listener?.changed(this);
  }

  at(step: string, fraction: number | null): void {
    this.step = step;
    this.fraction = fraction === null ? null : Math.min(1, fraction);
    listener?.changed(this);
  }

  [Symbol.dispose](): void {
    tasks.delete(this);
    listener?.ended(this);
  }
}

export interface Listener {
  /** Also when it begins. */
  changed(task: Task): void;
  ended(task: Task): void;
}

const tasks = new Set<Task>();
let listener: Listener | null = null;

/** @param heard null: nobody listens any more */
export function listen(heard: Listener | null): void {
  listener = heard;
}

/** What is said of a task to another process. */
export interface TaskState {
  name: string;
  step: string;
  fraction: number | null;
}

/** The newest task of a name that is under way. */
export function stateOf(name: string): TaskState | null {
  const found = [...tasks].findLast((task) => task.name === name);
  return found ? { name, step: found.step, fraction: found.fraction } : null;
}
