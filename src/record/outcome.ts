/**
 * What is run and how it ended: what the two ways to run a child share.
 */
import type { Usage } from "../os/libc.ts";
import { processStatus } from "../os/proc.ts";
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

/** How long a child that is told to go may take. */
export const GRACE_MS = 3_000;
/** When, within the grace, a child that is still there is told again. */
const AGAIN_MS = 500;
const LAST_MS = 1_500;

/**
 * Tells a child to go, stopped or not, as we were told: it may have something
 * to put away, which another signal at once would keep it from. An interactive
 * shell ignores SIGTERM, and goes by SIGHUP.
 * @param told SIGTERM or SIGHUP
 * @param relay sends the child a signal, while it is there
 */
export function tellToGo(
  told: number,
  pid: number,
  relay: (signal: number) => void,
): void {
  const { SIGHUP, SIGTERM, SIGCONT } = SIGNALS;
  const shell = processStatus(pid).ignored.has(SIGTERM);
  const word = shell ? SIGHUP : told;
  for (const signal of [word, SIGCONT]) relay(signal);
  if (word === SIGHUP) {
    // Bash, hit between its prompt and its read, notes the first one and reads on.
    setTimeout(() => relay(SIGHUP), AGAIN_MS);
    setTimeout(() => relay(SIGTERM), LAST_MS);
  }
  setTimeout(() => relay(SIGHUP), LAST_MS);
}

const ENOENT = 2;

/** @param errno why it did not start, of either sign */
export function unstarted(errno: number): Outcome {
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
