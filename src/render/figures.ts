/**
 * Figures as text: tables with bars and sparklines for a person, rows of bare
 * values for a program.
 */
import {
  type Figure,
  type FigureRow,
  METRICS,
  METRIC_NAMES,
  type Metric,
} from "../model/analytics.ts";
import type { Zone } from "../model/clock.ts";
import type { Report } from "../model/report.ts";
import { duration, localTime } from "./format.ts";
import { type Column, type TableOptions, tabRow, table } from "./table.ts";

/** What a column is called, in words. */
export const wordsOf = ({ name }: Figure): string =>
  WORDS[name] ?? name.replace(/_seconds$/, "").replaceAll("_", " ");

const WORDS: Record<string, string> = {
  component_name: "component",
  username: "user",
  hostname: "host",
  exit_code: "exit",
  start_time: "started",
  last_session_id: "session id",
  session_id: "session id",
  failed_commands: "failed commands",
  text: "command",
};

/** A value for a person, not yet escaped. */
export function figureText(
  { name, kind }: Figure,
  row: FigureRow,
  zone: Zone,
): string {
  const value = row[name] ?? null;
  if (value === null) return "-";
  if (kind === "time") return localTime(String(value), zone);
  return kind === "seconds" ? duration(Number(value)) : String(value);
}

const figuresOf = (metric: Metric): readonly Figure[] => METRICS[metric];

/** A row for a program: seconds are a number. */
export function figureRow(metric: Metric, row: FigureRow, zone: Zone): string {
  const columns = figuresOf(metric).map((figure): Column<FigureRow> => ({
    header: "",
    value: (row) =>
      figure.kind === "seconds"
        ? String(row[figure.name] ?? "-")
        : figureText(figure, row, zone),
  }));
  return tabRow(columns, row, zone);
}

/** The rows of a report, each after its question. */
export function reportRows(report: Report, zone: Zone): string {
  return METRIC_NAMES.flatMap((metric) =>
    report[metric].map((row) => `${metric}\t${figureRow(metric, row, zone)}`),
  ).join("");
}

/** A bar has room for so many at least, and is no wider than that. */
const MOST_CELLS = 60;
const LEAST_CELLS = 8;
const UNTOLD_CELLS = 80;

