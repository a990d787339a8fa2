/** Errors of users' queries: one sentence that says where in the query it is. */
import { type Failure, fail } from "../model/failure.ts";
import { MAX_QUERY_BYTES } from "../model/query.ts";

/** An offset in bytes; null where nobody knows. */
export type Place = number | null;

const HINT = "see the columns and what is there: session-buddy query --help";

export function queryFailure(
  sql: string,
  place: Place,
  why: string,
  cause?: unknown,
): Failure {
  const where = place === null ? "" : ` at ${placeOf(sql, place)}`;
  return fail.usage(`the query cannot run: ${why}${where}`, HINT, { cause });
}

/** `line 2, column 8`, as people count. */
function placeOf(sql: string, place: number): string {
  const before = new TextDecoder()
    .decode(new TextEncoder().encode(sql).subarray(0, place))
    .split("\n");
  return `line ${before.length}, column ${[...before.at(-1)!].length + 1}`;
}

/** @throws Failure (usage) of a text that is too long for a query, or no text of one */
export function requireText(sql: string): void {
  if (Buffer.byteLength(sql) > MAX_QUERY_BYTES)
    throw queryFailure(sql, null, `it is longer than ${MAX_QUERY_BYTES} bytes`);
  // A parser would stop there.
  if (sql.includes("\0")) throw queryFailure(sql, null, "it has a NUL in it");
}
