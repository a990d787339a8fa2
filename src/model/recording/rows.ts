/**
 * The rows that a terminal shows of some output: colours are gone, what was drawn over
 * is gone, and each letter knows which byte drew it.
 */
import { Cells, SCREENS } from "./cells.ts";
import { type Row, type Sequence, type Shown, walk } from "./walk.ts";

export interface Rows {
  /** As they stand on the screen, and stood before they were cleared; of rows that are so as they came, only those that go on with each other. */
  drawn: Row[];
  /** Letter after letter as they came, which keeps what was rubbed out again; what is sent in strings (titles, say), too. */
  came: Row[];
  /** What was sent for the clipboard. */
  clipboard: Row[];
  /** More for it is to come: what it is in has no end yet. */
  clipboard_open: boolean;
  /** The last byte that took the cursor to another row; -1: none did. */
  left_at: number;
}

/** @param columns how wide the terminal is: letters past it are in the next row */
export function rowsOf(bytes: Uint8Array, columns: number): Rows {
  const came = new Coming(bytes);
  walk(bytes, came);
  const { rows, clipboard, clipboard_open, left_at, moves } = came;
  const goes_on = rows.some(({ at }) => at.length >= columns);
  let drawn: Row[] = [];
  if (moves || goes_on) {
    const cells = new Cells(bytes, columns);
    walk(bytes, cells);
    drawn = cells.rows(moves);
  }
  return { drawn, came: rows, clipboard, clipboard_open, left_at };
}

/** Letters in the order in which they came. */
class Coming implements Shown {
  readonly clipboard: Row[] = [];
  clipboard_open = false;
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
    if (!/^52;|\]52;/.test(text)) return;
    this.clipboard.push(row);
    this.clipboard_open = to === this.bytes.length;
  }
}

/** After these a row is as it came: colours, and a clear where nothing was. */
const STAYS = new Set(["", "m", "K"]);
/** Of what stands in its row. */
const IN_ROW = new Set("@CDGIKPXZ`abhlmnqrst");

/** Whether the cursor is in another row after it, or all rows are others. */
function leavesRow({ kind, final, numbers }: Sequence): boolean {
  if (kind === "[?")
    return "hl".includes(final) && numbers.some((n) => SCREENS.has(n));
  if (kind === "") return final !== "" && "8DEMc".includes(final);
  return final !== "" && !IN_ROW.has(final);
}
