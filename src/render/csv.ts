/**
 * Writes sessions as comma-separated values (RFC 4180): a header, then a row a
 * session, with the keys of the JSON. Control characters are escaped, so a row is
 * a line; a text that a spreadsheet would compute is made one that it shows.
 */
import { sessionJson } from "../model/json.ts";
import type { Session } from "../model/session.ts";
import { escapeText } from "./escape.ts";

export class Csv {
  private begun: boolean;

  /**
   * @param raw leaves what a spreadsheet would compute as it is
   * @param shape what a row has, by the names of the columns
   * @param header false for rows alone
   */
  constructor(
    private readonly raw = false,
    private readonly shape: (session: Session) => object = sessionJson,
    header = true,
  ) {
    this.begun = !header;
  }

  /** A row, after the header when it is the first. */
  row(session: Session): string {
    const fields = this.shape(session);
    const header = this.begun ? "" : csvLine(Object.keys(fields));
    this.begun = true;
    return header + csvLine(Object.values(fields), this.raw);
  }
}

/** A row of any values. @param raw leaves what a spreadsheet would compute as it is */
export const csvLine = (values: readonly unknown[], raw = false): string =>
  line(values.map((value) => cell(value, raw)));

/** null is an empty cell; what is no plain value is its JSON. */
function cell(value: unknown, raw: boolean): string {
  if (value === null) return "";
  if (typeof value === "object") return JSON.stringify(value);
  if (typeof value !== "string") return String(value);
  return !raw && FORMULA.test(value) ? `'${value}` : value;
}

/** How a formula begins, in one spreadsheet or another. */
const FORMULA = /^[=+\-@\t\r]/;

const line = (cells: readonly string[]) =>
  `${cells.map((cell) => quote(escapeText(cell))).join(",")}\r\n`;

const quote = (cell: string) =>
  /[",\r\n]|^\s|\s$/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
