/** Rows of a query's answer, of whatever columns, in each form. */
import { plainJson } from "../model/json.ts";
import type { Json } from "../model/event.ts";
import type { QueryColumn, QueryRow } from "../model/query.ts";
import { csvLine } from "./csv.ts";
import { escapeCell, escapeText } from "./escape.ts";
import { JsonArray } from "./json.ts";
import { table } from "./table.ts";

/** The pieces of an answer, a row at a time as rows come. */
export interface RowForm {
  begin?(): string;
  row(row: QueryRow): string;
  end?(): string;
}

/** @param raw CSV with every text as it is */
export const ROW_FORMS = {
  table: (_columns: readonly QueryColumn[]): RowForm => ({
    row: (row) =>
      `${row.map((value) => escapeCell(textOf(value))).join("\t")}\n`,
  }),
  json: (columns: readonly QueryColumn[]): RowForm =>
    new JsonArray<QueryRow>((row) => objectOf(columns, row)),
  ndjson: (columns: readonly QueryColumn[]): RowForm => ({
    row: (row) => `${plainJson(objectOf(columns, row))}\n`,
  }),
  csv: (columns: readonly QueryColumn[], raw: boolean): RowForm => ({
    begin: () =>
      csvLine(
        columns.map(({ name }) => name),
        raw,
      ),
    row: (row) => csvLine(row, raw),
  }),
};

function objectOf(columns: readonly QueryColumn[], row: QueryRow): object {
  // A column may be named __proto__.
  const object = Object.create(null) as Record<string, Json>;
  for (const [i, { name }] of columns.entries()) object[name] = row[i]!;
  return object;
}

/** null is an empty cell, which a table shows as `-`. */
function textOf(value: Json): string {
  if (value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** For a person: a table, or where it is too wide a line a value. */
export function rowsTable(
  columns: readonly QueryColumn[],
  rows: readonly QueryRow[],
  width: number | null,
): string {
  const shown = table(
    columns.map(({ name }, i) => ({
      header: escapeText(name),
      value: (row: QueryRow) => textOf(row[i]!) || "-",
      text: true,
    })),
    rows,
    { color: false, zone: () => 0, width: null },
  );
  const wide = shown
    .split("\n")
    .some((line) => width !== null && Bun.stringWidth(line) > width);
  return wide ? records(columns, rows) : shown;
}

function records(
  columns: readonly QueryColumn[],
  rows: readonly QueryRow[],
): string {
  const names = columns.map(({ name }) => escapeText(name));
  const cells = Math.max(...names.map((name) => Bun.stringWidth(name))) + 1;
  const line = (name: string, value: Json) =>
    `${name}:${" ".repeat(cells - Bun.stringWidth(name))}${escapeText(textOf(value)) || "-"}\n`;
  return rows
    .map((row) => names.map((name, i) => line(name, row[i]!)).join(""))
    .join("\n");
}
