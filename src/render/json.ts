/** Writes sessions as JSON that is safe on a terminal. */
import { plainJson, sessionJson } from "../model/json.ts";
import type { Command } from "../model/command.ts";
import { NO_REMARKS, type Remarks } from "../model/remarks.ts";
import type { Session } from "../model/session.ts";

/** The pieces of a JSON array, a row a line, as rows come. */
export class JsonArray<Row> {
  private rows = 0;

  constructor(private readonly shape: (row: Row) => object) {}

  row(row: Row): string {
    return `${this.rows++ ? "," : "["}\n${plainJson(this.shape(row))}`;
  }

  end(): string {
    return this.rows ? "\n]\n" : "[]\n";
  }
}

/** @param commands null where none are asked for */
export function sessionDocument(
  session: Session,
  commands: readonly Command[] | null = null,
  { notes, remarks, watches }: Remarks = NO_REMARKS,
): string {
  const more = {
    ...(commands && { commands: commands.map(ownFields) }),
    ...(notes.length > 0 && { notes }),
    ...(remarks.length > 0 && { remarks }),
    ...(watches.length > 0 && { watches }),
  };
  return `${plainJson({ ...sessionJson(session), ...more }, 2)}\n`;
}

/** Of a command within its session. */
const ownFields = ({
  session_id: _s,
  username: _u,
  hostname: _h,
  event_seq: _e,
  ...own
}: Command) => own;
