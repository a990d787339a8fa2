/**
 * Time as an argument: the clock, and the local time of whichever zone.
 */

/** @returns milliseconds since the epoch */
export type Clock = () => number;

/** A moment as events have it: UTC, ISO 8601. */
export const isoTime = (ms: number): string => new Date(ms).toISOString();

/** How many minutes clocks are ahead of UTC at a moment, in ms since the epoch. */
export type Zone = (at: number) => number;

export const UTC: Zone = () => 0;

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/** The local time at a moment, as the moment that has the same time in UTC. */
export const wallOf = (at: number, zone: Zone): number =>
  at + zone(at) * MINUTE_MS;

/**
 * The moment of a local time: the first of two, and of a time that clocks leap
 * over, the moment that would have had it.
 * @param wall the moment that has the same time in UTC
 */
export function momentOf(wall: number, zone: Zone): number {
  const before = wall - zone(wall - DAY_MS) * MINUTE_MS;
  if (wallOf(before, zone) === wall) return before;
  const after = wall - zone(wall + DAY_MS) * MINUTE_MS;
  return wallOf(after, zone) === wall ? after : before;
}
