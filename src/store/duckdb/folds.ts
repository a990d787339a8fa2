/**
 * The folds of sessions in memory, and the rows that follow them. An event is
 * folded in once it is stored; the rows of what changed are written now and
 * then, and can always be made again from the events.
 *
 * Every session of which an event is stored is either in memory or has a row.
 */
import { type DuckDBValue, listValue } from "@duckdb/node-api";
import type { Event } from "../../model/event.ts";
import { startSecondOf } from "../../model/id.ts";
import {
  type Brought,
  apply,
  changesReporter,
  foldBrought,
} from "../../model/fold.ts";
import { type State, emptyState, parseState } from "../../model/state.ts";
import { briefOf, isClosed } from "../../model/session.ts";
import type { Attested } from "../../model/reporter.ts";
import type { SessionBrief } from "../../model/store.ts";
import { closedAmong, deleteClosed, deleteOpen } from "./session-tables.ts";
import type { Database } from "./database.ts";
import { type BroughtRow, broughtOf, sessionLines } from "./rows.ts";
import { SQL } from "./statements.ts";

/** With more sessions ahead of their rows a slice follows each commit. */
const MANY_DIRTY = 4_096;
/** So many may be: before another commit the oldest are written. */
const MAX_DIRTY = 5_120;
/** So many events at most are folded anew after a crash. */
const MAX_TAIL_EVENTS = 32_768;
/** So many events at most are in rows without `folded` saying so. */
const MAX_UNTOLD_EVENTS = 4_096;
/** Rows that are written at once: what waits meanwhile waits for these alone. */
const SLICE = 256;
/** Folds of open sessions that are kept although their rows are written. */
const MAX_STATES = 8_192;
/** Closed sessions that are remembered. */
const MAX_RECENT = 16_384;

/**
 * By a sign of life, by what is none, or `anew`: its events are judged anew, for
 * it has got another reporter.
 */
export type Change = "sign" | "remark" | "anew";

export class Folds {
  private readonly states = new Map<string, State>();
  /**
   * Sessions whose fold is ahead of their row, and the number of the first event
   * that the row lacks: ascending, for each enters at its end.
   */
  private readonly dirty = new Map<string, number>();
  /** Sessions that have got another reporter: all their events are judged anew. */
  private readonly stale = new Set<string>();
  /** Where those in memory have a row, which the next one replaces. */
  private readonly rows = new Map<string, "open" | "closed">();
  /** What to know of sessions that closed a while ago. */
  private readonly recent = new Map<string, SessionBrief>();
  /** The last second that the id of a session names that is not in memory. */
  private horizon = "";
  /** The number of the last event that is stored and folded. */
  lastSeq = 0;
  /** What `folded` says in the file. */
  private told = 0;

  /**
   * @param changed hears of each session that an event has changed, and how
   */
  constructor(
    private readonly db: Database,
    private readonly changed: (state: State, by: Change) => void,
  ) {}

