/**
 * What a search finds: a text that was recorded, a command, a note or what was said
 * of a session, with the session, the time and the exit status.
 */
import type { JsonObject } from "./event.ts";

export interface Hit {
  session_id: string;
  /** Of its session, as the two below; null while its start has not come. */
  component_name: string | null;
  username: string | null;
  hostname: string | null;
  /** `command`, `note`, `name`, `reason`, `tag`, or `metadata.` and a key. */
  field: string;
  /** When the command or the note began, else the session; UTC, ISO 8601. */
  time: string;
  /** The whole text; what is no text in the metadata is its JSON. */
  text: string;
  /** What matches, as it stands in the text: each once, the first few. */
  matches: string[];
  /** Of the command, else of the session; null where nobody saw it. */
  exit_code: number | null;
  /** Of a command or a note the number of its event; else null. */
  event_seq: number | null;
}

/** Of its JSON, in their order. */
export const HIT_KEYS = [
  ...(["session_id", "component_name", "username", "hostname"] as const),
  ...(["field", "time", "text", "matches", "exit_code", "event_seq"] as const),
] as const satisfies readonly (keyof Hit)[];

export interface SearchFilter {
  /** What is looked for, upper and lower case alike. */
  text: string;
  /** The text is a regular expression (RE2), and case counts. */
  regex?: boolean;
  user?: string;
  host?: string;
  component?: string;
  /** At or after this time, UTC ISO 8601. */
  after?: string;
  /** Before this time, UTC ISO 8601. */
  before?: string;
  /** Only what comes after this one in the order of the list. */
  from?: HitPlace;
  limit?: number;
}

/** The order of hits: newest first, then by session, field, and newest event. */
export type HitPlace = Pick<Hit, "time" | "session_id" | "field" | "event_seq">;

export const placeOfHit = (hit: HitPlace): HitPlace => ({
  ...{ time: hit.time, session_id: hit.session_id },
  ...{ field: hit.field, event_seq: hit.event_seq },
});

/** As JSON answers show it. */
export const hitJson = (hit: Hit): JsonObject => ({ ...hit });
