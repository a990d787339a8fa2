/**
 * Queries of what sessions and commands come to. The sessions' rows have most of it;
 * for the others commands are paired with their ends in as few bytes as it takes.
 */
import {
  type Metric,
  type Offset,
  type Period,
  type Question,
  zoneOf,
} from "../../model/analytics.ts";
import { isoTime, wallOf } from "../../model/clock.ts";
import {
  PLAIN_WORD,
  PREFIXES,
  PROGRAM as PROGRAM_IN_TEXT,
} from "../../model/program.ts";
import { FAILED, STATUS } from "../conditions.ts";
import {
  Conditions,
  ENDED_MS,
  type Query,
  sessionConditions,
} from "./queries.ts";
import { time } from "./statements.ts";

/** What a query is made of. */
interface Asked {
  question: Question;
  conditions: Conditions;
  now: number;
  limit: string;
}

/** @param now in milliseconds since the epoch */
export function analyticsQuery(question: Question, now: number): Query {
  const conditions = new Conditions();
  const asked = { question, conditions, now, limit: "" };
  if (!PERIODIC.has(question.metric))
    asked.limit = `LIMIT ${conditions.parameter(question.limit)}`;
  return { sql: SQL[question.metric](asked), values: conditions.values };
}

const PERIODIC: ReadonlySet<Metric> = new Set([
  ...(["sessions", "duration", "unique_users", "peak_hours"] as const),
]);

/** The sessions that are asked of. */
function sessionsOf(asked: Asked, and?: string): string {
  const { question, conditions, now } = asked;
  const { values } = conditions;
  const those = sessionConditions(question.sessions, now, values);
  if (and !== undefined) those.always(and);
  return `FROM all_sessions AS s ${those.where}`;
}

/** The same of sessions whenever they began. */
function whenever(asked: Asked): Asked {
  const { after: _, before: __, ...sessions } = asked.question.sessions;
  const question = { ...asked.question, sessions } as Question;
  return { ...asked, question };
}

const count = (condition: string) =>
  `(count(*) FILTER (${condition}))::INTEGER`;
const seconds = (ms: string) => `round(${ms} / 1000, 3)::DOUBLE`;
const total = (column: string) => `coalesce(sum(${column}), 0)::DOUBLE`;
const distinct = (column: string) => `count(DISTINCT ${column})::INTEGER`;
const ALL = "count(*)::INTEGER AS sessions";
const TOTAL_SECONDS = `coalesce(${seconds(`sum(${ENDED_MS})`)}, 0) AS total_seconds`;

/** Local time of a time; the offsets come in the order of time. */
function wall(column: string, offsets: readonly Offset[]): string {
  const minutes = offsets.reduce(
    (before, { from, minutes }) =>
      from === null
        ? String(Number(minutes))
        : `CASE WHEN ${column} >= '${isoTime(Date.parse(from))}'::TIMESTAMP
            THEN ${Number(minutes)} ELSE ${before} END`,
    "0",
  );
  return `(${column} + to_minutes((${minutes})::INTEGER))`;
}

const FORMAT: Record<Period, string> = {
  ...{ hour: "%Y-%m-%dT%H:00", day: "%Y-%m-%d" },
  ...{ week: "%Y-%m-%d", month: "%Y-%m" },
};

/** A row a period, also where there is nothing. */
function byPeriod(
  asked: Asked,
  columns: readonly [name: string, value: string, otherwise: string][],
): string {
  const { question, conditions } = asked;
  const { period, offsets } = question;
  const zone = zoneOf(offsets);
  const at = (iso: string, less: number) =>
    conditions.parameter(isoTime(wallOf(Date.parse(iso) - less, zone)));
  const [first, last] = [
    at(question.sessions.after, 0),
    at(question.sessions.before, 1),
  ];
  return `
    WITH periods AS (
      SELECT unnest(generate_series(date_trunc('${period}', ${first}::TIMESTAMP),
        ${last}::TIMESTAMP, INTERVAL 1 ${period})) AS begun),
    counted AS (
      SELECT date_trunc('${period}', ${wall("s.start_time", offsets)}) AS begun,
        ${columns.map(([name, value]) => `${value} AS ${name}`).join(", ")}
      ${sessionsOf(asked)} GROUP BY ALL)
    SELECT strftime(p.begun, '${FORMAT[period]}') AS period,
      ${columns.map(([name, , otherwise]) => `coalesce(c.${name}, ${otherwise}) AS ${name}`).join(", ")}
    FROM periods AS p LEFT JOIN counted AS c ON c.begun = p.begun
    ORDER BY p.begun`;
}

