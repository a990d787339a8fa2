/**
 * Which lines of much output could hold a secret at all, in one pass over its bytes, for
 * whoever has megabytes of it: colours are passed over, and whatever a rule could find
 * passes (see `isSuspect`).
 */
import { isNear } from "./near.ts";
import { neededTerms } from "./suspect.ts";

export interface Scanned {
  /** Something is drawn over or elsewhere, or a string is sent: letters have to be placed. */
  moves: boolean;
  /** Those lines, a letter a byte, without colours. */
  suspects: string;
  /** Letters of the line that is not over. */
  unfinished: number;
  /** Whether the last line that is over reaches the right margin: the next may go on with it. */
  full: boolean;
}

const [BS, HT, LF, VT, FF, CR, ESC, DEL] = [8, 9, 10, 11, 12, 13, 27, 127];
const RUN = 24;
/** Rows that go on with each other are looked at as one, up to so many letters. */
const MOST_JOINED = 8 * 1024;
const [BRACKET, OPEN, CLOSE, K, M] = [0x5b, 0x28, 0x29, 0x4b, 0x6d];

/** Letters in lower case; what a token without a name is made of. */
const LOWER = new Uint8Array(256);
const IN_RUN = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++) {
  const upper = byte >= 0x41 && byte <= 0x5a;
  LOWER[byte] = upper ? byte + 0x20 : byte;
  const letter = String.fromCharCode(LOWER[byte]!);
  IN_RUN[byte] = /[a-z0-9_+=-]/.test(letter) ? 1 : 0;
}

/** A text that has to be in a line, and the globs that are worth a look then. */
interface Needle {
  bytes: Uint8Array;
  globs: readonly string[];
}

export class LineScan {
  /** By the two letters that a needle ends with: 0 is none, else a place in `needles`. */
  private readonly pairs = new Uint16Array(0x10000);
  private readonly needles: Needle[][] = [[]];
  private readonly ofRuns: string[] = [];
  private lower = new Uint8Array(0);
  private letters = new Uint8Array(0);

  /** @param words of the user's own patterns, in lower case */
  constructor(words: readonly string[]) {
    const byNeedle = new Map<string, string[]>();
    const add = (needle: string, globs: string[]) =>
      byNeedle.set(needle, [...(byNeedle.get(needle) ?? []), ...globs]);
    for (const glob of neededTerms())
      if (/(?:\[[^\]]*\]){23}/.test(glob)) this.ofRuns.push(glob);
      else for (const one of expanded(glob)) add(longestOf(one), [glob]);
    // Whatever has it is looked at.
    for (const word of words) add(word, [""]);
    for (const [needle, globs] of byNeedle) this.keep(needle, globs);
  }

  private keep(needle: string, globs: readonly string[]): void {
    const bytes = Buffer.from(needle, "latin1");
    const pair = (bytes.at(-2)! << 8) | bytes.at(-1)!;
    if (this.pairs[pair] === 0) this.pairs[pair] = this.needles.push([]) - 1;
    this.needles[this.pairs[pair]!]!.push({ bytes, globs });
  }

  /** @param columns how wide the terminal is */
  scan(bytes: Uint8Array, columns: number): Scanned {
    if (this.lower.length < bytes.length) {
      this.lower = new Uint8Array(bytes.length);
      this.letters = new Uint8Array(bytes.length);
    }
    const { lower, letters, pairs } = this;
    const suspects: string[] = [];
    const found = new Set<Needle>();
    // The line's letters, where in them rows begin that reach the margin, columns.
    let [n, width, run, last] = [0, 0, 0, 0];
    let rows: number[] = [];
    let [runs, full] = [false, false];
    const result = (moves: boolean): Scanned => ({
      ...{ moves, suspects: suspects.join("\n"), full },
      unfinished: n - (rows.at(-1) ?? 0),
    });
    const endLine = () => {
      if ((runs || found.size > 0) && this.isSuspect(n, runs, found)) {
        const text = Buffer.from(letters.buffer, 0, n).toString("latin1");
        suspects.push(text);
        if (rows.length > 0)
          for (const [i, from] of [0, ...rows].entries())
            suspects.push(text.slice(from, rows[i]));
      }
      found.clear();
      [runs, rows] = [false, []];
      n = run = last = 0;
    };
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i]!;
      if (byte < 0x20 || byte === DEL) {
        if (byte === ESC) {
          i = passOver(bytes, i);
          if (i < 0) return result(true);
        } else if (byte === LF || byte === VT || byte === FF) {
          full = width > 0 && width % columns === 0;
          if (full && n < MOST_JOINED) rows.push(n);
          else endLine();
          width = 0;
        } else if (byte === CR) {
          const next = bytes[i + 1];
          // Before a new row it overwrites nothing.
          if (next !== LF && next !== CR && next !== undefined)
            return result(true);
        } else if (byte === BS) return result(true);
        if (byte !== HT) continue;
      }
      const small = LOWER[byte]!;
      letters[n] = byte;
      lower[n++] = small;
      if ((byte & 0xc0) !== 0x80) width++;
      run = IN_RUN[small] === 1 ? run + 1 : 0;
      if (run === RUN) runs = true;
      const place = pairs[(last << 8) | small]!;
      if (place !== 0) this.look(place, n, found);
      last = small;
    }
    const scanned = result(false);
    endLine();
    return { ...scanned, suspects: suspects.join("\n") };
  }

  /** Which needles of those that end so end here. */
  private look(place: number, end: number, found: Set<Needle>): void {
    const { lower } = this;
    for (const needle of this.needles[place]!) {
      const { bytes } = needle;
      const from = end - bytes.length;
      if (from < 0) continue;
      let same = 0;
      while (same < bytes.length && lower[from + same] === bytes[same]) same++;
      if (same === bytes.length) found.add(needle);
    }
  }

  private isSuspect(
    length: number,
    runs: boolean,
    found: ReadonlySet<Needle>,
  ): boolean {
    const text = Buffer.from(this.lower.buffer, 0, length).toString("latin1");
    for (const { globs } of found)
      for (const glob of globs) if (isNear(text, glob)) return true;
    return runs && this.ofRuns.some((glob) => isNear(text, glob));
  }
}

/** @returns where a sequence ends that changes colours or clears a row's rest, or is cut off; -1 of any other */
function passOver(bytes: Uint8Array, from: number): number {
  const second = bytes[from + 1];
  // A set of characters.
  if (second === OPEN || second === CLOSE) return from + 2;
  if (second === undefined) return from;
  if (second !== BRACKET) return -1;
  for (let i = from + 2; i < bytes.length; i++) {
    const byte = bytes[i]!;
    if (byte === M || byte === K) return i;
    if (byte < 0x30 || byte > 0x3b) return -1;
  }
  return bytes.length - 1;
}

/** A glob with a small set, as one for each of its letters. */
function expanded(glob: string): string[] {
  const set = /\[([a-z]{2,7})\]/.exec(glob);
  if (!set) return [glob];
  const [head, tail] = [
    glob.slice(0, set.index),
    glob.slice(set.index + set[0].length),
  ];
  return [...set[1]!].flatMap((letter) => expanded(head + letter + tail));
}

/** The longest text in a glob: wherever the glob is found, that stands. */
const longestOf = (glob: string): string =>
  glob
    .split(/\[[^\]]*\]|\*/)
    .reduce((best, piece) => (piece.length > best.length ? piece : best), "");
