/** What the wrapper is asked to do, and whom it talks to. */
import type { JsonObject } from "../model/event.ts";
import type { Discovered } from "./discovery.ts";
import type { Run } from "./outcome.ts";

export interface WrapRequest extends Discovered {
  /** The data folder; null, with the reason, when nothing is to be recorded. */
  data: string | null;
  disabled: string | null;
  strict: boolean;
  /**
   * Whether what is typed into a shell is recorded: what the user's own patterns
   * of redaction hold, for the shell to look for; null where it is not.
   */
  commands: readonly string[] | null;
  heartbeat_ms: number;
  /** With so much in the spool, no further session is recorded. */
  spool_bytes: number;
  /** The store is on another host: what is recorded has to be brought there. */
  remote: boolean;
  /** Of what is shown; null: nothing. */
  screen: ScreenWanted | null;
  /** Talks to the person at the terminal; null when there is none. */
  say: ((text: string) => void) | null;
  /** The banner for a session, or for none and why. */
  banner: (tracking: Tracking) => string;
}

export type Tracking =
  | { session_id: string; commands: boolean; screen: Shown | null }
  | { disabled: string };

/** Whether what is shown is recorded: by what, "" where that is plain, or why not. */
export type Shown = { by: string } | { not: string };

export interface ScreenWanted {
  /** The condition of the configuration that asks for it, in words; "": it is asked for of all, or by a flag. */
  by: string;
  /** Puts a terminal between that is recorded, or says why not. */
  open(run: Run, session_id: string): Promise<Screen | Unrecorded>;
  /** Tells whoever asked for it by a flag, where no banner does; null: there is nobody. */
  say: ((text: string) => void) | null;
}

/** Why nothing of a screen is recorded: what somebody can mend, or that there is none. */
export type Unrecorded = { trouble: string } | { without: string };

/** A screen that is recorded. */
export interface Screen {
  /** What the recording came to; `trouble` where it is not whole. */
  end(): JsonObject;
}
