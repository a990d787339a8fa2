/**
 * Sessions as comma-separated values (RFC 4180): a header, then a row a
 * session, with the keys of the JSON row. Control characters are escaped, so
 * that a row is a line; the exact text is in the JSON forms.
 */
import { sessionJson } from "../model/json.ts";
import type { Session } from "../model/session.ts";
import { escapeText } from "./escape.ts";

export class Csv {
  private begun = false;

  /** A row, after the header when it is the first. */
  row(session: Session): string {
    const fields = sessionJson(session);
    const header = this.begun ? "" : line(Object.keys(fields));
    this.begun = true;
    return header + line(Object.values(fields).map(text));
  }
}

/** null is an empty cell; what is no plain value is its JSON. */
function text(value: unknown): string {
  if (value === null) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

const line = (cells: readonly string[]) =>
  `${cells.map((cell) => quote(escapeText(cell))).join(",")}\r\n`;

const quote = (cell: string) =>
  /[",\r\n]|^\s|\s$/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
