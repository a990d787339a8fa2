/**
 * The tables, as numbered migrations: append-only once they are released, and
 * literal. Every unique key has `session_id` in it or is of a table that is small, so
 * that sessions can be distributed by it.
 *
 * `sessions` has one row a session of which any event is stored; one without a start
 * has no `start_time`, and one in an archive has its tombstone alone. `version` counts
 * the commits that changed it, `state` are the fold's registers while it is open.
 * Writers leave `batches.seq` alone: who reads the tail numbers the batches.
 */

import { TOLD_TABLES } from "./schema-told.ts";
import { VIEWS, VIEW_SCHEMA } from "./schema-views.ts";

/** Of what is where our tables are, whatever that is called, in `pg_class`. */
export const OURS = `relnamespace
  = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())`;

/** What tells one event from the others, and where in the order of arrival it stands. */
const EVENTS = [
  // Drawn once the sessions of a batch are locked, or their versions read.
  `CREATE SEQUENCE arrivals`,
  `CREATE SEQUENCE batch_numbers`,
  `CREATE TABLE batches (
    batch bigint PRIMARY KEY, arrival bigint NOT NULL DEFAULT nextval('arrivals'),
    events integer NOT NULL,
    first_at timestamptz NOT NULL, last_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(), seq bigint)`,
  `CREATE INDEX batches_unnumbered ON batches (arrival) WHERE seq IS NULL`,
  `CREATE UNIQUE INDEX batches_seq ON batches (seq)`,
  // Events of a time are looked for in the batches that may have some.
  `CREATE INDEX batches_last ON batches (last_at)`,
  `CREATE TABLE tail (id integer PRIMARY KEY, last bigint NOT NULL)`,
  `INSERT INTO tail VALUES (1, 0)`,
  `CREATE TABLE events (
    session_id text COLLATE "C" NOT NULL, event_id uuid NOT NULL,
    batch bigint NOT NULL, ordinal integer NOT NULL,
    kind text COLLATE "C" NOT NULL, timestamp timestamptz NOT NULL,
    provenance text, payload text NOT NULL,
    PRIMARY KEY (session_id, event_id))`,
  `CREATE INDEX events_batch ON events (batch, ordinal)`,
  // An event that is sent again may be of a session that its sender does not know.
  `CREATE INDEX events_known ON events (event_id)
    WHERE kind IN ('session_start', 'session_end')`,
  `CREATE INDEX events_redactions ON events (session_id)
    WHERE kind = 'redaction'`,
];

const NEWEST = "start_time DESC, session_id) WHERE start_time IS NOT NULL";