/** A row a value of some columns, those with most sessions first. */
const byColumns = (
  asked: Asked,
  columns: readonly string[],
  figures: string,
  and?: string,
) => `
  SELECT ${columns.join(", ")}, ${figures} ${sessionsOf(asked, and)}
  GROUP BY ${columns.map((_, i) => i + 1).join(", ")}
  ORDER BY sessions DESC, ${columns.map((_, i) => i + 1).join(", ")} ${asked.limit}`;

const OUTCOME = `CASE WHEN s.signal IS NOT NULL THEN s.signal
  WHEN s.end_source = 'recovered' THEN 'lost' ELSE s.exit_code::VARCHAR END AS outcome`;

/** What the start and the end of a command have in common, as one number. */
const KEY = "hash(e.session_id, e.pid, e.command_seq, e.shell_started_us)";

/**
 * \`paired\`: starts of commands with what their ends say, if they have one:
 * \`exit_code\` and \`ms\`. A window over both took ten times as long, and texts that
 * are kept by key the memory of all. Of who does not tell when a shell began an end is
 * that of the start before it.
 * @param ends which ends are looked at
 */
function paired({ question, conditions, now }: Asked, ends = "true"): string {
  const { after, before, ...others } = question.sessions;
  const from = conditions.parameter(after);
  const until = conditions.parameter(before);
  const chosen = sessionConditions(others, now, conditions.values).where;
  const whose =
    chosen &&
    `AND e.session_id IN (SELECT s.session_id FROM all_sessions AS s ${chosen})`;
  const looked = `FROM event_columns AS e
    WHERE e.timestamp >= ${from}::TIMESTAMP ${whose} AND e.shell_started_us`;
  const started = `e.kind = 'command_start' AND e.timestamp < ${until}::TIMESTAMP`;
  const ended = `e.kind = 'command_end' AND ${ends}`;
  const took = (begun: string, ended: string) =>
    `greatest(0, epoch_ms(${ended}) - epoch_ms(${begun}))::DOUBLE`;
  return `
    starts AS (
      SELECT e.session_id, e.timestamp, e.seq, e.text, ${KEY} AS key
      ${looked} IS NOT NULL AND ${started}),
    ends AS (
      SELECT ${KEY} AS key, any_value(e.timestamp) AS timestamp,
        any_value(e.exit_code) AS exit_code, any_value(e.duration_ms) AS ms
      ${looked} IS NOT NULL AND ${ended} GROUP BY 1),
    others AS (
      SELECT session_id, unnest(list_transform(told, lambda one, i:
        {begun: one, next: told[i + 1]}), max_depth := 2)
      FROM (SELECT any_value(e.session_id) AS session_id,
          list_sort(list({t: e.timestamp, ended: e.kind = 'command_end', seq: e.seq,
            text: e.text, exit_code: e.exit_code, ms: e.duration_ms})) AS told
        ${looked} IS NULL AND (${started} OR ${ended}) GROUP BY ${KEY})),
    paired AS (
      SELECT s.session_id, s.timestamp, s.seq, s.text, e.exit_code,
        CASE WHEN e.timestamp IS NOT NULL
          THEN coalesce(e.ms, ${took("s.timestamp", "e.timestamp")}) END AS ms
      FROM starts AS s LEFT JOIN ends AS e ON e.key = s.key
      UNION ALL
      SELECT session_id, begun.t, begun.seq, begun.text,
        CASE WHEN next.ended THEN next.exit_code END,
        CASE WHEN next.ended THEN coalesce(next.ms, ${took("begun.t", "next.t")}) END
      FROM others WHERE NOT begun.ended)`;
}

const WORD = "split_part(text, ' ', 1)";
const PROGRAM = `CASE
  WHEN regexp_full_match(${WORD}, '${PLAIN_WORD}')
    AND ${WORD} NOT IN ('${PREFIXES.join("', '")}') THEN ${WORD}
  ELSE regexp_extract(text, '${PROGRAM_IN_TEXT}', 1) END`;

