/**
 * A large database as a year of work would leave it, written by DuckDB itself, the
 * same for the same seed: sessions of some users on some hosts, more by day than by
 * night, most of them short and some of days, with what was typed in them. Of each
 * session the rows and the events agree, as the fold has it; those of the last
 * days that have not ended are left to the store to fold.
 *
 *     bun test/bench/generate.ts FILE 1000000 20 [SEED]
 *
 * writes a million sessions with 20 commands each on average: half a minute for
 * 100,000 of them, 0.5 GB.
 */
import { DuckDBInstance } from "@duckdb/node-api";
import { DuckDBStore } from "../../src/store/duckdb/store.ts";

export interface Made {
  /** How many sessions. */
  sessions: number;
  /** Commands of a session on average. */
  commands: number;
  seed?: number;
  /** When the first session begins; the last begins within a year of it. */
  from?: string;
}

/** A text that stands in one command of all, in the middle of them. */
export const ONCE = "needle-in-the-haystack";
/** A text that stands in one of seven commands, in sessions of every kind. */
export const EVERYWHERE = "kubectl";

/** Sessions of which the events are in memory at a time. */
const BATCH = 20_000;
const DAYS = 365;
const FROM = "2025-01-01T00:00:00Z";

/** What is typed, with how many milliseconds it takes and how often of 100 it fails. */
const TYPED: readonly [text: string, ms: number, fails: number][] = [
  ["ls -la", 5, 1],
  ["cd /srv/{word}", 1, 3],
  ["git status", 30, 1],
  ["git log --oneline -20", 25, 0],
  ["git commit -m 'fix {word}'", 120, 6],
  ["git push origin {word}", 1_800, 9],
  ["kubectl get pods -n {word}", 700, 3],
  ["kubectl logs -n {word} deploy/{word} --tail=200", 1_100, 8],
  ["kubectl rollout restart deploy/{word}", 900, 4],
  ["systemctl status {word}", 40, 12],
  ["systemctl restart {word}", 2_400, 7],
  ["journalctl -u {word} -n 100", 90, 1],
  ["tail -n 100 /var/log/{word}.log", 8, 4],
  ["grep -rn {word} src", 450, 22],
  ["vim /etc/{word}/config.yaml", 95_000, 1],
  ["ssh {word}-{number}.example.org", 240_000, 11],
  ["psql -c 'select count(*) from {word}'", 800, 5],
  ["python -m pytest tests/{word}", 14_000, 31],
  ["docker compose up -d {word}", 5_200, 8],
  ["docker ps --format '{{.Names}}'", 60, 2],
  ["curl -fsS http://localhost:{number}/health", 35, 14],
  ["df -h | sort -k5", 12, 0],
  ["make -j4 {word}", 48_000, 27],
  ["ansible-playbook {word}.yml --limit host{number}", 92_000, 13],
  ["terraform plan -target=module.{word}", 21_000, 10],
  ["rsync -a /srv/{word}/ backup-{number}:/srv/{word}/", 33_000, 5],
  ["top -b -n 1", 700, 0],
  ["false", 1, 100],
];
const WORDS =
  "billing catalog checkout gateway grafana identity ingest ledger mailer nginx orders payments postgres prefect redis reports search session shop warehouse";
const COMPONENTS =
  "bash bash bash bash zsh zsh fish python mahavishnu mahavishnu crackerjack oneiric";

