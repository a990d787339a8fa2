/**
 * The views that a user's own SQL may read, in a schema of their own; their columns are
 * those of the JSON that other commands give. They are read by the rights of whoever
 * made them, so that a role that may read nothing else may read them.
 */
import { jsonIn } from "./text.ts";

export const VIEW_SCHEMA = "session_buddy_views";

const STATUS = `CASE WHEN s.end_source IS NULL THEN 'active'
  WHEN s.end_source = 'recovered' THEN 'lost' ELSE 'ended' END`;

/** Of sessions that have begun. */
const SESSIONS = `
  SELECT s.session_id, s.session_type, s.component_name,
    s.component_name AS component, s.shell_type, ${STATUS} AS status,
    s.start_time, s.end_time,
    greatest(0, extract(epoch FROM coalesce(s.end_time, now()) - s.start_time))
      ::double precision AS duration_seconds,
    s.exit_code, s.signal, s.pid, s.ppid, s.username, s.hostname, s.tty,
    s.working_directory, s.platform, s.python_version, s.parent_session_id,
    s.name, s.reason, s.tags, s.last_note, s.command_count, s.failed_commands,
    s.last_command, s.end_source, greatest(s.last_seen, g.last_sign) AS last_seen,
    s.reporter, s.attested, ${jsonIn("s.metadata")} AS metadata
  FROM sessions AS s
  LEFT JOIN signs AS g ON s.end_source IS NULL AND g.session_id = s.session_id
  WHERE s.start_time IS NOT NULL`;

const JOIN_SESSION = `LEFT JOIN sessions AS s
  ON s.session_id = x.session_id AND s.start_time IS NOT NULL`;

/** That of its session where nobody saw its own. */
const ENDED = `coalesce(x.ended_at,
  CASE WHEN s.end_time < x.start_time THEN x.start_time ELSE s.end_time END)`;

const COMMANDS = `
  SELECT x.session_id, s.username, s.hostname, b.seq + x.ordinal AS event_seq,
    x.seq, x.pid, x.depth, x.text, x.text_base64, x.truncated_bytes,
    x.start_time, ${ENDED} AS end_time,
    CASE WHEN x.duration_ms IS NOT NULL THEN x.duration_ms / 1000
      WHEN ${ENDED} < x.start_time THEN 0
      ELSE extract(epoch FROM ${ENDED} - x.start_time)::double precision
      END AS duration_seconds,
    x.exit_code, x.pipe_status, x.cwd, x.mark
  FROM commands AS x LEFT JOIN batches AS b ON b.batch = x.batch
  ${JOIN_SESSION}`;

const EVENTS = `
  SELECT b.seq + e.ordinal AS seq, e.event_id::text AS event_id, e.session_id,
    e.kind AS event_type, e.timestamp,
    date_trunc('milliseconds', b.received_at) AS received_at,
    e.provenance::json AS provenance, ${jsonIn("e.payload")} AS event
  FROM events AS e JOIN batches AS b ON b.batch = e.batch
  WHERE b.seq IS NOT NULL`;

const OUTPUT = `
  SELECT x.session_id, s.username, s.hostname, x.number AS recording_line,
    x.recording_ms, x.timestamp AS time, x.text
  FROM output AS x ${JOIN_SESSION}`;

const RECORDINGS = `
  SELECT x.session_id, s.username, s.hostname, x.began AS start_time, x.bytes,
    x.lines, x.done AS searched, x.left_out
  FROM searched_recordings AS x ${JOIN_SESSION}`;

export const VIEWS: readonly string[] = [
  `CREATE SCHEMA ${VIEW_SCHEMA}`,
  ...Object.entries({
    ...{ sessions: SESSIONS, commands: COMMANDS, events: EVENTS },
    ...{ output: OUTPUT, recordings: RECORDINGS },
  }).map(([name, sql]) => `CREATE VIEW ${VIEW_SCHEMA}.${name} AS ${sql}`),
];
