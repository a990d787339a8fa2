/**
 * The texts that were removed afterwards. What comes of them later (a client that
 * sends again, a file of the spool) is stored without them.
 */
import { type Redaction, isKind } from "../model/event.ts";
import { RemovedTexts } from "../model/redaction/removal.ts";
import { type Arrival, arrivalOf } from "./arrivals.ts";

export class Removals {
  private readonly texts = new RemovedTexts();

  add(redaction: Redaction): void {
    this.texts.add(redaction);
  }

  in(session_id: string): readonly Redaction[] {
    return this.texts.in(session_id);
  }

  /**
   * The same events, without the texts that were removed. One that was brought from
   * another store, and says of removals there, holds from then on.
   */
  applied<T extends Arrival>(items: readonly T[]): readonly T[] {
    for (const { event, from } of items)
      if (from === null && isKind(event, "redaction")) this.add(event);
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
