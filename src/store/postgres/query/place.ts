/** What PostgreSQL says of a query, as one sentence that says where in the query it is. */
import { type Failure, fail } from "../../../model/failure.ts";
import { VIEW_NAMES } from "../../../model/query.ts";
import { type Place, queryFailure } from "../../query-failure.ts";
import { stateOf } from "../retry.ts";

interface Said {
  message: string;
  /** Of a letter in the statement, from 1. */
  position?: string | number;
  hint?: string;
}

/** SQLSTATEs of a query that has met a bound of the server. */
const TOO_MUCH = /^53|^54000|^57P05/;
const UNKNOWN_TABLE = "42P01";
const SYNTAX = "42601";
const NOT_ALLOWED = "42501";

/** What begins a statement that is no SELECT. */
const OTHERS =
  /^(?:ABORT|ALTER|ANALYZE|BEGIN|CALL|CHECKPOINT|CLOSE|CLUSTER|COMMENT|COMMIT|COPY|CREATE|DEALLOCATE|DECLARE|DELETE|DISCARD|DO|DROP|END|EXECUTE|EXPLAIN|FETCH|GRANT|IMPORT|INSERT|LISTEN|LOAD|LOCK|MERGE|MOVE|NOTIFY|PREPARE|REASSIGN|REFRESH|REINDEX|RELEASE|RESET|REVOKE|ROLLBACK|SAVEPOINT|SECURITY|SET|SHOW|START|TRUNCATE|UNLISTEN|UPDATE|VACUUM)\b/i;
/** Nothing comes after it, so that it is tried once. */
const SKIPPED = /^(?:\s|--.*|\/\*[^]*?\*\/)*/;

/** A query without what stands before it, and is none. */
export const beginning = (sql: string): string => sql.replace(SKIPPED, "");

/** A query without spaces and semicolons at its end, which are no second statement. */
export function withoutEnd(sql: string): string {
  let end = sql.length;
  while (end > 0 && /[;\s]/.test(sql[end - 1]!)) end--;
  return sql.slice(0, end);
}

/**
 * @param before letters that stand before the query in the statement
 * @returns null of an error that is not the query's
 */
export function asQueryFailure(
  sql: string,
  error: unknown,
  before: number,
): Failure | null {
  const state = stateOf(error);
  if (state === null) return null;
  const { message, position, hint } = error as Said;
  if (TOO_MUCH.test(state))
    return fail.refused(
      `the query needs more than there is for one: ${firstLine(message)}`,
      "make it smaller, by WHERE or LIMIT",
      { cause: error },
    );
  if (state === NOT_ALLOWED)
    return fail.permission(
      `the query may not run: ${firstLine(message)}`,
      "grant the role what docs/many-hosts.md says",
      { cause: error },
    );
  // Of the query, its values, or what a query may be.
  if (!/^(0A|2|3D|42|54)/.test(state)) return null;
  const place = placeIn(sql, position, before);
  const failure = (why: string) => queryFailure(sql, place, why, error);
  if (state === SYNTAX) {
    if (/at or near ";"$/.test(message))
      return queryFailure(sql, null, "it may have one statement alone");
    if (OTHERS.test(beginning(sql)))
      return queryFailure(sql, null, "it is no SELECT");
  }
  const table =
    state === UNKNOWN_TABLE && /^relation "(.+)" does/.exec(message);
  if (table)
    return failure(
      `there is no table '${table[1]}', but ${VIEW_NAMES.join(", ")}`,
    );
  const rather = hint?.startsWith("Perhaps you meant")
    ? ` (${firstLine(hint)})`
    : "";
  return failure(firstLine(message) + rather);
}

/** An offset in bytes. */
function placeIn(
  sql: string,
  position: string | number | undefined,
  before: number,
): Place {
  if (position === undefined) return null;
  const letters = Number(position) - 1 - before;
  const all = [...sql];
  if (!(letters >= 0 && letters <= all.length)) return null;
  return Buffer.byteLength(all.slice(0, letters).join(""));
}

const firstLine = (text: string) =>
  text.split("\n", 1)[0]!.replace(/[!.]$/, "");
