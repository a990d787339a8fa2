/**
 * Recorded text is never trusted: what could move a cursor, ring a bell, or
 * reorder what is read is shown as an escape. Pure; every text renderer uses it.
 */

/** C0, DEL, C1, line and paragraph separators, and the bidi controls. */
const UNSAFE =
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

const NAMED: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** One line of text that is safe on a terminal. */
export function escapeText(text: string): string {
  return text.replace(UNSAFE, (c) => NAMED[c] ?? escapeCode(c));
}

/** A cell of a row whose cells are split at blanks. */
export function escapeCell(text: string): string {
  return escapeText(text).replace(/\s/gu, escapeCode) || "-";
}

function escapeCode(character: string): string {
  const code = character.codePointAt(0)!;
  return code <= 0xff
    ? `\\x${code.toString(16).padStart(2, "0")}`
    : `\\u${code.toString(16).padStart(4, "0")}`;
}
