/** How many cells a character takes, and which ones have no place on a screen. */
import { UNSAFE } from "../json.ts";

const KNOWN = 0x3_0000;
const UNKNOWN = 255;
const widths = new Uint8Array(KNOWN).fill(UNKNOWN);
/** It has no cell, and is left out: what reorders text, or hides in it. */
export const NOWHERE = 3;
const unsafe = new RegExp(UNSAFE.source, "u");

/** 0 for an accent, 1, 2, or NOWHERE. */
export function widthOf(code: number): number {
  if (code >= 0x20 && code < 0x7f) return 1;
  if (code >= KNOWN) return measure(code);
  const known = widths[code]!;
  return known === UNKNOWN ? (widths[code] = measure(code)) : known;
}

function measure(code: number): number {
  const letter = String.fromCodePoint(code);
  if (unsafe.test(letter)) return NOWHERE;
  if (/\p{Mn}|\p{Me}/u.test(letter)) return 0;
  return Bun.stringWidth(letter) === 2 ? 2 : 1;
}
