/**
 * Filters as statements. Every value goes as a parameter, and a filter that is
 * left out leaves no trace in the statement.
 */
import { type DuckDBValue, listValue } from "@duckdb/node-api";
import type { EventFilter, SessionFilter } from "../model/filter.ts";
import { SESSION_READ, time } from "./statements.ts";

export interface Query {
  sql: string;
  values: DuckDBValue[];
}

/** Conditions and the parameters in them. */
class Conditions {
  readonly values: DuckDBValue[] = [];
  private readonly all: string[] = [];

  /** @param condition with a `?` where the value goes, once or more */
  add(condition: string, value: DuckDBValue | undefined): void {
    if (value === undefined) return;
    this.all.push(condition.replaceAll("?", this.parameter(value)));
  }

  always(condition: string): void {
    this.all.push(condition);
  }

  /** A clause with its value; nothing when that is left out. */
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

const STATUS = {
  active: "s.end_source IS NULL",
  lost: "s.end_source = 'recovered'",
  ended: "s.end_source IN ('observed', 'declared')",
};

function sessionConditions(filter: SessionFilter): Conditions {
  const conditions = new Conditions();
  const { reference } = filter;
  if (reference !== undefined && /^[0-9a-f]{8}$/.test(reference))
    conditions.add(
      "(starts_with(s.session_id, ?) OR ends_with(s.session_id, ?))",
      reference,
    );
  else conditions.add("starts_with(s.session_id, ?)", reference);
  conditions.add("s.session_type = ?", filter.session_type);
  conditions.add("s.component_name = ?", filter.component_name);
  conditions.add("s.username = ?", filter.username);
  conditions.add("s.start_time >= ?::TIMESTAMP", filter.after);
  conditions.add("s.start_time < ?::TIMESTAMP", filter.before);
  if (filter.status) conditions.always(STATUS[filter.status]);
  if (filter.incomplete)
    conditions.always(`(${STATUS.active} OR ${STATUS.lost})`);
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

/** One row: what the matching sessions come to, the components as a list. */
export function statsQuery(filter: SessionFilter): Query {
  const conditions = sessionConditions(filter);
  const sql = `
    WITH matching AS MATERIALIZED (
      SELECT s.component_name, s.start_time, ${FAILED} AS failed,
        CASE WHEN ${STATUS.active} THEN 'active'
          WHEN ${STATUS.lost} THEN 'lost' ELSE 'ended' END AS status,
        CASE WHEN s.end_time IS NOT NULL THEN
          greatest(0, epoch_ms(s.end_time) - epoch_ms(s.start_time)) / 1000
          END AS seconds
      FROM all_sessions AS s ${conditions.where}),
    components AS (
      SELECT component_name, count(*)::INTEGER AS sessions,
        (count(*) FILTER (failed))::INTEGER AS failed
      FROM matching GROUP BY component_name
      ORDER BY sessions DESC, component_name LIMIT 100)
    SELECT count(*)::INTEGER AS sessions,
      (count(*) FILTER (status = 'active'))::INTEGER AS active,
      (count(*) FILTER (status = 'ended'))::INTEGER AS ended,
      (count(*) FILTER (status = 'lost'))::INTEGER AS lost,
      (count(*) FILTER (failed))::INTEGER AS failed,
      sum(seconds)::DOUBLE AS total, avg(seconds)::DOUBLE AS mean,
      quantile_cont(seconds, 0.5)::DOUBLE AS median,
      quantile_cont(seconds, 0.95)::DOUBLE AS p95,
      max(seconds)::DOUBLE AS max,
      ${time("min(start_time)", "first_start")},
      ${time("max(start_time)", "last_start")},
      (SELECT coalesce(to_json(list(c ORDER BY c.sessions DESC, c.component_name)), '[]')
        FROM components AS c)::VARCHAR AS by_component
    FROM matching`;
  return { sql, values: conditions.values };
}

/**
 * Events in the order of their arrival, which a table without changes keeps by
 * itself.
 */
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
  conditions.add("e.seq > ?", filter.after_seq);
  const limit = conditions.optional("LIMIT ?", filter.limit);
  const sql = `SELECT e.seq::DOUBLE AS seq,
      ${time("e.received_at", "received_at")}, e.provenance, e.payload
    FROM events AS e ${conditions.where} ${limit}`;
  return { sql, values: conditions.values };
}
