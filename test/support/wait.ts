/** Waiting for what becomes so: a process that goes, a row that changes. */
import { closeSync, openSync, readFileSync, readdirSync } from "node:fs";
import { lockFile } from "../../src/os/file.ts";

const PATIENCE_MS = 60_000;
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

/** The children of a process, but what records its screen: of a wrapper, its program first. */
export function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1");
  const all = text.trim().split(" ").filter(Boolean).map(Number);
  const own = wordsOf(pid);
  if (own[1] !== "shell") return all;
  // Until it is executed, a child has the words of who starts it, then none.
  return all.filter((child) => {
    const words = wordsOf(child);
    const isStarted = words.length > 1 && !Bun.deepEquals(words, own);
    return isStarted && words[1] !== "record-screen";
  });
}

/** The first of them, once it is there: in the midst of an execve(2) it has no words. */
export const childOf = (pid: number): Promise<number> =>
  until(`a child of ${pid}`, () => childrenOf(pid)[0]);

/** The process that records the screen of a wrapper's program; null: it is not there yet. */
export function recorderOf(wrapper: number): number | null {
  const path = `/proc/${wrapper}/task/${wrapper}/children`;
  const all = readFileSync(path, "latin1").trim().split(" ").map(Number);
  return all.find((child) => wordsOf(child)[1] === "record-screen") ?? null;
}

/** Until nobody holds a file's lock; a process that a wrapper was starting has it until it is executed. */
export async function unlocked(path: string): Promise<void> {
  const fd = openSync(path, "r+");
  try {
    await until(
      `the lock of ${path} to be free`,
      () => lockFile(fd) !== "taken",
    );
  } finally {
    closeSync(fd);
  }
}

/** Whether a process waits in read(2) for its standard input. */
export const readsInput = (pid: number): boolean =>
  /^(0|63) 0x0 /.test(readFileSync(`/proc/${pid}/syscall`, "latin1"));

/** The words that a process was started with; none of one that is over. */
function wordsOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0");
  } catch {
    return [];
  }
}

/** The foreground process group of a process's terminal. */
export function foregroundOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[5]);
}
