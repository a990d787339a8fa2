/** The reporters of sessions: a wire reporter keeps its own sessions alive alone. */
import { listValue } from "@duckdb/node-api";
import type { State } from "../../model/state.ts";
import { type Provenance, mayReport, ownerOf } from "../../model/reporter.ts";
import { closedAmong } from "./session-tables.ts";
import type { Database } from "./database.ts";
import type { Folds } from "./folds.ts";
import { SQL } from "./statements.ts";

/** Sessions that are remembered. */
const MAX_OWNERS = 65_536;

export class Owners {
  /** Session id → reporter, of sessions that the folds may have dropped. */
  private readonly known = new Map<string, string | null>();

  constructor(
    private readonly db: Database,
    private readonly folds: Folds,
  ) {}

  /** Takes note of a session that an event has changed. */
  note({ session_id, reporter }: State): void {
    if (this.known.has(session_id)) this.known.set(session_id, reporter);
  }

  /**
   * @returns the sessions that belong to others, and those that are not stored yet
   */
  async check(ids: Iterable<string>, from: Provenance) {
    const others = new Set<string>();
    const unknown = new Set<string>();
    if (mayReport("", from)) return { others, unknown };
    const asked = new Set<string>();
    const add = (id: string, owner: string | null) => {
      if (!mayReport(owner, from)) others.add(id);
    };
    for (const id of ids) {
      const owner = this.known.get(id) ?? this.folds.recall(id);
      if (owner === undefined) asked.add(id);
      else if (owner === null) unknown.add(id);
      else add(id, typeof owner === "string" ? owner : owner.reporter);
    }
    for (const [id, owner] of await this.ask(asked)) {
      asked.delete(id);
      add(id, owner);
    }
    return { others, unknown: unknown.union(asked) };
  }

  private async ask(
    ids: ReadonlySet<string>,
  ): Promise<ReadonlyMap<string, string | null>> {
    const found = new Map<string, string | null>();
    if (ids.size === 0) return found;
    type Row = { id: string; reporter: string | null };
    const list = listValue([...ids]);
    const open = await this.db.ask<Row>(SQL.openReporters, [list]);
    for (const { id, reporter } of open) found.set(id, reporter);
    const closed = await closedAmong(
      this.db.ask,
      [...ids].filter((id) => !found.has(id)),
    );
    for (const { id, reporter, end_source } of closed)
      found.set(id, ownerOf(reporter, end_source !== "recovered"));
    for (const [id, reporter] of found) this.keep(id, reporter);
    return found;
  }

  private keep(session_id: string, reporter: string | null): void {
    // A session without a reporter may get one at any time.
    if (reporter === null) return;
    const [oldest] = this.known.keys();
    if (this.known.size >= MAX_OWNERS) this.known.delete(oldest!);
    this.known.set(session_id, reporter);
  }
}
