/** Filters of sessions and events, and the times and counts that users type. */
import {
  COLUMNS,
  COMPARISONS,
  type Column,
  type ColumnName,
  type Comparison,
  type EqualColumn,
  type Filter,
  type FilterName,
  type SessionRow,
  type Status,
} from "./columns.ts";
import { fail } from "./failure.ts";
import { type Zone, momentOf, wallOf } from "./clock.ts";

/** Columns that equal a value, by their names, and other filters by theirs. */
export type SessionFilter = {
  [K in EqualColumn]?: NonNullable<SessionRow[K]>;
} & {
  /** An id, a prefix of one, or its last 8 hex. */
  reference?: string;
  status?: Status;
  /** Sessions without an observed or declared end: active or lost. */
  incomplete?: boolean;
  /** Started at or after this time, UTC ISO 8601. */
  after?: string;
  /** Started before this time, UTC ISO 8601. */
  before?: string;
  /** A command with this text in it ran, upper and lower case alike. */
  ran?: string;
  /** Only what comes after this row in the order of the list. */
  from?: Pick<SessionRow, "start_time" | "session_id">;
  limit?: number;
};

/** A filter of sessions, by its name as a flag and as an argument of the tools. */
export interface NamedFilter extends Filter {
  name: FilterName;
  column: ColumnName;
  /** Where its value stands in a SessionFilter. */
  key: FilterKey;
}
type FilterKey = Exclude<keyof SessionFilter, "from" | "limit">;

/** In the order of help. */
export const FILTERS: readonly NamedFilter[] = Object.entries<Column>(COLUMNS)
  .flatMap(([column, { filters = {} }]) =>
    Object.entries(filters).map(
      ([name, filter]) =>
        ({
          ...filter,
          name,
          column,
          key: filter.how === "equals" ? column : name,
        }) as NamedFilter,
    ),
  )
  .sort((a, b) => COMPARISONS.indexOf(a.how) - COMPARISONS.indexOf(b.how));

export const isTime = (how: Comparison): boolean =>
  how === "from" || how === "until";

/** Values of filters by their names, as flags and tools give them. */
export type FilterArguments = {
  [N in FilterName]?: (N extends "incomplete" ? boolean : string) | undefined;
};

/**
 * @param time reads a time; it is given the name of its filter as well
 * @throws Failure (usage) naming the flag of a value that it cannot have
 */
export function filterOf(
  args: FilterArguments,
  time: (text: string, name: string) => string,
): SessionFilter {
  const filter: Record<string, string | boolean> = {};
  for (const { name, key, how, values } of FILTERS) {
    const value = args[name];
    if (value === undefined) continue;
    filter[key] = isTime(how) ? time(String(value), name) : value;
    if (values?.includes(String(value)) !== false) continue;
    throw fail.usage(
      `--${name} takes ${values.join(", ")}, not '${value}'`,
      `try: --${name} ${values[0]}`,
    );
  }
  return filter as SessionFilter;
}

