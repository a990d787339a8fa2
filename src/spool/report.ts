/** The report of a drain, and what the user is told of it. */
import { type Warn, fail } from "../model/failure.ts";
import type { SessionStore } from "../model/store.ts";
import {
  type Quarantined,
  type QuarantinedLine,
  rejectedCount,
} from "./quarantine.ts";

/**
 * What a drain needs of a store. It is the store itself: one that drains before it
 * reads would wait for the pass that asks it.
 */
export type DrainTarget = Pick<SessionStore, "append" | "seen" | "get"> & {
  /** Asked whether a long file was stored before; it is read whole where this is missing. */
  events?: SessionStore["events"];
  /** Called before files are removed. @throws Failure when what was stored may be gone */
  requireThere?(): void;
};

export interface DrainReport {
  /** Whether the spool was read; else another drain was reading it. */
  passed: boolean;
  /** What holds the drain lock for too long, as a sentence; null when nothing does. */
  busy: string | null;
  /** Events that were new to the store. */
  stored: number;
  /** Lines that could not be read, now in quarantine. */
  quarantined: QuarantinedLine[];
  /** Events that the store rejects, now in quarantine. */
  rejected: Quarantined[];
  /** Files that were not read, and why. */
  refused: string[];
  /** Folders of other machine ids that were adopted. */
  adopted: string[];
}

export const emptyReport = (): DrainReport => ({
  ...{ passed: true, stored: 0, quarantined: [], rejected: [], refused: [] },
  ...{ adopted: [], busy: null },
});

export function sayDrained(
  { quarantined, rejected, refused, adopted }: DrainReport,
  warn: Warn,
): void {
  for (const { path, reason } of quarantined)
    warn(`a spool line could not be read (${reason}) and is kept in '${path}'`);
  for (const { path, reason } of rejected)
    warn(`the server rejects an event (${reason}), which is kept in '${path}'`);
  for (const folder of adopted)
    warn(
      `what was recorded under another machine id was taken in from '${folder}'`,
    );
  for (const what of refused) warn(`a spool file was left alone: ${what}`);
}

/**
 * Tells of rejected events in quarantine, which an automatic drain may have put there.
 * @param folder this machine's spool folder
 */
export function sayRejected(folder: string, warn: Warn): void {
  const events = rejectedCount(folder);
  if (events > 0)
    warn(
      `events that a server has rejected, kept in '${folder}/quarantine': ${events} (bring them once more: session-buddy drain --retry)`,
    );
}

/** For a command that needs the whole spool in the store. @throws Failure (timeout) */
export function refuseLate(why: string): never {
  throw fail.timeout(
    why,
    "mend that, or end who holds it; nothing is lost, events wait in the spool",
  );
}

/** Says each sentence once: each call of a server says it again. */
export function once(warn: Warn): Warn {
  const said = new Set<string>();
  return (sentence) => {
    if (!said.has(sentence)) warn(sentence);
    said.add(sentence);
  };
}
