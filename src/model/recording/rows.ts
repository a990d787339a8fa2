/**
 * The rows that a terminal shows of some output: colours are gone, what was drawn over
 * is gone, and each letter knows which byte drew it.
 */
import { Cells, SCREENS } from "./cells.ts";

/** Letters are bytes: a text that is not UTF-8 has rows, too. */
export interface Row {
  text: string;
  /** Of each letter: where its byte stands; -1 of a blank that nobody drew. */
  at: Int32Array;
  /** Of one that came: where what ended it stands; absent: it is not over. */
  end?: number;
}

export interface Rows {
  /** As they stand on the screen, and stood before they were cleared; of rows that are so as they came, only those that go on with each other. */
  drawn: Row[];
  /** Letter after letter as they came, which keeps what was rubbed out again; what is sent in strings (titles, say), too. */
  came: Row[];
  /** What was sent for the clipboard. */
  clipboard: Row[];
  /** The last byte that took the cursor to another row; -1: none did. */
  left_at: number;
}

const [BEL, BS, HT, LF, VT, FF, CR, ESC] = [7, 8, 9, 10, 11, 12, 13, 27];
const DEL = 127;

/** @param columns how wide the terminal is: letters past it are in the next row */
export function rowsOf(bytes: Uint8Array, columns: number): Rows {
  const came = new Coming(bytes);
  walk(bytes, came);
  const { rows, clipboard, left_at, moves } = came;
  const goes_on = rows.some(({ at }) => at.length >= columns);
  let drawn: Row[] = [];
  if (moves || goes_on) {
    const cells = new Cells(bytes, columns);
    walk(bytes, cells);
    drawn = cells.rows(moves);
  }
  return { drawn, came: rows, clipboard, left_at };
}

/** Who is told of output, byte after byte. */
export interface Shown {
  letter(at: number): void;
  lineFeed(at: number): void;
  /** @param over whether it goes back over what is there: no new row follows */
  carriageReturn(at: number, over: boolean): void;
  back(): void;
  tab(at: number): void;
  sequence(sequence: Sequence): void;
}

function walk(bytes: Uint8Array, to: Shown): void {
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!;
    if (byte >= 0x20 && byte !== DEL) to.letter(i);
    else if (byte === LF || byte === VT || byte === FF) to.lineFeed(i);
    else if (byte === CR) {
      const next = bytes[i + 1];
      to.carriageReturn(i, next !== LF && next !== CR && next !== undefined);
    } else if (byte === BS) to.back();
    else if (byte === HT) to.tab(i);
    else if (byte === ESC) {
      const sequence = sequenceAt(bytes, i);
      to.sequence(sequence);
      i = sequence.last;
    }
  }
}

/** Letters in the order in which they came. */
class Coming implements Shown {
  readonly clipboard: Row[] = [];
  left_at = -1;
  /** Whether the cursor was elsewhere than behind the last letter. */
  moves = false;
  private readonly out: Row[] = [];
  private readonly codes: Buffer;
  private readonly places: Int32Array;
  private count = 0;
  private from = 0;

  constructor(private readonly bytes: Uint8Array) {
    this.codes = Buffer.alloc(bytes.length);
    this.places = new Int32Array(bytes.length);
  }

  get rows(): Row[] {
    this.newRow();
    return this.out;
  }

  letter(i: number): void {
    this.codes[this.count] = this.bytes[i]!;
    this.places[this.count++] = i;
  }

  tab(i: number): void {
    this.letter(i);
  }

  lineFeed(i: number): void {
    this.newRow(i);
    this.left_at = i;
  }

  carriageReturn(i: number, over: boolean): void {
    if (!over) return;
    this.moves = true;
    this.newRow(i);
  }

  back(): void {
    this.moves = true;
  }

  sequence(sequence: Sequence): void {
    const { string, last } = sequence;
    if (string) return this.aside(string.from, string.to);
    this.moves ||= !STAYS.has(sequence.final);
    if (leavesRow(sequence)) this.left_at = last;
  }

