/**
 * The views that a query may read, made anew on the connection of each: nothing of
 * them is in the file. Their columns are those of the JSON that other commands give.
 */
import {
  COLUMNS,
  type Column,
  type ColumnName,
} from "../../../model/columns.ts";
import type { Command } from "../../../model/command.ts";
import type { ViewName } from "../../../model/query.ts";
import { NOW } from "../statements.ts";

/** The columns of a session that the clock makes. */
const DERIVED = {
  status: `CASE WHEN end_source IS NULL THEN 'active'
    WHEN end_source = 'recovered' THEN 'lost' ELSE 'ended' END`,
  duration_seconds: `greatest(0, epoch_ms(coalesce(end_time, ${NOW}))
    - epoch_ms(start_time)) / 1000`,
} satisfies {
  [
    K in ColumnName as (typeof COLUMNS)[K] extends { at: unknown } ? K : never
  ]: string;
};

const sessionColumn = ([name, column]: [string, Column]): string => {
  if ("same_as" in column) return `${column.same_as} AS ${name}`;
  if ("at" in column)
    return `${DERIVED[name as keyof typeof DERIVED]} AS ${name}`;
  return column.type === "object" ? `${name}::JSON AS ${name}` : name;
};

const END_TIME = `coalesce(ended_at,
  CASE WHEN session_end < timestamp THEN timestamp ELSE session_end END)`;

const COMMAND_COLUMNS = {
  session_id: "session_id",
  username: "username",
  hostname: "hostname",
  event_seq: "seq",
  seq: "try_cast(command_seq AS INTEGER)",
  pid: "try_cast(pid AS INTEGER)",
  depth: "depth",
  text: "text",
  text_base64: "text_base64",
  truncated_bytes: "truncated_bytes",
  start_time: "timestamp",
  end_time: END_TIME,
  duration_seconds: `coalesce(ended_ms,
    CASE WHEN ${END_TIME} < timestamp THEN 0
      ELSE epoch_ms(${END_TIME}) - epoch_ms(timestamp) END) / 1000`,
  exit_code: "ended_exit",
  pipe_status: "ended_pipe",
  cwd: "cwd",
  mark: "mark",
} satisfies Record<keyof Command, string>;

/** What is told at the end of a command, and the name of it beside its start. */
const TOLD_LAST = {
  ended_at: "timestamp",
  ended_exit: "exit_code",
  ended_pipe: "pipe_status",
  ended_ms: "duration_ms",
};
const told = (value: (column: string) => string) =>
  Object.entries(TOLD_LAST)
    .map(([name, column]) => `${value(column)} AS ${name}`)
    .join(", ");

/**
 * Starts of commands, with what their ends say, as commands.ts pairs them. Where it is
 * told when a shell began, by a join: a window over all would keep them in memory, and
 * no condition on a start would spare it anything.
 * @param from the table of columns
 */
const paired = (from: string) => `
  SELECT c.*, ${Object.keys(TOLD_LAST).join(", ")}
  FROM ${from} AS c LEFT JOIN (
    SELECT session_id AS whose, arg_max(seq, timestamp) FILTER (kind = 'command_start') AS last_start,
      ${told((column) => `arg_min_null(${column}, timestamp) FILTER (kind = 'command_end')`)}
    FROM ${from}
    WHERE kind IN ('command_start', 'command_end') AND shell_started_us IS NOT NULL
    GROUP BY session_id, pid, command_seq, shell_started_us) AS e
    ON e.whose = c.session_id AND e.last_start = c.seq
  WHERE c.kind = 'command_start' AND c.shell_started_us IS NOT NULL
  UNION ALL
  FROM (
    SELECT *, ${told(
      (column) => `CASE WHEN lead(kind) OVER told = 'command_end'
        THEN lead(${column}) OVER told END`,
    )}
    FROM ${from}
    WHERE kind IN ('command_start', 'command_end') AND shell_started_us IS NULL
    WINDOW told AS (PARTITION BY session_id, pid, command_seq
      ORDER BY timestamp, kind DESC))
  WHERE kind = 'command_start'`;

const as = (columns: Record<string, string>) =>
  Object.entries(columns)
    .map(([name, sql]) => `${sql} AS ${name}`)
    .join(", ");

/** As the view of the file has it, whose tables would be looked for among ours. */
const allSessions = (file: string) =>
  `(FROM ${file}.main.sessions UNION ALL BY NAME
    FROM ${file}.main.undated_sessions UNION ALL BY NAME
    SELECT * EXCLUDE (state) FROM ${file}.main.open_sessions
      WHERE start_time IS NOT NULL)`;

/** @param file the name that the database is attached under, quoted */
const definitions = (
  file: string,
  all = allSessions(file),
): Record<ViewName, string> => ({
  sessions: `SELECT ${Object.entries<Column>(COLUMNS).map(sessionColumn).join(", ")}
    FROM ${all}`,
  commands: `SELECT ${as(COMMAND_COLUMNS)} FROM (
    SELECT c.*, s.end_time AS session_end, s.username, s.hostname
    FROM (${paired(`${file}.main.event_columns`)}) AS c
    LEFT JOIN ${all} AS s ON s.session_id = c.session_id)`,
  events: `SELECT seq, event_id::VARCHAR AS event_id, session_id,
      kind AS event_type, timestamp, received_at,
      provenance::JSON AS provenance, payload::JSON AS event
    FROM ${file}.main.events`,
  output: `SELECT o.session_id, s.username, s.hostname,
      o.number AS recording_line, o.recording_ms, o.timestamp AS time, o.text
    FROM ${file}.main.output AS o
    LEFT JOIN ${all} AS s ON s.session_id = o.session_id`,
  recordings: `SELECT r.session_id, s.username, s.hostname,
      r.began AS start_time, r.bytes, r.lines, r.done AS searched, r.left_out
    FROM ${file}.main.searched_recordings AS r
    LEFT JOIN ${all} AS s ON s.session_id = r.session_id`,
});

/**
 * Sets a connection up for a query: it finds the views alone, its times are UTC, and
 * its errors say where they are.
 * @param database the name that the file is attached under
 */
export const setupSql = (database: string): string =>
  [
    ...Object.entries(definitions(`"${database.replaceAll('"', '""')}"`)).map(
      ([name, sql]) => `CREATE TEMP VIEW ${name} AS ${sql}`,
    ),
    "SET search_path = 'temp.main'",
    "SET TimeZone = 'UTC'",
    "SET errors_as_json = true",
  ].join(";\n");
