/** What a pass over the spool came to. */
import type { Quarantined, QuarantinedLine } from "./quarantine.ts";

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
}

export const emptyReport = (): DrainReport => ({
  ...{ passed: true, stored: 0, quarantined: [], rejected: [], refused: [] },
});
