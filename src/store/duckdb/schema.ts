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
  // What of their commands stands in the rows of sessions, and in open folds.
  `
  ALTER TABLE sessions ADD COLUMN failed_commands INTEGER;
  ALTER TABLE sessions ADD COLUMN last_command VARCHAR;
  ALTER TABLE undated_sessions ADD COLUMN failed_commands INTEGER;
  ALTER TABLE undated_sessions ADD COLUMN last_command VARCHAR;
  ALTER TABLE open_sessions ADD COLUMN failed_commands INTEGER;
  ALTER TABLE open_sessions ADD COLUMN last_command VARCHAR;
  CREATE OR REPLACE VIEW all_sessions AS
    FROM sessions UNION ALL BY NAME FROM undated_sessions UNION ALL BY NAME
    SELECT * EXCLUDE (state) FROM open_sessions WHERE start_time IS NOT NULL;
  CREATE TEMP TABLE counted AS
    SELECT e.session_id, e.kind, e.event_id, e.timestamp,
      json_type(e.payload, '$.exit_code') IN ('UBIGINT', 'BIGINT', 'DOUBLE')
        AND json_extract_string(e.payload, '$.exit_code') <> '0' AS failed,
      CASE json_type(e.payload, '$.text') WHEN 'VARCHAR'
        THEN left(json_extract_string(e.payload, '$.text'), 500) END AS text,
      coalesce(try_cast(json_extract_string(e.payload, '$.pid') AS BIGINT), 0) AS pid,
      coalesce(try_cast(json_extract_string(e.payload, '$.seq') AS BIGINT), 0) AS seq
    FROM events AS e LEFT JOIN (
      SELECT session_id, reporter FROM sessions UNION ALL
      SELECT session_id, reporter FROM undated_sessions UNION ALL
      SELECT session_id, reporter FROM open_sessions) AS s
      ON s.session_id = e.session_id
    WHERE e.kind IN ('command_start', 'command_end')
      AND (e.provenance IS NULL
        OR json_extract_string(e.provenance, '$.reporter') IS NULL
        OR json_extract_string(e.provenance, '$.reporter') = s.reporter
        OR json_extract_string(e.provenance, '$.acts_for_all') = 'true');
  CREATE TEMP TABLE commands AS
    SELECT session_id,
      (count(*) FILTER (kind = 'command_start'))::INTEGER AS started,
      (count(*) FILTER (kind = 'command_end' AND failed))::INTEGER AS failed,
      arg_max({text: text, pid: pid, seq: seq,
          event_id: event_id::VARCHAR,
          timestamp: strftime(timestamp, '%Y-%m-%dT%H:%M:%S.%gZ')},
        (timestamp, pid, seq, event_id::VARCHAR))
        FILTER (kind = 'command_start') AS last
    FROM counted GROUP BY session_id;
  UPDATE sessions SET failed_commands = c.failed, last_command = c.last.text
    FROM commands AS c WHERE sessions.session_id = c.session_id AND c.started > 0;
  UPDATE undated_sessions SET failed_commands = c.failed, last_command = c.last.text
    FROM commands AS c
    WHERE undated_sessions.session_id = c.session_id AND c.started > 0;
  UPDATE open_sessions SET failed_commands = c.failed, last_command = c.last.text
    FROM commands AS c
    WHERE open_sessions.session_id = c.session_id AND c.started > 0;
  UPDATE open_sessions SET state = left(state, length(state) - 1)
      || ',"failed_commands":' || c.failed || '}'
    FROM commands AS c
    WHERE open_sessions.session_id = c.session_id AND c.failed > 0;
  UPDATE open_sessions SET state = left(state, length(state) - 1)
      || ',"last_command":' || json_object('timestamp', c.last.timestamp,
        'event_id', c.last.event_id, 'rank', 0, 'value', c.last.text,
        'pid', c.last.pid, 'seq', c.last.seq)::VARCHAR || '}'
    FROM commands AS c
    WHERE open_sessions.session_id = c.session_id AND c.started > 0;
  DROP TABLE counted;
  DROP TABLE commands;
  `,
  // An older version kept annotations with a name, tags or a note, and made nothing
  // of them: what came since the first is folded again.
  `
  UPDATE folded SET seq = least(seq, coalesce((
    SELECT min(e.seq) - 1 FROM events AS e WHERE e.kind = 'annotation'
      AND json_exists(e.payload, ['$.name', '$.add_tags', '$.remove_tags', '$.note'])
        .list_bool_or()), seq));
  `,
  // Notes that are there already are folded again.
  `
  ALTER TABLE sessions ADD COLUMN last_note VARCHAR;
  ALTER TABLE undated_sessions ADD COLUMN last_note VARCHAR;
  ALTER TABLE open_sessions ADD COLUMN last_note VARCHAR;
  CREATE OR REPLACE VIEW all_sessions AS
    FROM sessions UNION ALL BY NAME FROM undated_sessions UNION ALL BY NAME
    SELECT * EXCLUDE (state) FROM open_sessions WHERE start_time IS NOT NULL;
  UPDATE folded SET seq = least(seq, coalesce((
    SELECT min(e.seq) - 1 FROM events AS e
      WHERE e.kind = 'annotation' AND json_exists(e.payload, '$.note')), seq));
  `,
  // What event-columns.ts makes of the events, which is done later.
  `
  CREATE TABLE event_columns (
    seq BIGINT, session_id VARCHAR, kind VARCHAR, timestamp TIMESTAMP,
    pid BIGINT, command_seq BIGINT, shell_started_us BIGINT, depth INTEGER,
    text VARCHAR, text_base64 VARCHAR, truncated_bytes INTEGER, mark VARCHAR,
    cwd VARCHAR, exit_code INTEGER, pipe_status INTEGER[], duration_ms DOUBLE);
  `,
  // What terminals showed, line by line, as output.ts keeps it.
  `
  CREATE TABLE output (
    session_id VARCHAR, number INTEGER, timestamp TIMESTAMP, recording_ms BIGINT,
    text VARCHAR);
  CREATE TABLE searched_recordings (
    session_id VARCHAR, began TIMESTAMP, bytes BIGINT, changed VARCHAR,
    sha256 VARCHAR, lines INTEGER, text_bytes BIGINT, left_out VARCHAR,
    within_ms INTEGER, done BOOLEAN, version INTEGER);
  `,
];
