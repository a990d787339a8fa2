/**
 * Local time, for whichever zone: what clocks show at a moment, and which moment
 * it is when they show something.
 */

/** How many minutes clocks are ahead of UTC at a moment, in ms since the epoch. */
export type Zone = (at: number) => number;

export const UTC: Zone = () => 0;

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/** What clocks show at a moment, as the time that is the same in UTC. */
export const wallOf = (at: number, zone: Zone): number =>
  at + zone(at) * MINUTE_MS;

/**
 * The moment at which clocks show a time; the first of two, and where they leap
 * over it, the moment that they would have shown it.
 * @param wall the time that is the same in UTC
 */
export function momentOf(wall: number, zone: Zone): number {
  const before = wall - zone(wall - DAY_MS) * MINUTE_MS;
  if (wallOf(before, zone) === wall) return before;
  const after = wall - zone(wall + DAY_MS) * MINUTE_MS;
  return wallOf(after, zone) === wall ? after : before;
}
