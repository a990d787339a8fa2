/**
 * Every statement that the store runs, by name. Rows come in as one parameter,
 * lines of JSON: one statement a commit.
 */
import { COLUMNS, type Column, type Type } from "../../model/columns.ts";

/** How from_json reads the values of a column; times are text until they are cast. */
const READ_AS: Record<Type, string | [string]> = {
  text: "VARCHAR",
  time: "VARCHAR",
  integer: "INTEGER",
  short: "SMALLINT",
  seconds: "DOUBLE",
  texts: ["VARCHAR"],
  object: "VARCHAR",
};

const STORED = Object.entries<Column>(COLUMNS).filter(
  ([, column]) => "from" in column,
);
const TIMES = STORED.flatMap(([name, { type }]) =>
  type === "time" ? [name] : [],
);

/** What a session row is in JSON, for from_json. */
const SESSION_SHAPE = Object.fromEntries(
  STORED.map(([name, { type }]) => [name, READ_AS[type]]),
);

const AMONG = "session_id IN (SELECT unnest($1::VARCHAR[]))";
/**
 * In \`sessions\` each began in the second that its id names: the ids' span of
 * time lets whole row groups be skipped.
 */
const AMONG_DATED = `${AMONG}
  AND start_time >= $2::TIMESTAMP
  AND start_time < $3::TIMESTAMP + INTERVAL 1 SECOND`;

/**
 * Rows out of lines of JSON, which come as one text: each value that is handed
 * over by itself costs as much as its line takes to make. A cast of the lines
 * to JSON would parse them once more.
 */
const rowsFrom = (shape: object, columns: string) => `
  SELECT ${columns} FROM (
    SELECT unnest(from_json(line, '${JSON.stringify(shape)}'))
    FROM (SELECT unnest(string_split($1, chr(10))) AS line))`;

/** A time as UTC text. */
export const time = (value: string, name: string) =>
  `strftime(${value}, '%Y-%m-%dT%H:%M:%S.%gZ') AS ${name}`;

/** A session's columns as they are read: times as UTC text. */
export const SESSION_READ = STORED.map(([name, { type }]) =>
  type === "time" ? time(name, name) : name,
).join(", ");

const EVENT_SHAPE = {
  seq: "BIGINT",
  event_id: "UUID",
  session_id: "VARCHAR",
  kind: "VARCHAR",
  timestamp: "VARCHAR",
  provenance: "VARCHAR",
  payload: "VARCHAR",
};

/** A plain cast would give the time in the reader's zone. */
export const NOW = "make_timestamp(epoch_us(now()))";

/** Events with when they came, as another store has them. */
export const EVENT_COPY = `INSERT INTO events BY NAME ${rowsFrom(
  { ...EVENT_SHAPE, received_at: "VARCHAR" },
  `* REPLACE (timestamp::TIMESTAMP AS timestamp,
     received_at::TIMESTAMP AS received_at)`,
)}`;

/** See event-columns.ts. */
export const EVENT_COLUMNS = "event_columns";

/** See output.ts: made of recordings, and made again where these are. */
export const OUTPUT_TABLES: readonly string[] = [
  "output",
  "searched_recordings",
];

/** What `event_columns` has of payloads; in older ones a value may be anything. */
const TOLD = {
  ...{ pid: "BIGINT", seq: "BIGINT", shell_started_us: "BIGINT" },
  ...{ depth: "INTEGER", text: "VARCHAR", text_base64: "VARCHAR" },
  ...{ note: "VARCHAR", truncated_bytes: "INTEGER", mark: "VARCHAR" },
  ...{ cwd: "VARCHAR", exit_code: "INTEGER", pipe_status: ["INTEGER"] },
  duration_ms: "DOUBLE",
};

/**
 * Rows of `event_columns` out of events: the JSON of each is read once.
 * @param which a condition on the events
 */
const addColumns = (which: string) => `
  INSERT INTO event_columns BY NAME
  SELECT e.* EXCLUDE (told), told.* EXCLUDE (seq, note)
    REPLACE (CASE kind WHEN 'annotation' THEN told.note ELSE told.text END AS text),
    told.seq AS command_seq
  FROM (SELECT seq, session_id, kind, timestamp,
      from_json(payload, '${JSON.stringify(TOLD)}') AS told
    FROM events
    WHERE kind IN ('command_start', 'command_end', 'annotation')
      AND ${which}) AS e`;

/** Some events, by their times, ids and sessions. */
const THESE = `timestamp BETWEEN $2::TIMESTAMP AND $3::TIMESTAMP
  AND (event_id, session_id) IN
    (SELECT unnest($1::UUID[]), unnest($4::VARCHAR[]))`;

const ENDS = `SELECT session_id AS id, end_source, reporter,
  ${time("start_time", "start_time")}, ${time("end_time", "end_time")}`;

const insertSessions = (table: string, shape: object) =>
  `INSERT INTO ${table} BY NAME ${rowsFrom(
    shape,
    `* REPLACE (${TIMES.map((name) => `${name}::TIMESTAMP AS ${name}`).join(", ")})`,
  )}`;

