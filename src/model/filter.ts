/**
 * Which sessions a question is about, and the times that people type.
 */
import { Failure } from "./failure.ts";
import type { Status } from "./session.ts";

export interface SessionFilter {
  /** An id, a prefix of one, or its last 8 hex. */
  reference?: string;
  session_type?: string;
  component_name?: string;
  username?: string;
  status?: Status;
  /** Sessions without an observed or declared end: active or lost. */
  incomplete?: boolean;
  /** Started at or after this time, UTC ISO 8601. */
  after?: string;
  /** Started before this time, UTC ISO 8601. */
  before?: string;
  /** Only what comes after this row in the order of the list. */
  from?: { start_time: string; session_id: string };
  limit?: number;
}

export interface EventFilter {
  session_id?: string;
  /** Kinds of events: `session_start`, `command_end`… */
  kinds?: readonly string[];
  /** Happened at or after this time, UTC ISO 8601. */
  after?: string;
  /** Happened before this time, UTC ISO 8601. */
  before?: string;
  /** Only what arrived after the event of this number. */
  after_seq?: number;
  limit?: number;
}

const UNIT_MS: Record<string, number> = {
  s: 1_000,
  sec: 1_000,
  second: 1_000,
  m: 60_000,
  min: 60_000,
  minute: 60_000,
  h: 3_600_000,
  hour: 3_600_000,
  d: 86_400_000,
  day: 86_400_000,
  w: 604_800_000,
  week: 604_800_000,
};

const YEAR_ONE = Date.parse("0001-01-01T00:00:00Z");
const CLOCK = /^(\d{1,2}):(\d{2})(?::(\d{2}))?$/;
const ISO =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?)?(Z|[+-]\d{2}:?\d{2})?$/i;

/**
 * A point in time as people type it: `2026-02-06`, `2026-02-06T12:34:56Z`,
 * `today`, `yesterday 14:05`, `14:05`, `now`, `2 hours ago`, `-2d`. A text without a
 * zone is local time; a date alone is its first moment.
 * @param now in milliseconds since the epoch
 * @throws Failure (usage) when it is none of these
 */
export function parseTime(text: string, now: number): Date {
  const time = readTime(text.trim(), now);
  // Before the year 1 the calendar has other forms than ours.
  if (!time || !isWritable(time) || time.getTime() < YEAR_ONE)
    throw new Failure(
      "usage",
      `'${text}' is not a time`,
      "try: 2026-02-06, 2026-02-06T12:34:56Z, today, 'yesterday 14:05', '2 hours ago', -2d",
    );
  return time;
}

/** Whether it can be written with a year of four digits. */
function isWritable(time: Date): boolean {
  return !Number.isNaN(time.getTime()) && time.toISOString().length === 24;
}

function readTime(text: string, now: number): Date | null {
  const iso = ISO.exec(text);
  if (iso) return readIso(iso);
  const past =
    /^-(\d+)\s*([a-z]+)$/i.exec(text) ?? /^(\d+)\s*([a-z]+)\s+ago$/i.exec(text);
  if (past) {
    const unit = past[2]!.toLowerCase();
    const unit_ms = UNIT_MS[unit] ?? UNIT_MS[unit.replace(/(?<=..)s$/, "")];
    return new Date(now - Number(past[1]) * (unit_ms ?? NaN));
  }
  return readWords(text.toLowerCase().split(/\s+/), now);
}

/** `now`, `today`, `yesterday`, a clock time, or a day and a clock time. */
function readWords(words: string[], now: number): Date | null {
  if (words.length === 1 && words[0] === "now") return new Date(now);
  const day = new Date(now);
  day.setHours(0, 0, 0, 0);
  if (words[0] === "today") words.shift();
  else if (words[0] === "yesterday") {
    words.shift();
    day.setDate(day.getDate() - 1);
  } else if (words.length !== 1) return null;
  if (words.length === 0) return day;
  const clock = words.length === 1 ? CLOCK.exec(words[0]!) : null;
  if (!clock) return null;
  const [hour, minute, second] = [1, 2, 3].map((i) => Number(clock[i] ?? 0));
  if (hour! > 23 || minute! > 59 || second! > 59) return null;
  day.setHours(hour!, minute, second);
  return day;
}

/** A real date and time, or null: the 30th of February is none. */
function readIso(match: RegExpExecArray): Date | null {
  const [, Y, M, D, h = "00", m = "00", s = "00", fraction = "", zone] = match;
  const date = new Date(`${Y}-${M}-${D}T00:00:00Z`);
  if (Number.isNaN(date.getTime()) || date.getUTCDate() !== Number(D))
    return null;
  const ms = fraction.padEnd(3, "0").slice(0, 3);
  const offset = (zone ?? "")
    .toUpperCase()
    .replace(/^([+-]\d{2}):?(\d{2})$/, "$1:$2");
  return new Date(`${Y}-${M}-${D}T${h}:${m}:${s}.${ms}${offset}`);
}

/**
 * A count as typed after a flag.
 * @throws Failure (usage) naming the flag
 */
export function parseCount(text: string, flag: string): number {
  if (!/^\d{1,9}$/.test(text))
    throw new Failure(
      "usage",
      `${flag} takes a whole number, not '${text}'`,
      `try: ${flag} 50`,
    );
  return Number(text);
}

/**
 * A time to wait as typed after a flag, in seconds.
 * @returns milliseconds
 * @throws Failure (usage) naming the flag
 */
export function parseSeconds(text: string, flag: string): number {
  const seconds = /^\d{1,6}(\.\d{1,3})?$/.test(text) ? Number(text) : NaN;
  if (seconds >= 0) return seconds * 1_000;
  throw new Failure(
    "usage",
    `${flag} takes seconds, not '${text}'`,
    `try: ${flag} 10`,
  );
}
