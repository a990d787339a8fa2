/** Where a drain brings events, its report, and what is said of that. */
import { Failure } from "../model/failure.ts";
import type { SessionStore } from "../model/store.ts";
import {
  type Quarantined,
  type QuarantinedLine,
  rejectedCount,
} from "./quarantine.ts";

/**
 * The store itself, and no more of it: one that drains before it reads would
 * wait for the very pass that asks it.
 */
export type DrainTarget = Pick<SessionStore, "append" | "seen" | "get"> & {
  /** Asked before anything goes for good. @throws Failure when what was stored may be gone */
  requireThere?(): void;
};

export interface DrainReport {
  /** Whether the spool was gone through; else another drain was at it. */
  passed: boolean;
  /** Who keeps every drain from it; null when nobody does. */
  busy: string | null;
  /** Events that were new to the store. */
  stored: number;
  /** Lines that could not be read, kept beside the spool. */
  quarantined: QuarantinedLine[];
  /** Events that the store will never take as they are, kept there too. */
  rejected: Quarantined[];
  /** Files that are not ours to read, and why. */
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
  tell: (sentence: string) => void,
): void {
  for (const { path, reason } of quarantined)
    tell(`a spool line could not be read (${reason}) and is kept in '${path}'`);
  for (const { path, reason } of rejected)
    tell(`the server rejects an event (${reason}), which is kept in '${path}'`);
  for (const folder of adopted)
    tell(
      `what was recorded under another machine id was taken in from '${folder}'`,
    );
  for (const what of refused) tell(`a spool file was left alone: ${what}`);
}

/**
 * What waits to be brought once more, and may have been rejected when nobody heard.
 * @param folder this machine's spool folder
 */
export function sayRejected(
  folder: string,
  tell: (sentence: string) => void,
): void {
  const events = rejectedCount(folder);
  if (events > 0)
    tell(
      `events that a server has rejected, kept in '${folder}/quarantine': ${events} (bring them once more: session-buddy drain --retry)`,
    );
}

/** To who wants all of it there. @throws Failure (timeout) */
export function refuseLate(why: string): never {
  throw new Failure(
    "timeout",
    why,
    "mend that, or end who holds it; nothing is lost, events wait in the spool",
  );
}

/** Each call of a server says it again. */
export function once(
  tell: (sentence: string) => void,
): (sentence: string) => void {
  const said = new Set<string>();
  return (sentence) => {
    if (!said.has(sentence)) tell(sentence);
    said.add(sentence);
  };
}
