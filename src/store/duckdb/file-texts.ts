/** The texts of a file's events, for those that are removed: see StoredTexts. */
import type { Event, Redaction } from "../../model/event.ts";
import type { Removals } from "../removals.ts";
import type { StoredTexts } from "../remove-texts.ts";
import type { Database } from "./database.ts";
import type { EventColumns } from "./event-columns.ts";
import type { Folds } from "./folds.ts";
import type { FileOutputLines } from "./output.ts";
import { SQL } from "./statements.ts";

/** Rows that one statement changes. */
const SLICE = 4_096;

export interface Keeper {
  db: Database;
  folds: Folds;
  columns: EventColumns;
  removals: Removals;
  output: FileOutputLines;
  /** Stores an event of the store itself. */
  append(events: readonly Event[]): Promise<unknown>;
}

interface Row {
  /** A BIGINT, as text. */
  seq: string;
  payload: string;
}

export class FileTexts implements StoredTexts {
  constructor(private readonly keeper: Keeper) {}

  async removals(session_id: string): Promise<readonly Redaction[]> {
    return this.keeper.removals.in(session_id);
  }

  each(session_id: string, use: (event: Event) => void): Promise<void> {
    return this.keeper.db.inTurn(() =>
      this.rows(session_id, (_row, event) => use(event)),
    );
  }

  replace(session_id: string, by: (event: Event) => Event): Promise<void> {
    const { db, folds, columns, output } = this.keeper;
    return db.inTurn(async () => {
      const changed: Row[] = [];
      await this.rows(session_id, ({ seq }, event) => {
        const other = by(event);
        if (other !== event)
          changed.push({ seq, payload: JSON.stringify(other) });
      });
      await db.transaction(async () => {
        for (let at = 0; at < changed.length; at += SLICE)
          await db.run(SQL.setPayloads, [
            changed
              .slice(at, at + SLICE)
              .map((row) => JSON.stringify(row))
              .join("\n"),
            session_id,
          ]);
        await columns.writeAnew(session_id);
        // Where in them a text stands that was typed nobody can tell.
        await output.delete([session_id]);
      });
      await folds.rewrite(session_id);
    });
  }

  async say(redaction: Redaction): Promise<void> {
    this.keeper.removals.add(redaction);
    await this.keeper.append([redaction]);
  }

  removeOutput(session_id: string): Promise<void> {
    return this.keeper.output.remove([session_id]);
  }

  /** In the writer's turn. */
  private async rows(
    session_id: string,
    use: (row: Row, event: Event) => void,
  ): Promise<void> {
    const chunks = this.keeper.db.chunks<Row>(SQL.payloadsOf, [session_id]);
    for await (const chunk of chunks)
      for (const row of chunk) use(row, JSON.parse(row.payload) as Event);
  }
}
