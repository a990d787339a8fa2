/**
 * The texts that were removed afterwards. What comes of them later (a client that
 * sends again, a file of the spool) is stored without them.
 */
import type { Redaction } from "../../model/event.ts";
import { RemovedTexts } from "../../model/redaction/removal.ts";
import type { Database } from "./database.ts";
import { type Arrival, arrivalOf } from "./rows.ts";
import { SQL } from "./statements.ts";

export class Removals {
  private readonly texts = new RemovedTexts();

  constructor(private readonly db: Database) {}

  /** Reads them, in the writer's turn. */
  async open(): Promise<void> {
    const rows = await this.db.rows<{ payload: string }>(SQL.redactions);
    for (const { payload } of rows) this.add(JSON.parse(payload) as Redaction);
  }

  add(redaction: Redaction): void {
    this.texts.add(redaction);
  }

  in(session_id: string): readonly Redaction[] {
    return this.texts.in(session_id);
  }

  /** The same events, without the texts that were removed. */
  applied<T extends Arrival>(items: readonly T[]): readonly T[] {
    if (this.texts.none) return items;
    return items.map((item) => {
      const { event, from, provenance } = item;
      const kept = this.texts.applied(event);
      return kept === event
        ? item
        : { ...item, ...arrivalOf(kept, from, provenance) };
    });
  }
}
