/** Cursors: the last row of a page, as an opaque text. */
import type { CommandFilter } from "./command.ts";
import { type Failure, fail } from "./failure.ts";
import type { SessionFilter } from "./filter.ts";

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

/** @throws Failure (refused) when it is no cursor of a list of sessions */
export function readSessionCursor(cursor: string): Row {
  const [start_time, session_id] = decodePair(cursor);
  if (typeof session_id !== "string") throw notOurs();
  return { start_time, session_id };
}

/** @throws Failure (refused) when it is no cursor of a list of commands */
export function readCommandCursor(cursor: string): Place {
  const [start_time, event_seq] = decodePair(cursor);
  if (!Number.isSafeInteger(event_seq) || (event_seq as number) < 0)
    throw notOurs();
  return { start_time, event_seq: event_seq as number };
}

/** A time, and what else tells rows of that moment apart. */
function decodePair(cursor: string): [string, unknown] {
  const value = decode(cursor);
  if (!Array.isArray(value) || value.length !== 2) throw notOurs();
  const [start_time, other] = value as unknown[];
  if (typeof start_time !== "string") throw notOurs();
  const time = new Date(start_time);
  if (Number.isNaN(time.getTime()) || time.toISOString() !== start_time)
    throw notOurs();
  return [start_time, other];
}

/** @throws Failure (refused) when it is no cursor of a list of events */
export function readEventCursor(cursor: string): number {
  const value = decode(cursor);
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw notOurs();
  return value as number;
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