export async function generate(path: string, made: Made): Promise<void> {
  const { sessions } = made;
  await (await DuckDBStore.open(path)).close();
  const instance = await DuckDBInstance.create(path);
  const db = await instance.connect();
  // Each batch is sorted by time, as events arrive.
  await db.run("SET preserve_insertion_order = true");
  await db.run(
    "CREATE TEMP TABLE typed (n UBIGINT, text VARCHAR, ms DOUBLE, fails INTEGER)",
  );
  const insert = await db.prepare("INSERT INTO typed VALUES ($1, $2, $3, $4)");
  for (const [n, [text, ms, fails]] of TYPED.entries()) {
    insert.bind([BigInt(n), text, ms, fails]);
    await insert.run();
  }
  let seq = 0;
  for (let from = 0; from < sessions; from += BATCH) {
    const to = Math.min(from + BATCH, sessions);
    await db.run(`CREATE TEMP TABLE one AS ${sessionRows(made, from, to)}`);
    await db.run(`CREATE TEMP TABLE did AS ${commandRows(made)}`);
    await db.run(`CREATE TEMP TABLE told AS ${EVENTS}`);
    // Those that live on come last: the store is to fold them.
    await db.run("CREATE TEMP TABLE IF NOT EXISTS held AS FROM told LIMIT 0");
    await db.run("INSERT INTO held FROM told WHERE open");
    await db.run(insertEvents("told WHERE NOT open", seq));
    seq = await count(db, "SELECT max(seq) FROM events");
    await db.run(INSERT_SESSIONS);
    await db.run("DROP TABLE one; DROP TABLE did; DROP TABLE told");
  }
  await db.run(`UPDATE folded SET seq = ${seq}`);
  await db.run(insertEvents("held", seq));
  await db.run("CHECKPOINT");
  db.closeSync();
  instance.closeSync();
  // Folds the others.
  const store = await DuckDBStore.open(path);
  await store.idle();
  await store.close();
}

type Connection = Awaited<ReturnType<DuckDBInstance["connect"]>>;

async function count(db: Connection, sql: string): Promise<number> {
  const rows = (await db.runAndReadAll(sql)).getRows();
  return Number(rows[0]![0] ?? 0);
}

/** A number in [0, 1) that only these decide. */
const chance = (...of: (string | number)[]) =>
  `((hash(${of.join(", ")}) % 1000003) / 1000003.0)`;

/** Of words in one text, that which a number in [0, 1) picks. */
const picked = (words: string, at: string) =>
  `string_split('${words}', ' ')[1 + floor(${at} * ${words.split(" ").length})::INTEGER]`;

/** An id that only these decide. */
const uuid = (...of: string[]) => `md5(concat_ws(' ', ${of.join(", ")}))::UUID`;

const iso = (time: string) => `strftime(${time}, '%Y-%m-%dT%H:%M:%S.%gZ')`;

/** Whole milliseconds. */
const ms = (value: string) => `to_milliseconds((${value})::BIGINT)`;

/** The session in which ONCE was typed. */
const middle = (sessions: number) => Math.floor(sessions / 2);

/** The facts of the sessions of a batch, one row each, in the order of their starts. */
function sessionRows(
  { sessions, commands, seed = 1, from: first = FROM }: Made,
  from: number,
  to: number,
): string {
  const roll = (salt: number) => chance(seed, "i", salt);
  // At night the same share of sessions takes more of the day than at noon.
  const share = `((i * ${DAYS}.0 / ${sessions}) % 1)`;
  return `
    WITH drawn AS (
      SELECT i, TIMESTAMP '${first.replace("Z", "")}'
          + to_days(floor(i * ${DAYS}.0 / ${sessions})::INTEGER)
          + ${ms(`86400000 * (${share} + 0.13 * sin(2 * pi() * ${share}))`)} AS start_time,
        ${uuid(`${seed}`, "i", "'start'")} AS start_id,
        ${picked(COMPONENTS, roll(1))} AS component_name,
        -- Few do most.
        'user' || lpad(floor(40 * ${roll(2)} * ${roll(3)})::INTEGER::VARCHAR, 2, '0') AS username,
        'host' || lpad(floor(60 * ${roll(4)} * ${roll(5)})::INTEGER::VARCHAR, 2, '0') || '.example.org' AS hostname,
        CASE WHEN ${roll(6)} < 0.08 THEN 'ci_job' ELSE 'admin_shell' END AS session_type,
        -- Twelve minutes is the middle; one of 500 takes more than a day.
        (1000 * least(900000, 720 * exp(1.7 * sqrt(-2 * ln(${roll(7)} + 1e-9))
          * cos(2 * pi() * ${roll(8)}))))::BIGINT + 50
          -- Some live on.
          + CASE WHEN i >= ${sessions - 5} THEN 2 * 86400000 ELSE 0 END AS lasted_ms,
        CASE WHEN i = ${middle(sessions)} THEN 1 WHEN ${roll(9)} < 0.1 THEN 0
          ELSE least(500, floor(-ln(${roll(10)} + 1e-9) * ${commands / 0.9}))::INTEGER END AS n,
        '/srv/' || ${picked(WORDS, roll(11))} AS working_directory,
        '/dev/pts/' || floor(30 * ${roll(12)})::INTEGER AS tty,
        1000 + floor(60000 * ${roll(13)})::INTEGER AS pid,
        CASE WHEN ${roll(14)} < 0.02 THEN ${picked("deploy incident migration night-shift", roll(15))} END AS name,
        CASE WHEN ${roll(16)} < 0.05 THEN 'ticket ' || floor(9000 * ${roll(17)})::INTEGER END AS reason,
        CASE WHEN ${roll(18)} < 0.1 THEN [${picked("prod staging oncall", roll(19))}] ELSE []::VARCHAR[] END AS tags,
        ${roll(20)} AS how
      FROM range(${from}, ${to}) AS r(i)),
    dated AS (
      SELECT *, component_name || '-' || strftime(start_time, '%Y%m%d-%H%M%S-') || left(start_id::VARCHAR, 8) AS session_id,
        start_time + to_milliseconds(lasted_ms) AS end_time,
        TIMESTAMP '${first.replace("Z", "")}' + to_days(${DAYS}) AS today
      FROM drawn)
    SELECT *, end_time >= today AS open,
      how < 0.02 AS lost,
      CASE WHEN how < 0.02 THEN NULL WHEN how < 0.03 THEN NULL
        WHEN how < 0.13 THEN [1, 2, 127, 130, 255][1 + floor(50 * (how - 0.03))::INTEGER] ELSE 0 END::SMALLINT AS exit_code,
      CASE WHEN how >= 0.02 AND how < 0.03 THEN CASE WHEN how < 0.025 THEN 'SIGHUP' ELSE 'SIGKILL' END END AS signal
    FROM dated`;
}

