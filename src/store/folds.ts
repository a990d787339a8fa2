/**
 * The folds of sessions in memory, and the rows that follow them. An event is
 * folded in once it is stored; the rows of what changed are written now and
 * then, and can always be made again from the events.
 *
 * Every session of which an event is stored is either in memory or has a row.
 */
import { type DuckDBValue, listValue } from "@duckdb/node-api";
import type { Event } from "../model/event.ts";
import { startSecondOf } from "../model/id.ts";
import {
  type State,
  apply,
  emptyState,
  isClosed,
  parseState,
} from "../model/session.ts";
import type { SessionBrief } from "../model/store.ts";
import { closedAmong, deleteClosed, deleteOpen } from "./closed.ts";
import type { Database } from "./database.ts";
import { sessionLines } from "./rows.ts";
import { SQL } from "./statements.ts";

/** So many events may be stored before their sessions' rows are written. */
const FLUSH_EVENTS = 4_096;
/** Folds of open sessions that are kept although their rows are written. */
const MAX_STATES = 8_192;
/** Closed sessions that are remembered. */
const MAX_RECENT = 16_384;

export class Folds {
  private readonly states = new Map<string, State>();
  /** Sessions whose fold is ahead of their row. */
  private readonly dirty = new Set<string>();
  /** Where those in memory have a row, which the next one replaces. */
  private readonly rows = new Map<string, "open" | "closed">();
  /** What to know of sessions that closed a while ago. */
  private readonly recent = new Map<string, SessionBrief>();
  /** The last second that the id of a session names that is not in memory. */
  private horizon = "";
  /** Events since the rows were brought up to the folds. */
  private unflushed = 0;
  /** The number of the last event that is stored and folded. */
  lastSeq = 0;

  /** @param changed hears of each session that an event has changed */
  constructor(
    private readonly db: Database,
    private readonly changed: (state: State) => void,
  ) {}

  /** Folds what was stored but not folded when the last process ended. */
  async open(): Promise<void> {
    const last = await this.db.one<string | null>(SQL.lastStart);
    this.horizon = last?.slice(0, "2026-02-06T12:34:56".length) ?? "";
    this.lastSeq = await this.db.one<number>(SQL.lastSeq);
    const folded = await this.db.one<number>(SQL.foldedSeq);
    if (folded === this.lastSeq) return;
    const tail = await this.payloads(SQL.eventsAfter, folded);
    const ids = new Set(tail.map(({ session_id }) => session_id));
    const closed = await this.closedAmong(ids);
    await this.refold(closed, "closed");
    await this.refold(ids.difference(closed), "open");
    for (const id of ids) this.dirty.add(id);
    await this.flush();
  }

  /**
   * Makes ready for some events to be stored: the folds of their sessions come
   * into memory, from the open row, or (a late event of a closed session) from
   * all events.
   */
  async prepare(events: readonly Event[]): Promise<void> {
    if (this.unflushed >= FLUSH_EVENTS) await this.flush();
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
    const open = await this.db.rows<{ id: string; state: string }>(
      SQL.openStates,
      [listValue([...missing])],
    );
    for (const { id, state } of open) {
      this.keep(parseState(state), "open");
      missing.delete(id);
    }
    await this.refold(await this.closedAmong(missing), "closed");
  }

  /** Folds in an event that has been stored, the next by its number. */
  add(event: Event): void {
    const { session_id } = event;
    let state = this.states.get(session_id);
    if (!state) this.states.set(session_id, (state = emptyState(session_id)));
    apply(state, event);
    this.dirty.add(session_id);
    this.lastSeq++;
    this.unflushed++;
    this.changed(state);
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
    row: "open" | "closed",
  ): Promise<void> {
    if (ids.size === 0) return;
    const events = await this.payloads(SQL.eventsOf, listValue([...ids]));
    for (const id of ids) this.keep(emptyState(id), row);
    for (const event of events)
      apply(this.states.get(event.session_id)!, event);
  }

  private keep(state: State, row: "open" | "closed"): void {
    this.states.set(state.session_id, state);
    this.rows.set(state.session_id, row);
  }

  private drop(session_id: string): void {
    this.states.delete(session_id);
    this.rows.delete(session_id);
  }

  get isDirty(): boolean {
    return this.dirty.size > 0;
  }

  /** Brings the rows up to the folds, in one transaction. */
  async flush(): Promise<void> {
    if (!this.isDirty) return;
    const states = [...this.dirty].map((id) => this.states.get(id)!);
    const lines = sessionLines(states);
    const replaced = (place: "open" | "closed") =>
      [...this.dirty].filter((id) => this.rows.get(id) === place);
    await this.db.transaction(async () => {
      await deleteOpen(this.db, replaced("open"));
      await deleteClosed(this.db, replaced("closed"));
      for (const [sql, of] of [
        [SQL.insertDated, lines.dated],
        [SQL.insertUndated, lines.undated],
        [SQL.insertOpen, lines.open],
      ] as const)
        if (of.length > 0) await this.db.run(sql, [of.join("\n")]);
      await this.db.run(SQL.setFoldedSeq, [this.lastSeq]);
    });
    this.dirty.clear();
    this.unflushed = 0;
    for (const { session_id } of states) this.rows.set(session_id, "open");
    this.forget(states.filter(isClosed));
  }

  /** Lets go of closed sessions, and of the oldest where there are too many. */
  private forget(closed: readonly State[]): void {
    for (const state of closed) {
      this.drop(state.session_id);
      this.recent.set(state.session_id, briefOf(state));
    }
    for (const id of oldest(this.states, MAX_STATES)) {
      this.drop(id);
      this.left(id);
    }
    for (const id of oldest(this.recent, MAX_RECENT)) {
      this.recent.delete(id);
      this.left(id);
    }
  }

  /** A session is no longer in memory. */
  private left(session_id: string): void {
    const second = startSecondOf(session_id);
    if (second && second > this.horizon) this.horizon = second;
  }

  private async payloads(sql: string, value: DuckDBValue): Promise<Event[]> {
    const rows = await this.db.rows<{ payload: string }>(sql, [value]);
    return rows.map(({ payload }) => JSON.parse(payload) as Event);
  }
}

export function briefOf({ start, end }: State): SessionBrief {
  return {
    start_event_id: start?.event_id ?? null,
    ended: end !== null && end.value.end_source !== "recovered",
  };
}

/** The first keys of a map, as many as it has too many. */
function oldest(map: ReadonlyMap<string, unknown>, size: number): string[] {
  return [...map.keys().take(Math.max(0, map.size - size))];
}
