/**
 * A terminal's screen as far as its letters go: each cell knows the bytes that drew it.
 * Rows that were left are kept; two of which the first reaches the right margin are one,
 * too, since programs wrap long lines there.
 */
import type { Row, Sequence, Shown } from "./walk.ts";

/** Of a cell: where its bytes begin, and how many they are. */
const LENGTH_BITS = 3;
const MOST_LENGTH = 7;
const BLANK = -1;
/** The second half of a wide letter. */
const HALF = -2;
const TAB = 8;
/** Rows that go on with each other are one up to so many letters. */
const MOST_JOINED = 16 * 1024;
const MOST_ROWS = 1_000;
/** Modes that are another screen. */
export const SCREENS: ReadonlySet<number> = new Set([47, 1047, 1049]);
/** CSI with these stays in its row. */
const CHANGES = new Set("@CDGIKPXZ`abm");

type Line = number[];

export class Cells implements Shown {
  private lines = new Map<number, Line>();
  /** Those that are otherwise than when they were kept last. */
  private changed = new Set<number>();
  private readonly out: Row[] = [];
  private readonly joined: Row[] = [];
  private line = 0;
  private column = 0;
  private saved = { line: 0, column: 0 };
  /** The cell that a byte may still belong to. */
  private last: { cells: Line; column: number } | null = null;
  /** Where rows stand is known: a program said it. */
  private placed = false;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly columns: number,
  ) {}

  letter(i: number): void {
    const byte = this.bytes[i]!;
    if ((byte & 0xc0) === 0x80 && this.goesOn(i)) return;
    if (this.column >= this.columns) {
      this.line++;
      this.column = 0;
    }
    const cells = this.row();
    const at = this.column++;
    while (cells.length < at) cells.push(BLANK);
    cells[at] = (i << LENGTH_BITS) | 1;
    this.last = { cells, column: at };
    // CJK, and most pictures, take two.
    const wide =
      (byte >= 0xe3 && byte <= 0xed) ||
      (byte === 0xf0 && this.bytes[i + 1] === 0x9f);
    if (wide && this.column < this.columns) cells[this.column++] = HALF;
  }

  /** A byte within a letter of several. */
  private goesOn(i: number): boolean {
    if (!this.last) return false;
    const { cells, column } = this.last;
    const cell = cells[column] ?? BLANK;
    if (cell < 0) return false;
    const length = cell & MOST_LENGTH;
    if ((cell >> LENGTH_BITS) + length !== i || length > 3) return false;
    cells[column] = cell + 1;
    return true;
  }

  tab(): void {
    const stop = (Math.floor(this.column / TAB) + 1) * TAB;
    this.column = Math.min(stop, this.columns - 1);
    const cells = this.row();
    while (cells.length < this.column) cells.push(BLANK);
  }

  lineFeed(): void {
    this.line++;
    if (this.lines.size > MOST_ROWS) this.emit();
  }

  carriageReturn(): void {
    this.column = 0;
  }

  back(): void {
    this.column = Math.max(0, Math.min(this.column, this.columns) - 1);
  }

  sequence({ kind, final, numbers, string }: Sequence): void {
    if (string || final === "") return;
    const given = numbers[0] ?? 0;
    const n = Math.max(1, given);
    if (kind === "[?") this.setMode(final, numbers);
    else if (kind === "") this.escape(final);
    else if (CHANGES.has(final)) this.change(final, n, given);
    else if (final === "s") this.saved = this.place();
    else this.leave(final, n, numbers);
  }

  /** All rows, and those that go on with each other as one. @param single the former, too */
  rows(single: boolean): Row[] {
    this.emit();
    return single ? this.out : this.joined;
  }

  private place() {
    return { line: this.line, column: this.column };
  }

  /** To be changed. */
  private row(): Line {
    this.changed.add(this.line);
    let cells = this.lines.get(this.line);
    if (!cells) this.lines.set(this.line, (cells = []));
    return cells;
  }

  private setMode(final: string, numbers: readonly number[]): void {
    // The other screen has other rows.
    const screens = numbers.some((n) => SCREENS.has(n));
    if (screens && (final === "h" || final === "l")) this.emit();
  }

  private escape(final: string): void {
    if (final === "7") this.saved = this.place();
    else if (final === "8") Object.assign(this, this.saved);
    else if (final === "D" || final === "E") this.line++;
    else if (final === "M") this.line--;
    else if (final === "c") this.emit();
    if (final === "E") this.column = 0;
  }

  private change(final: string, n: number, given: number): void {
    const cells = this.row();
    const { columns } = this;
    const to = (column: number) =>
      (this.column = Math.max(0, Math.min(column, columns - 1)));
    const at = Math.min(this.column, columns - 1);
    if (final === "C" || final === "a") to(at + n);
    else if (final === "D") to(at - n);
    else if (final === "G" || final === "`") to(n - 1);
    else if (final === "I") to((Math.floor(at / TAB) + n) * TAB);
    else if (final === "Z") to((Math.ceil(at / TAB) - n) * TAB);
    else if (final === "P") cells.splice(at, n);
    else if (final === "@") {
      if (at < cells.length)
        cells.splice(at, 0, ...Array<number>(Math.min(n, columns)).fill(BLANK));
      if (cells.length > columns) cells.length = columns;
    } else if (final === "X")
      cells.fill(BLANK, at, Math.min(at + n, cells.length));
    else if (final === "K") {
      if (given === 1) cells.fill(BLANK, 0, Math.min(at + 1, cells.length));
      else cells.length = Math.min(given === 2 ? 0 : at, cells.length);
    }
  }

  private leave(final: string, n: number, numbers: readonly number[]): void {
    if (final === "A" || final === "F") this.line -= n;
    else if (final === "B" || final === "E" || final === "e") this.line += n;
    else if (final === "H" || final === "f" || final === "d") {
      // What came before stands somewhere else.
      if (!this.placed) this.emit();
      this.placed = true;
      this.line = n - 1;
    } else if (final === "u") Object.assign(this, this.saved);
    else if (final === "J") this.clear(numbers[0] ?? 0);
    else if (final === "S" || final === "T") this.emit();
    else if (final === "L" || final === "M") this.shift(final === "L" ? n : -n);
    if (final === "E" || final === "F") this.column = 0;
    if (final === "H" || final === "f")
      this.column = Math.min(Math.max(1, numbers[1] ?? 1), this.columns) - 1;
  }

  private clear(which: number): void {
    const before = [...this.lines];
    this.emit();
    for (const [line, cells] of before)
      if (which === 0 && line === this.line)
        this.lines.set(line, cells.slice(0, this.column));
      else if (which < 2 && (which === 0 ? line < this.line : line > this.line))
        this.lines.set(line, cells);
  }

  /** Rows from the cursor's on go down, or up. */
  private shift(by: number): void {
    const before = [...this.lines];
    this.emit();
    for (const [line, cells] of before)
      if (line < this.line) this.lines.set(line, cells);
      else if (line + by >= this.line) this.lines.set(line + by, cells);
  }

  /** Keeps the rows as they are now, and begins anew. */
  private emit(): void {
    const { lines, changed, out } = this;
    this.lines = new Map();
    this.changed = new Set();
    this.last = null;
    const ordered = [...lines.keys()].sort((a, b) => a - b);
    let parts: { line: number; row: Row }[] = [];
    let letters = 0;
    for (const line of ordered) {
      const cells = lines.get(line)!;
      const row = this.rowOf(cells);
      if (changed.has(line)) out.push(row);
      parts.push({ line, row });
      letters += row.at.length;
      const full = cells.length >= this.columns && letters < MOST_JOINED;
      if (full && lines.has(line + 1)) continue;
      if (parts.length > 1 && parts.some((part) => changed.has(part.line))) {
        const text = parts.map((part) => part.row.text).join("");
        const at = Int32Array.from(parts.flatMap(({ row }) => [...row.at]));
        const one = { text, at };
        out.push(one);
        this.joined.push(one);
      }
      parts = [];
      letters = 0;
    }
  }

  private rowOf(cells: Line): Row {
    const at: number[] = [];
    const codes: number[] = [];
    for (const cell of cells) {
      if (cell === HALF) continue;
      if (cell === BLANK || cell === undefined) {
        codes.push(0x20);
        at.push(-1);
        continue;
      }
      const from = cell >> LENGTH_BITS;
      for (let i = from; i < from + (cell & MOST_LENGTH); i++) {
        codes.push(this.bytes[i]!);
        at.push(i);
      }
    }
    const text = Buffer.from(codes).toString("latin1");
    return { text, at: Int32Array.from(at) };
  }
}
