/** Writes sessions as JSON that is safe on a terminal. */
import { plainJson, sessionJson } from "../model/json.ts";
import type { Remark } from "../model/remarks.ts";
import type { Session } from "../model/session.ts";

/** The pieces of a JSON array, a row a line, as rows come. */
export class JsonArray {
  private rows = 0;

  row(session: Session): string {
    return `${this.rows++ ? "," : "["}\n${plainJson(sessionJson(session))}`;
  }

  end(): string {
    return this.rows ? "\n]\n" : "[]\n";
  }
}

export function sessionDocument(
  session: Session,
  remarks: readonly Remark[] = [],
): string {
  const more = remarks.length > 0 ? { remarks } : {};
  return `${plainJson({ ...sessionJson(session), ...more }, 2)}\n`;
}

/** The same value on a line of its own. */
export function sessionLine(session: Session): string {
  return `${plainJson(sessionJson(session))}\n`;
}
