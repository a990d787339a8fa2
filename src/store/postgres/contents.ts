/** All that a database holds, for moving it: see Contents. */
import {
  type Contents,
  type Holding,
  type IdRange,
  type Mark,
  type Tombstone,
  type WholeSession,
  rangesUpTo,
} from "../../model/contents.ts";
import { fail } from "../../model/failure.ts";
import { parseMetadata } from "../../model/metadata.ts";
import { storedEventOf } from "../rows.ts";
import type { Connection, Value } from "./connect.ts";
import { type Duties, TERM_MS } from "./duties.ts";
import { Conditions } from "./filters.ts";
import { LAPSE } from "./lapse.ts";
import { OURS } from "./schema.ts";
import {
  type Row as SessionRecord,
  STORED_NAMES,
  storedOf,
} from "./sessions.ts";
import { arrayOf, decoded, encoded, timeOf } from "./text.ts";

const PAGE_TOMBSTONES = 4_096;

const POLL_MS = 250;

/** Whoever moves the database has it, so that no second one does. */
const MOVE = "move";

/** Sessions whose events one statement counts: of all of them it might take too long. */
const COUNTED_SESSIONS = 65_536;

const BYTES = `SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::float8 AS bytes
  FROM pg_class WHERE ${OURS} AND relkind = 'r'`;

/** The id that so many sessions later comes. */
const LATER = `SELECT session_id FROM sessions WHERE session_id > $1::text
  ORDER BY session_id OFFSET $2::bigint LIMIT 1`;

/** The ids with which so many more events are complete. */
const lastsOf = (where: string, events: string) => `SELECT session_id FROM (
    SELECT session_id, n, (sum(n) OVER (ORDER BY session_id))::bigint AS upto
    FROM (SELECT session_id, count(*) AS n FROM events AS e ${where}
      GROUP BY session_id) AS counted) AS summed
  WHERE upto / ${events} > (upto - n) / ${events} ORDER BY session_id`;

const ADD_TOMBSTONES = `INSERT INTO sessions
    (session_id, version, archived, archived_at, late_events)
  SELECT x.session_id, 1, x.folder, x.archived_at, x.late_events
  FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::integer[])
    AS x (session_id, folder, archived_at, late_events)
  ORDER BY x.session_id ON CONFLICT (session_id) DO NOTHING`;

const MOVED = `SELECT seq, events FROM moves WHERE source = $1::text`;
const SET_MOVED = `INSERT INTO moves (source, seq, events)
  VALUES ($1::text, $2::bigint, $3::bigint)
  ON CONFLICT (source) DO UPDATE SET seq = excluded.seq, events = excluded.events`;

const OTHERS = `SELECT name FROM duties WHERE holder <> $1::text
  AND name IN ('${LAPSE}', '${MOVE}') AND until > clock_timestamp()`;

export interface EventRow {
  seq: string | null;
  received_at: Date;
  provenance: string | null;
  payload: string;
}

/** Stored events in the order of arrival. @param of the rows of */
export const EVENTS_READ = `SELECT b.seq + e.ordinal AS seq, b.received_at,
    e.provenance, e.payload
  FROM events AS e JOIN batches AS b ON b.batch = e.batch`;

export class DatabaseContents implements Contents {
  constructor(
    private readonly connection: Connection,
    private readonly duties: Duties,
    private readonly name: string,
  ) {}

  async requireAlone(): Promise<void> {
    const other = await this.otherDuty();
    if (other === null) return;
    throw fail.already_running(
      other === MOVE
        ? `${this.name} is being moved by another session-buddy`
        : `${this.name} is in use by a server`,
      "stop all that use it, then run the same command again",
    );
  }

  /** @returns the duty of another that is there still when a dead one's would be over */
  private async otherDuty(): Promise<string | null> {
    const until_ms = performance.now() + TERM_MS + POLL_MS;
    for (;;) {
      // What is seen is of this moment, however late the answer comes.
      const asked_ms = performance.now();
      await this.duties.take(MOVE, 0);
      const [other] = await this.connection.ask<{ name: string }>(OTHERS, [
        this.duties.holder,
      ]);
      if (!other) return null;
      if (asked_ms > until_ms) return other.name;
      await Bun.sleep(POLL_MS);
    }
  }

  async holding(): Promise<Holding> {
    const [row] = await this.connection.ask<{ bytes: number }>(BYTES);
    let events = 0;
    for (const range of await this.counted()) {
      const { where, values } = inRange("e", range);
      const [counted] = await this.connection.ask<{ n: number }>(
        `SELECT count(*)::float8 AS n FROM events AS e ${where}`,
        values,
      );
      events += counted!.n;
    }
    return { events, bytes: row!.bytes };
  }

