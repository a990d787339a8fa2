/**
 * Which lines of much output could hold a secret at all, in one pass over its bytes, for
 * whoever has megabytes of it: colours are passed over, and whatever a rule could find
 * passes (see `isSuspect`).
 */
import { isNear } from "./near.ts";
import { isRun, neededTerms } from "./suspect.ts";

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
  /** The line's letters, in lower case and as they are, and how many there are. */
  private lower = new Uint8Array(0);
  private letters = new Uint8Array(0);
  private count = 0;
  /** Where in them rows begin that go on with the one before. */
  private rows: number[] = [];
  /** Columns of the row. */
  private width = 0;
  private full = false;
  /** Letters in a row, and whether they were ever enough for a token. */
  private run = 0;
  private runs = false;
  private last = 0;
  private readonly found = new Set<Needle>();
  private suspects: string[] = [];

  /** @param words of the user's own patterns, in lower case */
  constructor(words: readonly string[]) {
    const byNeedle = new Map<string, string[]>();
    const add = (needle: string, globs: string[]) =>
      byNeedle.set(needle, [...(byNeedle.get(needle) ?? []), ...globs]);
    for (const glob of neededTerms())
      if (isRun(glob)) this.ofRuns.push(glob);
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
    this.begin(bytes.length);
    for (let i = 0; (i = this.letterRun(bytes, i)) < bytes.length; i++) {
      const byte = bytes[i]!;
      if (byte === ESC) {
        i = passOver(bytes, i);
        if (i < 0) return this.result(true);
      } else if (byte === LF || byte === VT || byte === FF) {
        this.full = this.width > 0 && this.width % columns === 0;
        if (this.full && this.count < MOST_JOINED) this.rows.push(this.count);
        else this.endLine();
        this.width = 0;
      } else if (byte === CR) {
        const next = bytes[i + 1];
        // Before a new row it overwrites nothing.
        if (next !== LF && next !== CR && next !== undefined)
          return this.result(true);
      } else if (byte === BS) return this.result(true);
    }
    const unfinished = this.count - (this.rows.at(-1) ?? 0);
    this.endLine();
    return { ...this.result(false), unfinished };
  }

  private begin(length: number): void {
    if (this.lower.length < length) {
      this.lower = new Uint8Array(length);
      this.letters = new Uint8Array(length);
    }
    this.suspects = [];
    this.full = false;
    this.width = 0;
    this.newLine();
  }

  private newLine(): void {
    this.found.clear();
    this.rows = [];
    this.runs = false;
    this.count = this.run = this.last = 0;
  }

  private result(moves: boolean): Scanned {
    const { suspects, full, count } = this;
    return { moves, suspects: suspects.join("\n"), full, unfinished: count };
  }

  /** Letters up to a control character: the loop that all output goes through. */
  private letterRun(bytes: Uint8Array, from: number): number {
    const { lower, letters, pairs } = this;
    const end = bytes.length;
    let { count, width, run, last } = this;
    let i = from;
    for (; i < end; i++) {
      const byte = bytes[i]!;
      if ((byte < 0x20 && byte !== HT) || byte === DEL) break;
      const small = LOWER[byte]!;
      letters[count] = byte;
      lower[count++] = small;
      if ((byte & 0xc0) !== 0x80) width++;
      run = (run + 1) * IN_RUN[small]!;
      if (run === RUN) this.runs = true;
      const place = pairs[(last << 8) | small]!;
      if (place !== 0) this.look(place, count);
      last = small;
    }
    this.count = count;
    this.width = width;
    this.run = run;
    this.last = last;
    return i;
  }

  private endLine(): void {
    const { rows, count, suspects } = this;
    if ((this.runs || this.found.size > 0) && this.isSuspect()) {
      const text = Buffer.from(this.letters.buffer, 0, count).toString(
        "latin1",
      );
      suspects.push(text);
      if (rows.length > 0)
        for (const [i, from] of [0, ...rows].entries())
          suspects.push(text.slice(from, rows[i]));
    }
    if (this.found.size > 0 || this.runs || rows.length > 0) this.newLine();
    else this.count = this.run = this.last = 0;
  }

  /** Which needles of those that end so end here. */
  private look(place: number, end: number): void {
    const { lower } = this;
    const needles = this.needles[place]!;
    for (let i = 0; i < needles.length; i++) {
      const { bytes } = needles[i]!;
      // Its last two are there.
      let left = bytes.length - 2;
      let at = end - 3;
      while (left > 0 && at >= 0 && lower[at] === bytes[left - 1]) {
        left--;
        at--;
      }
      if (left === 0) this.found.add(needles[i]!);
    }
  }

  private isSuspect(): boolean {
    const text = Buffer.from(this.lower.buffer, 0, this.count).toString(
      "latin1",
    );
    for (const { globs } of this.found)
      for (const glob of globs) if (isNear(text, glob)) return true;
    return this.runs && this.ofRuns.some((glob) => isNear(text, glob));
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
