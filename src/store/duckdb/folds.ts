/**
 * The folds of sessions in memory, and their rows. An event is folded in once it is
 * stored; rows are written behind, and can always be made again from the events.
 * Every session with a stored event is in memory, or has a row.
 */
import { type DuckDBValue, listValue } from "@duckdb/node-api";
import type { Event } from "../../model/event.ts";
import { startSecondOf } from "../../model/id.ts";
import { type Brought, apply, changesReporter } from "../../model/fold.ts";
import { type State, emptyState, parseState } from "../../model/state.ts";
import { summaryOf, isClosed } from "../../model/session.ts";
import type { Attested } from "../../model/reporter.ts";
import type { SessionSummary } from "../../model/session.ts";
import { byTable, closedAmong } from "./session-tables.ts";
import type { Database } from "./database.ts";
import { type BroughtRow, broughtOf } from "../rows.ts";
import { sessionLines } from "./lines.ts";
import { foldAnew } from "./refold.ts";
import { SQL } from "./statements.ts";

/** With more dirty sessions each commit is followed by a slice of rows. */
const MANY_DIRTY = 4_096;
/** With as many dirty sessions a commit waits for rows. */
const MAX_DIRTY = 5_120;
/** Events that are folded again after a crash, at most. */
const MAX_TAIL_EVENTS = 32_768;
/** Events that are in rows, and not counted by `folded`, at most. */
const MAX_UNTOLD_EVENTS = 4_096;
/** Rows that are written at once. */
const SLICE = 256;
/** Folds that are kept although their rows are written. */
const MAX_STATES = 8_192;
/** Closed sessions that are remembered. */
const MAX_RECENT = 16_384;

/** By a sign of life, by another event, or `anew`: it got another reporter. */
export type Change = "sign" | "remark" | "anew";

export class Folds {
  private readonly states = new Map<string, State>();
  /** Sessions whose row lacks events → the number of the first, ascending. */
  private readonly dirty = new Map<string, number>();
  /** Sessions that got another reporter: all their events are folded again. */
  private readonly stale = new Set<string>();
  /** Where sessions in memory have a row, which the next one replaces. */
  private readonly rows = new Map<string, "open" | "closed">();
  /** Sessions that closed lately. */
  private readonly recent = new Map<string, SessionSummary>();
  /** The last second that the id of a session not in memory names. */
  private horizon = "";
  /** The number of the last event that is stored and folded. */
  lastSeq = 0;
  /** What `folded` says in the file. */
  private written = 0;
  /** The slice that is being written for queries. */
  private slice: Promise<void> | null = null;

  /** @param changed is called for each session that an event changes */
  constructor(
    private readonly db: Database,
    private readonly changed: (state: State, by: Change) => void,
  ) {}

  /** Folds the events that are not in rows yet. */
  async open(): Promise<void> {
    await this.readHorizon();
    this.lastSeq = await this.db.one<number>(SQL.lastSeq);
    const folded = await this.db.one<number>(SQL.foldedSeq);
    this.written = folded;
    if (folded === this.lastSeq) return;
    const tail = await this.brought(SQL.eventsAfter, BigInt(folded));
    const ids = new Set(tail.map(({ event }) => event.session_id));
    const closed = await this.closedAmong(ids);
    await this.refold(closed, "closed");
    await this.refold(ids.difference(closed), "open");
    for (const id of ids) this.dirty.set(id, folded + 1);
    await this.flush();
  }

  /**
   * Brings the folds of the sessions of some events into memory: from the open row,
   * or, for a late event of a closed session, from all its events.
   */
  async prepare(events: readonly Pick<Event, "session_id">[]): Promise<void> {
    while (
      this.dirty.size >= MAX_DIRTY ||
      this.lastSeq - this.folded >= MAX_TAIL_EVENTS
    )
      await this.flushOldest();
    const missing = new Set<string>();
    let last = "";
    for (const { session_id } of events) {
      if (session_id === last) continue;
      last = session_id;
      if (!this.states.has(session_id) && !this.isNew(session_id))
        missing.add(session_id);
    }
    if (missing.size === 0) return;
    const open = await this.db.rows<OpenState>(SQL.openStates, [
      listValue([...missing]),
    ]);
    for (const { id, state, ...row } of open) {
      this.keep(parseState(state, row), "open");
      missing.delete(id);
    }
    await this.refold(await this.closedAmong(missing), "closed");
  }

