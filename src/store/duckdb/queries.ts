/** Makes statements of filters; every value goes as a parameter. */
import { type DuckDBValue, listValue } from "@duckdb/node-api";
import type { Comparison, Status } from "../../model/columns.ts";
import {
  type EventFilter,
  FILTERS,
  type SessionFilter,
} from "../../model/filter.ts";
import { SESSION_READ, time } from "./statements.ts";

export interface Query {
  sql: string;
  values: DuckDBValue[];
}

export class Conditions {
  readonly all: string[] = [];

  /** @param values shared with others in the same statement */
  constructor(readonly values: DuckDBValue[] = []) {}

  /** @param condition with a `?` where the value goes, once or more */
  add(condition: string, value: DuckDBValue | undefined): void {
    if (value === undefined) return;
    this.all.push(condition.replaceAll("?", this.parameter(value)));
  }

  always(condition: string): void {
    this.all.push(condition);
  }

  optional(clause: string, value: DuckDBValue | undefined): string {
    return value === undefined
      ? ""
      : clause.replace("?", this.parameter(value));
  }

  parameter(value: DuckDBValue): string {
    return `$${this.values.push(value)}`;
  }

  get where(): string {
    return this.all.length ? `WHERE ${this.all.join(" AND ")}` : "";
  }
}

const STATUS: Record<Status, string> = {
  active: "s.end_source IS NULL",
  lost: "s.end_source = 'recovered'",
  ended: "s.end_source IN ('observed', 'declared')",
};

/** Whether a text has the value in it, upper and lower case alike. */
export const contains = (text: string) => `contains(lower(${text}), lower(?))`;

/** What each comparison of a column with a value adds. */
const CONDITION: Record<
  Comparison,
  (conditions: Conditions, column: string, value: string) => void
> = {
  // Eight hex digits are the beginning of an id, or its end.
  begins: (conditions, column, value) =>
    conditions.add(
      /^[0-9a-f]{8}$/.test(value)
        ? `(starts_with(${column}, ?) OR ends_with(${column}, ?))`
        : `starts_with(${column}, ?)`,
      value,
    ),
  equals: (conditions, column, value) => conditions.add(`${column} = ?`, value),
  from: (conditions, column, value) =>
    conditions.add(`${column} >= ?::TIMESTAMP`, value),
  until: (conditions, column, value) =>
    conditions.add(`${column} < ?::TIMESTAMP`, value),
  status: (conditions, _column, value) =>
    conditions.always(STATUS[value as Status]),
  ran: (conditions, _column, value) =>
    conditions.add(
      `s.session_id IN (SELECT e.session_id FROM events AS e
        WHERE e.kind = 'command_start' AND ${contains("json_extract_string(e.payload, '$.text')")})`,
      value,
    ),
  incomplete: (conditions) =>
    conditions.always(`(${STATUS.active} OR ${STATUS.lost})`),
};

function sessionConditions(filter: SessionFilter): Conditions {
  const conditions = new Conditions();
  for (const { how, column, key } of FILTERS) {
    const value = filter[key];
    if (value !== undefined && value !== false)
      CONDITION[how](conditions, `s.${column}`, String(value));
  }
  return conditions;
}

const NEWEST_FIRST = "ORDER BY s.start_time DESC, s.session_id";

const selectSessions = (from: string) =>
  `SELECT ${SESSION_READ} FROM ${from} ${NEWEST_FIRST}`;

/** Sessions, newest start first, ties by id. */
export function listQuery(filter: SessionFilter): Query {
  const conditions = sessionConditions(filter);
  const { values } = conditions;
  if (filter.from) {
    conditions.add("s.start_time <= ?::TIMESTAMP", filter.from.start_time);
    const after = conditions.parameter(filter.from.session_id);
    conditions.always(
      `(s.start_time < $${values.length - 1}::TIMESTAMP OR s.session_id > ${after})`,
    );
  }
  if (filter.limit === undefined)
    return {
      sql: selectSessions(`all_sessions AS s ${conditions.where}`),
      values,
    };
  const limit = conditions.parameter(filter.limit);
  const newest = `${conditions.where} ${NEWEST_FIRST} LIMIT ${limit}`;
  // Each table picks its newest rows by two columns; through the view all
  // columns of all rows would pass before any is dropped.
  const from = `(
    (FROM sessions AS s ${newest}) UNION ALL BY NAME
    (FROM undated_sessions AS s ${newest}) UNION ALL BY NAME
    (FROM (SELECT * EXCLUDE (state) FROM open_sessions
      WHERE start_time IS NOT NULL) AS s ${newest})) AS s`;
  return { sql: `${selectSessions(from)} LIMIT ${limit}`, values };
}

const FAILED = "(s.exit_code <> 0 OR s.signal IS NOT NULL)";

const DURATION_MS = `CASE WHEN s.end_time IS NOT NULL THEN
  greatest(0, epoch_ms(s.end_time) - epoch_ms(s.start_time)) END`;

/** One row: statistics of the matching sessions. */
export function statsQuery(filter: SessionFilter): Query {
  const conditions = sessionConditions(filter);
  const matching = `all_sessions AS s ${conditions.where}`;
  const count = (condition: string) =>
    `(count(*) FILTER (${condition}))::INTEGER`;
  // To pass over the rows twice takes a third of the time of keeping them.
  const sql = `
    SELECT count(*)::INTEGER AS sessions,
      ${count(STATUS.active)} AS active, ${count(STATUS.ended)} AS ended,
      ${count(STATUS.lost)} AS lost, ${count(FAILED)} AS failed,
      sum(${DURATION_MS})::DOUBLE AS total, avg(${DURATION_MS}) AS mean,
      quantile_cont(${DURATION_MS}, [0.5, 0.95])::DOUBLE[] AS quantiles,
      max(${DURATION_MS})::DOUBLE AS max,
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
