/**
 * JSON of sessions, with the same keys in the same order, and JSON that is safe to
 * print: recorded text may move the cursor or change the direction of reading.
 */
import { COLUMNS, type Column, type Session } from "./columns.ts";

const KEYS = Object.entries<Column>(COLUMNS).map(
  ([key, column]) =>
    [key, "same_as" in column ? column.same_as : key] as [
      string,
      keyof Session,
    ],
);

/** The keys of a session's JSON. */
export const SESSION_KEYS = KEYS.map(([key]) => key);

/** A session as every JSON output has it. */
export const sessionJson = sessionShape(SESSION_KEYS);

/** The same with some of the keys, in their order. @param keys of SESSION_KEYS */
export function sessionShape(
  keys: readonly string[],
): (session: Session) => Record<string, unknown> {
  const of = new Map(KEYS);
  const columns = keys.map((key) => [key, of.get(key)!] as const);
  return (session) => {
    const json: Record<string, unknown> = {};
    for (const [key, column] of columns) json[key] = session[column];
    return json;
  };
}

/**
 * C0, DEL, C1, line and paragraph separators, the bidi controls, and what takes no
 * room on a screen: joiners, fillers, selectors, tags, the byte order mark.
 */
export const UNSAFE =
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb\p{Default_Ignorable_Code_Point}]/gu;

/** JSON of the same value, in which nothing acts on a terminal, or hides. */
export function plainJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replace(UNSAFE, (text) => {
    // JSON has escaped the others of its kind, and puts this one between lines.
    if (text === "\n") return text;
    // Two halves where it is beyond the first plane.
    return [...Array(text.length).keys()]
      .map((i) => escapeUnit(text, i))
      .join("");
  });
}

const escapeUnit = (text: string, at: number) =>
  `\\u${text.charCodeAt(at).toString(16).padStart(4, "0")}`;
