/** Defines what is run and how it ended, for both ways to run a child. */
import { EAGAIN } from "../os/constants.ts";
import type { Usage, Program } from "../os/spawn.ts";
import { isStopped, processStatus } from "../os/proc.ts";
import { SIGNALS, signalName } from "../os/signals.ts";
import type { Drain } from "../os/drain-at-beats.ts";
import type { Touched } from "../os/wait.ts";

/** Runs a child, and what the recording does while it runs. */
export interface Run {
  /** Sets a variable in the child's environment, before it is run; null: removes it. */
  setVariable(name: string, value: string | null): void;
  run(program: Program, watch: Watch): Promise<Outcome>;
  /** Does a step later, unless the child has ended and been recorded by then. */
  after(ms: number, step: () => void): void;
  /**
   * Asks a program for what it prints, in the root folder and in a session of
   * its own; one that has no answer by the end of the recording is ended.
   * @param answered gets it once; "" when there is none in time, or too much
   */
  ask(question: Question, answered: (text: string) => void): void;
  /** Starts a program of our own that outlives us; trouble with it is not told. */
  detach(command: readonly string[], argv0: string): void;
  /** Waits until something is so that an answer makes so. */
  until(so: () => boolean, at_most_ms: number): Promise<void>;
  /** Ends what has no answer yet: nobody waits for it any more. */
  stopAsking(): void;
}

export interface Question {
  command: readonly string[];
  argv0?: string;
  limit_ms: number;
}

/** The most of an answer that is heard. */
export const MAX_ANSWER_BYTES = 64 * 1024;

/** What is told of a child while it runs. */
export interface Watch {
  /** Called once, right after the start. */
  spawned(pid: number): void;
  /**
   * It cannot run as a child of ours.
   * @param why in a few words
   * @returns whether it may run in our place, which is recorded and said by then
   */
  noChild(why: string): boolean;
  /** It was seen to go on after a stop. */
  alive(): void;
  /** It may be over, and if so is still there to be read of; not called where nobody can tell. */
  over(): void;
  heartbeat: Heartbeat | null;
}

export interface Heartbeat {
  every_ms: number;
  beat(): void;
  /** A drain that each one starts; its spool folder. */
  drain: (Drain & { folder: string }) | null;
  /** What a heartbeat has but to touch, most of the time; null when each is more than that. */
  touches(): Touched | null;
}

export type Outcome =
  /** It could not be started: 125 no process or descriptor for it, 126 cannot run, 127 not found. */
  | { kind: "unstarted"; exit_status: 125 | 126 | 127; reason: string }
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
  /** The terminal went away, and we may not tell the child, another user's. */
  | { kind: "abandoned"; told_to_go: number };

/** How long a child may take that is told of the hangup by the kernel alone. */
const GRACE_MS = 3_000;
/** When a shell that is still there is told again. */
const AGAIN_MS = 500;
const LAST_MS = 1_500;

/**
 * Tells a child what we were told, and nothing more: it may have something to
 * put away, for as long as that takes, or go on. An interactive shell ignores
 * SIGTERM, and goes by SIGHUP.
 * @param told SIGTERM or SIGHUP
 * @param relay sends the child a signal, while it is there; false: it may not
 * @param abandon what is done when nobody but the kernel can tell it: it tells
 *   who is left at the terminal when we, who lead its session, are gone
 */
export function tellToGo(
  told: number,
  pid: number,
  relay: (signal: number) => boolean,
  after: Run["after"],
  abandon: () => void,
): void {
  const { SIGHUP, SIGTERM, SIGCONT } = SIGNALS;
  const shell = isInteractiveShell(pid);
  const word = shell ? SIGHUP : told;
  if (!relay(word)) {
    if (told === SIGHUP) after(GRACE_MS, abandon);
    return;
  }
  if (isStopped(pid)) relay(SIGCONT);
  if (!shell) return;
  // Bash, hit between its prompt and its read, notes the first one and reads on.
  after(AGAIN_MS, () => relay(SIGHUP));
  after(LAST_MS, () => relay(SIGTERM));
  after(LAST_MS, () => relay(SIGHUP));
}

/** Such a one ignores what would stop it, and what `kill` sends; a program that ignores the latter means it. */
function isInteractiveShell(pid: number): boolean {
  const { ignored } = processStatus(pid);
  return [SIGNALS.SIGTERM, SIGNALS.SIGTSTP, SIGNALS.SIGTTOU].every((signal) =>
    ignored.has(signal),
  );
}

export const ENOENT = 2;
export const EMFILE = 24;
/** EAGAIN of a process: the user's limit, or the host's. */
export const NO_PROCESS = "no more processes are allowed";

/** @param errno why it did not start, of either sign */
export function unstarted(errno: number): Outcome {
  const code = Math.abs(errno);
  return code === ENOENT
    ? { kind: "unstarted", exit_status: 127, reason: "no such program" }
    : {
        kind: "unstarted",
        exit_status: code === EAGAIN || code === EMFILE ? 125 : 126,
        reason: SPAWN_ERRORS[code] ?? `errno ${code}`,
      };
}

const SPAWN_ERRORS: Record<number, string> = {
  7: "the arguments and the environment are too long",
  8: "it is not a program this machine runs",
  [EAGAIN]: NO_PROCESS,
  [EMFILE]: "no more open files are allowed",
  12: "out of memory",
  13: "it is not executable, or not by us",
  20: "a part of its path is not a folder",
  26: "it is being written",
  36: "its name is too long",
  40: "its path has too many links",
};

export type Ended = Exclude<Outcome, { kind: "abandoned" }>;

/** How a program ended, as the session keeps it. */
export function endOf(outcome: Ended): {
  exit_code: number | null;
  signal: string | null;
} {
  if (outcome.kind === "unstarted")
    return { exit_code: outcome.exit_status, signal: null };
  const { exit_code, signal } = outcome;
  return { exit_code, signal: signal === null ? null : signalName(signal) };
}

/** Why it ended, in one word. */
export function exitReason(outcome: Ended): string {
  if (outcome.kind === "unstarted")
    return outcome.exit_status === 127 ? "not_found" : "cannot_run";
  if (outcome.hung_up || outcome.told_to_go === SIGNALS.SIGHUP) return "hangup";
  if (outcome.told_to_go !== null) return "terminated";
  return outcome.signal === null ? "exited" : "signaled";
}