const sessionIn = (table: string, among: string) =>
  `SELECT ${SESSION_READ} FROM (
    (FROM ${table} WHERE ${among}) UNION ALL BY NAME
    (SELECT * EXCLUDE (state) FROM open_sessions
      WHERE ${AMONG} AND start_time IS NOT NULL))`;

/** The second that an id names, by its digits alone; NULL when it is no time. */
export const NAMED_SECOND = `try_cast(regexp_replace(
  regexp_extract(session_id, '\\d{8}-\\d{6}-[0-9a-f]+$'),
  '^(....)(..)(..)-(..)(..)(..)-.*$', '\\1-\\2-\\3T\\4:\\5:\\6') AS TIMESTAMP)`;

export const SQL = {
  hasSchema: `SELECT count(*)::INTEGER AS value FROM duckdb_tables()
    WHERE table_name = 'schema_version'`,
  schemaVersion: `SELECT coalesce(max(version), 0)::INTEGER AS value
    FROM schema_version`,
  setSchemaVersion: `INSERT INTO schema_version VALUES ($1, ${NOW})`,

  /** Of all that were ever given, the greatest: the last events may be in an archive. */
  lastSeq: `SELECT greatest(coalesce(max(seq), 0),
      (SELECT seq FROM folded))::DOUBLE AS value FROM events`,
  lastTimestamp: `SELECT ${time("max(timestamp)", "value")} FROM events`,
  foldedSeq: `SELECT seq::DOUBLE AS value FROM folded`,
  setFoldedSeq: `UPDATE folded SET seq = $1`,
  eventsAfter: `SELECT payload, provenance FROM events WHERE seq > $1 ORDER BY seq`,
  eventsOf: `SELECT payload, provenance FROM events WHERE ${AMONG} ORDER BY seq`,
  /** In the order of their arrival, the first of each kind that one has brought. */
  firstsOf: `SELECT session_id, kind, provenance FROM events WHERE ${AMONG}
    GROUP BY ALL ORDER BY min(seq)`,
  /** The start event of a session, whose time is known. */
  startOf: `SELECT event_id::VARCHAR AS id FROM events
    WHERE timestamp = $2::TIMESTAMP AND session_id = $1
      AND kind = 'session_start' ORDER BY event_id LIMIT 1`,

  /** The sessions that have an event of an id and a kind: anybody may take an id. */
  sessionsOfEvent: `SELECT session_id AS id, provenance FROM events
    WHERE timestamp BETWEEN $3::TIMESTAMP AND $4::TIMESTAMP
      AND event_id = $1::UUID AND kind = $2`,

  /** Events stored under some ids; the times let whole row groups be skipped. */
  knownEvents: `SELECT event_id::VARCHAR AS event_id, session_id, provenance,
      ${time("timestamp", "timestamp")} FROM events
    WHERE timestamp BETWEEN $2::TIMESTAMP AND $3::TIMESTAMP
      AND event_id IN (SELECT unnest($1::UUID[]))`,
  /** With `now()` in it the statement would be planned anew each time. */
  insertEvents: `INSERT INTO events BY NAME ${rowsFrom(
    EVENT_SHAPE,
    `* REPLACE (timestamp::TIMESTAMP AS timestamp),
     $2::TIMESTAMP AS received_at`,
  )}`,

  /** Of some sessions, each with the event. */
  deleteEvents: `DELETE FROM events WHERE ${THESE}`,
  /** Before those. */
  deleteTheirColumns: `DELETE FROM event_columns
    WHERE timestamp BETWEEN $2::TIMESTAMP AND $3::TIMESTAMP
      AND seq IN (SELECT seq FROM events WHERE ${THESE})`,

  /** Of what the last event in columns is; between it and what came later is none. */
  lastInColumns: `SELECT coalesce(max(seq), 0)::DOUBLE AS value
    FROM event_columns`,
  addColumns: addColumns("seq > $1 AND seq <= $2"),
  deleteColumns: "DELETE FROM event_columns WHERE session_id = $1",
  /** Of one session, up to an event. */
  addColumnsAnew: addColumns("session_id = $1 AND seq <= $2"),

  /** The last second in which a session with a row began, or is said to have begun. */
  lastStart: `SELECT ${time(
    `greatest((SELECT max(start_time) FROM sessions),
      (SELECT max(${NAMED_SECOND}) FROM open_sessions),
      (SELECT max(named_second) FROM archived_sessions))`,
    "value",
  )}`,
  openStates: `SELECT session_id AS id, state, reporter, attested
    FROM open_sessions WHERE ${AMONG}`,
  /** Whose sessions are that have not ended. */
  openReporters: `SELECT session_id AS id, reporter FROM open_sessions
    WHERE ${AMONG}`,
  /** Of those that came over the wire. */
  leasedStates: `SELECT session_id AS id, state, reporter, attested
    FROM open_sessions
    WHERE json_exists(state, '$.start.value.lease_seconds')`,
  openOfType: `SELECT ${SESSION_READ} FROM open_sessions
    WHERE start_time IS NOT NULL AND end_source IS NULL AND session_type = $1
    ORDER BY start_time DESC, session_id`,
  openEnds: `${ENDS} FROM open_sessions WHERE ${AMONG}`,
  /** When ends were written down; the time lets whole row groups be skipped. */
  endsFound: `SELECT session_id AS id,
      ${time("max(received_at)", "received_at")} FROM events
    WHERE timestamp >= $2::TIMESTAMP AND kind = 'session_end' AND ${AMONG}
    GROUP BY session_id`,
  closedDated: `${ENDS} FROM sessions WHERE ${AMONG_DATED}`,
  closedUndated: `${ENDS} FROM undated_sessions WHERE ${AMONG}`,
  deleteOpen: `DELETE FROM open_sessions WHERE ${AMONG}`,
  deleteDated: `DELETE FROM sessions WHERE ${AMONG_DATED}`,
  deleteUndated: `DELETE FROM undated_sessions WHERE ${AMONG}`,
  insertDated: insertSessions("sessions", SESSION_SHAPE),
  insertUndated: insertSessions("undated_sessions", SESSION_SHAPE),
  insertOpen: insertSessions("open_sessions", {
    ...SESSION_SHAPE,
    state: "VARCHAR",
  }),

  sessionDated: sessionIn("sessions", AMONG_DATED),
  sessionUndated: sessionIn("undated_sessions", AMONG),
  hasArchived: `SELECT count(*) > 0 AS value FROM archived_sessions`,
  archivedDated: `SELECT session_id AS id FROM archived_sessions WHERE ${AMONG}
    AND named_second BETWEEN $2::TIMESTAMP AND $3::TIMESTAMP`,
  archivedUndated: `SELECT session_id AS id FROM archived_sessions
    WHERE ${AMONG}`,
  archivedLike: `SELECT session_id, folder, ${time("archived_at", "archived_at")},
      late_events FROM archived_sessions
    WHERE starts_with(session_id, $1) OR ends_with(session_id, '-' || $1)
    ORDER BY session_id LIMIT 11`,
  /** Of late events the sessions, each as often as it has such. */
  countLate: `UPDATE archived_sessions SET late_events = late_events + late.n
    FROM (SELECT id, count(*) AS n FROM
      (SELECT unnest($1::VARCHAR[]) AS id) GROUP BY id) AS late
    WHERE session_id = late.id`,

  /** What this host says was removed, and no client. */
  redactions: `SELECT payload FROM events
    WHERE kind = 'redaction' AND provenance IS NULL ORDER BY seq`,
  payloadsOf: `SELECT seq::VARCHAR AS seq, payload FROM events
    WHERE session_id = $1`,
  setPayloads: `UPDATE events SET payload = changed.payload
    FROM (${rowsFrom({ seq: "BIGINT", payload: "VARCHAR" }, "*")}) AS changed
    WHERE events.session_id = $2 AND events.seq = changed.seq`,

  searched: `SELECT session_id, ${time("began", "began")}, bytes::DOUBLE AS bytes,
      changed, sha256, lines, text_bytes::DOUBLE AS text_bytes, left_out, within_ms, done, version
    FROM searched_recordings`,
  searchedLike: `SELECT count(*)::INTEGER AS value FROM searched_recordings
    WHERE session_id = $1 AND done = $2`,
  addSearched: `INSERT INTO searched_recordings
    VALUES ($1, $2::TIMESTAMP, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
  deleteSearched: `DELETE FROM searched_recordings WHERE ${AMONG}`,
  deleteOutput: `DELETE FROM output WHERE ${AMONG}`,
  /** Lines of a session; numbers, moments and texts each as one value. */
  addOutput: `INSERT INTO output BY NAME
    SELECT $1 AS session_id, unnest(string_split($2, ' '))::INTEGER AS number,
      make_timestamp(unnest(string_split($3, ' '))::BIGINT * 1000) AS timestamp,
      unnest(string_split($4, ' '))::BIGINT AS recording_ms,
      unnest(string_split($5, chr(10))) AS text`,
  lastLine: `SELECT coalesce(max(number), 0)::INTEGER AS value FROM output
    WHERE session_id = $1`,
  /** Recordings that are older than the newest with so many bytes of text. */
  outgrown: `SELECT session_id AS id FROM (
      SELECT session_id, text_bytes, sum(text_bytes) OVER (
        ORDER BY began DESC, session_id ROWS UNBOUNDED PRECEDING) AS bytes_since
      FROM searched_recordings)
    WHERE text_bytes > 0 AND bytes_since > $1`,

  begin: "BEGIN",
  commit: "COMMIT",
  rollback: "ROLLBACK",
  checkpoint: "CHECKPOINT",
  joinRowGroups: "SET GLOBAL max_vacuum_tasks = 1",
  keepRowGroups: "SET GLOBAL max_vacuum_tasks = 0",
} as const;
