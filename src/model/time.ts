/** The times, lengths of time, counts and statuses that users type. */
import { type Zone, isoTime, momentOf, wallOf } from "./clock.ts";
import { fail } from "./failure.ts";
import { dayOf, readClock, readWords } from "./time-words.ts";

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
const ISO =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?(Z|[+-]\d{2}(?::?\d{2})?)?$/i;
const EPOCH = /^@(-?\d{1,12})(?:\.(\d{1,9}))?$/;
const MAIL =
  /^(?:[a-z]{3},\s*)?(\d{1,2})\s+([a-z]{3})\s+(\d{4})\s+(\d{2}):(\d{2})(?::(\d{2}))?\s+([+-]\d{4}|GMT|UT)$/i;
const MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec";
/** A thousand years. */
const LONGEST_MS = 365_250 * 86_400_000;
const DAY_MS = 86_400_000;

/**
 * Parses a time: `2026-02-06`, `2026-02-06T12:34:56Z`, `today`, `yesterday 14:05`,
 * `sat 2:05pm`, `last monday`, `28 Nov 14:05`, `14:05`, `now`, `2 hours ago`, `-2d`, `@1770381296`, and what `date -Ins` and
 * `date -R` print. Without a zone it is local time; a date alone is its first moment.
 * @param now in milliseconds since the epoch
 * @param began of the end of a span its beginning
 * @throws Failure (usage) when it is none of these
 */
export function parseTime(
  text: string,
  now: number,
  zone: Zone,
  began?: number,
): Date {
  const time = new Date(readTime(text.trim(), now, zone, began) ?? NaN);
  // Before the year 1, and after 9999, the calendar has other forms than ours.
  if (!(time.getTime() >= YEAR_ONE && time.getTime() < YEAR_10K))
    throw fail.usage(
      `'${text}' is not a time`,
      "try: 2026-02-06, 2026-02-06T12:34:56Z, today, 'yesterday 14:05', '28 Nov 2:05pm', '2 hours ago', -2d",
    );
  return time;
}

function readTime(
  text: string,
  now: number,
  zone: Zone,
  began?: number,
): number | null {
  const iso = ISO.exec(text);
  if (iso) return readIso(iso.slice(1), zone);
  const epoch = EPOCH.exec(text);
  if (epoch) {
    const ms = Number(milliseconds(epoch[2]));
    return Number(epoch[1]) * 1_000 + (text[1] === "-" ? -ms : ms);
  }
  const mail = MAIL.exec(text);
  if (mail) return readMail(mail.slice(1), zone);
  const past = /^-(\d.*)$/s.exec(text) ?? /^(\d.*?)\s+ago$/is.exec(text);
  if (past) {
    const length = readLength(past[1]!);
    return length === null ? null : now - length;
  }
  return readWords(text, { now, zone, began });
}

/**
 * Milliseconds of `5h30m`, `90 minutes`, `1.5h`, `2d`: parts with units, the longest
 * first.
 */
function readLength(text: string): number | null {
  let total = 0;
  let longest = Infinity;
  for (let rest = text; rest !== "";) {
    const part = /^(\d{1,12}(?:\.\d{1,3})?)\s*([a-z]+)\s*/i.exec(rest);
    if (!part || !UNIT.test(part[2]!)) return null;
    const unit_ms = UNIT_MS[part[2]![0]!.toLowerCase()]!;
    if (unit_ms >= longest) return null;
    longest = unit_ms;
    total += Number(part[1]) * unit_ms;
    rest = rest.slice(part[0].length);
  }
  return longest === Infinity ? null : total;
}

/**
 * Parses a length of time: `5h30m`, `90 minutes`, `1.5h`, `2d`, or seconds alone.
 * @returns milliseconds
 * @throws Failure (usage) when it is none
 */
export function parseLength(text: string): number {
  const trimmed = text.trim();
  const ms = /^\d{1,11}(\.\d{1,3})?$/.test(trimmed)
    ? Number(trimmed) * 1_000
    : readLength(trimmed);
  if (ms !== null && ms <= LONGEST_MS) return Math.round(ms);
  throw fail.usage(
    `'${text}' is not a length of time`,
    "try: 90 (seconds), 5m, 1h30m, 2d",
  );
}

/**
 * Parses a span of time: `A..B`, `A..` or `..B`. A clock time alone as its end is of
 * the day of the beginning, or of the day after: `yesterday 23:30..00:30`.
 * @returns what there is of its beginning and its end, UTC ISO 8601
 * @throws Failure (usage) when it is none, or holds no moment
 */
export function parseSpan(
  text: string,
  now: number,
  zone: Zone,
): { from: string | null; to: string | null } {
  const ends = text.split("..").map((end) => end.trim());
  if (ends.length !== 2 || ends.join("") === "")
    throw fail.usage(
      `'${text}' is not a span of time`,
      "try: 2026-02-01..2026-02-08, 'yesterday 14:00..15:00', -2h..",
    );
  const read = (end: string, began?: number) =>
    end === "" ? null : parseTime(end, now, zone, began).getTime();
  const from = read(ends[0]!);
  const to = read(ends[1]!, from ?? undefined);
  const iso = (ms: number | null) => (ms === null ? null : isoTime(ms));
  if (from === null || to === null) return { from: iso(from), to: iso(to) };
  const [began, clock] = ends.map(readClock) as [number | null, number | null];
  const span =
    clock === null ? { from, to } : spanUntil(from, began !== null, clock);
  if (span.from >= span.to)
    throw fail.usage(
      `of '${text}' the end is not after the beginning`,
      `try: '${ends[1]}..${ends[0]}'`,
    );
  return { from: iso(span.from), to: iso(span.to) };

  /** @param today whether the beginning is of today for want of a day */
  function spanUntil(from: number, today: boolean, clock: number) {
    const day = dayOf(from, zone);
    const ahead = day + clock - wallOf(from, zone);
    if (ahead >= 0) {
      const to = momentOf(day + clock, zone);
      // From the second of two hours that clocks show alike it goes on there.
      return { from, to: to < from ? from + ahead : to };
    }
    // Nobody asks for the night to come: it is the last one.
    const back = today && from > now ? DAY_MS : 0;
    return {
      from: back ? momentOf(wallOf(from, zone) - back, zone) : from,
      to: momentOf(day + clock + DAY_MS - back, zone),
    };
  }
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
