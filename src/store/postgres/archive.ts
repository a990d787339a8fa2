/**
 * The sessions that go to an archive: chosen, read with their events, and removed in one
 * transaction, which leaves a tombstone of each. One that has changed since it was read
 * stays, and so do all.
 */
import type { WholeSession } from "../../model/contents.ts";
import { COLUMNS, type Column } from "../../model/columns.ts";
import type { ArchivePlan, ArchiveRequest } from "../../model/maintenance.ts";
import { parseMetadata } from "../../model/metadata.ts";
import { settle } from "./commit.ts";
import type { Connection } from "./connect.ts";
import { EVENTS_READ, type EventRow, eventOf } from "./contents.ts";
import { deleteOutput } from "./output.ts";
import { type Row, STORED_NAMES, storedOf } from "./sessions.ts";
import { arrayOf, encoded, timeOf } from "./text.ts";
import { deleteToldOf } from "./told.ts";

/** Sessions that one statement reads, or removes. */
const PORTION = 1_024;
/** Events that are read at once, and the rest of the last session's. */
const MOST_EVENTS = 32_768;

/** A session that was read: it goes if it is still the same. */
export interface Going {
  session_id: string;
  version: string;
  events: number;
}

/** Old enough. $1: the time; $2: whether those with tags stay; $3: those in the spool. */
const OLD = `FROM sessions AS s WHERE s.start_time IS NOT NULL
  AND s.end_source IS NOT NULL AND s.end_time < $1::text::timestamptz`;
const TAGGED = "($2::boolean AND cardinality(s.tags) > 0)";
const SPOOLED = "s.session_id = ANY($3::text[])";
const GOING = `NOT ${SPOOLED} AND NOT ${TAGGED}`;

const PLAN = `SELECT count(*) FILTER (WHERE ${GOING}) AS sessions,
    count(*) FILTER (WHERE ${SPOOLED}) AS spooled,
    count(*) FILTER (WHERE ${TAGGED} AND NOT ${SPOOLED}) AS tagged,
    min(s.end_time) FILTER (WHERE ${GOING}) AS first_end,
    max(s.end_time) FILTER (WHERE ${GOING}) AS last_end,
    (SELECT count(*) FROM events WHERE session_id IN
      (SELECT s.session_id ${OLD} AND ${GOING})) AS events
  ${OLD}`;

const PAGE = `SELECT ${STORED_NAMES}, s.version ${OLD} AND ${GOING}
    AND s.session_id > $4::text ORDER BY s.session_id LIMIT ${PORTION}`;

const COUNTS = `SELECT session_id, count(*)::integer AS n FROM events
  WHERE session_id = ANY($1::text[]) GROUP BY session_id`;
const EVENTS = `${EVENTS_READ} WHERE e.session_id = ANY($1::text[])
  ORDER BY e.session_id, b.arrival, e.ordinal`;

const EMPTIED = Object.entries<Column>(COLUMNS).flatMap(([name, column]) =>
  "from" in column && name !== "session_id" ? [`${name} = NULL`] : [],
);

const BURY = `UPDATE sessions AS s SET version = s.version + 1, state = NULL,
    lease_seconds = NULL, boot_id = NULL, heard_at = NULL, heard_by = NULL, said_gone_at = NULL,
    archived = $3::text, archived_at = clock_timestamp(), late_events = 0,
    ${EMPTIED.join(", ")}
  FROM unnest($1::text[], $2::bigint[]) AS x (session_id, version)
  WHERE s.session_id = x.session_id AND s.version = x.version
  RETURNING s.session_id`;

const BURIED = `SELECT 1 FROM sessions WHERE session_id = $1::text
  AND version = $2::bigint + 1 AND archived = $3::text`;

const REMOVE = `WITH gone AS (
    DELETE FROM events WHERE session_id = ANY($1::text[]) RETURNING 1)
  SELECT count(*)::integer AS events FROM gone`;
const FORGET = "DELETE FROM signs WHERE session_id = ANY($1::text[])";

type Read = Row & { version: string };

const valuesOf = (request: ArchiveRequest, spooled: readonly string[]) => [
  ...[request.ended_before, request.keep_tagged],
  arrayOf(spooled.map((id) => encoded(id))),
];

