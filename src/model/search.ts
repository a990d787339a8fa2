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
  /** `command`, `note`, `output`, `name`, `reason`, `tag`, or `metadata.` and a key. */
  field: string;
  /**
   * When the command or the note began or the output was shown, else when the session
   * began; UTC, ISO 8601.
   */
  time: string;
  /** The whole text; what is no text in the metadata is its JSON. */
  text: string;
  /** What matches, as it stands in the text: each once, the first few. */
  matches: string[];
  /** Of the command, else of the session; null of notes, output, and where nobody saw it. */
  exit_code: number | null;
  /** Of a command or a note the number of its event; else null. */
  event_seq: number | null;
  /** Of output: milliseconds since the recording began; else null. */
  recording_ms: number | null;
  /** Of output: the number of the line among those of the recording; else null. */
  recording_line: number | null;
}

/** What is looked through, when it is not all. */
export const SEARCHED_PLACES = [
  "commands",
  "notes",
  "sessions",
  "output",
] as const;
export type SearchedPlace = (typeof SEARCHED_PLACES)[number];

/** Of its JSON, in their order. */
export const HIT_KEYS = [
  ...(["session_id", "component_name", "username", "hostname"] as const),
  ...(["field", "time", "text", "matches", "exit_code", "event_seq"] as const),
  ...(["recording_ms", "recording_line"] as const),
] as const satisfies readonly (keyof Hit)[];

export interface SearchFilter {
  /** What is looked for, upper and lower case alike. */
  text: string;
  /** The text is a regular expression (RE2), and case counts. */
  regex?: boolean;
  /** Where it is looked for; everywhere when left out. */
  in?: SearchedPlace;
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

/**
 * The order of hits: newest first, then by session, field, and newest event or line; the
 * tags of a session by their texts.
 */
export type HitPlace = Pick<
  Hit,
  "time" | "session_id" | "field" | "event_seq" | "recording_line"
> & {
  /** Of a tag. */
  text?: string;
};

export const placeOfHit = (hit: HitPlace): HitPlace => ({
  ...{ time: hit.time, session_id: hit.session_id },
  ...{ field: hit.field, event_seq: hit.event_seq },
  recording_line: hit.recording_line,
  ...(hit.field === "tag" && hit.text !== undefined && { text: hit.text }),
});

/** As JSON answers show it. */
export const hitJson = (hit: Hit): JsonObject =>
  Object.fromEntries(HIT_KEYS.map((key) => [key, hit[key]]));
