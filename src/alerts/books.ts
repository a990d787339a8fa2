/** What a server has kept of alerts, wherever it stands, as one. */
import type { KeptAlert } from "../model/alert.ts";
import type { Documents, Unreadable } from "../model/documents.ts";
import { AlertBook, type InForce } from "./book.ts";
import { type Window, stateFrom } from "./state.ts";

export class AlertBooks {
  private readonly books: AlertBook[];

  constructor(places: readonly Documents[]) {
    this.books = places.map((documents) => new AlertBook(documents));
  }

  /** The alerts, oldest first; see AlertBook. */
  async read(unreadable: Unreadable): Promise<KeptAlert[]> {
    const read = await this.each((book) => book.read(unreadable));
    // Of one, they are in the order in which they were raised, whatever the clock said.
    if (read.length === 1) return read[0]!;
    return read
      .flat()
      .sort((a, b) => Number(a.time > b.time) - Number(a.time < b.time));
  }

  /** Takes note of an alert that is kept. */
  async ack(id: string, ack: NonNullable<KeptAlert["acked"]>): Promise<void> {
    for (const book of this.books)
      if (this.books.length === 1 || (await book.has(id)))
        await book.ack(id, ack);
  }

  /** What rules have left out that have not told of it yet, by rule. */
  async leftOut(rules: ReadonlySet<string>): Promise<[string, Window][]> {
    const states = await this.each((book) => book.readState());
    return states
      .flatMap((state) => Object.entries(stateFrom(state, rules).windows))
      .filter(([, { left_out }]) => left_out > 0);
  }

  /** See AlertBook. */
  async inForce(): Promise<InForce | null> {
    const all = await this.each((book) => book.readInForce());
    return all.find((rules) => rules !== null) ?? null;
  }

  /** See AlertBook. */
  async withTexts(
    ...of: Parameters<AlertBook["withTexts"]>
  ): Promise<KeptAlert[]> {
    return (await this.each((book) => book.withTexts(...of))).flat();
  }

  /** See AlertBook. */
  async removeTexts(
    ...of: Parameters<AlertBook["removeTexts"]>
  ): Promise<void> {
    await this.each((book) => book.removeTexts(...of));
  }

  private each<T>(does: (book: AlertBook) => Promise<T>): Promise<T[]> {
    return Promise.all(this.books.map(does));
  }
}
