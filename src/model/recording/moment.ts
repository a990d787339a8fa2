/** Which moment of a recording a time means. */
import { type Zone, wallOf, momentOf } from "../clock.ts";
import { fail } from "../failure.ts";
import { parseLength, parseTime } from "../time.ts";

const LENGTH = /^\d+(\.\d+)?\s*([smhdw]|$)/i;
const CLOCK = /^\d{1,2}:\d{2}(:\d{2})?$/;
const AGO = /\bago$/i;
const DAY_MS = 86_400_000;

/** When a recording is: since the epoch in milliseconds, and how long it is. */
interface Span {
  began: number;
  end_us: number;
}

/**
 * @param text a length of time from its start, or a time; one of the clock alone is
 *   that of the day on which it was recorded, or of the next
 * @returns microseconds since it began
 * @throws Failure (usage) for what is no time, or none of it
 */
export function momentIn(
  text: string,
  span: Span,
  now: number,
  zone: Zone,
): number {
  const given = text.trim();
  if (LENGTH.test(given) && !AGO.test(given))
    return within(text, parseLength(given) * 1_000, span);
  const ofClock = CLOCK.test(given);
  let at = parseTime(given, ofClock ? span.began : now, zone).getTime();
  // Past midnight.
  if (ofClock && at < span.began - 60_000)
    at = momentOf(wallOf(at, zone) + DAY_MS, zone);
  return within(text, (at - span.began) * 1_000, span);
}

function within(text: string, at_us: number, { began, end_us }: Span): number {
  // Times are typed by the minute.
  if (at_us > -60e6 && at_us <= end_us) return Math.max(0, at_us);
  const [from, to] = [began, began + end_us / 1_000].map((ms) =>
    new Date(ms).toISOString(),
  );
  throw fail.usage(
    `the recording has no moment '${text}'`,
    `it is from ${from} to ${to}: ${Math.floor(end_us / 1e6)} s`,
  );
}