  private newRow(end?: number): void {
    const { from, count, codes, places } = this;
    this.from = count;
    if (count === from) return;
    const text = codes.toString("latin1", from, count);
    const at = places.subarray(from, count);
    this.out.push({ text, at, ...(end !== undefined && { end }) });
  }

  /** It is no part of the row that it came in. */
  private aside(from: number, to: number): void {
    if (from >= to) return;
    const text = Buffer.from(this.bytes.subarray(from, to)).toString("latin1");
    const row = { text, at: Int32Array.from(text, (_, i) => from + i) };
    this.out.push(row);
    if (text.includes("]52;")) this.clipboard.push(row);
  }
}

/** Of what stands in its row. */
const IN_ROW = new Set("@CDGIKPXZ`abhlmnqrst");

/** Whether the cursor is in another row after it, or all rows are others. */
function leavesRow({ kind, final, numbers }: Sequence): boolean {
  if (kind === "[?")
    return "hl".includes(final) && numbers.some((n) => SCREENS.has(n));
  if (kind === "") return final !== "" && "8DEMc".includes(final);
  return final !== "" && !IN_ROW.has(final);
}

/** A sequence that begins with ESC (ECMA-48). */
export interface Sequence {
  /** Its last byte; of one that is cut off, the end of all. */
  last: number;
  /** ESC alone has none; `[`: a control sequence. */
  kind: string;
  final: string;
  numbers: number[];
  /** What is sent in it, where it is a string. */
  string: { from: number; to: number } | null;
}

/** After these a row is as it came: colours, and a clear where nothing was. */
const STAYS = new Set(["", "m", "K"]);
const STRINGS = new Set([..."]PX^_k"].map((letter) => letter.charCodeAt(0)));
const LARGEST = 16_384;
const MOST_NUMBERS = 16;

/** From its ESC on. */
function sequenceAt(bytes: Uint8Array, from: number): Sequence {
  const plain = (last: number): Sequence => ({
    ...{ last, kind: "", final: "", numbers: [], string: null },
  });
  const second = bytes[from + 1];
  if (second === undefined) return plain(from);
  if (STRINGS.has(second)) {
    const string = (to: number, last: number): Sequence => ({
      ...plain(last),
      string: { from: from + 1, to },
    });
    for (let i = from + 2; i < bytes.length; i++) {
      if (bytes[i] === BEL) return string(i, i);
      if (bytes[i] !== ESC) continue;
      const next = bytes[i + 1];
      // One within another, as a multiplexer passes it on.
      if (next === ESC) i++;
      else if (next === undefined || next === 0x5c)
        return string(i, Math.min(i + 1, bytes.length - 1));
      else if (!STRINGS.has(next)) return string(i, i - 1);
    }
    return string(bytes.length, bytes.length - 1);
  }
  if (second === 0x5b) return controlSequence(bytes, from);
  // Intermediate bytes, and the final one: character sets and the like.
  let i = from + 1;
  while (i < bytes.length && bytes[i]! >= 0x20 && bytes[i]! < 0x30) i++;
  if (i >= bytes.length) return plain(bytes.length - 1);
  const final = i === from + 1 ? String.fromCharCode(bytes[i]!) : "";
  return { ...plain(i), final };
}

function controlSequence(bytes: Uint8Array, from: number): Sequence {
  const numbers = [0];
  let i = from + 2;
  let isPrivate = false;
  for (; i < bytes.length && bytes[i]! >= 0x20 && bytes[i]! < 0x40; i++) {
    const digit = bytes[i]! - 0x30;
    const n = numbers.at(-1)!;
    if (digit >= 0 && digit < 10 && n < LARGEST)
      numbers[numbers.length - 1] = n * 10 + digit;
    else if (digit === 11 && numbers.length < MOST_NUMBERS) numbers.push(0);
    else if (digit > 11) isPrivate = true;
  }
  const cut = i >= bytes.length;
  const final = cut ? "" : String.fromCharCode(bytes[i]!);
  const last = cut ? bytes.length - 1 : i;
  return { last, kind: isPrivate ? "[?" : "[", final, numbers, string: null };
}