const SESSIONS = [
  `CREATE TABLE sessions (
    session_id text COLLATE "C" PRIMARY KEY, version bigint NOT NULL,
    session_type text COLLATE "C", component_name text COLLATE "C",
    shell_type text COLLATE "C", start_time timestamptz, end_time timestamptz,
    exit_code smallint, signal text COLLATE "C", pid integer, ppid integer,
    username text COLLATE "C", hostname text COLLATE "C", tty text COLLATE "C",
    working_directory text COLLATE "C", platform text COLLATE "C",
    python_version text COLLATE "C", parent_session_id text COLLATE "C",
    name text COLLATE "C", reason text COLLATE "C", tags text[] COLLATE "C",
    last_note text COLLATE "C", command_count integer, failed_commands integer,
    last_command text COLLATE "C", end_source text COLLATE "C",
    last_seen timestamptz, reporter text COLLATE "C", attested text COLLATE "C",
    metadata text,
    state text,
    lease_seconds integer, boot_id text COLLATE "C",
    heard_at timestamptz, heard_by integer, said_gone_at timestamptz,
    archived text COLLATE "C", archived_at timestamptz, late_events integer
  ) WITH (fillfactor = 85)`,
  // An index takes no entry of more than a third of a page: texts begin in it.
  `CREATE FUNCTION short_texts(text[]) RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    'SELECT array_agg(left(t, 256)) FROM unnest($1) AS t'`,
  `CREATE INDEX sessions_newest ON sessions (${NEWEST}`,
  `CREATE INDEX sessions_component ON sessions ((left(component_name, 256)), ${NEWEST}`,
  `CREATE INDEX sessions_user ON sessions ((left(username, 256)), ${NEWEST}`,
  `CREATE INDEX sessions_host ON sessions ((left(hostname, 256)), ${NEWEST}`,
  // Of few values, or few rows each: equal ones take little room.
  `CREATE INDEX sessions_type ON sessions ((left(session_type, 256)))`,
  `CREATE INDEX sessions_reporter ON sessions ((left(reporter, 256)))`,
  `CREATE INDEX sessions_attested ON sessions ((left(attested, 256)))`,
  `CREATE INDEX sessions_folder ON sessions ((left(working_directory, 256)))`,
  `CREATE INDEX sessions_name ON sessions ((left(name, 256)))
    WHERE name IS NOT NULL`,
  `CREATE INDEX sessions_tags ON sessions USING gin (short_texts(tags))`,
  `CREATE INDEX sessions_exit ON sessions (exit_code) WHERE exit_code <> 0`,
  `CREATE INDEX sessions_failed ON sessions (${NEWEST}
    AND (exit_code <> 0 OR signal IS NOT NULL)`,
  `CREATE INDEX sessions_failed_commands ON sessions (${NEWEST}
    AND failed_commands > 0`,
  `CREATE INDEX sessions_length ON sessions ((end_time - start_time))`,
  // Those that were in at a moment far from their start.
  `CREATE INDEX sessions_long ON sessions (end_time)
    WHERE end_time - start_time > interval '24 hours'`,
  `CREATE INDEX sessions_seen_later ON sessions (session_id)
    WHERE last_seen > end_time`,
  `CREATE INDEX sessions_open ON sessions (${NEWEST} AND end_source IS NULL`,
  `CREATE INDEX sessions_lost ON sessions (${NEWEST} AND end_source = 'recovered'`,
  // The last 8 hex of an id.
  `CREATE INDEX sessions_hex ON sessions (right(session_id, 8), session_id)`,
  // Of open sessions that came over the wire.
  `CREATE INDEX sessions_leased ON sessions (session_id)
    WHERE lease_seconds IS NOT NULL`,
  `CREATE INDEX sessions_processes ON sessions ((left(boot_id, 256)), session_id)
    WHERE boot_id IS NOT NULL`,
  `CREATE INDEX sessions_archived ON sessions (session_id)
    WHERE archived IS NOT NULL`,
];

/** When sessions were last seen, beside their events: by their clocks, and by ours. */
const LIFE = [
  `CREATE TABLE signs (
    session_id text COLLATE "C" PRIMARY KEY, last_sign timestamptz NOT NULL,
    heard_at timestamptz NOT NULL, heard_by integer NOT NULL
  ) WITH (fillfactor = 50)`,
  `CREATE TABLE servers (
    name text COLLATE "C" PRIMARY KEY,
    id integer NOT NULL GENERATED ALWAYS AS IDENTITY,
    since timestamptz NOT NULL, seen_at timestamptz NOT NULL)`,
  `CREATE TABLE channels (
    key text COLLATE "C" PRIMARY KEY, session_id text COLLATE "C" NOT NULL)`,
  // How far databases were moved into this one.
  `CREATE TABLE moves (
    source text COLLATE "C" PRIMARY KEY, seq bigint NOT NULL,
    events bigint NOT NULL)`,
  `CREATE TABLE duties (
    name text COLLATE "C" PRIMARY KEY, holder text COLLATE "C" NOT NULL,
    until timestamptz NOT NULL, since timestamptz NOT NULL,
    done_at timestamptz NOT NULL, term bigint NOT NULL)`,
  // What servers keep beside events: alerts, and how far exports have got.
  `CREATE TABLE documents (
    folder text COLLATE "C" NOT NULL, name text COLLATE "C" NOT NULL,
    text text NOT NULL, PRIMARY KEY (folder, name))`,
];

/** Each is applied in one transaction. */
export const MIGRATIONS: readonly (readonly string[])[] = [
  [...EVENTS, ...SESSIONS, ...LIFE, ...TOLD_TABLES, ...VIEWS],
];

/** The same without the views, of which there is one place in a database. */
export const WITHOUT_VIEWS = MIGRATIONS.map((step) =>
  step.filter((sql) => !sql.includes(VIEW_SCHEMA)),
);
