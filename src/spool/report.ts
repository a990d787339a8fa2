/** What a pass over a spool is given, and what it came to. */
import type { SessionStore } from "../model/store.ts";
import type { Quarantined, QuarantinedLine } from "./quarantine.ts";
import type { Position } from "./read.ts";
import type { FileFacts } from "./reconcile.ts";

/**
 * The store itself, and no more of it: one that drains before it reads would
 * wait for the very pass that asks it.
 */
export type DrainTarget = Pick<SessionStore, "append" | "seen" | "get">;

/** What is known of a file whose every line up to `facts.read_to` is stored. */
export interface Known {
  inode: number;
  size: number;
  facts: FileFacts;
}

/** What earlier passes have found, none of which failed since. */
export interface Before {
  known: ReadonlyMap<string, Known>;
  resting: Map<string, Position>;
}

export interface PassOptions {
  folder: string;
  /** Where files go that are done. */
  done: string;
  store: DrainTarget;
  /** Milliseconds since the epoch. */
  now: number;
  report: DrainReport;
  before: Before;
  /** See Look. */
  adopt: boolean;
}

export interface DrainReport {
  /** Whether the spool was gone through; else another drain was at it. */
  passed: boolean;
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
  adopted: [],
});
