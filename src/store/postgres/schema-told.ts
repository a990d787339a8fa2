/**
 * The tables of what events tell of commands, notes and terminals, for the numbered
 * migrations of schema.ts. `commands` has a row for each start of a command, with what
 * its end says; `command_ends` the ends that have no start, or not yet; both are paired
 * as they are written. `output` has what terminals showed, line by line.
 */

export const TOLD_TABLES: readonly string[] = [
  `CREATE TABLE commands (
    session_id text COLLATE "C" NOT NULL, batch bigint NOT NULL,
    ordinal integer NOT NULL, start_time timestamptz NOT NULL,
    pid bigint, seq bigint, shell_started_us bigint, depth integer,
    text text COLLATE "C", text_base64 text, truncated_bytes integer,
    mark text COLLATE "C", cwd text COLLATE "C", program text COLLATE "C",
    end_batch bigint, end_ordinal integer, ended_at timestamptz,
    exit_code integer, pipe_status integer[], duration_ms double precision,
    PRIMARY KEY (session_id, batch, ordinal)) WITH (fillfactor = 90)`,
  // In one expression: with its session alone a command would be looked for among all
  // of the session, as long as the database does not know how many these are.
  `CREATE INDEX commands_key ON commands ((session_id || ' ' ||
    coalesce(pid, -1)::text || ' ' || coalesce(seq, -1)::text || ' ' ||
    coalesce(shell_started_us, -1)::text), start_time)`,
  `CREATE INDEX commands_newest ON commands (start_time DESC)`,
  `CREATE INDEX commands_session ON commands (session_id, start_time DESC)`,
  `CREATE INDEX commands_failed ON commands (start_time DESC)
    WHERE exit_code <> 0`,
  `CREATE INDEX commands_exit ON commands (exit_code, start_time DESC)
    WHERE exit_code <> 0`,
  `CREATE INDEX commands_folder ON commands ((left(cwd, 256)))`,
  // Those that were long enough to run at a moment far from their start.
  `CREATE INDEX commands_long ON commands (start_time DESC)
    WHERE ended_at - start_time > interval '1 hour'`,
  `CREATE INDEX commands_endless ON commands (session_id)
    WHERE ended_at IS NULL`,

  // A number that nobody told is -1 here.
  `CREATE TABLE command_ends (
    session_id text COLLATE "C" NOT NULL, batch bigint NOT NULL,
    ordinal integer NOT NULL, pid bigint NOT NULL, seq bigint NOT NULL,
    shell_started_us bigint NOT NULL, ended_at timestamptz NOT NULL,
    exit_code integer, pipe_status integer[], duration_ms double precision,
    PRIMARY KEY (session_id, pid, seq, shell_started_us, batch, ordinal))`,

  `CREATE TABLE notes (
    session_id text COLLATE "C" NOT NULL, batch bigint NOT NULL,
    ordinal integer NOT NULL, timestamp timestamptz NOT NULL,
    text text COLLATE "C" NOT NULL,
    PRIMARY KEY (session_id, batch, ordinal))`,
  `CREATE INDEX notes_newest ON notes (timestamp DESC)`,

  `CREATE TABLE output (
    session_id text COLLATE "C" NOT NULL, number integer NOT NULL,
    timestamp timestamptz NOT NULL, recording_ms bigint NOT NULL,
    text text COLLATE "C" NOT NULL, PRIMARY KEY (session_id, number))`,
  `CREATE INDEX output_newest ON output (timestamp DESC)`,
  `CREATE TABLE searched_recordings (
    session_id text COLLATE "C" PRIMARY KEY, began timestamptz NOT NULL,
    bytes bigint NOT NULL, changed text NOT NULL, sha256 text,
    lines integer NOT NULL, text_bytes bigint NOT NULL, left_out text,
    within_ms integer, done boolean NOT NULL, version integer NOT NULL,
    place text COLLATE "C" NOT NULL)`,
  // Of those that have lines: the oldest go.
  `CREATE INDEX searched_recordings_newest ON searched_recordings
    (began DESC, session_id) INCLUDE (text_bytes) WHERE text_bytes > 0`,
];
