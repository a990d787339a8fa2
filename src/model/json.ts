/**
 * JSON that any terminal can be shown. Text from outside may hold what moves a
 * cursor or turns the reading direction; JSON escapes only half of that.
 */

/** DEL, C1, line and paragraph separators, and the bidi controls. */
const UNSAFE = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** JSON of the same value, in which nothing acts on a terminal. */
export function plainJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replace(
    UNSAFE,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
