/**
 * The tables, as numbered migrations: append-only, never edited. No primary
 * keys and no indexes: one on ids costs 2–7× a commit and bloats the file.
 *
 * `sessions` holds closed sessions that began in the second that their id
 * names, `undated_sessions` closed ones whose id names none, `open_sessions` the
 * rest, with the fold's registers (`state`) so that the next event can be folded
 * in; `folded` says up to which event that was done.
 */

const SESSION_COLUMNS = `
  session_id VARCHAR, session_type VARCHAR, component_name VARCHAR,
  shell_type VARCHAR, start_time TIMESTAMP, end_time TIMESTAMP,
  exit_code SMALLINT, signal VARCHAR, pid INTEGER, ppid INTEGER,
  username VARCHAR, hostname VARCHAR, tty VARCHAR, working_directory VARCHAR,
  platform VARCHAR, python_version VARCHAR, parent_session_id VARCHAR,
  name VARCHAR, reason VARCHAR, tags VARCHAR[], command_count INTEGER,
  end_source VARCHAR, last_seen TIMESTAMP, metadata VARCHAR`;

export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE schema_version (version INTEGER, applied_at TIMESTAMP);
  CREATE TABLE events (
    seq BIGINT, event_id UUID, session_id VARCHAR, kind VARCHAR,
    timestamp TIMESTAMP, received_at TIMESTAMP, payload VARCHAR);
  CREATE TABLE sessions (${SESSION_COLUMNS});
  CREATE TABLE open_sessions (${SESSION_COLUMNS}, state VARCHAR);
  CREATE TABLE folded (seq BIGINT);
  INSERT INTO folded VALUES (0);
  CREATE VIEW all_sessions AS
    FROM sessions UNION ALL BY NAME
    SELECT * EXCLUDE (state) FROM open_sessions WHERE start_time IS NOT NULL;
  `,
  // Ids without a time are looked for among all of their like: these stay apart.
  `
  ALTER TABLE events ADD COLUMN provenance VARCHAR;
  CREATE TABLE undated_sessions (${SESSION_COLUMNS});
  CREATE OR REPLACE VIEW all_sessions AS
    FROM sessions UNION ALL BY NAME FROM undated_sessions UNION ALL BY NAME
    SELECT * EXCLUDE (state) FROM open_sessions WHERE start_time IS NOT NULL;
  `,
];
