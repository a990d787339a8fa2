/** Reads sessions by their rows, with the signs of life that wrote none. */
import { COLUMNS, type Column } from "../../model/columns.ts";
import type { SessionFilter } from "../../model/filter.ts";
import type { Session } from "../../model/session.ts";
import type { SessionStats } from "../../model/store.ts";
import { type ReadRow, type StatsRow, sessionOf, statsOf } from "../rows.ts";
import type { Connection } from "./connect.ts";
import { FAILED, STATUS } from "../conditions.ts";
import {
  Conditions,
  ENDED_MS,
  IN_SINCE,
  type Query,
  TIME,
  contains,
  sessionConditions,
} from "./filters.ts";
import { arrayOf, decoded, timeOf } from "./text.ts";

const STORED = Object.entries<Column>(COLUMNS).flatMap(([name, column]) =>
  "from" in column ? [{ name, type: column.type }] : [],
);

/** The columns that a session `s` is read from. */
export const STORED_NAMES = STORED.map(({ name }) => `s.${name}`).join(", ");
const READ = `${STORED_NAMES},
  g.last_sign AS sign`;
const SESSIONS = "sessions AS s";
const SIGNS = `LEFT JOIN signs AS g
  ON s.end_source IS NULL AND g.session_id = s.session_id`;
const FROM = `${SESSIONS} ${SIGNS}`;

/** Sessions that one query reads. */
const PAGE = 1_000;

/** A row as the driver gives it. */
export type Row = Record<string, unknown> & { session_id: string };
type SignedRow = Row & { sign: Date | null };

/** What of a session is stored; the row itself is changed. */
export function storedOf(row: Row): ReadRow {
  for (const { name, type } of STORED) {
    const value = row[name];
    if (value instanceof Date) row[name] = timeOf(value);
    else if (type === "texts")
      row[name] = (value as string[]).map((text) => decoded(text));
    else if (type !== "object" && typeof value === "string")
      row[name] = decoded(value);
  }
  return row as unknown as ReadRow;
}

/** @param now in milliseconds since the epoch */
function presented({ sign, ...row }: SignedRow, now: number): Session {
  const signs = new Map(sign ? [[row.session_id, timeOf(sign)]] : []);
  return sessionOf(storedOf(row), signs, now);
}

/** Sessions that match, newest start first, ties by id, a page after the other. */
export async function* listSessions(
  connection: Connection,
  filter: SessionFilter,
  now: number,
): AsyncGenerator<Session> {
  let { from, offset = 0, limit: left = Infinity } = filter;
  while (left > 0) {
    const page = Math.min(left, PAGE);
    const part = { ...filter, ...(from && { from }) };
    const read = (near: boolean) => {
      const { sql, values } = pageQuery(part, now, offset, page, near);
      return connection.ask<SignedRow>(sql, values);
    };
    let rows = filter.tag || filter.ran ? await read(true) : [];
    if (rows.length < page) rows = await read(false);
    let last: Session | null = null;
    for (const row of rows) yield (last = presented(row, now));
    if (!last || rows.length < page) return;
    left -= rows.length;
    offset = 0;
    from = last;
  }
}

/**
 * How many sessions are looked through for those with a tag or a command. Whether an
 * index of these finds them sooner the database cannot tell: it does not know how many
 * have one that is rare.
 */
const NEAR = 10_000;

/** @param near only among so many that come first */
function pageQuery(
  filter: SessionFilter,
  now: number,
  offset: number,
  limit: number,
  near: boolean,
): Query {
  const { from, reverse = false, tag, ran, ...others } = filter;
  const conditions = sessionConditions(
    { ...others, ...(near && tag && { tag }) },
    now,
  );
  const inOrder = reverse ? "s.start_time" : "s.start_time DESC";
  const [later, beyond] = reverse ? [">", "<"] : ["<", ">"];
  if (tag && !near)
    conditions.add(
      `s.session_id IN (SELECT t.session_id FROM sessions AS t
        WHERE short_texts(t.tags) @> short_texts(?::text[])
          AND t.tags @> ?::text[] OFFSET 0)`,
      arrayOf(tag),
    );
  const having = `commands AS c WHERE ${contains("c.text")}`;
  conditions.add(
    near
      ? `(SELECT true FROM ${having} AND c.session_id = s.session_id LIMIT 1)`
      : `s.session_id = ANY (ARRAY(SELECT DISTINCT c.session_id FROM ${having}))`,
    ran,
  );
  if (near) {
    const first = from
      ? `AND s.start_time ${later}= ${TIME.replace("?", conditions.parameter(from.start_time))}`
      : "";
    conditions.always(`s.start_time ${reverse ? "<=" : ">="} coalesce((
      SELECT s.start_time FROM sessions AS s
      WHERE s.start_time IS NOT NULL ${first}
      ORDER BY ${inOrder} OFFSET ${NEAR} LIMIT 1),
      '${reverse ? "" : "-"}infinity')`);
  }
  if (from) {
    const start = TIME.replace("?", conditions.parameter(from.start_time));
    const id = `${conditions.parameter(from.session_id)}::text`;
    // The first is what an index is read by.
    conditions.always(
      `s.start_time ${later}= ${start} AND (s.start_time ${later} ${start}
        OR s.session_id ${beyond} ${id})`,
    );
  }
  const order = `ORDER BY ${inOrder}, s.session_id ${reverse ? "DESC" : ""}`;
  const { at, in_since } = filter;
  const matching =
    at !== undefined
      ? `(${fenced(conditions.where)}) AS s`
      : in_since !== undefined
        ? since(conditions, in_since, order, limit + offset, reverse)
        : `${SESSIONS} ${conditions.where}`;
  const part = [
    conditions.optional("LIMIT ?::bigint", limit),
    conditions.optional("OFFSET ?::bigint", offset || undefined),
  ];
  const sql = `SELECT ${READ} FROM (SELECT s.* FROM ${matching}) AS s ${SIGNS}
    ${order} ${part.join(" ")}`;
  return { sql, values: conditions.values };
}

