/** Tombstones of archived sessions: their late events are dropped and counted. */
import { listValue } from "@duckdb/node-api";
import type { Event } from "../../model/event.ts";
import type { Archived } from "../../model/maintenance.ts";
import { byTable, rowsOfAll } from "./session-tables.ts";
import type { Database } from "./database.ts";
import type { Folds } from "./folds.ts";
import { SQL } from "./statements.ts";

export class Tombstones {
  private some = false;

  constructor(
    private readonly db: Database,
    private readonly folds: Folds,
  ) {}

  /** Reads whether there are any, in the writer's turn. */
  async open(): Promise<void> {
    this.some = await this.db.one<boolean>(SQL.hasArchived);
  }

  /**
   * Counts the events of archived sessions, in the writer's turn.
   * @returns those sessions
   */
  async late(events: readonly Event[]): Promise<ReadonlySet<string>> {
    if (!this.some) return new Set();
    const ids = new Set<string>();
    for (const { session_id } of events)
      if (this.folds.recall(session_id) === undefined) ids.add(session_id);
    if (ids.size === 0) return ids;
    const archived = await this.among(ids, this.db.rows.bind(this.db));
    const late = events.filter((event) => archived.has(event.session_id));
    if (late.length > 0)
      await this.db.run(SQL.countLate, [
        listValue(late.map(({ session_id }) => session_id)),
      ]);
    return archived;
  }

  /** Whether a session is archived, at any time. */
  async has(session_id: string): Promise<boolean> {
    if (!this.some) return false;
    return (await this.among([session_id], this.db.ask)).size > 0;
  }

  /** @param ask the writer's, in its turn, or a reader's */
  private async among(
    ids: Iterable<string>,
    ask: Database["ask"],
  ): Promise<Set<string>> {
    const queries = byTable(ids, SQL.archivedDated, SQL.archivedUndated);
    const rows = await rowsOfAll<{ id: string }>(ask, queries);
    return new Set(rows.map(({ id }) => id));
  }

  /** @param reference an id, a prefix of it, or its last 8 hex */
  like(reference: string): Promise<Archived[]> {
    return this.db.ask(SQL.archivedLike, [reference]);
  }
}
