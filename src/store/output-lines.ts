/** Which lines of recordings are searched, in any store. */
import type { Redaction } from "../model/event.ts";
import { removesRecording } from "../model/recording/promise.ts";
import type { SearchedLine } from "../model/recording/searched.ts";

/** Text of all recordings; in DuckDB's file half of that. The newest are kept. */
export const MOST_BYTES = 1024 * 1024 * 1024;

/** Why a recording has no lines any more. */
export const OUTGROWN =
  "newer recordings have as many lines as are kept; replay --grep finds it";

/**
 * The lines of a session that were not removed since, each with its number and moment.
 * @param first the number of the first
 * @param removals of texts of the session
 */
export function keptLines(
  lines: readonly SearchedLine[],
  first: number,
  began_ms: number,
  removals: readonly Redaction[],
): (SearchedLine & { number: number; moment: number })[] {
  const removed_ms = Math.max(
    -Infinity,
    ...removals.map((removal) =>
      removesRecording(removal) ? Infinity : Date.parse(removal.timestamp),
    ),
  );
  const now = Date.now();
  return lines
    .map((line, i) => ({
      ...{ ...line, number: first + i },
      // Nothing that was recorded is of a time to come.
      moment: Math.min(now, began_ms + line.at_ms),
    }))
    .filter(({ moment }) => moment > removed_ms);
}
