/**
 * The cells of a terminal's screen, its cursor, and how letters and rows move in it.
 * Rows that leave it are told as lines.
 */
import { BLANK, PLAIN, REST, Row, type Style } from "./row.ts";
import { NOWHERE, widthOf } from "./width.ts";

/** More is nobody's terminal: of larger ones the upper left corner is shown. */
export const MOST_COLUMNS = 1_000;
export const MOST_ROWS = 300;
/** A line that a terminal wrapped over and over. */
const MOST_LINE = 64 * 1024;
const TAB = 8;
/** DEC's special graphics, from `_` on. */
const GRAPHICS = " ◆▒␉␌␍␊°±␤␋┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·";

/** A row, or several that were one line, as it left the screen. */
export type Told = (text: string, drawn_us: number) => void;

export interface Cursor {
  row: number;
  column: number;
  /** The next letter goes to the next row. */
  waits: boolean;
  style: Style;
  /** Which character set is meant, and what they are: `0` has graphics. */
  shifted: 0 | 1;
  sets: [string, string];
  origin: boolean;
}

export const atHome = (): Cursor => ({
  ...{ row: 0, column: 0, waits: false, style: { ...PLAIN } },
  ...{ shifted: 0, sets: ["B", "B"], origin: false },
});

export const copyOf = (cursor: Cursor): Cursor => ({
  ...cursor,
  style: { ...cursor.style },
  sets: [...cursor.sets],
});

export interface Size {
  columns: number;
  rows: number;
}

export interface Held {
  columns: number;
  rows: Row[];
  /** Those of the main screen while the alternate one is shown. */
  behind: Row[] | null;
  cursor: Cursor;
  saved: Cursor;
  /** Of the region that scrolls. */
  top: number;
  bottom: number;
  wraps: boolean;
  inserts: boolean;
  feeds: boolean;
  cursor_shown: boolean;
  tabs: Set<number> | null;
  last: number;
  line: string;
}

const begun = ({ columns, rows }: Pick<Held, "columns" | "rows">): Held => ({
  ...{ columns, rows, behind: null, cursor: atHome(), saved: atHome() },
  ...{ top: 0, bottom: rows.length - 1, wraps: true, inserts: false },
  ...{ feeds: false, cursor_shown: true, tabs: null, last: 0x20, line: "" },
});

export class Grid {
  /** All that it is. */
  s: Held;
  /** When what is written now was shown. */
  now_us = 0;
  told: Told = () => {};

  constructor(size: Size) {
    const { columns, rows } = bounded(size);
    this.s = begun({ columns, rows: rowsOf(rows, columns) });
  }

  save(): Held {
    const { rows, behind, cursor, saved, tabs } = this.s;
    return {
      ...this.s,
      rows: rows.map((row) => row.copy()),
      behind: behind && behind.map((row) => row.copy()),
      ...{ cursor: copyOf(cursor), saved: copyOf(saved) },
      tabs: tabs && new Set(tabs),
    };
  }

  restore(held: Held): void {
    this.s = held;
    this.s = this.save();
  }

  get columns(): number {
    return this.s.columns;
  }
  get rows(): readonly Row[] {
    return this.s.rows;
  }
  /** null while it is hidden. */
  get cursor(): { row: number; column: number } | null {
    return this.s.cursor_shown ? this.s.cursor : null;
  }
  /** A program has the whole screen. */
  get isAlternate(): boolean {
    return this.s.behind !== null;
  }
  get cursorRow(): number {
    return this.s.cursor.row;
  }

  /** Nothing more comes: what is still to be seen is told. */
  end(): void {
    const { rows, behind } = this.s;
    if (behind) this.tellAll(behind);
    this.tellAll(rows);
  }

  /** Nothing flows into other rows: the program is told, and draws anew. */
  resize(size: Size): void {
    const { s } = this;
    const { columns, rows } = bounded(size);
    for (const all of [s.rows, s.behind]) {
      if (!all) continue;
      const over = Math.max(0, s.cursor.row - (rows - 1));
      if (all.length > rows) {
        for (const row of all.splice(0, over)) this.tell(row);
        this.tellAll(all.splice(rows));
      }
      while (all.length < rows) all.push(new Row(columns));
      for (const row of all) row.widen(columns);
    }
    s.cursor.row = Math.min(s.cursor.row, rows - 1);
    s.cursor.column = Math.min(s.cursor.column, columns - 1);
    s.cursor.waits = false;
    s.columns = columns;
    [s.top, s.bottom] = [0, rows - 1];
  }

  letter(given: number): void {
    const { s } = this;
    const { cursor, columns } = s;
    const graphics = cursor.sets[cursor.shifted] === "0";
    const code =
      graphics && given >= 0x5f && given <= 0x7e
        ? GRAPHICS.charCodeAt(given - 0x5f)
        : given;
    const width = widthOf(code);
    if (width === NOWHERE) return;
    if (width === 0) return this.accent(code);
    if (cursor.waits && s.wraps) this.wrap();
    if (width === 2 && cursor.column === columns - 1) {
      if (columns < 2) return;
      if (s.wraps) this.wrap();
      else cursor.column--;
    }
    const row = s.rows[cursor.row]!;
    const { style } = cursor;
    if (s.inserts) row.shift(cursor.column, width, columns, style);
    row.put(cursor.column, code, style);
    if (width === 2) row.put(cursor.column + 1, REST, style);
    // That was the second cell of what is there: it is whole.
    if (width === 2) row.codes[cursor.column] = code;
    row.drawn_us = this.now_us;
    s.last = code;
    cursor.column += width;
    cursor.waits = cursor.column >= columns;
    if (cursor.waits) cursor.column = columns - 1;
  }