  async ranges(events: number): Promise<IdRange[]> {
    const lasts: string[] = [];
    for (const range of await this.counted()) {
      const conditions = inRange("e", range);
      const each = `${conditions.parameter(events)}::bigint`;
      const { where, values } = conditions;
      const found = await this.connection.ask<{ session_id: string }>(
        lastsOf(where, each),
        values,
      );
      lasts.push(...found.map(({ session_id }) => session_id));
      if (range.upto !== null && lasts.at(-1) !== range.upto)
        lasts.push(range.upto);
    }
    return rangesUpTo(lasts);
  }

  /** Ranges whose events one statement counts. */
  private async counted(): Promise<IdRange[]> {
    const lasts: string[] = [];
    for (let last = ""; ;) {
      const [found] = await this.connection.ask<{ session_id: string }>(LATER, [
        last,
        COUNTED_SESSIONS - 1,
      ]);
      if (!found) return rangesUpTo(lasts);
      lasts.push((last = found.session_id));
    }
  }

  async wholes(those: IdRange | readonly string[]): Promise<WholeSession[]> {
    const records = ofThose("s", those);
    records.always("s.start_time IS NOT NULL");
    const rows = await this.connection.ask<SessionRecord>(
      `SELECT ${STORED_NAMES} FROM sessions AS s ${records.where}`,
      records.values,
    );
    const row_of = new Map(
      rows.map((record) => {
        const row = storedOf(record);
        return [
          row.session_id,
          { ...row, metadata: parseMetadata(row.metadata) },
        ];
      }),
    );
    const stored = ofThose("e", those);
    const events = await this.connection.ask<EventRow>(
      `${EVENTS_READ} ${stored.where}
        ORDER BY e.session_id, b.arrival, e.ordinal`,
      stored.values,
    );
    const of = Map.groupBy(
      events.map(eventOf),
      ({ event }) => event.session_id,
    );
    return [...of].map(([session_id, events]) => ({
      ...{ session_id, events },
      row: row_of.get(session_id) ?? null,
    }));
  }

  async tombstones(after: string | null): Promise<Tombstone[]> {
    type Row = Omit<Tombstone, "archived_at"> & { archived_at: Date };
    const rows = await this.connection.ask<Row>(
      `SELECT session_id, archived AS folder, archived_at, late_events
        FROM sessions WHERE archived IS NOT NULL AND session_id > $1::text
        ORDER BY session_id LIMIT ${PAGE_TOMBSTONES}`,
      [after ?? ""],
    );
    return rows.map(({ folder, archived_at, ...rest }) => ({
      ...{ ...rest, folder: decoded(folder), archived_at: timeOf(archived_at) },
    }));
  }

  async bringTombstones(tombstones: readonly Tombstone[]): Promise<void> {
    const list = (values: Value[]) => arrayOf(values);
    await this.connection.ask(ADD_TOMBSTONES, [
      list(tombstones.map(({ session_id }) => session_id)),
      list(tombstones.map(({ folder }) => encoded(folder))),
      list(tombstones.map(({ archived_at }) => archived_at)),
      list(tombstones.map(({ late_events }) => late_events)),
    ]);
  }

  async movedFrom(source: string): Promise<Mark> {
    type Row = Record<keyof Mark, string>;
    const [row] = await this.connection.ask<Row>(MOVED, [source]);
    return { seq: Number(row?.seq ?? 0), events: Number(row?.events ?? 0) };
  }

  async setMovedFrom(source: string, { seq, events }: Mark): Promise<void> {
    await this.connection.ask(SET_MOVED, [source, seq, events]);
  }

  /** Events that come to the source later are moved from there on. */
  async endMoving(): Promise<void> {
    await this.duties.release();
  }
}

function inRange(table: string, { after, upto }: IdRange): Conditions {
  const conditions = new Conditions();
  conditions.add(`${table}.session_id > ?::text`, after ?? "");
  conditions.add(`${table}.session_id <= ?::text`, upto ?? undefined);
  return conditions;
}

function ofThose(
  table: string,
  those: IdRange | readonly string[],
): Conditions {
  if ("after" in those) return inRange(table, those);
  const conditions = new Conditions();
  conditions.add(`${table}.session_id = ANY(?::text[])`, arrayOf(those));
  return conditions;
}

export const eventOf = ({ seq, received_at, ...row }: EventRow) =>
  storedEventOf({
    ...row,
    seq: Number(seq ?? 0),
    received_at: timeOf(received_at),
  });
