/** Days and clock times in words: `yesterday 14:05`, `last monday`, `28 Nov 2:05pm`. */
import { type Zone, momentOf, wallOf } from "./clock.ts";

const CLOCK = /^(\d{1,2})(?::(\d{2})(?::(\d{2}))?)?(?:\s*([ap])m)?$/i;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
const WEEK_MS = 7 * DAY_MS;
const WEEKDAYS =
  "sunday monday tuesday wednesday thursday friday saturday".split(" ");
const MONTHS =
  "january february march april may june july august september october november december".split(
    " ",
  );
/** A 29th of February is at most so many years from the next. */
const LEAP_YEARS = 8;

/** Where words stand. */
interface Context {
  /** In milliseconds since the epoch. */
  now: number;
  zone: Zone;
  /** Of the end of a span: its beginning. */
  began?: number | undefined;
}

/**
 * `now`, a clock time of today, or a day with a clock time before or after it, or its
 * first moment. A weekday, or a date without a year, is the latest that is not to come;
 * as the end of a span it is the first after the beginning.
 * @returns milliseconds since the epoch; null of anything else
 */
export function readWords(text: string, context: Context): number | null {
  const words = text
    .toLowerCase()
    .replace(/(\d)\s+([ap]m)\b/, "$1$2")
    .replaceAll(",", " ")
    .trim()
    .split(/\s+/);
  if (words.length === 1 && words[0] === "now") return context.now;
  let clock = readClock(words.at(-1)!);
  if (clock !== null) words.pop();
  else if ((clock = readClock(words[0]!)) !== null) words.shift();
  const day = dayIn(words, clock ?? 0, context);
  // A week has no clock time.
  if (day === null || (clock !== null && words[1] === "week")) return null;
  return words.length === 0 && clock === null
    ? null
    : momentOf(day + (clock ?? 0), context.zone);
}

/**
 * Milliseconds from midnight of `14:05`, `14:05:30`, `2:05pm` or `2pm`; null of what no
 * clock shows.
 */
export function readClock(text: string): number | null {
  const [whole, ...parts] = CLOCK.exec(text) ?? [];
  const half = parts[3]?.toLowerCase();
  if (whole === undefined || (parts[1] ?? half) === undefined) return null;
  const [hour, minute, second] = [0, 1, 2].map((i) => Number(parts[i] ?? 0));
  if (minute! > 59 || second! > 59) return null;
  if (half ? hour! < 1 || hour! > 12 : hour! > 23) return null;
  const hours = half ? (hour! % 12) + (half === "p" ? 12 : 0) : hour!;
  return hours * HOUR_MS + minute! * 60_000 + second! * 1_000;
}

/** The first local time of a day, as `wallOf` has it. */
export function dayOf(at: number, zone: Zone): number {
  const wall = wallOf(at, zone);
  return wall - (((wall % DAY_MS) + DAY_MS) % DAY_MS);
}

/** @returns as `dayOf` has it; today of no words */
function dayIn(
  words: readonly string[],
  clock: number,
  context: Context,
): number | null {
  const today = dayOf(context.now, context.zone);
  const [first, second] = words;
  if (first === undefined) return today;
  if (words.length > 1)
    return first === "last" && words.length === 2
      ? lastOne(second!, today)
      : dateIn(words, clock, context);
  if (first === "today") return today;
  if (first === "yesterday") return today - DAY_MS;
  const weekday = named(WEEKDAYS, first);
  return weekday === null ? null : weekdayIn(weekday, clock, context);
}

/** Of `last monday` the latest before today, of `last week` its Monday. */
function lastOne(what: string, today: number): number | null {
  if (what === "week") return today - daysFrom(1, today) - WEEK_MS;
  const weekday = named(WEEKDAYS, what);
  if (weekday === null) return null;
  return today - (daysFrom(weekday, today) || WEEK_MS);
}

function weekdayIn(
  weekday: number,
  clock: number,
  { now, zone, began }: Context,
): number {
  const around = dayOf(began ?? now, zone);
  const day = around - daysFrom(weekday, around);
  const at = momentOf(day + clock, zone);
  if (began !== undefined) return at < began ? day + WEEK_MS : day;
  return at > now ? day - WEEK_MS : day;
}

/** `28 nov`, `nov 28`, `28 nov 2026`, `nov 28 2026` */
function dateIn(
  [first, second, year, ...more]: readonly string[],
  clock: number,
  { now, zone, began }: Context,
): number | null {
  const [month, date] = /^\d/.test(first!)
    ? [second!, first!]
    : [first!, second!];
  const at = named(MONTHS, month);
  if (at === null || !/^\d{1,2}$/.test(date) || more.length > 0) return null;
  const dayOfYear = (year: number) => {
    const day = Date.UTC(year, at, Number(date));
    return new Date(day).getUTCDate() === Number(date) ? day : null;
  };
  if (year !== undefined)
    return /^[1-9]\d{3}$/.test(year) ? dayOfYear(Number(year)) : null;
  const around = dayOf(began ?? now, zone);
  const this_year = new Date(around).getUTCFullYear();
  for (let i = 0; i <= LEAP_YEARS; i++) {
    const day = dayOfYear(this_year + (began === undefined ? -i : i));
    if (day === null) continue;
    // Today is no year ago, whatever the time.
    if (
      began === undefined ? day <= around : momentOf(day + clock, zone) >= began
    )
      return day;
  }
  return null;
}

/** How long before a day the latest such weekday began. */
const daysFrom = (weekday: number, day: number): number =>
  ((new Date(day).getUTCDay() - weekday + 7) % 7) * DAY_MS;

/** By the first three letters of a name, or more. */
function named(names: readonly string[], word: string): number | null {
  const at = names.findIndex((name) => name.startsWith(word));
  return at < 0 || word.length < 3 ? null : at;
}
