/**
 * Sessions as JSON that any terminal can be shown.
 */
import { sessionJson } from "../model/json.ts";
import type { Session } from "../model/session.ts";

/** Not escaped by JSON itself, and yet nothing for a terminal. */
const UNSAFE = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** JSON of the same value that any terminal can be shown. */
function plain(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replace(
    UNSAFE,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** The pieces of a JSON array, a row a line, as rows come. */
export class JsonArray {
  private rows = 0;

  row(session: Session): string {
    return `${this.rows++ ? "," : "["}\n${plain(sessionJson(session))}`;
  }

  end(): string {
    return this.rows ? "\n]\n" : "[]\n";
  }
}

export function sessionDocument(session: Session): string {
  return `${plain(sessionJson(session), 2)}\n`;
}

/** The same value on a line of its own. */
export function sessionLine(session: Session): string {
  return `${plain(sessionJson(session))}\n`;
}