const SQL: Record<Metric, (asked: Asked) => string> = {
  sessions: (asked) =>
    byPeriod(asked, [
      ["sessions", "count(*)::INTEGER", "0"],
      ...(["active", "ended", "lost"] as const).map(
        (status): [string, string, string] => [
          ...([status, count(STATUS[status]), "0"] as const),
        ],
      ),
      ["failed", count(FAILED), "0"],
      ["commands", total("s.command_count"), "0"],
      ["failed_commands", total("s.failed_commands"), "0"],
    ]),
  duration: (asked) =>
    byPeriod(asked, [
      ["sessions", count("s.end_time IS NOT NULL"), "0"],
      ["mean_seconds", seconds(`avg(${ENDED_MS})`), "NULL"],
      ["median_seconds", seconds(`quantile_cont(${ENDED_MS}, 0.5)`), "NULL"],
      ["p95_seconds", seconds(`quantile_cont(${ENDED_MS}, 0.95)`), "NULL"],
      ["max_seconds", seconds(`max(${ENDED_MS})`), "NULL"],
      ["total_seconds", seconds(`sum(${ENDED_MS})`), "0"],
    ]),
  unique_users: (asked) =>
    byPeriod(asked, [
      ["users", distinct("s.username"), "0"],
      ["sessions", "count(*)::INTEGER", "0"],
    ]),
  peak_hours: (asked) => `
    WITH counted AS (
      SELECT hour(${wall("s.start_time", asked.question.offsets)}) AS hour, ${ALL},
        ${count(FAILED)} AS failed, ${distinct("s.username")} AS users,
        ${total("s.command_count")} AS commands
      ${sessionsOf(asked)} GROUP BY 1)
    SELECT printf('%02d', h.hour) AS hour, coalesce(sessions, 0) AS sessions,
      coalesce(failed, 0) AS failed, coalesce(users, 0) AS users,
      coalesce(commands, 0) AS commands
    FROM range(24) AS h(hour) LEFT JOIN counted AS c ON c.hour = h.hour
    ORDER BY h.hour`,
  components: (asked) =>
    byColumns(
      ...[asked, ["s.component_name"]],
      `${ALL}, ${count(FAILED)} AS failed, ${distinct("s.username")} AS users,
        ${distinct("s.hostname")} AS hosts, ${total("s.command_count")} AS commands, ${TOTAL_SECONDS}`,
    ),
  hosts: (asked) =>
    byColumns(
      ...[asked, ["s.hostname"]],
      `${ALL}, ${count(FAILED)} AS failed, ${distinct("s.username")} AS users,
        ${total("s.command_count")} AS commands, ${TOTAL_SECONDS},
        ${time("max(s.start_time)", "last_start")}`,
    ),
  errors: (asked) =>
    byColumns(
      asked,
      ["s.component_name", OUTCOME],
      `${ALL}, ${time("max(s.start_time)", "last_start")},
        arg_max(s.session_id, s.start_time) AS last_session_id`,
      `(${FAILED} OR ${STATUS.lost})`,
    ),
  active: (asked) =>
    byColumns(
      whenever(asked),
      ["s.component_name", "s.username", "s.hostname"],
      `${ALL}, ${time("min(s.start_time)", "first_start")},
        ${time("max(s.last_seen)", "last_seen")}`,
      STATUS.active,
    ),
  commands: (asked) => `
    WITH ${paired(asked)}
    SELECT ${PROGRAM} AS program, count(*)::INTEGER AS runs,
      ${count("exit_code <> 0")} AS failed, ${seconds("avg(ms)")} AS mean_seconds,
      ${seconds("max(ms)")} AS max_seconds,
      coalesce(${seconds("sum(ms)")}, 0) AS total_seconds
    FROM paired GROUP BY program HAVING program <> ''
    ORDER BY runs DESC, program ${asked.limit}`,
  slowest: (asked) => `
    WITH ${paired(asked)},
    slowest AS (
      SELECT seq, session_id, timestamp, exit_code, ms FROM paired
      WHERE ms IS NOT NULL
      ORDER BY ms DESC, timestamp DESC, seq ${asked.limit})
    SELECT ${time("p.timestamp", "start_time")}, p.session_id, s.username,
      s.hostname, ${seconds("p.ms")} AS duration_seconds, p.exit_code,
      left(e.text, 500) AS text
    FROM slowest AS p
    JOIN (SELECT seq, text FROM event_columns
      WHERE seq IN (SELECT seq FROM slowest)) AS e ON e.seq = p.seq
    LEFT JOIN (SELECT * FROM all_sessions
      WHERE session_id IN (SELECT session_id FROM slowest)) AS s
      ON s.session_id = p.session_id
    ORDER BY p.ms DESC, p.timestamp DESC, p.seq`,
  failing: (asked) => `
    WITH ${paired(asked, "e.exit_code IS DISTINCT FROM 0")}
    SELECT count(*)::INTEGER AS failed, mode(p.exit_code) AS exit_code,
      ${distinct("s.username")} AS users,
      ${time("max(p.timestamp)", "last_time")},
      arg_max(p.session_id, p.timestamp) AS last_session_id, p.text
    FROM (SELECT * REPLACE (left(text, 500) AS text) FROM paired
      WHERE exit_code <> 0 AND text IS NOT NULL) AS p
    LEFT JOIN (SELECT session_id, username FROM all_sessions) AS s
      ON s.session_id = p.session_id
    GROUP BY p.text ORDER BY failed DESC, p.text ${asked.limit}`,
};
