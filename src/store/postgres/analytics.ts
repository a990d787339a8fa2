/**
 * Queries of what sessions and commands come to. The sessions' rows have most of it,
 * the commands' rows the rest: what their ends say, and the program that they run.
 */
import {
  type Figure,
  type FigureRow,
  METRICS,
  type Metric,
  type Offset,
  type Period,
  type Question,
  zoneOf,
} from "../../model/analytics.ts";
import { isoTime, wallOf } from "../../model/clock.ts";
import type { Connection } from "./connect.ts";
import { FAILED, STATUS } from "../conditions.ts";
import {
  Conditions,
  ENDED_MS,
  MS_BETWEEN,
  type Query,
  TIME,
  sessionConditions,
} from "./filters.ts";
import { decoded } from "./text.ts";

/** What a query is made of. */
interface Asked {
  question: Question;
  conditions: Conditions;
  now: number;
  limit: string;
}

/**
 * The batches are numbered by the caller.
 * @param now in milliseconds since the epoch
 */
export async function analytics(
  connection: Connection,
  question: Question,
  now: number,
): Promise<FigureRow[]> {
  const { sql, values } = analyticsQuery(question, now);
  const columns: readonly Figure[] = METRICS[question.metric];
  const rows = await connection.ask<FigureRow>(sql, values);
  return rows.map((row) =>
    Object.fromEntries(
      columns.map(({ name }) => {
        const value = row[name]!;
        return [name, typeof value === "string" ? decoded(value) : value];
      }),
    ),
  );
}

function analyticsQuery(question: Question, now: number): Query {
  const conditions = new Conditions();
  const asked = { question, conditions, now, limit: "" };
  if (!PERIODIC.has(question.metric))
    asked.limit = `LIMIT ${conditions.parameter(question.limit)}::bigint`;
  return { sql: SQL[question.metric](asked), values: conditions.values };
}

const PERIODIC: ReadonlySet<Metric> = new Set([
  ...(["sessions", "duration", "unique_users", "peak_hours"] as const),
]);

/** The sessions that are asked of. */
function sessionsOf(asked: Asked, and?: string): string {
  const { question, conditions, now } = asked;
  const those = sessionConditions(question.sessions, now, conditions.values);
  if (and !== undefined) those.always(and);
  return `FROM sessions AS s ${those.where}`;
}

/** The same of sessions whenever they began. */
function whenever(asked: Asked): Asked {
  const { after: _, before: __, ...sessions } = asked.question.sessions;
  const question = { ...asked.question, sessions } as Question;
  return { ...asked, question };
}

const count = (condition: string) =>
  `(count(*) FILTER (WHERE ${condition}))::integer`;
const seconds = (ms: string) =>
  `round((${ms} / 1000)::numeric, 3)::double precision`;
const total = (column: string) =>
  `coalesce(sum(${column}), 0)::double precision`;
const distinct = (column: string) => `count(DISTINCT ${column})::integer`;
/** One aggregate, which sorts once. */
const QUANTILES = `(percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY ${ENDED_MS}))`;
const ALL = "count(*)::integer AS sessions";
const TOTAL_SECONDS = `coalesce(${seconds("sum(s.ms)")}, 0) AS total_seconds`;
/** A time as UTC text. */
const time = (value: string, name: string) =>
  `to_char(${value} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS ${name}`;

/** Local time of a time; the offsets come in the order of time. */
function wall(column: string, offsets: readonly Offset[]): string {
  const minutes = offsets.reduce(
    (before, { from, minutes }) =>
      from === null
        ? String(Number(minutes))
        : `CASE WHEN ${column} >= '${isoTime(Date.parse(from))}'::timestamptz
            THEN ${Number(minutes)} ELSE ${before} END`,
    "0",
  );
  return `(${column} AT TIME ZONE 'UTC' + make_interval(mins => ${minutes}))`;
}

const FORMAT: Record<Period, string> = {
  ...{ hour: 'YYYY-MM-DD"T"HH24:00', day: "YYYY-MM-DD" },
  ...{ week: "YYYY-MM-DD", month: "YYYY-MM" },
};

