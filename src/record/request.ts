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
  /** Puts a terminal between that is recorded, or says why not; null: not wanted. */
  record: ((run: Run, session_id: string) => Promise<Screen | string>) | null;
  /** Talks to the person at the terminal; null when there is none. */
  say: ((text: string) => void) | null;
  /** The banner for a session, or for none and why. */
  banner: (tracking: Tracking) => string;
}

export type Tracking =
  | { session_id: string; commands: boolean; screen: boolean }
  | { disabled: string };

/** What of a terminal that is recorded the session keeps: what its file came to. */
export interface Screen {
  end(): JsonObject | null;
}