/** What was typed in the sessions of a batch. */
function commandRows({ sessions, seed = 1 }: Made): string {
  const roll = (salt: number) => chance(seed, "i", "k", salt);
  const pick = `floor(${TYPED.length} * ${roll(31)})::UBIGINT`;
  return `
    WITH placed AS (
      SELECT s.i, s.session_id, s.pid, s.start_time, s.end_time, s.today, s.open, k,
        s.lasted_ms / s.n AS room_ms, ${pick} AS pick,
        ${roll(32)} AS early, ${roll(33)} AS quick, ${roll(34)} AS luck,
        ${picked(WORDS, roll(35))} AS word, floor(900 * ${roll(36)})::INTEGER AS number,
        s.working_directory AS cwd
      FROM one AS s, range(0, s.n) AS ks(k)),
    timed AS (
      SELECT p.*, t.fails,
        p.start_time + ${ms("floor(k * room_ms + 0.5 * early * room_ms)")} AS began,
        round(least(t.ms * -ln(quick + 1e-9), 0.45 * room_ms), 3) AS took_ms,
        CASE WHEN p.i = ${middle(sessions)} AND k = 0 THEN 'cat ${ONCE}.txt'
          ELSE replace(replace(t.text, '{word}', p.word), '{number}', p.number::VARCHAR) END AS text
      FROM placed AS p JOIN typed AS t ON t.n = p.pick)
    SELECT *, CASE WHEN luck * 100 < fails THEN 1 ELSE 0 END AS exit_code
    FROM timed WHERE NOT open OR began + ${ms("ceil(took_ms)")} < today`;
}

const SOURCE = `'"event_version":"1.0","event_id":"' || event_id || '","session_id":"' || session_id || '","timestamp":"' || ${iso("timestamp")} || '"'`;

/** The JSON of a command's event, but for its own fields: without a JSON writer, which takes three times as long. */
const payload = (kind: string, own: string) =>
  `'{' || ${SOURCE} || ',"event_type":"${kind}"' || ${own} || '}'`;

const SHELL = `',"seq":' || (k + 1) || ',"pid":' || pid || ',"shell_started_us":' || epoch_us(start_time) || ',"cwd":"' || cwd || '"'`;

