/**
 * A large PostgreSQL database in little time: rows as the store makes them, written by
 * PostgreSQL itself, the same for the same number. Indexes are made at the end.
 */
import type { SQL } from "bun";

export interface Filled {
  sessions: number;
  /** Of each session; 0: neither events nor commands are there, but sessions alone. */
  commands: number;
  /** Whether the events of sessions with commands are there, too. */
  events?: boolean;
  /** The last ones, which have not ended. */
  open: number;
}

/** A session begins every so many seconds. */
export const EVERY_SECONDS = 3;
export const FROM = "2025-01-01T00:00:00.000Z";
/** Sessions that one statement writes. */
const SLICE = 250_000;
const BATCH_SESSIONS = 500;

/** Of session `i`: a hash that only these decide. */
const roll = (salt: number) =>
  `(hashint4extended(i::integer, ${salt}) & 2147483647)`;

const SOURCE = (from: number, to: number) => `
  SELECT i, t, '${"bash"}' || '-' || to_char(t AT TIME ZONE 'UTC', 'YYYYMMDD-HH24MISS-')
      || lpad(to_hex(${roll(1)}), 8, '0') AS id,
    -- One of 500 takes a day and more.
    CASE WHEN ${roll(2)} % 500 = 0 THEN 90000 + ${roll(3)} % 200000
      ELSE ${roll(3)} % 3600 END AS seconds
  FROM (SELECT i, timestamptz '${FROM}' + i * interval '${EVERY_SECONDS} seconds' AS t
    FROM generate_series(${from}::bigint, ${to - 1}) AS g(i)) AS g`;

const sessionsOf = (source: string, isOpen: string) => `
  INSERT INTO sessions (session_id, version, session_type, component_name, shell_type,
    start_time, end_time, exit_code, pid, ppid, username, hostname, tty,
    working_directory, platform, tags, command_count, failed_commands, last_command,
    end_source, last_seen, reporter, attested, metadata)
  SELECT id, 1, 'admin_shell', (ARRAY['bash', 'zsh', 'fish', 'python', 'mahavishnu'])[1 + ${roll(4)} % 5],
    'bash', t, CASE WHEN NOT ${isOpen} THEN t + seconds * interval '1 second' END,
    CASE WHEN NOT ${isOpen} THEN (${roll(5)} % 10 = 0)::integer END,
    1000 + ${roll(6)} % 60000, 1, 'user' || ${roll(7)} % 200, 'host' || ${roll(8)} % 1000,
    '/dev/pts/1', '/srv/app' || ${roll(9)} % 100, 'Linux', '{}', 2, 0, 'git status',
    CASE WHEN ${isOpen} THEN NULL WHEN ${roll(10)} % 50 = 0 THEN 'recovered' ELSE 'observed' END,
    t + seconds * interval '1 second', 'spool', 'spool', '{"adapters":[]}'
  FROM (${source}) AS s`;

/** Start and end, and between them each command's own two. */
const eventsOf = (source: string, isOpen: string, commands: number) => `
  INSERT INTO events (session_id, event_id, batch, ordinal, kind, timestamp, payload)
  SELECT id, md5(id || ' ' || k)::uuid, 1 + i / ${BATCH_SESSIONS},
    (i % ${BATCH_SESSIONS}) * ${2 * commands + 2} + k + 1, kind, at,
    json_build_object('event_version', '1.0', 'event_id', md5(id || ' ' || k)::uuid,
      'session_id', id, 'timestamp', to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
      'event_type', kind, 'text', 'git log --oneline origin/' || id, 'cwd', '/srv/app')::text
  FROM (SELECT *, CASE WHEN k = 0 THEN 'session_start' WHEN k > ${2 * commands} THEN 'session_end'
      WHEN k % 2 = 1 THEN 'command_start' ELSE 'command_end' END AS kind,
      t + k * seconds * interval '1 second' / ${2 * commands + 1} AS at
    FROM (${source}) AS s, generate_series(0, ${2 * commands + 1}) AS ks(k)) AS e
  WHERE NOT (${isOpen} AND kind = 'session_end')`;

