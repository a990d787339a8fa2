/** Waiting for what becomes so: a process that goes, a row that changes. */
import { readFileSync, readdirSync } from "node:fs";

const PATIENCE_MS = 20_000;
type Nothing = null | undefined | false;

/**
 * Looks again and again until there is something, and returns it.
 * @throws Error naming what was waited for
 */
export async function until<T>(
  what: string,
  look: () => Nothing | T | Promise<Nothing | T>,
  patience_ms: number = PATIENCE_MS,
): Promise<T> {
  const deadline = performance.now() + patience_ms;
  for (;;) {
    const found = await look();
    if (found !== null && found !== undefined && found !== false) return found;
    if (performance.now() > deadline)
      throw new Error(`waited in vain for ${what}`);
    await Bun.sleep(5);
  }
}

/** One letter: R, S, T (stopped)…; null when there is no such process, or a dead one. */
export function processState(pid: number): string | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    const state = text.slice(text.lastIndexOf(")") + 2)[0]!;
    return "ZX".includes(state) ? null : state;
  } catch {
    return null;
  }
}

export const gone = (pid: number): Promise<true> =>
  until(`the end of process ${pid}`, () => processState(pid) === null);

export const stopped = (pid: number): Promise<true> =>
  until(`process ${pid} to stop`, () => processState(pid) === "T");

/**
 * Until a process has nothing to do: once its prompt is out, it waits for keys.
 * Its other threads count: fish colours what was typed in one of them, and loses
 * a Ctrl-C that comes just when that is done, with us and without: a select()
 * that returns for the thread is not looked at for signals (input_common.cpp).
 */
export const waiting = (pid: number): Promise<true> =>
  until(`process ${pid} to wait`, () => {
    const before = threadsOf(pid);
    // Nobody ran from the one look to the other: all slept at the same time.
    const asleep = before.length > 0 && before.every((line) => line[0] === "S");
    return asleep && Bun.deepEquals(before, threadsOf(pid));
  });

/** Of each thread of a process: its state, its number, and how often it was switched. */
function threadsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map((thread) => {
      const text = readFileSync(`/proc/${pid}/task/${thread}/status`, "latin1");
      const [, state] = /^State:\s(\S)/m.exec(text)!;
      const switches = text.match(/ctxt_switches:\s\d+/g)!;
      return [state, thread, ...switches].join(" ");
    });
  } catch {
    return []; // One ended under our hands.
  }
}

/** The children of a process. */
export function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1");
  return text.trim().split(" ").filter(Boolean).map(Number);
}
