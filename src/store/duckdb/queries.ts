/** Makes statements of filters; every value goes as a parameter. */
import { type DuckDBValue, listValue } from "@duckdb/node-api";
import type { Status } from "../../model/columns.ts";
import type { EventFilter, SessionFilter } from "../../model/filter.ts";
import {
  Conditions as AnyConditions,
  type Comparisons,
  EIGHT_HEX,
  FAILED,
  STATUS,
  addFilter,
} from "../conditions.ts";
import { SESSION_READ, time } from "./statements.ts";

export interface Query {
  sql: string;
  values: DuckDBValue[];
}

export class Conditions extends AnyConditions<DuckDBValue> {}

/** Whether a text has the value in it, upper and lower case alike. */
export const contains = (text: string) => `contains(lower(${text}), lower(?))`;

/** Whether a folder is the value, or below it. */
export const within = (folder: string) =>
  `(${folder} = coalesce(nullif(rtrim(?, '/'), ''), '/') OR starts_with(${folder}, rtrim(?, '/') || '/'))`;

/** Of a session that has not ended, until `now`. */
const DURATION_MS = (now: string) =>
  `greatest(0, epoch_ms(coalesce(s.end_time, ${now})) - epoch_ms(s.start_time))`;

/** Not ended before a time: in this form row groups are skipped by it. */
export const IN_SINCE = "(s.end_time IS NULL OR s.end_time >= ?::TIMESTAMP)";

const COMPARISONS: Comparisons<Conditions> = {
  begins: (conditions, column, value) =>
    conditions.add(
      EIGHT_HEX.test(String(value))
        ? `(starts_with(${column}, ?) OR ends_with(${column}, ?))`
        : `starts_with(${column}, ?)`,
      value,
    ),
  equals: (conditions, column, value) => conditions.add(`${column} = ?`, value),
  has: (conditions, column, value) =>
    conditions.add(`list_contains(${column}, ?)`, value),
  within: (conditions, column, value) => conditions.add(within(column), value),
  exits: (conditions, column, value) =>
    conditions.add(`${column} = ?::INTEGER`, value),
  failed: (conditions) => conditions.always(FAILED),
  some: (conditions, column) => conditions.always(`${column} > 0`),
  status: (conditions, _column, value) =>
    conditions.always(STATUS[value as Status]),
  active: (conditions) => conditions.always(STATUS.active),
  incomplete: (conditions) =>
    conditions.always(`(${STATUS.active} OR ${STATUS.lost})`),
  from: (conditions, column, value) =>
    conditions.add(`${column} >= ?::TIMESTAMP`, value),
  until: (conditions, column, value) =>
    conditions.add(`${column} < ?::TIMESTAMP`, value),
  at: (conditions, column, value) =>
    conditions.add(`${column} <= ?::TIMESTAMP AND ${IN_SINCE}`, value),
  during: (conditions, _column, value) => conditions.add(IN_SINCE, value),
  last: (conditions, _column, value) => conditions.add(IN_SINCE, value),
  longer: (conditions, _column, value, now) => {
    const duration = DURATION_MS(`${conditions.parameter(now)}::TIMESTAMP`);
    conditions.add(`${duration} > ?::BIGINT`, value);
  },
  shorter: (conditions, _column, value, now) => {
    const duration = DURATION_MS(`${conditions.parameter(now)}::TIMESTAMP`);
    conditions.add(`${duration} < ?::BIGINT`, value);
  },
  ran: (conditions, _column, value) =>
    conditions.add(
      `s.session_id IN (SELECT e.session_id FROM event_columns AS e
        WHERE e.kind = 'command_start' AND ${contains("e.text")})`,
      value,
    ),
};

/**
 * @param now in milliseconds since the epoch
 * @param values shared with others in the same statement
 */
export function sessionConditions(
  filter: SessionFilter,
  now: number,
  values?: DuckDBValue[],
): Conditions {
  const conditions = new Conditions(values);
  addFilter(conditions, filter, now, COMPARISONS);
  return conditions;
}

/** The order of a list, or the same from its end. */
const orderOf = ({ reverse }: SessionFilter) =>
  reverse
    ? "ORDER BY s.start_time, s.session_id DESC"
    : "ORDER BY s.start_time DESC, s.session_id";

/**
 * Sessions, newest start first, ties by id.
 * @param now in milliseconds since the epoch
 */
