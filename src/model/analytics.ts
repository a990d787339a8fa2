/**
 * What sessions and commands come to: the questions, and the columns of their
 * answers, from which table, JSON, tool and page are made.
 */
import { type Zone, isoTime, momentOf, wallOf } from "./clock.ts";
import { fail } from "./failure.ts";
import type { SessionFilter } from "./filter.ts";

/** The type of a column's values. */
type Kind = "text" | "time" | "count" | "seconds";

export interface Figure {
  name: string;
  kind: Kind;
  /** The one that is drawn. */
  drawn?: true;
}

const text = (name: string): Figure => ({ name, kind: "text" });
const time = (name: string): Figure => ({ name, kind: "time" });
const count = (name: string): Figure => ({ name, kind: "count" });
const seconds = (name: string): Figure => ({ name, kind: "seconds" });
const drawn = (figure: Figure): Figure => ({ ...figure, drawn: true });

const PERIOD = text("period");

/** The questions, each with the columns of its answer. */
export const METRICS = {
  sessions: [
    ...[PERIOD, drawn(count("sessions"))],
    ...[count("active"), count("ended"), count("lost"), count("failed")],
    ...[count("commands"), count("failed_commands")],
  ],
  duration: [
    ...[PERIOD, count("sessions"), drawn(seconds("mean_seconds"))],
    ...[seconds("median_seconds"), seconds("p95_seconds")],
    ...[seconds("max_seconds"), seconds("total_seconds")],
  ],
  components: [
    ...[text("component_name"), drawn(count("sessions")), count("failed")],
    ...[count("users"), count("hosts"), count("commands")],
    seconds("total_seconds"),
  ],
  hosts: [
    ...[text("hostname"), drawn(count("sessions")), count("failed")],
    ...[count("users"), count("commands"), seconds("total_seconds")],
    time("last_start"),
  ],
  errors: [
    ...[text("component_name"), text("outcome"), drawn(count("sessions"))],
    ...[time("last_start"), text("last_session_id")],
  ],
  active: [
    ...[text("component_name"), text("username"), text("hostname")],
    ...[drawn(count("sessions")), time("first_start"), time("last_seen")],
  ],
  unique_users: [PERIOD, drawn(count("users")), count("sessions")],
  peak_hours: [
    ...[text("hour"), drawn(count("sessions")), count("failed")],
    ...[count("users"), count("commands")],
  ],
  commands: [
    ...[text("program"), drawn(count("runs")), count("failed")],
    ...[seconds("mean_seconds"), seconds("max_seconds")],
    seconds("total_seconds"),
  ],
  slowest: [
    ...[time("start_time"), text("session_id"), text("username")],
    ...[text("hostname"), drawn(seconds("duration_seconds"))],
    ...[count("exit_code"), text("text")],
  ],
  failing: [
    ...[drawn(count("failed")), count("exit_code"), count("users")],
    ...[time("last_time"), text("last_session_id"), text("text")],
  ],
} as const satisfies Record<string, readonly Figure[]>;

export type Metric = keyof typeof METRICS;
export const METRIC_NAMES = Object.keys(METRICS) as Metric[];

export const PERIODS = ["hour", "day", "week", "month"] as const;
export type Period = (typeof PERIODS)[number];

/** Clocks are so many minutes ahead of UTC from a moment on; null: from ever. */
export interface Offset {
  from: string | null;
  minutes: number;
}

export interface Question {
  metric: Metric;
  /** Which sessions; `after` and `before` are of their start, or of a command's. */
  sessions: SessionFilter & { after: string; before: string };
  period: Period;
  /** Local time, in the order of time. */
  offsets: readonly Offset[];
  /** Of rows that are no periods, at most MOST_ROWS. */
  limit: number;
}

export type FigureRow = Record<string, string | number | null>;

export const MOST_ROWS = 1_000;

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** About as long each is. */
const PERIOD_MS: Record<Period, number> = {
  ...{ hour: HOUR_MS, day: DAY_MS, week: 7 * DAY_MS, month: 30 * DAY_MS },
};
const MOST_PERIODS = 10_000;

/** The period by which a span of time is best looked at. */
export function periodFor({ after, before }: Question["sessions"]): Period {
  const span_ms = Date.parse(before) - Date.parse(after);
  if (span_ms <= 2 * DAY_MS) return "hour";
  if (span_ms <= 93 * DAY_MS) return "day";
  return span_ms <= 2 * 366 * DAY_MS ? "week" : "month";
}

/** @throws Failure (usage) when an answer would have too many rows */
export function requireFewPeriods({ period, sessions }: Question): void {
  const { after, before } = sessions;
  const span_ms = Date.parse(before) - Date.parse(after);
  if (span_ms / PERIOD_MS[period] <= MOST_PERIODS) return;
  throw fail.usage(
    `from ${after} to ${before} are more than ${MOST_PERIODS} periods of one ${period}`,
    "look at less time, or take a longer period",
  );
}

const MOST_OFFSETS = 1_000;
const MOST_MINUTES = 24 * 60;

/** @throws Failure (refused) when they are no offsets in the order of time */
export function requireOffsets(offsets: readonly Offset[]): void {
  const times = offsets.map(({ from }) => from);
  const ordered = times.every((from, i) =>
    i === 0
      ? from === null
      : from !== null && isTime(from) && from > (times[i - 1] ?? ""),
  );
  const few = offsets.length > 0 && offsets.length <= MOST_OFFSETS;
  if (
    few &&
    ordered &&
    offsets.every(({ minutes }) => Math.abs(minutes) <= MOST_MINUTES)
  )
    return;
  throw fail.refused(
    "utc_offsets: not minutes ahead of UTC, each from a later moment on, the first from null",
    'leave it out, or send [{"from":null,"minutes":60}]',
  );
}

const isTime = (text: string): boolean => {
  const time = new Date(text);
  return !Number.isNaN(time.getTime()) && time.toISOString() === text;
};

/** How far a zone is from UTC between two moments, in milliseconds since the epoch. */
export function offsetsOf(
  zone: Zone,
  from_ms: number,
  until_ms: number,
): Offset[] {
  const offsets: Offset[] = [{ from: null, minutes: zone(from_ms) }];
  for (let at = from_ms; at < until_ms; at += DAY_MS) {
    const next = Math.min(at + DAY_MS, until_ms);
    if (zone(at) === zone(next)) continue;
    let [before, after] = [at, next];
    while (after - before > 1_000) {
      const middle = Math.floor((before + after) / 2);
      if (zone(middle) === zone(at)) before = middle;
      else after = middle;
    }
    const from = isoTime(Math.floor(after / 1_000) * 1_000);
    offsets.push({ from, minutes: zone(next) });
  }
  return offsets;
}

/** The zone of some offsets. */
export function zoneOf(offsets: readonly Offset[]): Zone {
  return (at) => {
    const iso = isoTime(at);
    return offsets.findLast(({ from }) => from === null || from <= iso)!
      .minutes;
  };
}

/** The first moment of the day that is so many days before a moment's. */
export function daysBefore(now: number, days: number, zone: Zone): number {
  const wall = wallOf(now, zone);
  return momentOf(Math.floor(wall / DAY_MS) * DAY_MS - days * DAY_MS, zone);
}
