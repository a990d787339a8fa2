/** All that a file holds, for moving it: see Contents. */
import {
  type Contents,
  type Holding,
  type IdRange,
  type Mark,
  type Tombstone,
  type WholeSession,
  rangesUpTo,
} from "../../model/contents.ts";
import { parseMetadata } from "../../model/metadata.ts";
import { listValue } from "@duckdb/node-api";
import type { Database } from "./database.ts";
import type { Folds } from "./folds.ts";
import { type ReadRow, type StoredRow, storedEventOf } from "../rows.ts";
import { NAMED_SECOND, SESSION_READ, time } from "./statements.ts";
import type { Tombstones } from "./tombstones.ts";

const PAGE_TOMBSTONES = 4_096;

/**
 * Where moving has come to, in a file that is being made. It is no part of the schema:
 * the finished file does not have it.
 */
const MOVED = "moved_from";

const IN_RANGE =
  "($1 IS NULL OR session_id > $1::VARCHAR) AND ($2 IS NULL OR session_id <= $2::VARCHAR)";
const THOSE = "session_id IN (SELECT unnest($1::VARCHAR[]))";

const eventsOf = (those: string) =>
  `SELECT seq::DOUBLE AS seq, ${time("received_at", "received_at")},
      provenance, payload
    FROM events WHERE ${those} ORDER BY session_id, seq`;
const rowsOf = (those: string) =>
  `SELECT ${SESSION_READ} FROM all_sessions WHERE ${those}`;

const SQL = {
  events: "SELECT count(*)::DOUBLE AS n FROM events",
  /** The ids with which so many more events are complete. */
  lasts: `SELECT session_id FROM (
      SELECT session_id, n, sum(n) OVER (ORDER BY session_id) AS upto FROM (
        SELECT session_id, count(*) AS n FROM events GROUP BY session_id))
    WHERE upto // $1::BIGINT > (upto - n) // $1::BIGINT ORDER BY session_id`,
  eventsIn: eventsOf(IN_RANGE),
  rowsIn: rowsOf(IN_RANGE),
  eventsOfThose: eventsOf(THOSE),
  rowsOfThose: rowsOf(THOSE),
  tombstones: `SELECT session_id, folder, late_events,
      ${time("archived_at", "archived_at")} FROM archived_sessions
    WHERE $1 IS NULL OR session_id > $1::VARCHAR
    ORDER BY session_id LIMIT ${PAGE_TOMBSTONES}`,
  addTombstone: `INSERT INTO archived_sessions BY NAME
    SELECT session_id, ${NAMED_SECOND} AS named_second, $2::TIMESTAMP AS archived_at,
      $3 AS folder, $4::INTEGER AS late_events
    FROM (SELECT $1::VARCHAR AS session_id) AS brought
    WHERE session_id NOT IN (SELECT session_id FROM archived_sessions)
      AND session_id NOT IN (SELECT session_id FROM events)`,
  hasMoved: `SELECT count(*)::DOUBLE AS n FROM duckdb_tables()
    WHERE table_name = '${MOVED}'`,
  makeMoved: `CREATE TABLE IF NOT EXISTS ${MOVED} (
    source VARCHAR, seq BIGINT, events BIGINT)`,
  moved: `SELECT seq::DOUBLE AS seq, events::DOUBLE AS events FROM ${MOVED}
    WHERE source = $1`,
  forget: `DELETE FROM ${MOVED} WHERE source = $1`,
  setMoved: `INSERT INTO ${MOVED} VALUES ($1, $2::BIGINT, $3::BIGINT)`,
  endMoved: `DROP TABLE IF EXISTS ${MOVED}`,
} as const;

export class FileContents implements Contents {
  constructor(
    private readonly db: Database,
    private readonly folds: Folds,
    private readonly archived: Tombstones,
  ) {}

  /** Whoever has the file open is alone. */
  async requireAlone(): Promise<void> {}

  async holding(): Promise<Holding> {
    await this.db.inTurn(() => this.db.checkpoint());
    const { file, log } = this.db.sizes();
    return { events: await this.count(SQL.events), bytes: file + log };
  }

  async ranges(events: number): Promise<IdRange[]> {
    const lasts = await this.db.ask<{ session_id: string }>(SQL.lasts, [
      BigInt(events),
    ]);
    return rangesUpTo(lasts.map(({ session_id }) => session_id));
  }

  async wholes(those: IdRange | readonly string[]): Promise<WholeSession[]> {
    await this.folds.flushBetween();
    const [rowsRead, eventsRead, values] =
      "after" in those
        ? [SQL.rowsIn, SQL.eventsIn, [those.after, those.upto]]
        : [SQL.rowsOfThose, SQL.eventsOfThose, [listValue([...those])]];
    const rows = await this.db.ask<ReadRow>(rowsRead, values);
    const row_of = new Map(rows.map((row) => [row.session_id, row]));
    const stored = await this.db.ask<StoredRow>(eventsRead, values);
    const events = stored.map(storedEventOf);
    const of = Map.groupBy(events, ({ event }) => event.session_id);
    return [...of].map(([session_id, events]) => {
      const row = row_of.get(session_id);
      const whole = row && { ...row, metadata: parseMetadata(row.metadata) };
      return { session_id, row: whole ?? null, events };
    });
  }

  tombstones(after: string | null): Promise<Tombstone[]> {
    return this.db.ask(SQL.tombstones, [after]);
  }

  bringTombstones(tombstones: readonly Tombstone[]): Promise<void> {
    return this.db.inTurn(async () => {
      await this.db.transaction(async () => {
        for (const one of tombstones) {
          const { session_id, archived_at, folder, late_events } = one;
          const values = [session_id, archived_at.slice(0, -1), folder];
          await this.db.run(SQL.addTombstone, [...values, late_events]);
        }
      });
      await this.archived.open();
      await this.folds.readHorizon();
    });
  }

  async movedFrom(source: string): Promise<Mark> {
    const made = (await this.count(SQL.hasMoved)) > 0;
    const [mark] = made ? await this.db.ask<Mark>(SQL.moved, [source]) : [];
    return mark ?? { seq: 0, events: 0 };
  }

  setMovedFrom(source: string, { seq, events }: Mark): Promise<void> {
    return this.db.inTurn(() =>
      this.db.transaction(async () => {
        await this.db.run(SQL.makeMoved);
        await this.db.run(SQL.forget, [source]);
        await this.db.run(SQL.setMoved, [source, BigInt(seq), BigInt(events)]);
      }),
    );
  }

  async endMoving(): Promise<void> {
    await this.db.inTurn(() => this.db.once(SQL.endMoved));
  }

  private async count(sql: string) {
    const [row] = await this.db.ask<{ n: number }>(sql, []);
    return row!.n;
  }
}
