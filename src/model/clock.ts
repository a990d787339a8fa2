/**
 * The time of day as an argument. What lives on or works for a while is given a
 * Clock; what judges one moment is given that moment, as `now`.
 */

/** @returns milliseconds since the epoch */
export type Clock = () => number;

/** A moment as events have it: UTC, ISO 8601. */
export const isoTime = (ms: number): string => new Date(ms).toISOString();