/** All events of a batch. */
const EVENTS = `
  SELECT event_id, session_id, 'session_start' AS kind, timestamp, open,
    ${payload(
      "session_start",
      `',"session_type":"' || session_type || '","component_name":"' || component_name || '","shell_type":"' || component_name
        || '","hostname":"' || hostname || '","pid":' || pid || ',"ppid":1,"start_ticks":1,"user":{"username":"' || username || '","home":"/home/' || username
        || '"},"environment":{"python_version":null,"platform":"Linux-6.12.0-x86_64","cwd":"' || working_directory || '"},"tty":"' || tty
        || '","name":' || coalesce('"' || name || '"', 'null') || ',"reason":' || coalesce('"' || reason || '"', 'null')
        || ',"tags":' || to_json(tags)::VARCHAR || ',"lock":"flock","metadata":{},"measured":{"recorder_version":"0.1.0"}'`,
    )} AS payload
  FROM (SELECT *, start_id AS event_id, start_time AS timestamp FROM one)
  UNION ALL BY NAME
  SELECT event_id, session_id, 'command_start' AS kind, timestamp, open,
    ${payload("command_start", `${SHELL} || ',"text":"' || replace(text, '"', '\\"') || '","mark":null'`)} AS payload
  FROM (SELECT *, ${uuid("session_id", "k", "'began'")} AS event_id, began AS timestamp FROM did)
  UNION ALL BY NAME
  SELECT event_id, session_id, 'command_end' AS kind, timestamp, open,
    ${payload("command_end", `${SHELL} || ',"exit_code":' || exit_code || ',"pipe_status":null,"duration_ms":' || took_ms`)} AS payload
  FROM (SELECT *, ${uuid("session_id", "k", "'ended'")} AS event_id, began + ${ms("ceil(took_ms)")} AS timestamp FROM did)
  UNION ALL BY NAME
  SELECT event_id, session_id, 'session_end' AS kind, timestamp, open,
    ${payload(
      "session_end",
      `',"end_source":"' || CASE WHEN lost THEN 'recovered' ELSE 'observed' END || '","exit_code":' || coalesce(exit_code::VARCHAR, 'null')
        || ',"signal":' || coalesce('"' || signal || '"', 'null') || ',"measured":{"max_rss_bytes":' || (4000000 + i % 9000 * 1000) || '}'`,
    )} AS payload
  FROM (SELECT *, ${uuid("session_id", "'end'")} AS event_id, end_time AS timestamp FROM one WHERE NOT open)`;

const SPOOL = `{"via":"spool","uid":null,"subject":null,"address":null,"reporter":"spool"}`;

/** @param seq of the last event that is there */
const insertEvents = (from: string, seq: number) => `
  INSERT INTO events BY NAME
  SELECT ${seq} + row_number() OVER (ORDER BY timestamp, event_id) AS seq,
    * EXCLUDE (open), timestamp AS received_at, '${SPOOL}' AS provenance
  FROM ${from} ORDER BY seq`;

/** The rows of those that have ended, as the fold makes them. */
const INSERT_SESSIONS = `
  INSERT INTO sessions BY NAME
  SELECT s.session_id, session_type, component_name, component_name AS shell_type,
    start_time, end_time, s.exit_code, signal, s.pid, 1 AS ppid, username, hostname,
    tty, working_directory, 'Linux-6.12.0-x86_64' AS platform, name, reason, tags,
    nullif(c.n, 0) AS command_count, c.failed AS failed_commands, c.last AS last_command,
    CASE WHEN lost THEN 'recovered' ELSE 'observed' END AS end_source,
    end_time AS last_seen, 'spool' AS reporter, 'spool' AS attested,
    '{"adapters":[],"recorder_version":"0.1.0"'
      || coalesce(',"exit_code":' || s.exit_code, '') || coalesce(',"signal":"' || signal || '"', '')
      || ',"max_rss_bytes":' || (4000000 + i % 9000 * 1000)
      || coalesce(',"command_count":' || nullif(c.n, 0), '') || '}' AS metadata
  FROM one AS s LEFT JOIN (
    SELECT session_id, count(*)::INTEGER AS n, (count(*) FILTER (exit_code <> 0))::INTEGER AS failed,
      arg_max(text, k) AS last
    FROM did GROUP BY session_id) AS c ON c.session_id = s.session_id
  WHERE NOT open ORDER BY i`;

if (import.meta.main) {
  const [path, sessions, commands, seed] = process.argv.slice(2);
  if (!path || !sessions || !commands)
    throw new Error("generate.ts FILE SESSIONS COMMANDS [SEED]");
  await generate(path, {
    sessions: Number(sessions),
    commands: Number(commands),
    ...(seed && { seed: Number(seed) }),
  });
}
