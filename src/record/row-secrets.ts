/** Finds the secrets in rows of a screen, many rows at once: each rule is tried once. */
import type { Row } from "../model/recording/walk.ts";
import type { Choice } from "../model/redaction/custom.ts";
import { findSecrets } from "../model/redaction/redact.ts";
import { isSuspect } from "../model/redaction/suspect.ts";

/** So many letters are judged together, well before a deadline. */
const PIECE = 16 * 1024;
const BEYOND = /[\x80-\xff]/g;

/** Of a text, and with letters of another alphabet, and boxes, as blanks: they may stand around a secret. */
export function formsOf(text: string): string[] {
  const spaced = text.replace(BEYOND, " ");
  return spaced === text ? [text] : [text, spaced];
}

/** @param blank is told each byte of a secret */
export function blankSecrets(
  rows: readonly Row[],
  choice: Choice,
  blank: (at: number) => void,
): void {
  for (let i = 0; i < rows.length;) {
    const first = i;
    const starts: number[] = [];
    let text = "";
    while (i < rows.length && (i === first || text.length < PIECE)) {
      starts.push(text.length);
      text += `${rows[i++]!.text}\n`;
    }
    for (const form of formsOf(text))
      judge(rows.slice(first, i), starts, form, choice, blank);
  }
}

/** @param starts where in the text each row begins */
function judge(
  rows: readonly Row[],
  starts: readonly number[],
  text: string,
  choice: Choice,
  blank: (at: number) => void,
): void {
  if (!isSuspect(text, choice.patterns)) return;
  const textOf = (i: number) =>
    text.slice(starts[i]!, starts[i]! + rows[i]!.at.length);
  const found = rows.length > 1 ? findSecrets(text, choice) : null;
  /** Rows that are to be judged alone: what was found is of several. */
  const alone = new Set<number>();
  const from = found ? found.withheld_from : 0;
  if (from !== null)
    for (let i = rowAt(starts, from); i < rows.length; i++) alone.add(i);
  for (const span of found?.spans ?? []) {
    const i = rowAt(starts, span.from);
    const last = rowAt(starts, Math.max(span.from, span.to - 1));
    for (let j = i; last > i && j <= last; j++) alone.add(j);
    if (last > i) continue;
    const start = starts[i]!;
    for (const at of rows[i]!.at.slice(span.from - start, span.to - start))
      blank(at);
  }
  for (const i of alone)
    for (const { from, to } of secretsIn(textOf(i), choice))
      for (const at of rows[i]!.at.slice(from, to)) blank(at);
}

/** The row in which a place of the text is; at its end, none. */
function rowAt(starts: readonly number[], place: number): number {
  let [low, high] = [0, starts.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (starts[middle]! <= place) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function secretsIn(
  text: string,
  choice: Choice,
): { from: number; to: number }[] {
  if (!isSuspect(text, choice.patterns)) return [];
  const found = findSecrets(text, choice);
  if (found === null) return [{ from: 0, to: text.length }];
  const { spans, withheld_from } = found;
  return withheld_from === null
    ? spans
    : [...spans, { from: withheld_from, to: text.length }];
}
