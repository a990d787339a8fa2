/**
 * Escapes recorded text, which is never trusted: what could move a cursor, ring a
 * bell, reorder text or hide in it. Every text renderer uses it.
 */
import { UNSAFE } from "../model/json.ts";

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
  const hex = code.toString(16);
  if (code <= 0xff) return `\\x${hex.padStart(2, "0")}`;
  return code <= 0xffff ? `\\u${hex.padStart(4, "0")}` : `\\u{${hex}}`;
}
