/**
 * The tables, as numbered migrations: append-only, never edited, and literal:
 * what made the files that exist does not change with today's columns. One that
 * adds a column of sessions fills it from the events, where these have a value, and
 * makes the view anew: a backup folds sessions anew and compares. No primary keys
 * and no indexes: one on ids costs 2–7× a commit and bloats the file.
 *
 * `sessions` holds closed sessions that began in the second that their id
 * names, `undated_sessions` closed ones whose id names none, `open_sessions` the
 * rest, with the fold's registers (`state`) so that the next event can be folded
 * in; `folded` says up to which event that was done. `archived_sessions` are
 * tombstones: those sessions and their events stand in files, and what comes of
 * them late changes nothing.
 */

export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE schema_version (version INTEGER, applied_at TIMESTAMP);
  CREATE TABLE events (
    seq BIGINT, event_id UUID, session_id VARCHAR, kind VARCHAR,
    timestamp TIMESTAMP, received_at TIMESTAMP, payload VARCHAR);
  CREATE TABLE sessions (
  session_id VARCHAR, session_type VARCHAR, component_name VARCHAR,
  shell_type VARCHAR, start_time TIMESTAMP, end_time TIMESTAMP,
  exit_code SMALLINT, signal VARCHAR, pid INTEGER, ppid INTEGER,
  username VARCHAR, hostname VARCHAR, tty VARCHAR, working_directory VARCHAR,
  platform VARCHAR, python_version VARCHAR, parent_session_id VARCHAR,
  name VARCHAR, reason VARCHAR, tags VARCHAR[], command_count INTEGER,
  end_source VARCHAR, last_seen TIMESTAMP, metadata VARCHAR);
  CREATE TABLE open_sessions (
  session_id VARCHAR, session_type VARCHAR, component_name VARCHAR,
  shell_type VARCHAR, start_time TIMESTAMP, end_time TIMESTAMP,
  exit_code SMALLINT, signal VARCHAR, pid INTEGER, ppid INTEGER,
  username VARCHAR, hostname VARCHAR, tty VARCHAR, working_directory VARCHAR,
  platform VARCHAR, python_version VARCHAR, parent_session_id VARCHAR,
  name VARCHAR, reason VARCHAR, tags VARCHAR[], command_count INTEGER,
  end_source VARCHAR, last_seen TIMESTAMP, metadata VARCHAR, state VARCHAR);
  CREATE TABLE folded (seq BIGINT);
  INSERT INTO folded VALUES (0);
  CREATE VIEW all_sessions AS
    FROM sessions UNION ALL BY NAME
    SELECT * EXCLUDE (state) FROM open_sessions WHERE start_time IS NOT NULL;
  `,
  // Ids without a time are looked for among all of their like: these stay apart.
  `
  ALTER TABLE events ADD COLUMN provenance VARCHAR;
  CREATE TABLE undated_sessions (
  session_id VARCHAR, session_type VARCHAR, component_name VARCHAR,
  shell_type VARCHAR, start_time TIMESTAMP, end_time TIMESTAMP,
  exit_code SMALLINT, signal VARCHAR, pid INTEGER, ppid INTEGER,
  username VARCHAR, hostname VARCHAR, tty VARCHAR, working_directory VARCHAR,
  platform VARCHAR, python_version VARCHAR, parent_session_id VARCHAR,
  name VARCHAR, reason VARCHAR, tags VARCHAR[], command_count INTEGER,
  end_source VARCHAR, last_seen TIMESTAMP, metadata VARCHAR);
  CREATE OR REPLACE VIEW all_sessions AS
    FROM sessions UNION ALL BY NAME FROM undated_sessions UNION ALL BY NAME
    SELECT * EXCLUDE (state) FROM open_sessions WHERE start_time IS NOT NULL;
  `,
  // What is left of a session in an archive; `named_second` as its id has it.
  `
  CREATE TABLE archived_sessions (
    session_id VARCHAR, named_second TIMESTAMP, archived_at TIMESTAMP,
    folder VARCHAR, late_events INTEGER);
  `,
  // Whose sessions are, as far as their events say who brought them: the spool,
  // else the first who can be told.
  `
  ALTER TABLE sessions ADD COLUMN reporter VARCHAR;
  ALTER TABLE sessions ADD COLUMN attested VARCHAR;
  ALTER TABLE undated_sessions ADD COLUMN reporter VARCHAR;
  ALTER TABLE undated_sessions ADD COLUMN attested VARCHAR;
  ALTER TABLE open_sessions ADD COLUMN reporter VARCHAR;
  ALTER TABLE open_sessions ADD COLUMN attested VARCHAR;
  CREATE OR REPLACE VIEW all_sessions AS
    FROM sessions UNION ALL BY NAME FROM undated_sessions UNION ALL BY NAME
    SELECT * EXCLUDE (state) FROM open_sessions WHERE start_time IS NOT NULL;
  CREATE TEMP TABLE brought AS
    SELECT session_id, seq, kind, timestamp, event_id,
      json_extract_string(provenance, '$.via') AS via,
      CASE WHEN json_extract_string(provenance, '$.via') = 'spool' THEN 'spool'
        WHEN json_extract_string(provenance, '$.subject') IS NOT NULL
          THEN 'token:' || json_extract_string(provenance, '$.subject')
        WHEN json_extract_string(provenance, '$.via') <> 'tcp'
          AND json_extract_string(provenance, '$.uid') IS NOT NULL
          THEN 'uid:' || json_extract_string(provenance, '$.uid') END AS reporter
    FROM events WHERE provenance IS NOT NULL AND kind <> 'annotation';
  CREATE TEMP TABLE reporters AS
    SELECT session_id,
      coalesce(max(reporter) FILTER (reporter = 'spool'),
        arg_min(reporter, seq) FILTER (reporter IS NOT NULL)) AS reporter
    FROM brought GROUP BY session_id;
  CREATE TEMP TABLE attestations AS
    SELECT session_id, CASE via WHEN 'spool' THEN 'spool'
      ELSE CASE WHEN via IS NOT NULL THEN 'claimed' END END AS attested
    FROM (SELECT e.session_id, json_extract_string(e.provenance, '$.via') AS via,
        row_number() OVER (PARTITION BY e.session_id
          ORDER BY e.timestamp, e.event_id::VARCHAR) AS place
      FROM events AS e WHERE e.kind = 'session_start')
    WHERE place = 1;
  
  UPDATE sessions SET reporter = r.reporter FROM reporters AS r
    WHERE sessions.session_id = r.session_id;
  UPDATE sessions SET attested = a.attested FROM attestations AS a
    WHERE sessions.session_id = a.session_id;
  UPDATE undated_sessions SET reporter = r.reporter FROM reporters AS r
    WHERE undated_sessions.session_id = r.session_id;
  UPDATE undated_sessions SET attested = a.attested FROM attestations AS a
    WHERE undated_sessions.session_id = a.session_id;
  UPDATE open_sessions SET reporter = r.reporter FROM reporters AS r
    WHERE open_sessions.session_id = r.session_id;
  UPDATE open_sessions SET attested = a.attested FROM attestations AS a
    WHERE open_sessions.session_id = a.session_id;
  DROP TABLE brought;
  DROP TABLE reporters;
  DROP TABLE attestations;
  `,
];
