/** Cursors: the last row of a page, as an opaque text. */
import type { CommandFilter } from "./command.ts";
import { type Failure, fail } from "./failure.ts";
import type { SessionFilter } from "./filter.ts";
import type { HitPlace } from "./search.ts";

type Row = NonNullable<SessionFilter["from"]>;
type Place = NonNullable<CommandFilter["from"]>;

const encode = (value: unknown) =>
  new TextEncoder()
    .encode(JSON.stringify(value))
    .toBase64({ alphabet: "base64url", omitPadding: true });

/** @param row the last of a page of sessions */
export const sessionCursor = ({ start_time, session_id }: Row): string =>
  encode([start_time, session_id]);

/** @param command the last of a page of commands */
export const commandCursor = ({ start_time, event_seq }: Place): string =>
  encode([start_time, event_seq]);

/** @param seq that of the last event of a page */
export const eventCursor = (seq: number): string => encode(seq);

/** @param place of the last hit of a page */
export const hitCursor = (place: HitPlace): string =>
  encode([
    ...[place.time, place.session_id, place.field],
    place.event_seq ?? place.recording_line,
    ...(place.field === "tag" ? [place.text] : []),
  ]);

/** @throws Failure (refused) when it is no cursor of a list of hits */
export function readHitCursor(cursor: string): HitPlace {
  const value = decode(cursor);
  const ofTag = Array.isArray(value) && value[2] === "tag";
  const [time, session_id, field, number, text] = listOf(value, ofTag ? 5 : 4);
  if (typeof session_id !== "string" || typeof field !== "string")
    throw notOurs();
  if (ofTag && typeof text !== "string") throw notOurs();
  if (number !== null && !isSeq(number)) throw notOurs();
  const ofOutput = field === "output";
  return {
    ...{ time, session_id, field },
    event_seq: ofOutput ? null : number,
    recording_line: ofOutput ? number : null,
    ...(typeof text === "string" && { text }),
  };
}

const isSeq = (value: unknown): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0;

/** @throws Failure (refused) when it is no cursor of a list of sessions */
export function readSessionCursor(cursor: string): Row {
  const [start_time, session_id] = listOf(decode(cursor), 2);
  if (typeof session_id !== "string") throw notOurs();
  return { start_time, session_id };
}

/** @throws Failure (refused) when it is no cursor of a list of commands */
export function readCommandCursor(cursor: string): Place {
  const [start_time, event_seq] = listOf(decode(cursor), 2);
  if (!isSeq(event_seq)) throw notOurs();
  return { start_time, event_seq };
}

/** A time, and what else tells rows of that moment apart. */
function listOf(value: unknown, length: number): [string, ...unknown[]] {
  if (!Array.isArray(value) || value.length !== length) throw notOurs();
  const [text, ...others] = value as unknown[];
  if (typeof text !== "string") throw notOurs();
  const time = new Date(text);
  if (Number.isNaN(time.getTime()) || time.toISOString() !== text)
    throw notOurs();
  return [text, ...others];
}

/** @throws Failure (refused) when it is no cursor of a list of events */
export function readEventCursor(cursor: string): number {
  const value = decode(cursor);
  if (!isSeq(value)) throw notOurs();
  return value;
}

function decode(cursor: string): unknown {
  try {
    const bytes = Uint8Array.fromBase64(cursor, { alphabet: "base64url" });
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw notOurs();
  }
}

function notOurs(): Failure {
  return fail.refused(
    "cursor: not one that this list gave",
    "leave it out for the first page, then send next_cursor as it is",
  );
}
