/**
 * Every statement that the store runs, by name. A list of things comes in as
 * one parameter, an array of JSON texts: one statement a commit.
 */
import type { SessionFilter } from "../model/filter.ts";

/** What a session row is in JSON, for from_json. */
const SESSION_SHAPE = JSON.stringify({
  session_id: "VARCHAR",
  session_type: "VARCHAR",
  component_name: "VARCHAR",
  shell_type: "VARCHAR",
  start_time: "VARCHAR",
  end_time: "VARCHAR",
  exit_code: "SMALLINT",
  signal: "VARCHAR",
  pid: "INTEGER",
  ppid: "INTEGER",
  username: "VARCHAR",
  hostname: "VARCHAR",
  tty: "VARCHAR",
  working_directory: "VARCHAR",
  platform: "VARCHAR",
  python_version: "VARCHAR",
  parent_session_id: "VARCHAR",
  name: "VARCHAR",
  reason: "VARCHAR",
  tags: ["VARCHAR"],
  command_count: "INTEGER",
  end_source: "VARCHAR",
  last_seen: "VARCHAR",
  metadata: "VARCHAR",
});

const SESSION_FIELDS = Object.keys(
  JSON.parse(SESSION_SHAPE) as Record<string, string>,
);

/**
 * A closed session began in the second that its id names (others stay among
 * the open ones): the ids' span of time lets whole row groups be skipped.
 */
const AMONG = `session_id IN (SELECT unnest($1::VARCHAR[]))
  AND start_time >= $2::TIMESTAMP
  AND start_time < $3::TIMESTAMP + INTERVAL 1 SECOND`;

const rowsFrom = (shape: string, columns: string) => `
  SELECT ${columns} FROM (
    SELECT unnest(from_json(line, '${shape}'))
    FROM (SELECT unnest($1::JSON[]) AS line))`;

const time = (column: string) =>
  `strftime(${column}, '%Y-%m-%dT%H:%M:%S.%gZ') AS ${column}`;

const TIMES = ["start_time", "end_time", "last_seen"];

/** A session's columns as they are read: times as UTC text. */
const SESSION_READ = SESSION_FIELDS.map((field) =>
  TIMES.includes(field) ? time(field) : field,
).join(", ");

const EVENT_SHAPE = JSON.stringify({
  seq: "BIGINT",
  event_id: "UUID",
  session_id: "VARCHAR",
  kind: "VARCHAR",
  timestamp: "VARCHAR",
  payload: "VARCHAR",
});

/** A plain cast would give the time in the reader's zone. */
const NOW = "make_timestamp(epoch_us(now()))";

