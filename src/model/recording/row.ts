/** A row of a terminal's screen: its cells, and when they were drawn. */

/** How a cell looks. A colour: 0 is the usual one, 1 + n of the palette, or RGB beyond. */
export interface Style {
  fg: number;
  bg: number;
  flags: number;
}

export const RGB = 0x100_0000;
/** Concealed text is no flag: what was hidden from the user is shown to who looks. */
export const FLAGS = {
  bold: 1,
  faint: 2,
  italic: 4,
  underlined: 8,
  blinking: 16,
  inverse: 32,
  crossed: 64,
} as const;

export const PLAIN: Readonly<Style> = { fg: 0, bg: 0, flags: 0 };

/** A cell where nothing was drawn. */
export const BLANK = 0;
/** The second cell of a wide letter. */
export const REST = 0x11_0000;
const SPACE = 0x20;
/** Of a cell, and of a row: nobody fills memory with accents. */
const MOST_MARKS = 8;
const MOST_MARKED = 200;

export class Row {
  codes: Uint32Array;
  fg: Uint32Array;
  bg: Uint32Array;
  flags: Uint8Array;
  /** What is drawn over a cell's letter: accents. */
  private marks: Map<number, string> | null = null;
  /** It goes on in the next row. */
  wrapped = false;
  /** Microseconds since the recording began. */
  drawn_us = 0;
  /** It was told as a line, and is as it was then. */
  told = false;
  /** Nothing was drawn in it since it was made, or reset. */
  private fresh = true;

  constructor(columns: number) {
    this.codes = new Uint32Array(columns);
    this.fg = new Uint32Array(columns);
    this.bg = new Uint32Array(columns);
    this.flags = new Uint8Array(columns);
  }

  copy(): Row {
    const copy = new Row(0);
    copy.codes = this.codes.slice();
    copy.fg = this.fg.slice();
    copy.bg = this.bg.slice();
    copy.flags = this.flags.slice();
    copy.marks = this.marks && new Map(this.marks);
    const { wrapped, drawn_us, told, fresh } = this;
    return Object.assign(copy, { wrapped, drawn_us, told, fresh });
  }

  /** What is beyond a smaller size stays: nobody erased it. */
  widen(columns: number): void {
    if (columns <= this.codes.length) return;
    for (const key of ["codes", "fg", "bg"] as const) {
      const wider = new Uint32Array(columns);
      wider.set(this[key]);
      this[key] = wider;
    }
    const wider = new Uint8Array(columns);
    wider.set(this.flags);
    this.flags = wider;
  }

  put(at: number, code: number, { fg, bg, flags }: Style): void {
    const { codes } = this;
    if (codes[at] === REST || codes[at + 1] === REST) this.split(at);
    codes[at] = code;
    this.fg[at] = fg;
    this.bg[at] = bg;
    this.flags[at] = flags;
    this.marks?.delete(at);
    this.told = this.fresh = false;
  }

  mark(at: number, code: number): void {
    this.marks ??= new Map();
    const marks = this.marks.get(at) ?? "";
    if (marks.length < MOST_MARKS && this.marks.size < MOST_MARKED)
      this.marks.set(at, marks + String.fromCodePoint(code));
  }

  /** Of a wide letter that is half drawn over, nothing stays. */
  private split(at: number): void {
    if (this.codes[at] === REST && at > 0) this.codes[at - 1] = SPACE;
    if (this.codes[at + 1] === REST) this.codes[at + 1] = SPACE;
  }

  /** Blanks in the colour of the background that holds. */
  erase(from: number, to: number, { bg }: Style): void {
    if (from >= to) return;
    this.split(from);
    if (this.codes[to] === REST) this.codes[to] = SPACE;
    this.codes.fill(BLANK, from, to);
    this.fg.fill(0, from, to);
    this.bg.fill(bg, from, to);
    this.flags.fill(0, from, to);
    if (this.marks)
      for (const at of this.marks.keys())
        if (at >= from && at < to) this.marks.delete(at);
    if (to >= this.codes.length) this.wrapped = false;
    if (bg !== 0) this.fresh = false;
    this.told = false;
  }

  /** As it was made. */
  reset(style: Style): void {
    this.told = false;
    if (this.fresh && style.bg === 0) return;
    this.erase(0, this.codes.length, style);
    this.marks = null;
    this.wrapped = false;
    this.fresh = style.bg === 0;
  }

  isEmpty(): boolean {
    return this.fresh || this.text() === "";
  }

  /** Moves cells within a row; to either side. */
  shift(from: number, by: number, end: number, style: Style): void {
    const count = Math.min(Math.abs(by), end - from);
    if (by > 0) this.move(from + count, from, end - count);
    else this.move(from, from + count, end);
    this.moveMarks(from, by > 0 ? count : -count, end);
    if (by > 0) this.erase(from, from + count, style);
    else this.erase(end - count, end, style);
  }

  private moveMarks(from: number, by: number, end: number): void {
    if (!this.marks) return;
    const moved = [...this.marks].flatMap(([at, marks]): [number, string][] => {
      if (at < from || at >= end) return [[at, marks]];
      const stays = at + by >= from && at + by < end;
      return stays ? [[at + by, marks]] : [];
    });
    this.marks = new Map(moved);
  }

  private move(to: number, from: number, end: number): void {
    for (const cells of [this.codes, this.fg, this.bg, this.flags])
      cells.copyWithin(to, from, end);
  }

  /** The text of a cell. */
  cell(at: number): string {
    const code = this.codes[at]!;
    if (code === REST) return "";
    if (code === BLANK) return " ";
    const letter = String.fromCodePoint(code);
    return this.marks ? letter + (this.marks.get(at) ?? "") : letter;
  }

  /** All that is drawn in it. */
  text(): string {
    let end = this.codes.length;
    while (end > 0 && this.codes[end - 1]! === BLANK) end--;
    if (this.marks === null && this.isPlain(end)) {
      const codes = this.codes.slice(0, end);
      for (let at = 0; at < end; at++)
        if (codes[at] === BLANK) codes[at] = SPACE;
      return String.fromCharCode(...codes);
    }
    let text = "";
    for (let at = 0; at < end; at++) text += this.cell(at);
    return text;
  }

  /** Whether each cell is a letter of the first plane: most rows are, and sooner text. */
  private isPlain(end: number): boolean {
    for (let at = 0; at < end; at++) if (this.codes[at]! > 0xffff) return false;
    return true;
  }
}