  private accent(code: number): void {
    const { cursor, rows } = this.s;
    const row = rows[cursor.row]!;
    let at = cursor.waits ? cursor.column : cursor.column - 1;
    if (row.codes[at] === REST) at--;
    if (at >= 0 && row.codes[at] !== BLANK) row.mark(at, code);
  }

  private wrap(): void {
    const { cursor, rows } = this.s;
    rows[cursor.row]!.wrapped = true;
    cursor.column = 0;
    this.feed();
  }

  /** To the next row, in the same column. */
  feed(): void {
    const { s } = this;
    s.cursor.waits = false;
    if (s.cursor.row === s.bottom) this.scroll(1);
    else if (s.cursor.row < s.rows.length - 1) s.cursor.row++;
  }

  feedBack(): void {
    const { s } = this;
    s.cursor.waits = false;
    if (s.cursor.row === s.top) this.insertRows(s.top, 1);
    else if (s.cursor.row > 0) s.cursor.row--;
  }

  /** Rows leave at the top of the region. */
  scroll(count: number): void {
    const { s } = this;
    this.deleteRows(s.top, count, s.top === 0);
  }

  deleteRows(at: number, count: number, tells: boolean): void {
    const { s } = this;
    const { style } = s.cursor;
    const whole = at === 0 && s.bottom === s.rows.length - 1;
    for (let i = Math.min(count, s.bottom - at + 1); i > 0; i--) {
      const row = whole ? s.rows.shift()! : s.rows.splice(at, 1)[0]!;
      if (tells) this.tell(row);
      row.reset(style);
      row.widen(s.columns);
      if (whole) s.rows.push(row);
      else s.rows.splice(s.bottom, 0, row);
    }
  }

  insertRows(at: number, count: number): void {
    const { s } = this;
    for (let i = Math.min(count, s.bottom - at + 1); i > 0; i--) {
      const [row] = s.rows.splice(s.bottom, 1);
      row!.reset(s.cursor.style);
      s.rows.splice(at, 0, row!);
    }
  }

  private tell(row: Row): void {
    const { s } = this;
    if (row.told) return;
    row.told = true;
    s.line += row.text();
    if (row.wrapped && s.line.length < MOST_LINE) return;
    this.told(s.line, row.drawn_us);
    s.line = "";
  }

  /** Down to the last that has something. */
  tellAll(rows: readonly Row[]): void {
    let end = rows.length;
    while (end > 0 && rows[end - 1]!.isEmpty()) end--;
    for (const row of rows.slice(0, end)) this.tell(row);
  }

  tab(count: number): void {
    const { cursor, columns, tabs } = this.s;
    const stops = (at: number) => (tabs ? tabs.has(at) : at % TAB === 0);
    for (let i = Math.min(Math.abs(count), columns); i > 0; i--) {
      const step = Math.sign(count);
      do cursor.column += step;
      while (
        cursor.column > 0 &&
        cursor.column < columns - 1 &&
        !stops(cursor.column)
      );
      cursor.column = Math.min(Math.max(cursor.column, 0), columns - 1);
    }
  }

  tabs(): Set<number> {
    const { s } = this;
    const usual = Array.from({ length: MOST_COLUMNS / TAB }, (_, i) => i * TAB);
    return (s.tabs ??= new Set(usual));
  }

  restoreCursor(): void {
    const { s } = this;
    s.cursor = copyOf(s.saved);
    s.cursor.row = Math.min(s.cursor.row, s.rows.length - 1);
    s.cursor.column = Math.min(s.cursor.column, s.columns - 1);
  }

  resetAll(): void {
    const { s } = this;
    if (s.behind) this.alternate(false);
    this.tellAll(s.rows);
    for (const row of s.rows) row.reset(PLAIN);
    const { columns, rows, line } = s;
    this.s = { ...begun({ columns, rows }), line };
  }

  alternate(on: boolean): void {
    const { s } = this;
    if (on === (s.behind !== null)) return;
    // What it shows, or what is behind it from now on.
    this.tellAll(s.rows);
    if (on) {
      s.behind = s.rows;
      s.rows = rowsOf(s.rows.length, s.columns);
    } else {
      s.rows = s.behind!;
      s.behind = null;
    }
  }
}

const rowsOf = (rows: number, columns: number): Row[] =>
  Array.from({ length: rows }, () => new Row(columns));

/** A size that is shown. */
export const bounded = ({ columns, rows }: Size): Size => ({
  columns: Math.max(1, Math.min(columns, MOST_COLUMNS)),
  rows: Math.max(1, Math.min(rows, MOST_ROWS)),
});