const commandsOf = (source: string, commands: number) => `
  INSERT INTO commands (session_id, batch, ordinal, start_time, pid, seq,
    shell_started_us, text, cwd, program, end_batch, end_ordinal, ended_at, exit_code,
    duration_ms)
  SELECT id, 1 + i / ${BATCH_SESSIONS}, (i % ${BATCH_SESSIONS}) * ${2 * commands + 2} + 2 * c,
    at, 1000, c, 1, (ARRAY['git status', 'ls -la', 'kubectl get pods -n ', 'systemctl restart ',
      'grep -rn needle src/', 'make -j4 '])[1 + (${roll(11)} + c) % 6] || (${roll(12)} + c) % 5000,
    '/srv/app' || ${roll(9)} % 100, (ARRAY['git', 'ls', 'kubectl', 'systemctl', 'grep', 'make'])[1 + (${roll(11)} + c) % 6],
    1 + i / ${BATCH_SESSIONS}, (i % ${BATCH_SESSIONS}) * ${2 * commands + 2} + 2 * c + 1,
    at + interval '1 second', ((${roll(13)} + c) % 12 = 0)::integer, 1000
  FROM (SELECT *, t + (2 * c - 1) * seconds * interval '1 second' / ${2 * commands + 1} AS at
    FROM (${source}) AS s, generate_series(1, ${commands}) AS cs(c)) AS e`;

const TABLES = ["events", "sessions", "commands"];

/** @param sql of an owner, over a database with our tables and nothing in them */
export async function fillPostgres(
  sql: SQL,
  { sessions, commands, open, events = true }: Filled,
): Promise<void> {
  const indexes = (await sql`
    SELECT i.indexname AS name, i.indexdef AS definition FROM pg_indexes AS i
    WHERE i.tablename IN ${sql(TABLES)} AND NOT EXISTS (
      SELECT FROM pg_constraint AS c WHERE c.conname = i.indexname)`) as {
    name: string;
    definition: string;
  }[];
  for (const { name } of indexes) await sql.unsafe(`DROP INDEX ${name}`);
  await sql`SET synchronous_commit = off`;
  await sql`SET maintenance_work_mem = '1GB'`;
  const isOpen = `(i >= ${sessions - open})`;
  for (let from = 0; from < sessions; from += SLICE) {
    const source = SOURCE(from, Math.min(from + SLICE, sessions));
    await sql.unsafe(sessionsOf(source, isOpen));
    if (commands === 0) continue;
    if (events) await sql.unsafe(eventsOf(source, isOpen, commands));
    await sql.unsafe(commandsOf(source, commands));
  }
  await sql.unsafe(`
    INSERT INTO batches (batch, events, first_at, last_at, received_at, seq)
    SELECT batch, n, first, last, last, sum(n) OVER (ORDER BY batch) - n
    FROM (SELECT batch, count(*)::integer AS n, min(timestamp) AS first,
        max(timestamp) AS last
      FROM events GROUP BY batch) AS b`);
  await sql`UPDATE tail SET last = (SELECT coalesce(sum(events), 0) FROM batches)`;
  await sql`SELECT setval('batch_numbers', (SELECT coalesce(max(batch), 1) FROM batches))`;
  for (const { definition } of indexes) await sql.unsafe(definition);
  for (const table of [...TABLES, "batches"])
    await sql.unsafe(`VACUUM (ANALYZE) ${table}`);
}

/** The id and the start of a session, by its number. */
export async function sessionAt(
  sql: SQL,
  i: number,
): Promise<{ session_id: string; time: string }> {
  const [row] = await sql.unsafe(
    `SELECT id, t FROM (${SOURCE(i, i + 1)}) AS s`,
  );
  const { id, t } = row as { id: string; t: Date };
  return { session_id: id, time: t.toISOString() };
}
