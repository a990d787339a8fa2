/** `session-buddy analytics`: what sessions and commands come to. */
import { defineCommand, COLOR_FLAG, CONFIG_FLAG, nearest } from "../args.ts";
import { withReadable } from "../../access/open.ts";
import { requireNotOwn } from "../../access/own-files.ts";
import { validSettings } from "../../config/load.ts";
import {
  METRIC_NAMES,
  MOST_ROWS,
  PERIODS,
  type Period,
  type Question,
  daysBefore,
  offsetsOf,
  periodFor,
  requireFewPeriods,
} from "../../model/analytics.ts";
import { isoTime } from "../../model/clock.ts";
import { fail } from "../../model/failure.ts";
import { filterOf } from "../../model/filter.ts";
import { parseCount, parseSpan } from "../../model/time.ts";
import { plainJson } from "../../model/json.ts";
import { type Report, reportOf } from "../../model/report.ts";
import { terminalWidth, writeOutput } from "../../os/output.ts";
import { isTerminal } from "../../os/proc.ts";
import { localZone } from "../../os/zone.ts";
import {
  figureLine,
  figureRow,
  figureTable,
  reportRows,
  reportText,
} from "../../render/figures.ts";
import { reportPage } from "../../render/page/report.ts";
import { VERSION } from "../../version.ts";
import { note, print, wantsColor } from "../terminal.ts";
import { hostNamed } from "../filters.ts";

const ZONE = localZone(process.env);
const DEFAULT_DAYS = 30;
const MOST_DAYS = 36_500;
const DEFAULT_ROWS = 20;
const REPORT_ROWS = 10;
const WHAT = [...METRIC_NAMES, "report"] as const;
type What = (typeof WHAT)[number];

/** As the period was spelled once. */
const PERIOD_WORDS: Record<string, Period> = {
  ...{ hourly: "hour", daily: "day", weekly: "week", monthly: "month" },
};

export default defineCommand({
  description: `Tells what sessions and commands come to.

  sessions       how many, by period: active, ended, lost, failed
  duration       how long they took, by period
  unique_users   how many users, by period
  peak_hours     by hour of the day
  components     by component
  hosts          by host
  errors         how sessions failed: by exit status, by signal, lost
  active         who is in now, since whenever
  commands       by program: how often, how often in vain, how long
  slowest        the commands that took longest
  failing        the commands that failed most often
  report         all of it

Counted are sessions, and commands, that began today or in the ${DEFAULT_DAYS} days before;
days and hours are local. Bars and lines are drawn at a terminal; a pipe gets
tab-separated rows, durations in seconds, without a header, and those of the
report after their question's name. The report is also a page, with charts, that
needs nothing else.

EXAMPLES
  session-buddy analytics sessions --days 7
  session-buddy analytics failing --user les
  session-buddy analytics duration --range 2026-02-01..2026-02-08 --json
  session-buddy analytics --metric duration --period daily
  session-buddy analytics report --component mahavishnu
  session-buddy analytics report --output report.html`,
  args: {
    what: {
      type: "positional",
      values: WHAT,
      description: "What is asked, see below",
    },
    metric: {
      type: "string",
      values: METRIC_NAMES,
      description: "The same as the word",
    },
    days: {
      type: "string",
      valueHint: "count",
      description: `Today and so many days before (default: ${DEFAULT_DAYS})`,
    },
    range: {
      type: "string",
      valueHint: "a..b",
      description:
        "From a time to another, each as list-sessions has them; a clock time as b is of a's day, or of the next",
    },
    period: {
      type: "string",
      values: PERIODS,
      description: PERIODS.join(", "),
    },
    component: { type: "string", description: "Of this component" },
    user: { type: "string", description: "Of this user" },
    host: { type: "string", description: "On this host; . is ours" },
    type: { type: "string", description: "admin_shell, channel…" },
    limit: {
      type: "string",
      alias: "n",
      valueHint: "count",
      description: "At most so many rows, where they are no periods",
    },
    format: {
      type: "string",
      values: ["table", "json", "html"],
      description: "table, json, or html of the report",
    },
    json: { type: "boolean", description: "The same as --format json" },
    output: {
      type: "string",
      alias: "o",
      valueHint: "file",
      description: "Write the report there, as its name ends: .html, .json",
    },
    color: COLOR_FLAG,
    config: CONFIG_FLAG,
  },
  async run(args) {
    const what = whatOf(args);
    const asked = questionOf(args, what, Date.now());
    const settings = await validSettings(process.env, args.config);
    const form = formOf(args, what);
    const person = form === "table" && isTerminal(1);
    const options = () => ({
      color: wantsColor(args.color),
      zone: ZONE,
      width: terminalWidth(1),
    });
    if (what === "report") {
      const report = await withReadable(settings, note, (store) =>
        reportOf(store, asked, Date.now()),
      );
      const { output } = args;
      if (output === undefined || output === "-") {
        const text = person ? reportText(report, options()) : null;
        return print(text ?? REPORT[form](report));
      }
      return writeOutput(
        output,
        (path) => requireNotOwn(settings, path),
        async (file) => file.write(REPORT[form](report)),
      );
    }
    const question: Question = { ...asked, metric: what };
    const rows = await withReadable(settings, note, (store) =>
      store.analytics(question),
    );
    const { period } = asked;
    const { after, before } = asked.sessions;
    if (form === "json")
      return print(
        `${plainJson({ metric: what, period, after, before, rows }, 2)}\n`,
      );
    if (!person)
      return print(rows.map((row) => figureRow(what, row, ZONE)).join(""));
    if (rows.length === 0) return note("nothing is counted");
    print(
      figureLine(what, rows, options()) + figureTable(what, rows, options()),
    );
  },
});