/** The reverse of `filterOf`, without `from` and `limit`. */
export function argumentsOf(filter: SessionFilter): FilterArguments {
  const args: Record<string, unknown> = {};
  for (const { name, key } of FILTERS)
    if (filter[key] !== undefined) args[name] = filter[key];
  return args;
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

const UNIT = /^(?:[smhdw]|(?:sec|second|min|minute|hour|day|week)s?)$/i;
/** By the first letter of a unit. */
const UNIT_MS: Record<string, number> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

const YEAR_ONE = Date.parse("0001-01-01T00:00:00Z");
const YEAR_10K = Date.UTC(10_000, 0);
const CLOCK = /^(\d{1,2}):(\d{2})(?::(\d{2}))?$/;
const ISO =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?(Z|[+-]\d{2}(?::?\d{2})?)?$/i;
const EPOCH = /^@(-?\d{1,12})(?:\.(\d{1,9}))?$/;
const MAIL =
  /^(?:[a-z]{3},\s*)?(\d{1,2})\s+([a-z]{3})\s+(\d{4})\s+(\d{2}):(\d{2})(?::(\d{2}))?\s+([+-]\d{4}|GMT|UT)$/i;
const MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec";
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/**
 * Parses a time: `2026-02-06`, `2026-02-06T12:34:56Z`, `today`, `yesterday 14:05`,
 * `14:05`, `now`, `2 hours ago`, `-2d`, `@1770381296`, and what `date -Ins` and
 * `date -R` print. Without a zone it is local time; a date alone is its first moment.
 * @param now in milliseconds since the epoch
 * @throws Failure (usage) when it is none of these
 */
export function parseTime(text: string, now: number, zone: Zone): Date {
  const time = new Date(readTime(text.trim(), now, zone) ?? NaN);
  // Before the year 1, and after 9999, the calendar has other forms than ours.
  if (!(time.getTime() >= YEAR_ONE && time.getTime() < YEAR_10K))
    throw fail.usage(
      `'${text}' is not a time`,
      "try: 2026-02-06, 2026-02-06T12:34:56Z, today, 'yesterday 14:05', '2 hours ago', -2d",
    );
  return time;
}

function readTime(text: string, now: number, zone: Zone): number | null {
  const iso = ISO.exec(text);
  if (iso) return readIso(iso.slice(1), zone);
  const epoch = EPOCH.exec(text);
  if (epoch) {
    const ms = Number(milliseconds(epoch[2]));
    return Number(epoch[1]) * 1_000 + (text[1] === "-" ? -ms : ms);
  }
  const mail = MAIL.exec(text);
  if (mail) return readMail(mail.slice(1), zone);
  const past =
    /^-(\d+)\s*([a-z]+)$/i.exec(text) ?? /^(\d+)\s*([a-z]+)\s+ago$/i.exec(text);
  if (past) {
    const [, count, unit = ""] = past;
    if (!UNIT.test(unit)) return null;
    return now - Number(count) * UNIT_MS[unit[0]!.toLowerCase()]!;
  }
  return readWords(text.toLowerCase().split(/\s+/), now, zone);
}

/** `now`, `today`, `yesterday`, a clock time, or a day and a clock time. */
function readWords(words: string[], now: number, zone: Zone): number | null {
  if (words.length === 1 && words[0] === "now") return now;
  const named = { today: 0, yesterday: DAY_MS }[words[0]!];
  if (named !== undefined) words.shift();
  else if (words.length !== 1) return null;
  const wall = wallOf(now, zone);
  const day = wall - (((wall % DAY_MS) + DAY_MS) % DAY_MS) - (named ?? 0);
  if (words.length === 0) return momentOf(day, zone);
  const clock = words.length === 1 ? CLOCK.exec(words[0]!) : null;
  if (!clock) return null;
  const [hour, minute, second] = [1, 2, 3].map((i) => Number(clock[i] ?? 0));
  if (hour! > 23 || minute! > 59 || second! > 59) return null;
  return momentOf(
    day + hour! * HOUR_MS + minute! * 60_000 + second! * 1_000,
    zone,
  );
}

/** @param parts as ISO has them */
function readIso(parts: readonly string[], zone: Zone): number | null {
  const [Y, M, D, h = "00", m = "00", s = "00", fraction, offset] = parts;
  // The 30th of February would pass for the 2nd of March.
  const date = new Date(`${Y}-${M}-${D}T00:00:00Z`);
  if (Number.isNaN(date.getTime()) || date.getUTCDate() !== Number(D))
    return null;
  const wall = Date.parse(
    `${Y}-${M}-${D}T${h}:${m}:${s}.${milliseconds(fraction)}Z`,
  );
  if (Number.isNaN(wall)) return null;
  return offset === undefined
    ? momentOf(wall, zone)
    : wall - offsetOf(offset) * 60_000;
}

/** RFC 2822: `Fri, 06 Feb 2026 12:34:56 +0100`. */
function readMail(parts: readonly string[], zone: Zone): number | null {
  const [D, month, Y, h, m, s, offset] = parts as string[];
  const at = MONTHS.toLowerCase().indexOf(month!.toLowerCase());
  if (at < 0 || at % 3 !== 0) return null;
  const M = String(at / 3 + 1).padStart(2, "0");
  const given = /^[+-]/.test(offset!) ? offset! : "Z";
  return readIso(
    [Y!, M, D!.padStart(2, "0"), h!, m!, s ?? "00", "0", given],
    zone,
  );
}

const milliseconds = (fraction = "") => fraction.padEnd(3, "0").slice(0, 3);

/** Minutes of `Z`, `+01`, `+0100` or `+01:00`; NaN of what no clock shows. */
function offsetOf(text: string): number {
  if (/^z$/i.test(text)) return 0;
  const hours = Number(text.slice(1, 3));
  const minutes = Number(text.slice(3).replace(":", ""));
  if (hours > 23 || minutes > 59) return NaN;
  return (text[0] === "-" ? -1 : 1) * (hours * 60 + minutes);
}

/**
 * Parses the count of a flag.
 * @throws Failure (usage) naming the flag
 */
export function parseCount(text: string, flag: string): number {
  if (!/^\d{1,9}$/.test(text))
    throw fail.usage(
      `${flag} takes a whole number, not '${text}'`,
      `try: ${flag} 50`,
    );
  return Number(text);
}

/**
 * Parses the seconds of a flag.
 * @returns milliseconds
 * @throws Failure (usage) naming the flag
 */
export function parseSeconds(text: string, flag: string): number {
  const seconds = /^\d{1,6}(\.\d{1,3})?$/.test(text) ? Number(text) : NaN;
  if (seconds >= 0) return seconds * 1_000;
  throw fail.usage(`${flag} takes seconds, not '${text}'`, `try: ${flag} 10`);
}

/**
 * Parses the exit status of a flag.
 * @throws Failure (usage) naming the flag
 */
export function parseExitStatus(text: string, flag: string): number {
  const status = /^\d{1,3}$/.test(text) ? Number(text) : NaN;
  if (status <= 255) return status;
  throw fail.usage(
    `${flag} takes an exit status, not '${text}'`,
    `try: ${flag} $?`,
  );
}