  /** Folds in the event that was stored last. */
  add({ event, from }: Brought): void {
    const { session_id } = event;
    let state = this.states.get(session_id);
    if (!state) this.states.set(session_id, (state = emptyState(session_id)));
    if (changesReporter(state, event, from)) this.stale.add(session_id);
    const sign = apply(state, event, from);
    this.lastSeq++;
    if (!this.dirty.has(session_id)) this.dirty.set(session_id, this.lastSeq);
    this.changed(state, sign ? "sign" : "remark");
  }

  /** Marks sessions of which events were removed. */
  markStale(session_ids: Iterable<string>): void {
    for (const id of session_ids) this.stale.add(id);
  }

  /** Folds sessions again that are marked. */
  async settle(): Promise<void> {
    if (this.stale.size === 0) return;
    await this.refold(this.stale);
    for (const id of this.stale) this.changed(this.states.get(id)!, "anew");
    this.stale.clear();
  }

  /** Folds a session again whose stored events were changed, and writes its row. */
  async rewrite(session_id: string): Promise<void> {
    await this.prepare([{ session_id }]);
    if (!this.states.has(session_id)) return;
    this.stale.add(session_id);
    if (!this.dirty.has(session_id)) this.dirty.set(session_id, this.lastSeq);
    await this.flush();
  }

  /** Drops folds that were prepared for events that were not stored. */
  release(session_ids: Iterable<string>): void {
    for (const id of session_ids) {
      const state = this.states.get(id);
      if (!state || this.dirty.has(id)) continue;
      if (isClosed(state)) this.recent.set(id, summaryOf(state));
      else if (this.states.size > MAX_STATES) this.left(id);
      else continue;
      this.drop(id);
    }
  }

  get(session_id: string): State | undefined {
    return this.states.get(session_id);
  }

  /** What memory knows: null when the session is new, undefined when it is in the rows. */
  recall(session_id: string): SessionSummary | null | undefined {
    const state = this.states.get(session_id);
    if (state) return summaryOf(state);
    return (
      this.recent.get(session_id) ?? (this.isNew(session_id) ? null : undefined)
    );
  }

  /** Reads how late a session may have begun that is not in memory, in the writer's turn. */
  async readHorizon(): Promise<void> {
    const last = await this.db.one<string | null>(SQL.lastStart);
    const second = last?.slice(0, "2026-02-06T12:34:56".length) ?? "";
    if (second > this.horizon) this.horizon = second;
  }

  /** Whether no event can be stored of a session that is not in memory. */
  private isNew(session_id: string): boolean {
    const second = startSecondOf(session_id);
    return (
      second !== null && second > this.horizon && !this.recent.has(session_id)
    );
  }

  private async closedAmong(ids: ReadonlySet<string>): Promise<Set<string>> {
    const rows = await closedAmong(this.db.rows.bind(this.db), ids);
    return new Set(rows.map(({ id }) => id));
  }

  /** Folds sessions again, from all their stored events. */
  private async refold(
    ids: ReadonlySet<string>,
    row?: "open" | "closed",
  ): Promise<void> {
    if (ids.size === 0) return;
    const states = await foldAnew(this.db, ids);
    for (const state of states.values()) this.keep(state, row);
  }

  /** @param row where it has a row; unchanged when left out */
  private keep(state: State, row?: "open" | "closed"): void {
    this.states.set(state.session_id, state);
    if (row) this.rows.set(state.session_id, row);
  }

  private drop(session_id: string): void {
    this.states.delete(session_id);
    this.rows.delete(session_id);
  }

  /** The number of the last event up to which every row has all. */
  get folded(): number {
    for (const seq of this.dirty.values()) return seq - 1;
    return this.lastSeq;
  }

  /** Whether rows should be written now, before a commit waits for them. */
  get lags(): boolean {
    return this.dirty.size > MANY_DIRTY;
  }

