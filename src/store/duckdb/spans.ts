/**
 * Spans of time, by which what was recorded is walked through backwards: they are
 * short where there is much and grow where there is little.
 */
import type { Database } from "./database.ts";
import { time } from "./statements.ts";

export const FIRST_SPAN_MS = 3_600_000;
export const LEAST_SPAN_MS = 1_000;
/** How much longer a span is than one that had too little. */
export const LONGER = 8;

/**
 * The span of time that there is to look at, in milliseconds since the epoch.
 * @param shown whether lines of output are looked at, too
 */
export async function bounds(
  ask: Database["ask"],
  { after, before }: { after?: string; before?: string },
  shown = false,
): Promise<[number, number]> {
  const sql = `
    SELECT ${time("least(min(e.first), min(s.first), min(o.first))", "first")},
      ${time("greatest(max(e.last), max(s.last), max(o.last))", "last")}
    FROM (SELECT min(timestamp) AS first, max(timestamp) AS last FROM events) AS e,
      (SELECT min(start_time) AS first, max(start_time) AS last FROM all_sessions) AS s,
      (SELECT min(timestamp) AS first, max(timestamp) AS last FROM output
        WHERE ${shown}) AS o`;
  const [row] = await ask<{ first: string | null; last: string }>(sql, []);
  if (row!.first === null) return [0, 0];
  return [
    Math.max(Date.parse(row!.first), Date.parse(after ?? row!.first)),
    Math.min(Date.parse(row!.last) + 1, Date.parse(before ?? "9999-12-31")),
  ];
}
