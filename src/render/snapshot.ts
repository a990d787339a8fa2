/**
 * A screen as sequences that make it on another terminal, whatever that showed: its
 * letters, and all that decides what comes next: modes, colours, the cursor.
 */
import type { Cursor, Grid } from "../model/recording/grid.ts";
import { REST, type Row } from "../model/recording/row.ts";
import { rowText, styleText } from "./picture.ts";

const RESET = "\x1bc";
const SAVE = "\x1b7";
const ALTERNATE = "\x1b[?1049h\x1b[H\x1b[2J";
const SHIFT = "\x0e";
/** The one character set that differs here. */
const GRAPHICS = "0";

/** The screen as it is now. */
export function snapshot(screen: Grid): string {
  const { s } = screen;
  const { saved, cursor } = s;
  const main = s.behind ?? s.rows;
  let text = RESET + rowsText(main, s.columns);
  if (saved.origin) text += "\x1b[?6h";
  text += place(main, saved, 0) + pen(saved) + (s.behind ? ALTERNATE : SAVE);
  if (saved.origin) text += "\x1b[?6l";
  // It was saved with the cursor, and is not meant for what is drawn now.
  if (!isUsual(saved)) text += "\x1b(B\x1b)B\x0f";
  if (s.behind) text += rowsText(s.rows, s.columns);
  if (s.tabs) text += tabs(s.tabs, s.columns);
  if (s.top > 0 || s.bottom < s.rows.length - 1)
    text += `\x1b[${s.top + 1};${s.bottom + 1}r`;
  const top = cursor.origin ? s.top : 0;
  if (cursor.origin) text += "\x1b[?6h";
  text += place(s.rows, cursor, top);
  if (!s.wraps) text += "\x1b[?7l";
  if (s.inserts) text += "\x1b[4h";
  if (s.feeds) text += "\x1b[20h";
  if (!s.cursor_shown) text += "\x1b[?25l";
  return text + pen(cursor);
}

function rowsText(rows: readonly Row[], columns: number): string {
  let text = "";
  for (const [i, row] of rows.entries()) {
    const drawn = rowText(row, columns, true);
    if (drawn !== "") text += `\x1b[${i + 1}H${drawn}`;
  }
  return `${text}\x1b[m`;
}

/**
 * Where a cursor is; behind the last cell it waits because that was just drawn.
 * @param top of a region, where the origin is in it
 */
function place(rows: readonly Row[], cursor: Cursor, top: number): string {
  // It may have been saved on a larger screen.
  const row = rows[Math.min(cursor.row, rows.length - 1)]!;
  const rest = cursor.waits && row.codes[cursor.column] === REST;
  const at = rest ? cursor.column - 1 : cursor.column;
  const text = `\x1b[${Math.max(0, cursor.row - top) + 1};${at + 1}H`;
  if (!cursor.waits) return text;
  const [fg, bg, flags] = [row.fg[at]!, row.bg[at]!, row.flags[at]!];
  const style = styleText({ fg, bg, flags }, true);
  return `${text}\x1b[${style}m${row.cell(at)}`;
}

/** What the next letter looks like. */
function pen({ style, sets, shifted }: Cursor): string {
  let text = `\x1b[${styleText(style, true)}m`;
  if (sets[0] === GRAPHICS) text += `\x1b(${GRAPHICS}`;
  if (sets[1] === GRAPHICS) text += `\x1b)${GRAPHICS}`;
  return shifted === 1 ? text + SHIFT : text;
}

const isUsual = ({ sets, shifted }: Cursor): boolean =>
  !sets.includes(GRAPHICS) && shifted === 0;

function tabs(stops: ReadonlySet<number>, columns: number): string {
  let text = "\x1b[3g";
  for (const stop of stops)
    if (stop > 0 && stop < columns) text += `\x1b[1;${stop + 1}H\x1bH`;
  return text;
}
