/** The time that was asked for, as it was understood: told where nothing is found. */
import type { Zone } from "../model/clock.ts";
import { localSecond } from "./format.ts";

/** UTC ISO 8601; as filters have them. */
export interface Asked {
  at?: string;
  in_since?: string;
  after?: string;
  before?: string;
}

/**
 * `at 2026-02-06 14:05`, `during 2026-02-06 14:00 .. 14:30`, `since 2026-02-06 00:00`,
 * `before 2026-02-06 00:00`, and whether that is still to come; null where no time is
 * asked for.
 * @param now in milliseconds since the epoch
 */
export function timeAsked(
  { at, in_since, after, before }: Asked,
  now: number,
  zone: Zone,
): string | null {
  const from = in_since! > after! ? in_since : (after ?? in_since);
  const words = [];
  if (at !== undefined) words.push(`at ${timeShown(at, zone)}`);
  if (from !== undefined && before !== undefined)
    words.push(`during ${spanShown(from, before, zone)}`);
  else if (from !== undefined) words.push(`since ${timeShown(from, zone)}`);
  else if (before !== undefined)
    words.push(`before ${timeShown(before, zone)}`);
  if (words.length === 0) return null;
  if (isToCome(at, now) || isToCome(from, now))
    words.push("which is in the future");
  return words.join(", ");
}

/** `no sessions match (at 2026-02-06 14:05)` */
export function noneFound(
  none: string,
  asked: Asked,
  now: number,
  zone: Zone,
): string {
  const time = timeAsked(asked, now, zone);
  return time === null ? none : `${none} (${time})`;
}

export const isToCome = (time: string | undefined, now: number): boolean =>
  time !== undefined && Date.parse(time) > now;

/** Seconds where there are any: `2026-02-06 14:05`. */
export const timeShown = (iso: string, zone: Zone): string =>
  localSecond(iso, zone).replace(/:00$/, "");

/** The day once, where it is one. */
function spanShown(from: string, to: string, zone: Zone): string {
  const [a, b] = [from, to].map((iso) => timeShown(iso, zone)) as [
    string,
    string,
  ];
  const day = a.split(" ")[0]!;
  return `${a} .. ${b.startsWith(`${day} `) ? b.slice(day.length + 1) : b}`;
}
