/** The statements of told.ts; rows come as arrays, one a column. */

const KINDS = "('command_start', 'command_end', 'annotation')";

export const EVENTS_OF = `SELECT batch, ordinal, payload FROM events
  WHERE session_id = $1 AND kind IN ${KINDS}
    AND (batch, ordinal) > ($2::bigint, $3::integer)
  ORDER BY batch, ordinal LIMIT $4::integer`;

export const INSERT_NOTES = `INSERT INTO notes
    (session_id, batch, ordinal, timestamp, text)
  SELECT * FROM unnest($1::text[], $2::bigint[], $3::integer[],
    $4::timestamptz[], $5::text[])`;

/** As the index has it. */
const SAME_KEY = `c.session_id || ' ' || coalesce(c.pid, -1)::text || ' ' ||
    coalesce(c.seq, -1)::text || ' ' || coalesce(c.shell_started_us, -1)::text
  = k.session_id || ' ' || k.pid::text || ' ' || k.seq::text || ' ' ||
    k.shell_started_us::text`;

/**
 * Where a key is not that of one command, between the starts before and after the new
 * events: nothing else changes by these.
 */
export const STORED = `
  WITH keys AS MATERIALIZED (
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[],
      $5::timestamptz[], $6::timestamptz[])
      AS k(session_id, pid, seq, shell_started_us, first, last)),
  bounded AS MATERIALIZED (
    SELECT k.*,
      CASE WHEN k.shell_started_us < 0 THEN
        (SELECT max(c.start_time) FROM commands AS c
          WHERE ${SAME_KEY} AND c.start_time <= k.first) END AS since,
      CASE WHEN k.shell_started_us < 0 THEN
        (SELECT min(c.start_time) FROM commands AS c
          WHERE ${SAME_KEY} AND c.start_time > k.last) END AS until
    FROM keys AS k)
  SELECT k.session_id, k.pid::float8, k.seq::float8,
    k.shell_started_us::float8, true AS begins, c.batch, c.ordinal,
    c.start_time AS at, c.end_batch, c.end_ordinal, c.ended_at, c.exit_code,
    c.pipe_status::text, c.duration_ms
  FROM bounded AS k JOIN commands AS c ON ${SAME_KEY}
    AND c.start_time >= coalesce(k.since, '-infinity')
    AND c.start_time <= coalesce(k.until, 'infinity')
  UNION ALL
  SELECT k.session_id, k.pid::float8, k.seq::float8,
    k.shell_started_us::float8, false, NULL, NULL, NULL, c.batch, c.ordinal,
    c.ended_at, c.exit_code, c.pipe_status::text, c.duration_ms
  FROM bounded AS k JOIN command_ends AS c ON c.session_id = k.session_id
    AND c.pid = k.pid AND c.seq = k.seq
    AND c.shell_started_us = k.shell_started_us
    AND c.ended_at >= coalesce(k.since, '-infinity')
    AND c.ended_at <= coalesce(k.until, 'infinity')`;

export const INSERT_STARTS = `INSERT INTO commands
    (session_id, batch, ordinal, start_time, pid, seq, shell_started_us, depth,
    text, text_base64, truncated_bytes, mark, cwd, program,
    end_batch, end_ordinal, ended_at, exit_code, pipe_status, duration_ms)
  SELECT a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r,
    s::integer[], t
  FROM unnest($1::text[], $2::bigint[], $3::integer[], $4::timestamptz[],
    $5::bigint[], $6::bigint[], $7::bigint[], $8::integer[], $9::text[],
    $10::text[], $11::integer[], $12::text[], $13::text[], $14::text[],
    $15::bigint[], $16::integer[], $17::timestamptz[], $18::integer[],
    $19::text[], $20::float8[])
    AS x(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t)`;

export const CHANGE_ENDS = `UPDATE commands AS t SET end_batch = x.d,
    end_ordinal = x.e, ended_at = x.f, exit_code = x.g,
    pipe_status = x.h::integer[], duration_ms = x.i
  FROM unnest($1::text[], $2::bigint[], $3::integer[], $4::bigint[],
    $5::integer[], $6::timestamptz[], $7::integer[], $8::text[], $9::float8[])
    AS x(a, b, c, d, e, f, g, h, i)
  WHERE t.session_id = x.a AND t.batch = x.b AND t.ordinal = x.c`;

export const INSERT_ENDS = `INSERT INTO command_ends
    (session_id, pid, seq, shell_started_us, batch, ordinal, ended_at,
    exit_code, pipe_status, duration_ms)
  SELECT a, b, c, d, e, f, g, h, i::integer[], j
  FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[],
    $5::bigint[], $6::integer[], $7::timestamptz[], $8::integer[], $9::text[],
    $10::float8[]) AS x(a, b, c, d, e, f, g, h, i, j)`;

export const DELETE_ENDS = `DELETE FROM command_ends AS t
  USING unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[],
    $5::bigint[], $6::integer[]) AS x(a, b, c, d, e, f)
  WHERE t.session_id = x.a AND t.pid = x.b AND t.seq = x.c
    AND t.shell_started_us = x.d AND t.batch = x.e AND t.ordinal = x.f`;

const GONE = `gone AS (
    SELECT e.session_id, e.batch, e.ordinal, e.timestamp FROM events AS e
    JOIN unnest($1::text[], $2::uuid[]) AS x(session_id, event_id)
      ON e.session_id = x.session_id AND e.event_id = x.event_id)`;

const KEY_OF = (table: string) => `${table}.session_id,
  coalesce(${table}.pid, -1)::float8 AS pid,
  coalesce(${table}.seq, -1)::float8 AS seq,
  coalesce(${table}.shell_started_us, -1)::float8 AS shell_started_us`;

/** Starts have no end any more that goes. */
export const RELEASE_STARTS = `WITH ${GONE}
  UPDATE commands AS t SET end_batch = NULL, end_ordinal = NULL,
    ended_at = NULL, exit_code = NULL, pipe_status = NULL, duration_ms = NULL
  FROM gone AS g WHERE t.session_id = g.session_id
    AND t.end_batch = g.batch AND t.end_ordinal = g.ordinal
  RETURNING ${KEY_OF("t")}, g.timestamp AS at`;

const GONE_IN = `t.session_id = g.session_id AND t.batch = g.batch
  AND t.ordinal = g.ordinal`;

/** The end of a start that goes waits for another. */
export const DELETE_TOLD = `WITH ${GONE},
  deleted_notes AS (DELETE FROM notes AS t USING gone AS g WHERE ${GONE_IN}),
  deleted_ends AS (
    DELETE FROM command_ends AS t USING gone AS g WHERE ${GONE_IN}),
  deleted AS (
    DELETE FROM commands AS t USING gone AS g WHERE ${GONE_IN} RETURNING t.*),
  released AS (
    INSERT INTO command_ends (session_id, pid, seq, shell_started_us, batch,
      ordinal, ended_at, exit_code, pipe_status, duration_ms)
    SELECT session_id, coalesce(pid, -1), coalesce(seq, -1),
      coalesce(shell_started_us, -1), end_batch, end_ordinal, ended_at,
      exit_code, pipe_status, duration_ms
    FROM deleted WHERE end_batch IS NOT NULL)
  SELECT ${KEY_OF("d")}, d.start_time AS at FROM deleted AS d`;
