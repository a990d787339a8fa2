/** Charts: what sessions and commands come to, by period. */
import { useMemo } from "preact/hooks";
import { type Answer, useAnswer } from "./ask.ts";
import { Chart, type Series } from "./chart.tsx";
import type { Colors } from "./draw.ts";
import { Filters, filtersIn } from "./filters.tsx";
import { SessionLink, State, Table, Text, Time } from "./parts.tsx";
import { place, refine } from "./place.ts";
import { duration, offsetsIn, plural } from "./words.ts";

const NAMES = ["user", "host", "component", "after", "before"] as const;
const PERIODS = ["hour", "day", "week", "month"] as const;
const DAYS = 30;
const DAY_MS = 86_400_000;

type Row = Record<string, string | number | null>;
interface Figures {
  period: string;
  after: string;
  before: string;
  rows: Row[];
}

export function Charts() {
  const { query } = place.value;
  const filters = filtersIn(query, NAMES);
  const period = query["period"];
  // A year behind what is looked at by default: words may mean any time.
  const offsets = useMemo(
    () => offsetsIn(Date.now() - 366 * DAY_MS, Date.now() + DAY_MS),
    [],
  );
  const args = {
    ...{ days: DAYS, utc_offsets: offsets, ...filters },
    ...(period && { period }),
  };
  const figures = (metric: string, more = {}): Answer<Figures> =>
    useAnswer<Figures>("analytics", { ...args, metric, ...more });
  const sessions = figures("sessions");
  const lengths = figures("duration");
  const users = figures("unique_users");
  const hours = figures("peak_hours");
  const failing = figures("failing", { limit: 10 });
  const slowest = figures("slowest", { limit: 10 });
  const programs = figures("commands", { limit: 10 });
  const isEmpty = total(sessions.data?.rows ?? [], "sessions") === 0;
  return (
    <>
      <h1 tabIndex={-1}>Charts</h1>
      <Filters names={NAMES} />
      <div class="filters" role="group" aria-label="By which period">
        {PERIODS.map((name) => (
          <button
            key={name}
            type="button"
            aria-pressed={sessions.data?.period === name}
            onClick={() => refine({ period: name })}
          >
            {name}
          </button>
        ))}
      </div>
      <State of={sessions} />
      {sessions.data && (
        <p role="status" class="soft">
          <Time at={sessions.data.after} /> to{" "}
          <Time at={sessions.data.before} />:{" "}
          {plural(total(sessions.data.rows, "sessions"), "session")},{" "}
          {plural(total(sessions.data.rows, "commands"), "command")}
          {filters["after"] ? "" : ` (${DAYS} days; From takes others)`}
        </p>
      )}
      {sessions.data && isEmpty ? (
        <p>Nothing was recorded in this time.</p>
      ) : (
        <div class="grid">
          <ByLabel
            title={`Sessions by ${sessions.data?.period ?? "day"}`}
            of={sessions}
            label="period"
            kind="bars"
            series={bySessions}
          />
          <ByLabel
            title="Failed commands"
            of={sessions}
            label="period"
            kind="bars"
            series={(rows) => [
              series("failed commands", "failed", rows, "failed_commands"),
            ]}
          />
          <ByLabel
            title="How long sessions took"
            of={lengths}
            label="period"
            kind="lines"
            format={duration}
            series={(rows) => [
              series("half at most", "well", rows, "median_seconds"),
              series("95 % at most", "lost", rows, "p95_seconds"),
            ]}
          />
          <ByLabel
            title="Users"
            of={users}
            label="period"
            kind="bars"
            series={(rows) => [series("users", "well", rows, "users")]}
          />
          <Cpu of={sessions} filters={filters} offsets={offsets} />
          <ByLabel
            title="Hours of the day"
            of={hours}
            label="hour"
            kind="bars"
            series={bySessions}
          />
          <ByLabel
            title="Time in the ten programs that ran most"
            of={programs}
            label="program"
            kind="bars"
            format={duration}
            series={(rows) => [series("in all", "well", rows, "total_seconds")]}
          />
        </div>
      )}
      <Commands title="Failing" order="most failures first" of={failing} />
      <Commands title="Slowest commands" order="longest first" of={slowest} />
    </>
  );
}

const total = (rows: readonly Row[], name: string): number =>
  rows.reduce((sum, row) => sum + Number(row[name] ?? 0), 0);

const series = (
  name: string,
  color: keyof Colors,
  rows: readonly Row[],
  column: string,
): Series => ({
  ...{ name, color },
  values: rows.map((row) =>
    row[column] === null ? null : Number(row[column] ?? 0),
  ),
});