/** A report, but not at a terminal. */
const REPORT = {
  table: (report: Report) => reportRows(report, ZONE),
  json: (report: Report) => `${plainJson(report, 2)}\n`,
  html: (report: Report) =>
    reportPage(report, ZONE, `session-buddy ${VERSION}`),
};
type Form = keyof typeof REPORT;

/** @throws Failure (usage) when it is none, or not one of what is asked */
function formOf(
  {
    format,
    json,
    output,
  }: Loose<{ format: string; output: string }> & {
    json: boolean;
  },
  what: What,
): Form {
  if (output !== undefined && what !== "report")
    throw fail.usage(
      `--output is of the report, not of ${what}`,
      `try: session-buddy analytics ${what} > '${output}'`,
    );
  const suffix = /\.(json|html?)$/i.exec(output ?? "")?.[1]?.toLowerCase();
  const wanted =
    format ?? (json ? "json" : suffix === "htm" ? "html" : (suffix ?? "table"));
  const known = Object.keys(REPORT).find((name) => name === wanted);
  if (known === undefined || (json && known !== "json"))
    throw fail.usage(
      `--format takes ${Object.keys(REPORT).join(", ")}, not '${wanted}'`,
      "try: --format json",
    );
  if (known === "html" && what !== "report")
    throw fail.usage(
      `only the report is a page, not ${what}`,
      "try: session-buddy analytics report --output report.html",
    );
  return known as Form;
}

function whatOf({
  what,
  metric,
}: {
  what?: string | undefined;
  metric?: string | undefined;
}): What {
  const word = what ?? metric;
  const hint = `try: session-buddy analytics report; there are ${WHAT.join(", ")}`;
  if (word === undefined)
    throw fail.usage("analytics needs to know what", hint);
  if (what !== undefined && metric !== undefined && what !== metric)
    throw fail.usage(`analytics takes '${what}' or --metric ${metric}`, hint);
  const known = WHAT.find((name) => name === word.replaceAll("-", "_"));
  if (known) return known;
  const near = nearest(word, WHAT);
  throw fail.usage(
    `analytics knows no '${word}'`,
    near ? `did you mean ${near}?` : hint,
  );
}

type Asked = Omit<Question, "metric">;
type Loose<T> = { [K in keyof T]: T[K] | undefined };
type Given = Partial<
  Record<
    | "days"
    | "range"
    | "period"
    | "component"
    | "user"
    | "host"
    | "type"
    | "limit",
    string
  >
>;

function questionOf(args: Loose<Given>, what: What, now: number): Asked {
  const { component, user, type, limit } = args;
  const host = args.host === undefined ? undefined : hostNamed(args.host);
  const { after, before } = spanOf(args, now);
  const sessions = {
    ...filterOf({ component, user, host, type }, now, ZONE),
    ...{ after: isoTime(after), before: isoTime(before) },
  };
  const asked = {
    sessions,
    period: periodOf(args.period) ?? periodFor(sessions),
    offsets: offsetsOf(ZONE, after, before),
    limit: limitOf(limit, what === "report" ? REPORT_ROWS : DEFAULT_ROWS),
  };
  requireFewPeriods({ ...asked, metric: "sessions" });
  return asked;
}

function limitOf(given: string | undefined, otherwise: number): number {
  if (given === undefined) return otherwise;
  const limit = parseCount(given, "--limit");
  if (limit >= 1 && limit <= MOST_ROWS) return limit;
  throw fail.usage(
    `--limit takes 1 to ${MOST_ROWS}, not '${given}'`,
    "try: --limit 50",
  );
}

function periodOf(word: string | undefined): Period | null {
  if (word === undefined) return null;
  const known = PERIOD_WORDS[word] ?? PERIODS.find((name) => name === word);
  if (known) return known;
  throw fail.usage(
    `--period takes ${PERIODS.join(", ")}, not '${word}'`,
    "try: --period day",
  );
}

/** In milliseconds since the epoch. */
function spanOf(
  { days, range }: Loose<Given>,
  now: number,
): { after: number; before: number } {
  if (days !== undefined && range !== undefined)
    throw fail.usage("--days and --range exclude each other", "give one");
  if (range === undefined) {
    const count = parseCount(days ?? String(DEFAULT_DAYS), "--days");
    if (count > MOST_DAYS)
      throw fail.usage(
        `--days takes at most ${MOST_DAYS}, not '${days}'`,
        "try: --days 365",
      );
    return { after: daysBefore(now, count, ZONE), before: now + 1 };
  }
  const { from, to } = parseSpan(range, now, ZONE);
  if (from === null)
    throw fail.usage(
      `--range needs to know where it begins, not '${range}'`,
      "try: --range 2026-02-01..2026-02-08, or --range yesterday..",
    );
  const after = Date.parse(from);
  const before = to === null ? now + 1 : Date.parse(to);
  if (before - after <= MOST_DAYS * 86_400_000) return { after, before };
  throw fail.usage(
    `--range takes at most ${MOST_DAYS} days`,
    "try: --range 2026-02-01..2026-02-08",
  );
}