/**
 * A row a period, also where there is nothing.
 * @param from what is counted; `s` are sessions, or parts of them
 */
function byPeriod(
  asked: Asked,
  columns: readonly [name: string, value: string, otherwise: string][],
  from = (begun: string) =>
    `SELECT ${begun} AS begun, s.* ${sessionsOf(asked)}`,
): string {
  const { question, conditions } = asked;
  const { period, offsets } = question;
  const zone = zoneOf(offsets);
  const at = (iso: string, less: number) => {
    const local = isoTime(wallOf(Date.parse(iso) - less, zone)).slice(0, -1);
    return `${conditions.parameter(local)}::text::timestamp`;
  };
  const [first, last] = [
    at(question.sessions.after, 0),
    at(question.sessions.before, 1),
  ];
  return `
    WITH periods AS (
      SELECT generate_series(date_trunc('${period}', ${first}), ${last},
        interval '1 ${period}') AS begun),
    counted AS (
      SELECT s.begun,
        ${columns.map(([name, value]) => `${value} AS ${name}`).join(", ")}
      FROM (${from(`date_trunc('${period}', ${wall("s.start_time", offsets)})`)}) AS s
      GROUP BY 1)
    SELECT to_char(p.begun, '${FORMAT[period]}') AS period,
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

/** Of sums over parts. */
const summed = (name: string) => `sum(s.${name})::integer`;

/**
 * Sessions by some columns, the users and the hosts among these: different ones are
 * counted in a third of the time where alike are one row already.
 */
const parts = (asked: Asked, keys: readonly string[]) => `
  SELECT ${keys.join(", ")}, count(*) AS sessions, ${count(FAILED)} AS failed,
    sum(s.command_count) AS command_count, sum(${ENDED_MS}) AS ms,
    max(s.start_time) AS last_start
  ${sessionsOf(asked)} GROUP BY ${keys.map((_, i) => i + 1).join(", ")}`;

/** A row a value of a column, those with most sessions first, out of parts. */
const byParts = (
  asked: Asked,
  column: string,
  keys: string[],
  more: string,
) => `
  SELECT s.${column}, ${summed("sessions")} AS sessions,
    ${summed("failed")} AS failed, ${distinct("s.username")} AS users, ${more}
  FROM (${parts(
    asked,
    keys.map((key) => `s.${key}`),
  )}) AS s
  GROUP BY 1 ORDER BY sessions DESC, 1 ${asked.limit}`;

const OUTCOME = `(CASE WHEN s.signal IS NOT NULL THEN s.signal
  WHEN s.end_source = 'recovered' THEN 'lost'
  ELSE s.exit_code::text END) COLLATE "C" AS outcome`;

/** The one of the last, without keeping all; of several at once the greatest. */
const last = (value: string, time: string) => `
  substr(max(lpad((extract(epoch FROM ${time}) * 1000)::bigint::text, 15, '0')
    || ${value} COLLATE "C"), 16)`;

/**
 * \`ran\`: commands of the sessions that began then, with the milliseconds that they
 * took, if they have an end.
 */
function ran({ question, conditions, now }: Asked, and = "true"): string {
  const { after, before, ...others } = question.sessions;
  const [from, until] = [after, before].map((time) =>
    TIME.replace("?", conditions.parameter(time)),
  );
  const some = Object.values(others).some((value) => value !== undefined);
  const whose = some
    ? `AND c.session_id IN (SELECT s.session_id FROM sessions AS s
        ${sessionConditions(others, now, conditions.values).where})`
    : "";
  return `ran AS (
    SELECT c.session_id, c.batch, c.ordinal, c.start_time, c.text, c.program,
      c.exit_code, CASE WHEN c.ended_at IS NOT NULL THEN coalesce(c.duration_ms,
        ${MS_BETWEEN("c.start_time", "c.ended_at")}) END AS ms
    FROM commands AS c
    WHERE c.start_time >= ${from} AND c.start_time < ${until} ${whose}
      AND ${and})`;
}

const SQL: Record<Metric, (asked: Asked) => string> = {
  sessions: (asked) =>
    byPeriod(asked, [
      ["sessions", "count(*)::integer", "0"],
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
      ["median_seconds", seconds(`${QUANTILES}[1]`), "NULL"],
      ["p95_seconds", seconds(`${QUANTILES}[2]`), "NULL"],
      ["max_seconds", seconds(`max(${ENDED_MS})`), "NULL"],
      ["total_seconds", seconds(`sum(${ENDED_MS})`), "0"],
    ]),
  unique_users: (asked) =>
    byPeriod(
      asked,
      [
        ["users", "count(*)::integer", "0"],
        ["sessions", summed("sessions"), "0"],
      ],
      (begun) => parts(asked, [`${begun} AS begun`, "s.username"]),
    ),
  peak_hours: (asked) => `
    WITH counted AS (
      SELECT s.hour, ${summed("sessions")} AS sessions,
        ${summed("failed")} AS failed, count(*)::integer AS users,
        ${total("s.command_count")} AS commands
      FROM (${parts(asked, [
        `extract(hour FROM ${wall("s.start_time", asked.question.offsets)})
          ::integer AS hour`,
        "s.username",
      ])}) AS s GROUP BY 1)
    SELECT lpad(h.hour::text, 2, '0') AS hour, coalesce(sessions, 0) AS sessions,
      coalesce(failed, 0) AS failed, coalesce(users, 0) AS users,
      coalesce(commands, 0) AS commands
    FROM generate_series(0, 23) AS h(hour)
    LEFT JOIN counted AS c ON c.hour = h.hour
    ORDER BY h.hour`,
  components: (asked) =>
    byParts(
      asked,
      "component_name",
      ["component_name", "username", "hostname"],
      `${distinct("s.hostname")} AS hosts,
        ${total("s.command_count")} AS commands, ${TOTAL_SECONDS}`,
    ),
  hosts: (asked) =>
    byParts(
      asked,
      "hostname",
      ["hostname", "username"],
      `${total("s.command_count")} AS commands, ${TOTAL_SECONDS},
        ${time("max(s.last_start)", "last_start")}`,
    ),
  errors: (asked) =>
    byColumns(
      asked,
      ["s.component_name", OUTCOME],
      `${ALL}, ${time("max(s.start_time)", "last_start")},
        ${last("s.session_id", "s.start_time")} AS last_session_id`,
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
    WITH ${ran(asked, "c.program <> ''")}
    SELECT program, count(*)::integer AS runs,
      ${count("exit_code <> 0")} AS failed, ${seconds("avg(ms)")} AS mean_seconds,
      ${seconds("max(ms)")} AS max_seconds,
      coalesce(${seconds("sum(ms)")}, 0) AS total_seconds
    FROM ran GROUP BY program ORDER BY runs DESC, program ${asked.limit}`,
  slowest: (asked) => `
    WITH ${ran(asked, "c.ended_at IS NOT NULL")},
    slowest AS (
      SELECT r.*, b.seq + r.ordinal AS seq FROM ran AS r
      JOIN batches AS b ON b.batch = r.batch
      ORDER BY r.ms DESC, r.start_time DESC, b.seq + r.ordinal ${asked.limit})
    SELECT ${time("p.start_time", "start_time")}, p.session_id, s.username,
      s.hostname, ${seconds("p.ms")} AS duration_seconds, p.exit_code,
      left(p.text, 500) AS text
    FROM slowest AS p LEFT JOIN sessions AS s
      ON s.session_id = p.session_id AND s.start_time IS NOT NULL
    ORDER BY p.ms DESC, p.start_time DESC, p.seq`,
  failing: (asked) => `
    WITH ${ran(asked, "c.exit_code <> 0 AND c.text IS NOT NULL")}
    SELECT count(*)::integer AS failed,
      mode() WITHIN GROUP (ORDER BY p.exit_code) AS exit_code,
      ${distinct("s.username")} AS users,
      ${time("max(p.start_time)", "last_time")},
      ${last("p.session_id", "p.start_time")} AS last_session_id,
      left(p.text, 500) AS text
    FROM ran AS p LEFT JOIN sessions AS s
      ON s.session_id = p.session_id AND s.start_time IS NOT NULL
    GROUP BY left(p.text, 500)
    ORDER BY failed DESC, left(p.text, 500) ${asked.limit}`,
};
