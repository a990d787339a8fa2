/**
 * Formats rows as a table: aligned columns with a header for a person,
 * tab-separated cells without blanks for a program.
 *
 * A table is at most as wide as the terminal: ids are shortened to their end, then
 * names to NAME_CELLS, then columns are left out, then the first ones are cut.
 */
import type { Zone } from "../model/clock.ts";
import { escapeCell, escapeText } from "./escape.ts";

export interface Column<Row> {
  header: string;
  /** The cell's text, not yet escaped. */
  value(row: Row, zone: Zone): string;
  /** What a person is shown in its place, with blanks, where that differs. */
  person?(row: Row, zone: Zone): string;
  /**
   * What may be shortened: an id to its last characters where these are unique,
   * a name (whose length others choose) to NAME_CELLS. Else it stays whole.
   */
  shrink?: "id" | "name";
  /** A person is shown its blanks: it is the last one. */
  text?: true;
  /** What is marked in the cell wherever it stands in it, escaped. */
  marks?(row: Row): readonly string[];
  /** Columns with a lower number are left out first; one without stays. */
  drop?: number;
  /** An ANSI escape sequence that colours the cell; "" for none. */
  color?(row: Row): string;
}

export const NAME_CELLS = 24;
/** As many as the hexadecimal end of a session id has. */
const END_CHARACTERS = 8;
/** A text that gets less room takes that of other columns. */
const TEXT_CELLS = 24;
const GAP = "  ";

/** One row for a program. */
export function tabRow<Row>(
  columns: readonly Column<Row>[],
  row: Row,
  zone: Zone,
): string {
  const cells = columns.map(({ value }) => escapeCell(value(row, zone)));
  return `${cells.join("\t")}\n`;
}

/** The columns that may be left out, in that order. */
export function dropOrder<Row>(columns: readonly Column<Row>[]): Column<Row>[] {
  return columns
    .filter(({ drop }) => drop !== undefined)
    .sort((a, b) => a.drop! - b.drop!);
}

export interface TableOptions {
  color: boolean;
  zone: Zone;
  /** Terminal cells that a line may have; null for as many as it needs. */
  width: number | null;
  /** Whether the names of the columns come first; they do when it is left out. */
  header?: boolean;
}

/** The table for a person, header first. */
export function table<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  { color, zone, width, header: named = true }: TableOptions,
): string {
  const whole = columns.map((column) =>
    fill(
      column,
      rows.map((row) => {
        const shown = column.person?.(row, zone);
        if (shown !== undefined) return escapeText(shown);
        const text = column.value(row, zone);
        return column.text ? escapeText(text) : escapeCell(text);
      }),
    ),
  );
  const shown = width === null ? whole : fit(whole, width);
  const header = shown.map(({ column, width }) => pad(column.header, width));
  const lines = rows.map((row, i) =>
    shown.map(({ column, cells, width }) => {
      const marks = (color && column.marks?.(row)) || [];
      return pad(cells[i]!, width, color ? column.color?.(row) : "", marks);
    }),
  );
  return [...(named ? [header] : []), ...lines]
    .map((cells) => `${cells.join(GAP).trimEnd()}\n`)
    .join("");
}

/** A column with its cells, escaped. */
interface Filled<Row> {
  column: Column<Row>;
  cells: readonly string[];
  /** Terminal cells that it takes: as many as its widest text. */
  width: number;
}

function fill<Row>(column: Column<Row>, cells: readonly string[]): Filled<Row> {
  let width = column.header.length;
  for (const text of cells) width = Math.max(width, Bun.stringWidth(text));
  return { column, cells, width };
}

const limit = <Row>(filled: Filled<Row>, width: number): Filled<Row> => ({
  ...filled,
  width: Math.min(filled.width, width),
});

const widthOf = <Row>(shown: readonly Filled<Row>[]): number =>
  shown.reduce((sum, { width }) => sum + width, 0) +
  GAP.length * (shown.length - 1);

function fit<Row>(
  whole: readonly Filled<Row>[],
  width: number,
): readonly Filled<Row>[] {
  if (widthOf(whole) <= width) return whole;
  let shown = whole;
  const withText = () => textCut(shown, width);
  let fitted = withText();
  if (fitted) return fitted;
  shown = whole.map((filled) =>
    filled.column.shrink === "id"
      ? fill(filled.column, uniqueEnds(filled.cells))
      : filled,
  );
  if (widthOf(shown) <= width) return shown;
  if ((fitted = withText())) return fitted;
  shown = shown.map((filled) =>
    filled.column.shrink === "name" ? limit(filled, NAME_CELLS) : filled,
  );
  const order = dropOrder(shown.map(({ column }) => column));
  for (const column of order) {
    if (widthOf(shown) <= width) return shown;
    if ((fitted = withText())) return fitted;
    const rest = shown.filter((filled) => filled.column !== column);
    // A name that is cut is better than none.
    const room = width - widthOf(rest) - GAP.length;
    if (column === order.at(-1) && room >= column.header.length)
      return shown.map((filled) =>
        filled.column === column ? limit(filled, room) : filled,
      );
    shown = rest;
  }
  return withText() ?? shown.map((filled) => limit(filled, width));
}

/** Where there is a text, the others whole and it in what is left; null for too little. */
function textCut<Row>(
  shown: readonly Filled<Row>[],
  width: number,
): readonly Filled<Row>[] | null {
  const text = shown.find(({ column }) => column.text);
  if (!text) return null;
  const room = width - widthOf(shown) + text.width;
  if (room < TEXT_CELLS) return null;
  return shown.map((filled) => (filled === text ? limit(text, room) : filled));
}

/** The end of each id, where no other one ends so; one may be there many times. */
function uniqueEnds(ids: readonly string[]): string[] {
  const endOf = (id: string) => id.slice(-END_CHARACTERS);
  const count = new Map<string, number>();
  for (const id of new Set(ids))
    count.set(endOf(id), (count.get(endOf(id)) ?? 0) + 1);
  return ids.map((id) => (count.get(endOf(id)) === 1 ? endOf(id) : id));
}

function pad(
  text: string,
  width: number,
  color = "",
  marks: readonly string[] = [],
): string {
  const shown = cut(text, width);
  const blanks = " ".repeat(width - Bun.stringWidth(shown));
  return (color ? `${color}${shown}\x1b[0m` : marked(shown, marks)) + blanks;
}

/** The longest of what stands at one place is marked. */
function marked(text: string, marks: readonly string[]): string {
  if (marks.length === 0) return text;
  const longest = [...marks].sort((a, b) => b.length - a.length);
  const any = new RegExp(
    longest.map((each) => RegExp.escape(each)).join("|"),
    "gu",
  );
  return text.replace(any, (match) => `\x1b[1;31m${match}\x1b[0m`);
}

/** As much of a text as fits, with an ellipsis where that is not all. */
export function cut(text: string, room: number): string {
  if (Bun.stringWidth(text) <= room) return text;
  let kept = "";
  let used = 1;
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    used += Bun.stringWidth(segment);
    if (used > room) break;
    kept += segment;
  }
  return `${kept}…`;
}
