/**
 * Sessions as rows: aligned columns with a header for a person, tab-separated
 * cells without blanks for a program.
 *
 * A table is as wide as the terminal at most. Where it would be wider, ids are
 * shortened to their end, then names to so many cells, then columns go, and at
 * last the names have what is left.
 */
import type { Session, Status } from "../model/session.ts";
import type { Zone } from "../model/zone.ts";
import { escapeCell } from "./escape.ts";
import { duration, localTime } from "./format.ts";

const COLUMNS = [
  "SESSION ID",
  "COMPONENT",
  "USER",
  "HOST",
  "STARTED",
  "DURATION",
  "STATUS",
  "EXIT",
] as const;
type Column = (typeof COLUMNS)[number];

/** What goes first where there is no room. */
export const DROPPED = [
  "HOST",
  "USER",
  "EXIT",
  "DURATION",
  "STARTED",
  "STATUS",
  "COMPONENT",
] as const satisfies readonly Column[];
/** Others choose how long these are. */
const NAMES: readonly Column[] = ["COMPONENT", "USER", "HOST"];
export const NAME_CELLS = 24;
/** What show-session takes for an id. */
const END_CHARACTERS = 8;
const GAP = "  ";

const COLOR: Record<Status, string> = {
  active: "\x1b[32m",
  ended: "",
  lost: "\x1b[33m",
};

function cells(session: Session, zone: Zone): string[] {
  return [
    session.session_id,
    session.component_name,
    session.username,
    session.hostname,
    localTime(session.start_time, zone),
    duration(session.duration_seconds),
    session.status,
    session.signal ?? String(session.exit_code ?? "-"),
  ].map(escapeCell);
}

/** One row for a program. */
export function tabRow(session: Session, zone: Zone): string {
  return `${cells(session, zone).join("\t")}\n`;
}

export interface TableOptions {
  color: boolean;
  zone: Zone;
  /** Cells that a line may have; null for all that it takes. */
  width: number | null;
}

/** The table for a person. */
export function table(
  sessions: readonly Session[],
  { color, zone, width }: TableOptions,
): string {
  const rows = sessions.map((session) => cells(session, zone));
  const whole = COLUMNS.map((title, i) =>
    filled(
      title,
      rows.map((row) => row[i]!),
    ),
  );
  const shown = width === null ? whole : fitted(whole, width);
  const lines = rows.map((_, i) => {
    const paint = color ? COLOR[sessions[i]!.status] : "";
    return lineOf(shown, (column) => column.cells[i]!, paint);
  });
  const head = lineOf(shown, ({ title }) => title, "");
  return [head, ...lines, ""].join("\n");
}

interface Filled {
  title: Column;
  cells: readonly string[];
  /** Cells of a terminal that it takes. */
  width: number;
}

/** As wide as its widest text. */
function filled(title: Column, cells: readonly string[]): Filled {
  let width = title.length;
  for (const text of cells) width = Math.max(width, Bun.stringWidth(text));
  return { title, cells, width };
}

const limited = (column: Filled, width: number): Filled => ({
  ...column,
  width: Math.min(column.width, width),
});

const total = (columns: readonly Filled[]): number =>
  columns.reduce((sum, { width }) => sum + width, 0) +
  GAP.length * (columns.length - 1);

function fitted(whole: readonly Filled[], width: number): readonly Filled[] {
  if (total(whole) <= width) return whole;
  const [ids, ...rest] = whole as [Filled, ...Filled[]];
  let columns = [filled(ids.title, endsOf(ids.cells)), ...rest];
  if (total(columns) <= width) return columns;
  columns = columns.map((column) =>
    NAMES.includes(column.title) ? limited(column, NAME_CELLS) : column,
  );
  for (const title of DROPPED) {
    if (total(columns) <= width) return columns;
    // A name that is too long is better than none.
    const room = width - total(columns.slice(0, 1)) - GAP.length;
    if (title === "COMPONENT" && room >= title.length)
      return [columns[0]!, limited(columns[1]!, room)];
    columns = columns.filter((column) => column.title !== title);
  }
  return columns.map((column) => limited(column, width));
}

/** Each id's end, where no other one of them ends so. */
function endsOf(ids: readonly string[]): string[] {
  const ends = ids.map((id) => id.slice(-END_CHARACTERS));
  const count = new Map<string, number>();
  for (const end of ends) count.set(end, (count.get(end) ?? 0) + 1);
  return ends.map((end, i) => (count.get(end) === 1 ? end : ids[i]!));
}

function lineOf(
  columns: readonly Filled[],
  textOf: (column: Filled) => string,
  paint: string,
): string {
  return columns
    .map((column) => {
      const text = cut(textOf(column), column.width);
      const pad = " ".repeat(column.width - Bun.stringWidth(text));
      const painted = paint && column.title === "STATUS";
      return (painted ? `${paint}${text}\x1b[0m` : text) + pad;
    })
    .join(GAP)
    .trimEnd();
}

/** As much of a text as fits, ending with an ellipsis where that is not all. */
function cut(text: string, room: number): string {
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
