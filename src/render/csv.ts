/**
 * Writes sessions as comma-separated values (RFC 4180): a header, then a row a
 * session, with the keys of the JSON. Control characters are escaped, so a row is
 * a line; a text that a spreadsheet would compute is made one that it shows.
 */
import { sessionJson } from "../model/json.ts";
import type { Session } from "../model/session.ts";
import { escapeText } from "./escape.ts";

export class Csv {
  private begun = false;

  /** @param raw leaves what a spreadsheet would compute as it is */
  constructor(private readonly raw = false) {}

  /** A row, after the header when it is the first. */
  row(session: Session): string {
    const fields = sessionJson(session);
    const header = this.begun ? "" : line(Object.keys(fields));
    this.begun = true;
    return (
      header + line(Object.values(fields).map((value) => this.cell(value)))
    );
  }

  /** null is an empty cell; what is no plain value is its JSON. */
  private cell(value: unknown): string {
    if (value === null) return "";
    if (typeof value === "object") return JSON.stringify(value);
    if (typeof value !== "string") return String(value);
    return !this.raw && FORMULA.test(value) ? `'${value}` : value;
  }
}

/** How a formula begins, in one spreadsheet or another. */
const FORMULA = /^[=+\-@\t\r]/;

const line = (cells: readonly string[]) =>
  `${cells.map((cell) => quote(escapeText(cell))).join(",")}\r\n`;

const quote = (cell: string) =>
  /[",\r\n]|^\s|\s$/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