/** Of hours and periods alike: how they ended, as far as it is told. */
function bySessions(rows: readonly Row[]): Series[] {
  const others = rows.map((row) => ({
    well:
      Number(row["sessions"]) -
      ["failed", "lost", "active"].reduce(
        (sum, name) => sum + Number(row[name] ?? 0),
        0,
      ),
  }));
  return [
    series("others", "well", others, "well"),
    series("failed", "failed", rows, "failed"),
    ...(rows.some((row) => row["lost"] !== undefined)
      ? [
          series("lost", "lost", rows, "lost"),
          series("active", "active", rows, "active"),
        ]
      : []),
  ];
}

function ByLabel({
  title,
  of,
  label,
  kind,
  series,
  format,
}: {
  title: string;
  of: Answer<Figures>;
  label: string;
  kind: "bars" | "lines";
  series: (rows: readonly Row[]) => Series[];
  format?: (value: number) => string;
}) {
  if (!of.data) return null;
  const { rows } = of.data;
  return (
    <Chart
      {...{ title, kind, first: label }}
      {...(format && { format })}
      labels={rows.map((row) => String(row[label]))}
      series={series(rows)}
    />
  );
}

interface Totals {
  rows: [period: string, user: number, system: number][];
}

const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`;
const COLUMNS = {
  ...{ user: "username", host: "hostname", component: "component_name" },
};
/** As analytics names periods. */
const FORMATS: Record<string, string> = {
  ...{ hour: "%Y-%m-%d %H:00", day: "%Y-%m-%d", week: "%Y-%m-%d" },
  month: "%Y-%m",
};

/** What sessions have spent, as far as somebody saw their end. */
function Cpu({
  of: { data },
  filters,
  offsets,
}: {
  of: Answer<Figures>;
  filters: Readonly<Record<string, string>>;
  offsets: ReturnType<typeof offsetsIn>;
}) {
  const where = (["user", "host", "component"] as const).flatMap((name) =>
    filters[name] ? [`AND ${COLUMNS[name]} = ${quoted(filters[name])}`] : [],
  );
  const sql =
    data &&
    `WITH ended AS (
      SELECT start_time + to_minutes(${minutesSql(offsets)}) AS local,
        coalesce(CAST(metadata->>'cpu_user_seconds' AS DOUBLE), 0) AS user_s,
        coalesce(CAST(metadata->>'cpu_system_seconds' AS DOUBLE), 0) AS system_s
      FROM sessions
      WHERE start_time >= TIMESTAMP ${utc(data.after)}
        AND start_time < TIMESTAMP ${utc(data.before)} ${where.join(" ")})
    SELECT strftime(date_trunc('${data.period}', local), '${FORMATS[data.period]}') AS period,
      sum(user_s), sum(system_s) FROM ended GROUP BY 1`;
  const answer = useAnswer<Totals>("query_sessions", sql ? { sql } : null);
  if (!data || !answer.data) return <State of={answer} />;
  const spent = new Map(answer.data.rows.map((row) => [row[0], row]));
  // Nobody measured those that were reported from elsewhere.
  if (answer.data.rows.every(([, user, system]) => user + system === 0))
    return null;
  const values = (at: 1 | 2) =>
    data.rows.map(({ period }) => spent.get(String(period))?.[at] ?? 0);
  return (
    <Chart
      title="CPU time"
      first="period"
      kind="bars"
      format={duration}
      labels={data.rows.map(({ period }) => String(period))}
      series={[
        { name: "user", color: "well", values: values(1) },
        { name: "system", color: "lost", values: values(2) },
      ]}
    />
  );
}

const utc = (time: string) => quoted(time.slice(0, 23).replace("Z", ""));

/** Minutes ahead of UTC at the begin of a session. */
const minutesSql = (offsets: ReturnType<typeof offsetsIn>): string =>
  offsets.reduce(
    (sql, { from, minutes }) =>
      from === null
        ? String(minutes)
        : `CASE WHEN start_time >= TIMESTAMP ${utc(from)} THEN ${minutes} ELSE ${sql} END`,
    "0",
  );

const Commands = ({
  title,
  order,
  of: { data },
}: {
  title: string;
  order: string;
  of: Answer<Figures>;
}) =>
  data && data.rows.length > 0 ? (
    <>
      <h2>{title}</h2>
      <Table
        caption={`${title}, ${order}`}
        head={["Text", "How much", "Exit", "When"]}
        rows={data.rows.map((row, n) => ({
          key: String(n),
          cells: [
            <SessionLink
              id={String(row["last_session_id"] ?? row["session_id"])}
            >
              <code>
                <Text>{String(row["text"] ?? "withheld")}</Text>
              </code>
            </SessionLink>,
            row["duration_seconds"] === undefined
              ? plural(Number(row["failed"]), "failure")
              : duration(Number(row["duration_seconds"])),
            String(row["exit_code"] ?? ""),
            <Time at={String(row["last_time"] ?? row["start_time"])} />,
          ],
        }))}
      />
    </>
  ) : null;
