/**
 * Draws a recorded screen on the viewer's terminal, a row when it changed. What goes out
 * is letters, colours and places, and nothing of what was recorded beyond those: neither
 * title nor clipboard nor modes can be reached by it.
 */
import type { Grid, Size } from "../model/recording/grid.ts";
import {
  BLANK,
  FLAGS,
  REST,
  RGB,
  type Row,
  type Style,
} from "../model/recording/row.ts";
import { widthOf } from "../model/recording/width.ts";

const CODES: [flag: number, code: number][] = [
  ...[
    [FLAGS.bold, 1],
    [FLAGS.faint, 2],
    [FLAGS.italic, 3],
  ],
  ...[
    [FLAGS.underlined, 4],
    [FLAGS.blinking, 5],
    [FLAGS.inverse, 7],
  ],
  [FLAGS.crossed, 9],
] as [number, number][];
/** Below it all letters take one cell. */
const WIDE_BEGIN = 0x1100;
const REST_OF_LINE = "\x1b[K";
const PLAIN = "\x1b[m";
const SHOW_CURSOR = "\x1b[?25h";
const HIDE_CURSOR = "\x1b[?25l";

export class Picture {
  private shown: string[] = [];
  private cursor = "";
  private size: Size = { columns: 0, rows: 0 };

  /**
   * What makes of the terminal's picture the next one.
   * @param size the terminal's; its last row has the status
   * @param status a line of text that is safe and fits
   */
  draw(screen: Grid, size: Size, status: string, color: boolean): string {
    let out = "";
    if (size.columns !== this.size.columns || size.rows !== this.size.rows) {
      this.size = { ...size };
      this.shown = [];
      out += `${PLAIN}\x1b[2J`;
    }
    const room = Math.max(0, size.rows - 1);
    const first = firstRow(screen, room);
    for (let i = 0; i < room; i++) {
      const row = screen.rows[first + i];
      const width = Math.min(size.columns, screen.columns);
      const drawn = row ? rowText(row, width, color) : "";
      // The last cell of a row is no place to erase from.
      const rest =
        row && width === size.columns && isFull(row, width) ? "" : REST_OF_LINE;
      out += this.put(i, drawn + PLAIN + rest);
    }
    out += this.put(room, `\x1b[7m${status}${PLAIN}${REST_OF_LINE}`);
    const cursor = cursorText(screen.cursor, first, size.columns);
    if (out === "" && cursor === this.cursor) return "";
    this.cursor = cursor;
    return HIDE_CURSOR + out + cursor;
  }

  private put(row: number, drawn: string): string {
    if (this.shown[row] === drawn) return "";
    this.shown[row] = drawn;
    return `\x1b[${row + 1};1H${PLAIN}${drawn}`;
  }
}

function cursorText(
  cursor: Grid["cursor"],
  first: number,
  columns: number,
): string {
  if (!cursor || cursor.column >= columns) return "";
  const row = Math.max(1, cursor.row - first + 1);
  return `\x1b[${row};${cursor.column + 1}H${SHOW_CURSOR}`;
}

/** Where there is not room for all, the cursor's row is among those that are shown. */
const firstRow = (screen: Grid, room: number): number =>
  Math.max(0, screen.cursorRow - room + 1);

const isFull = (row: Row, width: number): boolean =>
  row.codes[width - 1] !== BLANK || row.bg[width - 1] !== 0;

/** A row's letters and colours, from its first cell on. */
export function rowText(row: Row, width: number, color: boolean): string {
  let end = Math.min(width, row.codes.length);
  while (end > 0 && row.codes[end - 1] === BLANK && row.bg[end - 1] === 0)
    end--;
  // Of a wide letter at the edge there is no half.
  const cut = row.codes[end] === REST ? end - 1 : end;
  let text = "";
  let style = "";
  for (let at = 0; at < cut; at++) {
    const next = styleAt(row, at, color);
    if (next !== style) text += `\x1b[${next}m`;
    style = next;
    text += cellText(row, at);
    // Terminals do not agree how wide these are: the next is put where it belongs.
    if (row.codes[at]! >= WIDE_BEGIN && row.codes[at + 1] !== REST)
      text += `\x1b[${at + 2}G`;
  }
  return text;
}

/** Of a wide letter that lost its other half there is nothing to draw. */
function cellText(row: Row, at: number): string {
  const code = row.codes[at]!;
  if (code < WIDE_BEGIN) return row.cell(at);
  if (code === REST) return isWide(row, at - 1) ? "" : " ";
  return isWide(row, at) && row.codes[at + 1] !== REST ? " " : row.cell(at);
}

const isWide = (row: Row, at: number): boolean =>
  at >= 0 && row.codes[at] !== REST && widthOf(row.codes[at]!) === 2;

function styleAt(row: Row, at: number, color: boolean): string {
  const [fg, bg, flags] = [row.fg[at]!, row.bg[at]!, row.flags[at]!];
  return styleText({ fg, bg, flags }, color);
}

/** What Select Graphic Rendition makes of a style, from whatever it was. */
export function styleText({ fg, bg, flags }: Style, color: boolean): string {
  let style = "0";
  for (const [flag, code] of CODES) if (flags & flag) style += `;${code}`;
  if (!color) return style;
  return style + colorCode(fg, 3) + colorCode(bg, 4);
}

function colorCode(color: number, ground: 3 | 4): string {
  if (color === 0) return "";
  if (color >= RGB)
    return `;${ground}8;2;${(color >> 16) & 255};${(color >> 8) & 255};${color & 255}`;
  const n = color - 1;
  if (n < 8) return `;${ground}${n}`;
  return n < 16 ? `;${ground + 6}${n - 8}` : `;${ground}8;5;${n}`;
}