/** A table; with a bar at each row where there is room for it. */
export function figureTable(
  metric: Metric,
  rows: readonly FigureRow[],
  options: TableOptions,
): string {
  const figures = figuresOf(metric);
  const hasText = figures.some(({ name }) => name === "text");
  const columns = figures.map((figure, i): Column<FigureRow> => ({
    header: wordsOf(figure).toUpperCase(),
    value: (row, zone) => figureText(figure, row, zone),
    ...shapeOf(figure, figures.length - i, hasText),
  }));
  // A bar needs room; texts take it all.
  const { width, color } = options;
  const room = hasText || width === null ? width : width - LEAST_CELLS - GAP;
  const bare = table(columns, rows, { ...options, width: room });
  if (hasText || (room ?? LEAST_CELLS) < LEAST_CELLS) return bare;
  const lines = bare.trimEnd().split("\n");
  const used = Math.max(...lines.map((line) => Bun.stringWidth(line))) + GAP;
  const cells = Math.min(MOST_CELLS, (width ?? UNTOLD_CELLS) - used);
  const drawn = figures.find((figure) => figure.drawn)!;
  const values = rows.map((row) => Number(row[drawn.name] ?? 0));
  const most = Math.max(...values);
  return lines
    .map((line, i) => {
      const drawing = i === 0 ? "" : bar(values[i - 1]!, most, cells);
      if (drawing === "") return `${line}\n`;
      const blanks = " ".repeat(used - Bun.stringWidth(line));
      return `${line}${blanks}${color ? `${BAR_COLOR}${drawing}\x1b[0m` : drawing}\n`;
    })
    .join("");
}

const GAP = 2;
const BAR_COLOR = "\x1b[36m";

/** Those on the right are left out first; what names a row, and what is drawn, stays. */
function shapeOf(
  { name, drawn, kind }: Figure,
  place: number,
  hasText: boolean,
): Partial<Column<FigureRow>> {
  if (name === "text") return { text: true };
  const shrink = name.endsWith("session_id")
    ? ("id" as const)
    : kind === "text"
      ? ("name" as const)
      : undefined;
  return {
    ...(shrink && { shrink }),
    ...(!drawn && (hasText || kind !== "text") && { drop: place }),
  };
}

const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/** A bar of eighths of cells; what is not nothing can be seen. */
function bar(value: number, most: number, cells: number): string {
  if (value <= 0) return "";
  const eighths = Math.max(1, Math.round((value / most) * cells * 8));
  return "█".repeat(Math.floor(eighths / 8)) + EIGHTHS[eighths % 8]!;
}

const LEVELS = "▁▂▃▄▅▆▇█";

/** A line as high as the values; several to a cell where there is no room. */
export function sparkline(values: readonly number[], cells: number): string {
  const each = Math.ceil(values.length / Math.max(1, cells));
  const sums: number[] = [];
  for (let i = 0; i < values.length; i += each)
    sums.push(values.slice(i, i + each).reduce((sum, value) => sum + value, 0));
  const most = Math.max(...sums);
  return sums
    .map((sum) =>
      sum <= 0 ? " " : LEVELS[Math.ceil((sum / most) * LEVELS.length) - 1],
    )
    .join("");
}

const BY_TIME: readonly Metric[] = [
  ...(["sessions", "duration", "unique_users", "peak_hours"] as const),
];

/** The sparkline of a metric whose rows follow each other in time; "" of others. */
export function figureLine(
  metric: Metric,
  rows: readonly FigureRow[],
  { width, color }: TableOptions,
): string {
  if (!BY_TIME.includes(metric) || rows.length < 2) return "";
  const drawn = figuresOf(metric).find((figure) => figure.drawn)!;
  const values = rows.map((row) => Number(row[drawn.name] ?? 0));
  const most = Math.max(...values);
  if (most <= 0) return "";
  const about = `  at most ${drawn.kind === "seconds" ? duration(most) : most}`;
  const cells = Math.max(1, (width ?? UNTOLD_CELLS) - about.length);
  const line = sparkline(values, cells);
  return `${color ? `${BAR_COLOR}${line}\x1b[0m` : line}${about}\n`;
}

const TITLES: Record<Metric, string> = {
  sessions: "Sessions",
  duration: "How long they took",
  components: "Components",
  hosts: "Hosts",
  errors: "How sessions failed",
  active: "Active now",
  unique_users: "Users",
  peak_hours: "Hours of the day",
  commands: "Programs",
  slowest: "The slowest commands",
  failing: "The most failing commands",
};
export const titleOf = (metric: Metric): string => TITLES[metric];

/** A report for a person: lines for what is by time, tables for the rest. */
export function reportText(report: Report, options: TableOptions): string {
  const { totals, after, before, period } = report;
  const { active, ended, lost } = totals.by_status;
  const sum = (name: string) =>
    report.sessions.reduce((sum, row) => sum + Number(row[name] ?? 0), 0);
  const head = [
    `${localTime(after, options.zone)} to ${localTime(before, options.zone)}`,
    `${totals.sessions} sessions: ${active} active, ${ended} ended, ${lost} lost; ${totals.failed} failed`,
    `${sum("commands")} commands, ${sum("failed_commands")} failed`,
  ];
  const sections = METRIC_NAMES.flatMap((metric) => {
    const rows = report[metric];
    if (rows.length === 0) return [];
    const by = BY_TIME.includes(metric) && metric !== "peak_hours";
    const title = `${titleOf(metric)}${by ? `, by ${period}` : ""}`;
    const line = figureLine(metric, rows, options);
    const body = BY_TIME.includes(metric)
      ? line
      : figureTable(metric, rows, options);
    return body ? [`\n${heading(title, options.color)}\n${body}`] : [];
  });
  return `${head.join("\n")}\n${sections.join("")}`;
}

const heading = (text: string, color: boolean): string =>
  color ? `\x1b[1m${text}\x1b[0m` : text;