export async function plan(
  connection: Connection,
  request: ArchiveRequest,
  spooled: readonly string[],
): Promise<ArchivePlan> {
  type Counted = "sessions" | "spooled" | "tagged" | "events";
  const [row] = await connection.ask<
    Record<Counted, string> & Record<"first_end" | "last_end", Date | null>
  >(PLAN, valuesOf(request, spooled));
  const { first_end, last_end, ...counts } = row!;
  const numbers = Object.entries(counts).map(([name, n]) => [name, Number(n)]);
  return {
    ...(Object.fromEntries(numbers) as Record<Counted, number>),
    ...{ first_end: timeOf(first_end), last_end: timeOf(last_end) },
  };
}

/**
 * Reads the sessions that go, some at a time.
 * @param going gets each that was read
 */
export async function* read(
  connection: Connection,
  request: ArchiveRequest,
  spooled: readonly string[],
  going: Going[],
  most_events = MOST_EVENTS,
): AsyncGenerator<WholeSession[]> {
  for (let after = ""; ;) {
    const rows = await connection.ask<Read>(PAGE, [
      ...valuesOf(request, spooled),
      after,
    ]);
    if (rows.length === 0) return;
    for (const some of await parted(connection, rows, most_events))
      yield await whole(connection, some, going);
    after = rows.at(-1)!.session_id;
  }
}

/** Parts them where so many events have come together. */
async function parted(
  connection: Connection,
  rows: readonly Read[],
  most_events: number,
): Promise<Read[][]> {
  const ids = rows.map(({ session_id }) => session_id);
  const counts = new Map(
    (
      await connection.ask<{ session_id: string; n: number }>(COUNTS, [
        arrayOf(ids),
      ])
    ).map(({ session_id, n }) => [session_id, n]),
  );
  const parts: Read[][] = [];
  let events = Infinity;
  for (const row of rows) {
    if (events >= most_events) {
      parts.push([]);
      events = 0;
    }
    parts.at(-1)!.push(row);
    events += counts.get(row.session_id) ?? 0;
  }
  return parts;
}

/** @param going gets each of them */
async function whole(
  connection: Connection,
  rows: readonly Read[],
  going: Going[],
): Promise<WholeSession[]> {
  const ids = rows.map(({ session_id }) => session_id);
  const stored = await connection.ask<EventRow>(EVENTS, [arrayOf(ids)]);
  const of = Map.groupBy(stored.map(eventOf), ({ event }) => event.session_id);
  return rows.map(({ version, ...record }): WholeSession => {
    const row = storedOf(record);
    const { session_id } = row;
    const events = of.get(session_id) ?? [];
    going.push({ session_id, version, events: events.length });
    const metadata = parseMetadata(row.metadata);
    return { session_id, events, row: { ...row, metadata } };
  });
}

/**
 * Whether an earlier try to remove them came to its end after all: with one of them all
 * are gone.
 */
export async function isRemoved(
  tx: Connection,
  [first]: readonly Going[],
  folder: string,
): Promise<boolean> {
  if (!first) return false;
  const { session_id, version } = first;
  const values = [session_id, version, encoded(folder)];
  if ((await tx.ask(BURIED, values)).length === 0) return false;
  await settle(tx, [session_id]);
  return true;
}

/**
 * Removes what was read, in a transaction.
 * @param folder where it is now
 * @returns false when some of it is not as it was read: all has to stay then
 */
export async function remove(
  tx: Connection,
  going: readonly Going[],
  folder: string,
): Promise<boolean> {
  for (let at = 0; at < going.length; at += PORTION) {
    const some = going.slice(at, at + PORTION);
    const ids = some.map(({ session_id }) => session_id);
    const versions = some.map(({ version }) => version);
    const buried = await tx.ask(BURY, [
      ...[arrayOf(ids), arrayOf(versions), encoded(folder)],
    ]);
    const [removed] = await tx.ask<{ events: number }>(REMOVE, [arrayOf(ids)]);
    const events = some.reduce((sum, one) => sum + one.events, 0);
    if (buried.length < some.length || removed!.events !== events) return false;
    await tx.ask(FORGET, [arrayOf(ids)]);
    await deleteToldOf(tx, ids);
    await deleteOutput(tx, ids);
  }
  return true;
}