/**
 * Those of a moment are few, and found by its indexes; in the order of their starts all
 * that began before would be looked at.
 */
const fenced = (where: string) =>
  `SELECT s.* FROM ${SESSIONS} ${where} OFFSET 0`;

/**
 * Those that began since a time, in the order of their starts, and those that were in when
 * it came. The second of both is looked at where the first is not enough.
 */
function since(
  conditions: Conditions,
  time: string,
  order: string,
  rows: number,
  reverse: boolean,
): string {
  const { where } = conditions;
  const began = TIME.replace("?", conditions.parameter(time));
  const most = `${conditions.parameter(rows)}::bigint`;
  const parts = [
    (and: string) =>
      `SELECT s.* FROM ${SESSIONS} ${where} AND s.start_time >= ${began} ${and}`,
    (and: string) =>
      `SELECT s.* FROM (${fenced(`${where} AND s.start_time < ${began} ${and}`)}) AS s`,
  ];
  const [first, second] = reverse ? parts.toReversed() : parts;
  return `(WITH first AS MATERIALIZED (${first!("")} ${order} LIMIT ${most})
    SELECT * FROM first
    UNION ALL (${second!(`AND (SELECT count(*) FROM first) < ${most}`)}
      ${order} LIMIT ${most})) AS s`;
}

/** The session of this very id. */
export async function getSession(
  connection: Connection,
  session_id: string,
  now: number,
): Promise<Session | null> {
  const conditions = new Conditions();
  conditions.add("s.session_id = ?::text", session_id);
  conditions.always("s.start_time IS NOT NULL");
  const [row] = await connection.ask<SignedRow>(
    `SELECT ${READ} FROM ${FROM} ${conditions.where}`,
    conditions.values,
  );
  return row ? presented(row, now) : null;
}

/** One aggregate, which sorts once. */
const QUANTILES =
  "percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY s.ms)";

/** Statistics of the sessions that match. */
export async function sessionStats(
  connection: Connection,
  filter: SessionFilter,
  now: number,
): Promise<SessionStats> {
  const { where, values } = sessionConditions(filter, now);
  const count = (condition: string) =>
    `(count(*) FILTER (WHERE ${condition}))::integer`;
  type Counted = Omit<StatsRow, "quantiles" | "first_start" | "last_start"> & {
    first_start: Date | null;
    last_start: Date | null;
    median: number;
    p95: number;
  };
  const all = `SELECT count(*)::integer AS sessions,
      ${count(STATUS.active)} AS active, ${count(STATUS.ended)} AS ended,
      ${count(STATUS.lost)} AS lost, ${count(FAILED)} AS failed,
      sum(s.ms) AS total, avg(s.ms) AS mean, max(s.ms) AS max,
      (${QUANTILES})[1] AS median, (${QUANTILES})[2] AS p95,
      min(s.start_time) AS first_start, max(s.start_time) AS last_start
    FROM (SELECT s.*, ${ENDED_MS} AS ms FROM sessions AS s ${where}) AS s`;
  const by = `SELECT s.component_name, count(*)::integer AS sessions,
      ${count(FAILED)} AS failed
    FROM sessions AS s ${where} GROUP BY s.component_name
    ORDER BY sessions DESC, s.component_name LIMIT 100`;
  const [[row], components] = await Promise.all([
    connection.ask<Counted>(all, values),
    connection.ask<SessionStats["by_component"][number]>(by, values),
  ]);
  return statsOf({
    ...row!,
    quantiles: [row!.median, row!.p95],
    first_start: timeOf(row!.first_start),
    last_start: timeOf(row!.last_start),
    by_component: JSON.stringify(
      components.map((each) => ({
        ...each,
        component_name: decoded(each.component_name),
      })),
    ),
  });
}

/** Hosts by when something of them was stored last, in milliseconds. */
export async function hostsSeen(
  connection: Connection,
  since: string,
): Promise<Map<string, number>> {
  const conditions = new Conditions();
  // Few that were said to have ended are seen after that.
  conditions.add(`(${IN_SINCE} OR s.last_seen > s.end_time)`, since);
  conditions.add(`s.last_seen >= ${TIME}`, since);
  conditions.always("s.start_time IS NOT NULL");
  const rows = await connection.ask<{ hostname: string; seen: Date }>(
    `SELECT s.hostname, max(s.last_seen) AS seen FROM sessions AS s
      ${conditions.where} GROUP BY s.hostname LIMIT 10000`,
    conditions.values,
  );
  return new Map(
    rows.map(({ hostname, seen }) => [decoded(hostname), seen.getTime()]),
  );
}