  /** Folds what was stored but not folded when the last process ended. */
  async open(): Promise<void> {
    const last = await this.db.one<string | null>(SQL.lastStart);
    this.horizon = last?.slice(0, "2026-02-06T12:34:56".length) ?? "";
    this.lastSeq = await this.db.one<number>(SQL.lastSeq);
    const folded = await this.db.one<number>(SQL.foldedSeq);
    this.told = folded;
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
   * Makes ready for some events to be stored: the folds of their sessions come
   * into memory, from the open row, or (a late event of a closed session) from
   * all events.
   */
  async prepare(events: readonly Event[]): Promise<void> {
    while (
      this.dirty.size >= MAX_DIRTY ||
      this.lastSeq - this.folded >= MAX_TAIL_EVENTS
    )
      await this.flushOldest();
    const missing = new Set<string>();
    let last = "";
    for (const { session_id } of events) {
      // Those of a session come together.
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

  /** Folds in an event that has been stored, the next by its number. */
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

  /** Some of their events have gone: those that are left are folded anew. */
  reconsider(session_ids: Iterable<string>): void {
    for (const id of session_ids) this.stale.add(id);
  }

  /** Folds those anew whose reporter is another now. */
  async settle(): Promise<void> {
    if (this.stale.size === 0) return;
    await this.refold(this.stale);
    for (const id of this.stale) this.changed(this.states.get(id)!, "anew");
    this.stale.clear();
  }

  /** Lets go of what was made ready for events that were not stored. */
  release(session_ids: Iterable<string>): void {
    for (const id of session_ids) {
      const state = this.states.get(id);
      if (!state || this.dirty.has(id)) continue;
      if (isClosed(state)) this.recent.set(id, briefOf(state));
      else if (this.states.size > MAX_STATES) this.left(id);
      else continue;
      this.drop(id);
    }
  }

  /** The fold of a session, when it is in memory. */
  get(session_id: string): State | undefined {
    return this.states.get(session_id);
  }

  /**
   * What memory knows of a session: null when it is new, undefined when only
   * the rows can tell.
   */
  recall(session_id: string): SessionBrief | null | undefined {
    const state = this.states.get(session_id);
    if (state) return briefOf(state);
    return (
      this.recent.get(session_id) ?? (this.isNew(session_id) ? null : undefined)
    );
  }

  /** Of a session that is not in memory: nothing of it can be stored. */
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

  /** Folds some sessions anew from all their stored events. */
  private async refold(
    ids: ReadonlySet<string>,
    row?: "open" | "closed",
  ): Promise<void> {
    if (ids.size === 0) return;
    const all = await this.brought(SQL.eventsOf, listValue([...ids]));
    const of = Map.groupBy(all, ({ event }) => event.session_id);
    for (const id of ids) this.keep(foldBrought(id, of.get(id) ?? []), row);
  }

  /** @param row where it has one; where it had one before, when left out */
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

  /** Whether rows lag so much that some should be written, before a commit has to. */
  get lags(): boolean {
    return this.dirty.size > MANY_DIRTY;
  }

  /** Brings all rows up to the folds, in this turn. */
  async flush(): Promise<void> {
    while (this.dirty.size > 0) await this.flushOldest();
    if (this.told !== this.lastSeq) await this.tell(this.lastSeq);
  }

  /** Brings the rows that lag most up to their folds, in one transaction. */
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
    // Only now: where it fails, the rows are written all the same.
    if (this.folded - this.told >= MAX_UNTOLD_EVENTS)
      await this.tell(this.folded);
  }

  /**
   * One statement is whole by itself, and each more waits for its turn of a busy
   * event loop: where nothing is replaced there is no transaction, and `folded`
   * may lag. What it lags by is folded anew after a crash, and replaces rows then.
   * @param folded the number of the last event up to which every row has all then
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
    const inserts = (
      [
        [SQL.insertDated, lines.dated],
        [SQL.insertUndated, lines.undated],
        [SQL.insertOpen, lines.open],
      ] as const
    ).filter(([, of]) => of.length > 0);
    const insert = async () => {
      for (const [sql, of] of inserts) await this.db.run(sql, [of.join("\n")]);
    };
    if (inserts.length === 1 && open.length + closed.length === 0) {
      await insert();
      return;
    }
    await this.db.transaction(async () => {
      await deleteOpen(this.db, open);
      await deleteClosed(this.db, closed);
      await insert();
      await this.db.run(SQL.setFoldedSeq, [BigInt(folded)]);
    });
    this.told = folded;
  }

  /** Writes down up to which event every row has all. */
  private async tell(folded: number): Promise<void> {
    await this.db.run(SQL.setFoldedSeq, [BigInt(folded)]);
    this.told = folded;
  }

  /** Lets go of closed sessions, and of the oldest where there are too many. */
  private forget(closed: readonly State[]): void {
    for (const state of closed) {
      this.drop(state.session_id);
      this.recent.set(state.session_id, briefOf(state));
    }
    for (const id of this.states.keys()) {
      if (this.states.size <= MAX_STATES) break;
      // Only memory has what its row lacks.
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

  /** Lets go of what is known of closed sessions, all flushed: rows may have gone. */
  forgetClosed(): void {
    for (const state of this.states.values())
      if (isClosed(state)) {
        this.drop(state.session_id);
        this.left(state.session_id);
      }
    for (const id of this.recent.keys()) this.left(id);
    this.recent.clear();
  }

  /** A session is no longer in memory. */
  private left(session_id: string): void {
    const second = startSecondOf(session_id);
    if (second && second > this.horizon) this.horizon = second;
  }

  private async brought(sql: string, value: DuckDBValue): Promise<Brought[]> {
    return broughtOf(await this.db.rows<BroughtRow>(sql, [value]));
  }
}

/** An open session's fold, with what older versions kept in its row alone. */
export interface OpenState {
  id: string;
  state: string;
  reporter: string | null;
  attested: Attested | null;
}
