/**
 * What is left of an event once its texts were removed afterwards: what happened,
 * when and where, and who removed them. A `redaction` event says which are removed,
 * so that no later copy of theirs is taken in again.
 */
import {
  EVENT_VERSION,
  type Event,
  type JsonObject,
  type Redaction,
} from "../event.ts";
import { PLAIN } from "./event.ts";

/** Which texts to remove. */
export interface RemovalRequest {
  session_id: string;
  /** The ids of the events whose texts they are; null: all texts of the session. */
  event_ids: readonly string[] | null;
  /** What its terminal showed goes, too; with all texts it always does. */
  recording?: true;
  /** Who removes them. */
  user: string;
}

/** What goes however it is filled; of all else that is not plain, what holds a text. */
const TEXTS: ReadonlySet<string> = new Set(["metadata", "truncated_bytes"]);

/** How a command says that its text was removed. */
const REMOVED = "removed";

type Removing = Pick<RemovalRequest, "session_id" | "user">;

const removal = (
  { session_id, user }: Removing,
  timestamp: string,
  what: Pick<Redaction, "of" | "up_to" | "recording">,
): Redaction => ({
  event_version: EVENT_VERSION,
  event_id: Bun.randomUUIDv7(),
  event_type: "redaction",
  session_id,
  timestamp,
  redacted_by: [`user:${user}`],
  ...what,
});

/** @param of the event whose text goes; null: all of the session that is until `up_to` */
export const redactionOf = (
  request: Removing,
  of: string | null,
  timestamp: string,
  up_to: string,
): Redaction => removal(request, timestamp, of === null ? { up_to } : { of });

/** Says that the recording went, and no text of an event. */
export const recordingRemoval = (
  request: Removing,
  timestamp: string,
): Redaction => removal(request, timestamp, { recording: true });

export function covers(
  { session_id, of, up_to }: Redaction,
  event: Pick<Event, "session_id" | "event_id" | "timestamp">,
): boolean {
  if (event.session_id !== session_id) return false;
  return of === undefined
    ? up_to !== undefined && event.timestamp <= up_to
    : event.event_id === of;
}

/** The event without its texts; the same one where it has none. */
function bareOf<E extends Event>(event: E): E {
  if (event.event_type === "redaction") return event;
  const given = event as unknown as JsonObject;
  const held = Object.keys(given).filter(
    (key) =>
      (TEXTS.has(key) && holds(given[key])) ||
      (!PLAIN.has(key) && holdsText(given[key])),
  );
  if (held.length === 0) return event;
  const bare = { ...given };
  for (const key of held) delete bare[key];
  if (event.event_type === "session_start") bare["metadata"] = {};
  return bare as unknown as E;
}

const holds = (value: unknown): boolean =>
  typeof value === "object" && value !== null
    ? Object.keys(value).length > 0
    : value !== undefined && value !== null;

const holdsText = (value: unknown): boolean =>
  typeof value === "string"
    ? value !== ""
    : typeof value === "object" &&
      value !== null &&
      Object.values(value).some(holdsText);

/** The event without its texts, saying who removed them; the same where it has none. */
export function withoutTexts<E extends Event>(
  event: E,
  redaction: Pick<Redaction, "redacted_by">,
): E {
  const bare = bareOf(event);
  const isCommand = event.event_type === "command_start";
  const { text = null, mark = null } = event as unknown as JsonObject;
  // Of a line of the spool that had no room for a mark.
  const unmarked = isCommand && text === null && mark === null;
  if (bare === event && !unmarked) return event;
  const redacted_by = [
    ...new Set([
      ...(event.redacted_by ?? []),
      ...(redaction.redacted_by ?? []),
    ]),
  ];
  return {
    ...bare,
    redacted_by,
    ...(isCommand && { text: null, mark: REMOVED }),
  };
}

/** Whether an event has texts that are to go. */
export const hasTexts = (
  event: Event,
  { session_id, event_ids }: RemovalRequest,
): boolean =>
  event.session_id === session_id &&
  (event_ids === null || event_ids.includes(event.event_id)) &&
  bareOf(event) !== event;

/** What is left of events once redactions were applied to them. */
export class RemovedTexts {
  private readonly of = new Map<string, Redaction[]>();

  add(redaction: Redaction): void {
    const { session_id, event_id } = redaction;
    const known = this.in(session_id);
    if (known.some((one) => one.event_id === event_id)) return;
    this.of.set(session_id, [...known, redaction]);
  }

  in(session_id: string): readonly Redaction[] {
    return this.of.get(session_id) ?? [];
  }

  get none(): boolean {
    return this.of.size === 0;
  }

  /** The same event when none of them is about it, or it has no texts. */
  applied<E extends Event>(event: E): E {
    const redaction = this.in(event.session_id).find((one) =>
      covers(one, event),
    );
    return redaction ? withoutTexts(event, redaction) : event;
  }
}

/**
 * The line of an event without its texts, in the room of the line that it had: what
 * writes the file, and what reads it, know places in it.
 * @returns null when it has none
 * @throws Error when there is no room for it
 */
export function bareLine(line: Uint8Array, event: Event): Uint8Array | null {
  const bare = bareOf(event);
  if (bare === event) return null;
  const marked =
    event.event_type === "command_start"
      ? [{ ...bare, text: null, mark: REMOVED }]
      : [];
  for (const kept of [...marked, bare]) {
    const bytes = new TextEncoder().encode(JSON.stringify(kept));
    if (bytes.length > line.length) continue;
    const padded = new Uint8Array(line.length).fill(0x20);
    padded.set(bytes);
    return padded;
  }
  throw new Error("its event does not fit in its place without its texts");
}
