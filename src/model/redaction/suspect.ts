/**
 * Whether a text could hold a secret at all, as the shells' prefilters ask it:
 * whatever a rule could find passes here.
 */
import type { Pattern } from "./custom.ts";
import { hasInOrder, isNear, mayHold, sourceOf } from "./near.ts";
import { RULES } from "./table.ts";
import { TOOLS } from "./tools.ts";

/** Every glob of the table, each once. */
export const TERMS: readonly string[] = [
  ...new Set([...RULES, ...TOOLS].flatMap(({ near }) => near)),
];

/** Without those that hold another one whole: that one is enough. */
export function neededTerms(): string[] {
  const plain = TERMS.filter((term) => !/[*[]/.test(term));
  return TERMS.filter(
    (term) => !plain.some((other) => other !== term && term.includes(other)),
  );
}

/** A glob of letters in a row, as tokens without a name are: it has no text to look for. */
export const isRun = (term: string): boolean => /(?:\[[^\]]*\]){23}/.test(term);

/** One regular expression for a text in lower case; `.` is any character in it. */
export const expressionOf = (terms: readonly string[] = neededTerms()) =>
  terms.map(sourceOf).join("|");

/**
 * A shorter look, that loads no table and compiles nothing: for each term the
 * literals in it, in order. Whatever is suspect passes here, and some more.
 */
export const literals = (): string[][] =>
  neededTerms()
    // `hasRun` looks for those.
    .filter((term) => !isRun(term))
    .flatMap(expanded)
    .map((term) => term.split(/\[[^\]]*\]|\*/).filter(Boolean));

/** A term with a small set, as one term for each of its letters. */
function expanded(term: string): string[] {
  const set = /\[([a-z]{2,7})\]/.exec(term);
  if (!set) return [term];
  const [head, tail] = [
    term.slice(0, set.index),
    term.slice(set.index + set[0].length),
  ];
  return [...set[1]!].flatMap((letter) => expanded(head + letter + tail));
}

/** @param patterns the user's own */
export function isSuspect(
  text: string,
  patterns: readonly Pattern[] = [],
): boolean {
  const lower = text.toLowerCase();
  return (
    (couldHold(lower) && NEEDED.some((glob) => isNear(lower, glob))) ||
    patterns.some(({ word }) => lower.includes(word))
  );
}

const NEEDED = neededTerms();

/** Literals by the two letters that they begin with, and those that have one. */
const byStart = new Map<number, string[][]>();
const ofOne: string[][] = [];
for (const pieces of literals()) {
  if (pieces[0]!.length < 2) ofOne.push(pieces);
  else {
    const start = startAt(pieces[0]!, 0);
    byStart.set(start, [...(byStart.get(start) ?? []), pieces]);
  }
}
const STARTS = new Uint8Array(0x10000);
for (const start of byStart.keys()) STARTS[start] = 1;

function startAt(text: string, i: number): number {
  return ((text.charCodeAt(i) & 0xff) << 8) | (text.charCodeAt(i + 1) & 0xff);
}

/** As `mayHold`, for whoever asks often: one pass over the text. */
export function couldHold(lower: string): boolean {
  for (let i = 0; i + 1 < lower.length; i++) {
    const start = startAt(lower, i);
    if (STARTS[start] === 0) continue;
    const here = byStart.get(start)!;
    if (
      here.some(
        (pieces) =>
          lower.startsWith(pieces[0]!, i) && hasInOrder(lower, pieces, i),
      )
    )
      return true;
  }
  return mayHold(lower, ofOne);
}
