/** Times and lengths in words, by the clock of whoever looks. */
import { parseTime } from "../../../model/time.ts";

export const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

const PARTS = new Intl.DateTimeFormat("en-GB", {
  ...{ year: "numeric", month: "2-digit", day: "2-digit" },
  ...{ hour: "2-digit", minute: "2-digit", second: "2-digit" },
  hourCycle: "h23",
});
const OFFSET = new Intl.DateTimeFormat("en-GB", { timeZoneName: "longOffset" });

const partsOf = (format: Intl.DateTimeFormat, ms: number) =>
  Object.fromEntries(
    format.formatToParts(ms).map(({ type, value }) => [type, value]),
  );

/** `2026-02-06 14:05:22` */
export function localTime(time: string | number): string {
  const ms = typeof time === "number" ? time : Date.parse(time);
  if (Number.isNaN(ms)) return String(time);
  const { year, month, day, hour, minute, second } = partsOf(PARTS, ms);
  return `${year}-${month}-${day} ${hour}:${minute}:${second}`;
}

/** `+01:00` at that moment. */
export function offsetAt(ms: number): string {
  const name = partsOf(OFFSET, ms)["timeZoneName"] ?? "GMT";
  return name.replace("GMT", "") || "+00:00";
}

/** `2026-02-06T14:05:22+01:00`, as the tools take it. */
export const isoLocal = (ms: number): string =>
  localTime(ms).replace(" ", "T") + offsetAt(ms);

const zone = (ms: number) => -new Date(ms).getTimezoneOffset();

/**
 * Milliseconds since the epoch of `2026-02-06 14:05`, `last tuesday 14:05`, by the
 * reader's clock, wherever the server is.
 * @throws Error with a sentence
 */
export const timeIn = (text: string): number =>
  parseTime(text, Date.now(), zone).getTime();

/** Of a length of time, or of no time, the text itself: the tools read that. */
export function absolute(text: string): string {
  if (/^(?:-\d.*|.*\bago|now)$/is.test(text.trim())) return text;
  try {
    return new Date(timeIn(text)).toISOString();
  } catch {
    return text;
  }
}

/** `1h 04m`, `3m 12s`, `4.2s` */
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 10) return `${seconds.toFixed(1)}s`;
  const s = Math.floor(seconds);
  const two = (n: number) => String(n).padStart(2, "0");
  if (s < 60) return `${s}s`;
  if (s < 3_600) return `${Math.floor(s / 60)}m ${two(s % 60)}s`;
  if (s < 86_400)
    return `${Math.floor(s / 3_600)}h ${two(Math.floor((s % 3_600) / 60))}m`;
  return `${Math.floor(s / 86_400)}d ${two(Math.floor((s % 86_400) / 3_600))}h`;
}

/** `812 B`, `1.4 MB` */
export function size(bytes: number): string {
  const units = ["B", "kB", "MB", "GB"];
  let n = bytes;
  let at = 0;
  for (; n >= 1_000 && at < units.length - 1; at++) n /= 1_000;
  return `${at === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)} ${units[at]}`;
}

export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${count.toLocaleString("en")} ${count === 1 ? one : many}`;

/** What a terminal would obey, and what turns the direction of reading, made visible. */
export const visible = (text: string): string =>
  text.replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (char) => {
      const code = char.charCodeAt(0);
      return code < 0x20
        ? String.fromCharCode(0x2400 + code)
        : `\\u${code.toString(16).padStart(4, "0")}`;
    },
  );

const DAY_MS = 86_400_000;

/** The reader's minutes ahead of UTC, each from a moment on: as analytics takes them. */
export function offsetsIn(
  from: number,
  to: number,
): { from: string | null; minutes: number }[] {
  const offsets = [{ from: null as string | null, minutes: zone(from) }];
  for (let day = from; day < to; day += DAY_MS) {
    if (zone(day) === zone(day + DAY_MS)) continue;
    let [before, after] = [day, day + DAY_MS];
    while (after - before > 1_000) {
      const middle = Math.floor((before + after) / 2);
      if (zone(middle) === zone(day)) before = middle;
      else after = middle;
    }
    // They change at whole minutes.
    const at = Math.round(after / 60_000) * 60_000;
    offsets.push({ from: new Date(at).toISOString(), minutes: zone(at) });
  }
  return offsets;
}