export const SQL = {
  hasSchema: `SELECT count(*)::INTEGER AS n FROM duckdb_tables()
    WHERE table_name = 'schema_version'`,
  schemaVersion: `SELECT coalesce(max(version), 0)::INTEGER AS n FROM schema_version`,
  setSchemaVersion: `INSERT INTO schema_version VALUES ($1, ${NOW})`,

  lastSeq: `SELECT coalesce(max(seq), 0)::DOUBLE AS n FROM events`,
  foldedSeq: `SELECT seq::DOUBLE AS n FROM folded`,
  setFoldedSeq: `UPDATE folded SET seq = $1`,
  eventsAfter: `SELECT payload FROM events WHERE seq > $1 ORDER BY seq`,
  eventsOf: `SELECT payload FROM events
    WHERE session_id IN (SELECT unnest($1::VARCHAR[])) ORDER BY seq`,

  /** Of some events, those stored already; the times let whole row groups be skipped. */
  knownEvents: `SELECT event_id::VARCHAR AS id FROM events
    WHERE timestamp BETWEEN $2::TIMESTAMP AND $3::TIMESTAMP
      AND event_id IN (SELECT unnest($1::UUID[]))`,
  insertEvents: `INSERT INTO events BY NAME ${rowsFrom(
    EVENT_SHAPE,
    `* REPLACE (timestamp::TIMESTAMP AS timestamp),
     ${NOW} AS received_at`,
  )}`,

  openStates: `SELECT session_id AS id, state FROM open_sessions
    WHERE session_id IN (SELECT unnest($1::VARCHAR[]))`,
  closedAmong: `SELECT session_id AS id FROM sessions WHERE ${AMONG}`,
  deleteOpen: `DELETE FROM open_sessions
    WHERE session_id IN (SELECT unnest($1::VARCHAR[]))`,
  deleteClosed: `DELETE FROM sessions WHERE ${AMONG}`,
  insertClosed: `INSERT INTO sessions BY NAME ${rowsFrom(
    SESSION_SHAPE,
    `* REPLACE (start_time::TIMESTAMP AS start_time,
      end_time::TIMESTAMP AS end_time, last_seen::TIMESTAMP AS last_seen)`,
  )}`,
  insertOpen: `INSERT INTO open_sessions BY NAME ${rowsFrom(
    SESSION_SHAPE.replace("}", ',"state":"VARCHAR"}'),
    `* REPLACE (start_time::TIMESTAMP AS start_time,
      end_time::TIMESTAMP AS end_time, last_seen::TIMESTAMP AS last_seen)`,
  )}`,

  session: `SELECT ${SESSION_READ} FROM (
      (FROM sessions WHERE ${AMONG}) UNION ALL BY NAME
      (SELECT * EXCLUDE (state) FROM open_sessions
        WHERE session_id IN (SELECT unnest($1::VARCHAR[]))
          AND start_time IS NOT NULL))`,
  resolve: `SELECT session_id AS id FROM all_sessions
    WHERE starts_with(session_id, $1) OR (length($1) = 8 AND ends_with(session_id, $1))
    ORDER BY session_id = $1 DESC, start_time DESC, session_id LIMIT $2`,
  begin: "BEGIN",
  commit: "COMMIT",
  rollback: "ROLLBACK",
  checkpoint: "CHECKPOINT",
} as const;

/** A filter as a query, newest start first; every value goes as a parameter. */
export function listQuery(filter: SessionFilter): {
  sql: string;
  values: (string | number)[];
} {
  const values: (string | number)[] = [];
  const conditions: string[] = [];
  const where = (condition: string, value: string | number | undefined) => {
    if (value === undefined) return;
    values.push(value);
    conditions.push(condition.replace("?", `$${values.length}`));
  };
  where("s.session_type = ?", filter.session_type);
  where("s.component_name = ?", filter.component_name);
  where("s.username = ?", filter.username);
  where("s.start_time >= ?::TIMESTAMP", filter.after);
  where("s.start_time < ?::TIMESTAMP", filter.before);
  if (filter.status === "active") conditions.push("s.end_source IS NULL");
  if (filter.status === "lost") conditions.push("s.end_source = 'recovered'");
  if (filter.status === "ended")
    conditions.push("s.end_source IN ('observed', 'declared')");
  if (filter.incomplete)
    conditions.push("(s.end_source IS NULL OR s.end_source = 'recovered')");
  const matching = conditions.length ? `WHERE ${conditions.join(" AND ")}` : "";
  if (filter.limit === undefined)
    return { sql: selectSessions(`all_sessions AS s ${matching}`), values };
  values.push(filter.limit);
  const newest = `${matching} ${NEWEST_FIRST} LIMIT $${values.length}`;
  // Each table picks its newest rows by two columns; through the view all
  // columns of all rows would pass before any is dropped.
  const from = `(
    (FROM sessions AS s ${newest}) UNION ALL BY NAME
    (FROM (SELECT * EXCLUDE (state) FROM open_sessions
      WHERE start_time IS NOT NULL) AS s ${newest})) AS s`;
  const sql = `${selectSessions(from)} LIMIT $${values.length}`;
  return { sql, values };
}

const NEWEST_FIRST = "ORDER BY s.start_time DESC, s.session_id";

const selectSessions = (from: string) =>
  `SELECT ${SESSION_READ} FROM ${from} ${NEWEST_FIRST}`;