export function listQuery(filter: SessionFilter, now: number): Query {
  const conditions = sessionConditions(filter, now);
  const { values } = conditions;
  const { from, limit, offset = 0 } = filter;
  const order = orderOf(filter);
  if (from) {
    const start = `${conditions.parameter(from.start_time)}::TIMESTAMP`;
    const id = conditions.parameter(from.session_id);
    const [later, beyond] = filter.reverse ? [">", "<"] : ["<", ">"];
    conditions.always(
      `(s.start_time ${later}= ${start} AND (s.start_time ${later} ${start} OR s.session_id ${beyond} ${id}))`,
    );
  }
  const part = (count: number | undefined, skipped: number) =>
    (count === undefined ? "" : ` LIMIT ${conditions.parameter(count)}`) +
    (skipped === 0 ? "" : ` OFFSET ${conditions.parameter(skipped)}`);
  if (limit === undefined) {
    const sql = `SELECT ${SESSION_READ} FROM all_sessions AS s ${conditions.where} ${order}`;
    return { sql: sql + part(limit, offset), values };
  }
  const newest = `${conditions.where} ${order}${part(limit + offset, 0)}`;
  // Each table picks its newest rows by two columns; through the view all
  // columns of all rows would pass before any is dropped.
  const among = `(
    (FROM sessions AS s ${newest}) UNION ALL BY NAME
    (FROM undated_sessions AS s ${newest}) UNION ALL BY NAME
    (FROM (SELECT * EXCLUDE (state) FROM open_sessions
      WHERE start_time IS NOT NULL) AS s ${newest})) AS s`;
  const sql = `SELECT ${SESSION_READ} FROM ${among} ${order}`;
  return { sql: sql + part(limit, offset), values };
}

export const ENDED_MS = `CASE WHEN s.end_time IS NOT NULL THEN
  ${DURATION_MS("NULL")} END`;

/**
 * One row: statistics of the matching sessions.
 * @param now in milliseconds since the epoch
 */
export function statsQuery(filter: SessionFilter, now: number): Query {
  const conditions = sessionConditions(filter, now);
  const matching = `all_sessions AS s ${conditions.where}`;
  const count = (condition: string) =>
    `(count(*) FILTER (${condition}))::INTEGER`;
  // To pass over the rows twice takes a third of the time of keeping them.
  const sql = `
    SELECT count(*)::INTEGER AS sessions,
      ${count(STATUS.active)} AS active, ${count(STATUS.ended)} AS ended,
      ${count(STATUS.lost)} AS lost, ${count(FAILED)} AS failed,
      sum(${ENDED_MS})::DOUBLE AS total, avg(${ENDED_MS}) AS mean,
      quantile_cont(${ENDED_MS}, [0.5, 0.95])::DOUBLE[] AS quantiles,
      max(${ENDED_MS})::DOUBLE AS max,
      ${time("min(s.start_time)", "first_start")},
      ${time("max(s.start_time)", "last_start")},
      (SELECT coalesce(to_json(list(c ORDER BY c.sessions DESC, c.component_name)), '[]')::VARCHAR FROM (
        SELECT s.component_name, count(*)::INTEGER AS sessions,
          ${count(FAILED)} AS failed
        FROM ${matching} GROUP BY s.component_name
        ORDER BY sessions DESC, s.component_name LIMIT 100) AS c)
        AS by_component
    FROM ${matching}`;
  return { sql, values: conditions.values };
}

/** Events in the order of their arrival, which a table without changes keeps. */
export function eventsQuery(filter: EventFilter): Query {
  const conditions = new Conditions();
  conditions.add("e.session_id = ?", filter.session_id);
  // A list of nothing has no type that it could be bound with.
  if (filter.kinds?.length === 0) conditions.always("false");
  else
    conditions.add(
      "e.kind IN (SELECT unnest(?::VARCHAR[]))",
      filter.kinds && listValue([...filter.kinds]),
    );
  conditions.add("e.timestamp >= ?::TIMESTAMP", filter.after);
  conditions.add("e.timestamp < ?::TIMESTAMP", filter.before);
  // A number would be compared as a DOUBLE, with each row that there is.
  const { after_seq } = filter;
  conditions.add(
    "e.seq > ?",
    after_seq === undefined ? after_seq : BigInt(after_seq),
  );
  const limit = conditions.optional("LIMIT ?", filter.limit);
  const sql = `SELECT e.seq::DOUBLE AS seq,
      ${time("e.received_at", "received_at")}, e.provenance, e.payload
    FROM events AS e ${conditions.where} ${limit}`;
  return { sql, values: conditions.values };
}