  /** Writes the rows of what is stored now, a slice at a time, between commits. */
  async flushBetween(): Promise<void> {
    const { lastSeq } = this;
    while (this.folded < lastSeq)
      await (this.slice ??= this.db
        .inTurn(() => this.flushOldest())
        .finally(() => (this.slice = null)));
  }

  /** Writes all rows. */
  async flush(): Promise<void> {
    while (this.dirty.size > 0) await this.flushOldest();
    if (this.written !== this.lastSeq) await this.writeFolded(this.lastSeq);
  }

  /** Writes the oldest dirty rows, in one transaction. */
  async flushOldest(): Promise<void> {
    await this.settle();
    const [...oldest] = this.dirty.keys().take(SLICE);
    if (oldest.length === 0) return;
    const [next] = this.dirty.values().drop(SLICE);
    const states = oldest.map((id) => this.states.get(id)!);
    await this.writeRows(states, next === undefined ? this.lastSeq : next - 1);
    for (const id of oldest) {
      this.dirty.delete(id);
      this.rows.set(id, "open");
    }
    this.forget(states.filter(isClosed));
    if (this.folded - this.written >= MAX_UNTOLD_EVENTS)
      await this.writeFolded(this.folded);
  }

  /**
   * Where nothing is replaced one statement does, without a transaction: each more
   * waits for a busy event loop. `folded` may lag then; after a crash those events
   * are folded again, and replace rows.
   */
  private async writeRows(
    states: readonly State[],
    folded: number,
  ): Promise<void> {
    const lines = sessionLines(states);
    const replaced = (place: "open" | "closed") =>
      states
        .map(({ session_id }) => session_id)
        .filter((id) => this.rows.get(id) === place);
    const [open, closed] = [replaced("open"), replaced("closed")];
    const inserts = [
      { sql: SQL.insertDated, of: lines.dated },
      { sql: SQL.insertUndated, of: lines.undated },
      { sql: SQL.insertOpen, of: lines.open },
    ].filter(({ of }) => of.length > 0);
    const insert = async () => {
      for (const { sql, of } of inserts)
        await this.db.run(sql, [of.join("\n")]);
    };
    if (inserts.length === 1 && open.length + closed.length === 0)
      return insert();
    await this.db.transaction(async () => {
      if (open.length > 0) await this.db.run(SQL.deleteOpen, [listValue(open)]);
      const { deleteDated, deleteUndated } = SQL;
      for (const q of byTable(closed, deleteDated, deleteUndated))
        await this.db.run(q.sql, q.values);
      await insert();
      await this.db.run(SQL.setFoldedSeq, [BigInt(folded)]);
    });
    this.written = folded;
  }

  private async writeFolded(folded: number): Promise<void> {
    await this.db.run(SQL.setFoldedSeq, [BigInt(folded)]);
    this.written = folded;
  }

  /** Drops closed sessions, and the oldest of too many. */
  private forget(closed: readonly State[]): void {
    for (const state of closed) {
      this.drop(state.session_id);
      this.recent.set(state.session_id, summaryOf(state));
    }
    for (const id of this.states.keys()) {
      if (this.states.size <= MAX_STATES) break;
      if (this.dirty.has(id)) continue;
      this.drop(id);
      this.left(id);
    }
    for (const id of this.recent.keys()) {
      if (this.recent.size <= MAX_RECENT) break;
      this.recent.delete(id);
      this.left(id);
    }
  }

  /** Drops closed sessions, whose rows may have been removed. */
  forgetClosed(): void {
    for (const state of this.states.values())
      if (isClosed(state)) {
        this.drop(state.session_id);
        this.left(state.session_id);
      }
    for (const id of this.recent.keys()) this.left(id);
    this.recent.clear();
  }

  private left(session_id: string): void {
    const second = startSecondOf(session_id);
    if (second && second > this.horizon) this.horizon = second;
  }

  private async brought(sql: string, value: DuckDBValue): Promise<Brought[]> {
    return broughtOf(await this.db.rows<BroughtRow>(sql, [value]));
  }
}

/** The fold of an open session, with what older versions kept in its row alone. */
export interface OpenState {
  id: string;
  state: string;
  reporter: string | null;
  attested: Attested | null;
}
