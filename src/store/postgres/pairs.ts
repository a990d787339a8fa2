/**
 * Which end belongs to which start of a command, among those of one key. Where it is
 * told when the shell began, a key is that of one command: its start is the last and
 * its end the first there is. Else each start has the end that comes next, if no other
 * start is between.
 */

/** An event, by its place in the order of arrival. */
export interface Told {
  batch: string;
  ordinal: number;
  /** UTC, ISO 8601. */
  at: string;
}

/**
 * @param single whether the key is that of one command
 * @returns the starts that have an end, each with it
 */
export function paired<S extends Told, E extends Told>(
  starts: readonly S[],
  ends: readonly E[],
  single: boolean,
): Map<S, E> {
  const begun = starts.toSorted(byTime);
  const ended = ends.toSorted(byTime);
  const pairs = new Map<S, E>();
  if (single) {
    const last = begun.at(-1);
    const [first] = ended;
    if (last && first) pairs.set(last, first);
    return pairs;
  }
  let at = 0;
  for (const [n, start] of begun.entries()) {
    while (at < ended.length && ended[at]!.at < start.at) at++;
    const end = ended[at];
    const next = begun[n + 1];
    // A start comes before an end of its moment.
    if (end && (!next || end.at < next.at)) pairs.set(start, end);
  }
  return pairs;
}

const byTime = (a: Told, b: Told): number => {
  if (a.at !== b.at) return a.at < b.at ? -1 : 1;
  if (a.batch !== b.batch) return BigInt(a.batch) < BigInt(b.batch) ? -1 : 1;
  return a.ordinal - b.ordinal;
};
