/** One of the hosts of a round: its own data, and the database that all of them share. */
import { configure } from "../../support/host.ts";
import type { Random } from "../../support/random.ts";
import type { Books } from "../books.ts";
import { type StoredRow, World } from "../world.ts";

export interface Shared {
  /** Of the database. */
  url: string;
  /** How long a session from elsewhere lives without a sign of life. */
  lease_seconds: number;
  books: Books;
  /** All events, in the order of their arrival. */
  stored(): Promise<StoredRow[]>;
}

export class Host extends World {
  constructor(
    random: Random,
    private readonly shared: Shared,
  ) {
    super(random, null, "none", false, shared.books);
    const { url, lease_seconds } = shared;
    configure(
      this.sandbox,
      `store:\n  url: ${url}\nsession:\n  lease: ${lease_seconds}s\n`,
    );
  }

  get lease_ms(): number {
    return this.shared.lease_seconds * 1_000;
  }

  override stored(): Promise<StoredRow[]> {
    return this.shared.stored();
  }
}
