/**
 * Which sessions are alive. Heartbeats move last_seen in memory. A session from the
 * wire without them is ended as lost, and reopened by the next one.
 */
import { listValue } from "@duckdb/node-api";
import { type Clock, isoTime } from "../../model/clock.ts";
import type { Event } from "../../model/event.ts";
import { type State, parseState } from "../../model/state.ts";
import type { Provenance } from "../../model/reporter.ts";
import { isClosed } from "../../model/session.ts";
import {
  type ClosedRow,
  type End,
  closedAmong,
  receiptOfEnds,
} from "./session-tables.ts";
import type { Database } from "./database.ts";
import type { Change, Folds, OpenState } from "./folds.ts";
import { LastSeen, Leases, signOfLife } from "../leases.ts";
import { Owners } from "./owners.ts";
import { SQL } from "./statements.ts";

/** Processes to look for at once: each reads some files of /proc. */
const MAX_LOOKS = 128;

export class LivenessTracker {
  readonly signs = new LastSeen();
  private readonly leases: Leases;
  private readonly owners: Owners;
  /** Reads the leases of sessions from before this process. */
  private known: Promise<void> | null = null;

  /** @param append stores events of the store itself */
  constructor(
    private readonly db: Database,
    private readonly folds: Folds,
    private readonly now: Clock,
    private readonly append: (
      events: readonly Event[],
    ) => Promise<ReadonlySet<string>>,
  ) {
    this.leases = new Leases(now(), this.signs);
    this.owners = new Owners(db, folds);
  }

  /** Takes note of a session that an event has changed. */
  note(state: State, by: Change): void {
    const { session_id, end } = state;
    if (by === "anew") this.signs.delete(session_id);
    this.leases.note(state, by === "remark" ? null : this.now());
    this.owners.note(state);
    // `expireLeases` looks at one that was seen after its end.
    if (isClosed(state) && (this.signs.get(session_id) ?? "") <= end!.timestamp)
      this.signs.delete(session_id);
  }

  /**
   * @param theirs the same signs by the clock of their host, if it is not ours
   * @returns the sessions that belong to another reporter, which were not moved
   */
  async seen(
    signs: ReadonlyMap<string, string>,
    from: Provenance,
    theirs = signs,
  ): Promise<ReadonlySet<string>> {
    const { others, unknown } = await this.owners.check(signs.keys(), from);
    const first = new Map<string, string>();
    for (const [session_id, sign] of signs) {
      if (others.has(session_id) || unknown.has(session_id)) continue;
      this.leases.heard(session_id, this.now());
      if (this.signs.merge(session_id, sign)) first.set(session_id, sign);
    }
    await this.reopen(first, theirs);
    return others;
  }

  /**
   * Stores an event for each lost session with a later sign of life; forgets the
   * signs of sessions that have ended.
   */
  private async reopen(
    signs: ReadonlyMap<string, string>,
    theirs: ReadonlyMap<string, string>,
  ): Promise<void> {
    const back: Event[] = [];
    const doubtful: End[] = [];
    for (const end of await this.endsOf(signs.keys())) {
      const { id, end_source, end_time } = end;
      const sign = signs.get(id)!;
      if (end_source !== "recovered") this.signs.delete(id);
      else if (sign > end_time && theirs.get(id)! > end_time)
        back.push(signOfLife(id, sign));
      else doubtful.push(end);
    }
    // A clock ahead of ours may have put the end in the future.
    const found = await receiptOfEnds(this.db.ask, doubtful);
    for (const { id, end_time } of doubtful)
      if (signs.get(id)! > (found.get(id) ?? end_time))
        back.push(signOfLife(id, justAfter(end_time)));
      else this.signs.delete(id);
    try {
      await this.append(back);
    } catch (error) {
      // The next sign will be the first again.
      for (const { session_id } of back) this.signs.delete(session_id);
      throw error;
    }
  }

  /** The ends of some sessions, of those that have ended. */
  private async endsOf(ids: Iterable<string>): Promise<End[]> {
    const ends: End[] = [];
    const asked = new Set<string>();
    for (const id of ids) {
      const state = this.folds.get(id);
      if (!state) {
        if (this.folds.recall(id) !== null) asked.add(id);
      } else if (isClosed(state)) {
        const { timestamp, value } = state.end!;
        ends.push({ id, end_source: value.end_source, end_time: timestamp });
      }
    }
    if (asked.size === 0) return ends;
    // Most are open.
    for (const row of await this.db.ask<ClosedRow>(SQL.openEnds, [
      listValue([...asked]),
    ])) {
      asked.delete(row.id);
      if (row.end_source) ends.push(row);
    }
    return [...ends, ...(await closedAmong(this.db.ask, asked))];
  }

  /**
   * Ends sessions from the wire that are lost, at their last sign of life.
   * @param now_ms milliseconds since the epoch
   * @param unleased_timeout_ms how long one without heartbeats may be silent
   * @param looks how many processes may be looked for
   * @returns how many were ended
   */
  async expireLeases(
    now_ms: number,
    unleased_timeout_ms: number,
    looks: number = MAX_LOOKS,
  ): Promise<number> {
    await (this.known ??= this.readLeases().catch((error) => {
      this.known = null;
      throw error;
    }));
    const now = isoTime(now_ms);
    const ends = this.leases.lost(now_ms, unleased_timeout_ms, looks, (id) =>
      this.signs.merge(id, now),
    );
    if (ends.length === 0) return 0;
    const stored = await this.append(ends);
    const late = new Map<string, string>();
    for (const { session_id, timestamp } of ends) {
      const sign = this.signs.get(session_id) ?? "";
      if (sign > timestamp) late.set(session_id, sign);
      else this.signs.delete(session_id);
    }
    await this.reopen(late, late);
    return stored.size;
  }

  /** Reads the leases of open sessions. */
  private readLeases(): Promise<void> {
    return this.db.inTurn(async () => {
      await this.folds.flush();
      const rows = await this.db.rows<OpenState>(SQL.leasedStates);
      for (const row of rows) {
        const read = parseState(row.state, row);
        if (!this.leases.has(read.session_id)) this.leases.note(read, null);
      }
    });
  }
}

const justAfter = (time: string) => isoTime(Date.parse(time) + 1);
