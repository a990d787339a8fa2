/** What DuckDB says of a query, as one sentence that says where in the query it is. */
import { type Failure, fail, reasonOf } from "../../../model/failure.ts";
import { type Place, queryFailure } from "../../query-failure.ts";

/** What the parser says, of what it could not make a statement of. */
export function parserFailure(sql: string, parsed: object): Failure {
  const { error_type, error_message, position } = parsed as Parsed;
  return error_type === "not implemented"
    ? queryFailure(sql, null, "it is no SELECT")
    : queryFailure(sql, placeIn(position), firstLine(error_message));
}

interface Parsed {
  error_type: string;
  error_message: string;
  position?: string;
}

/** An error of a connection whose errors are JSON. */
export function asQueryFailure(sql: string, error: unknown): Failure {
  const said = errorIn(error);
  if (!said) return queryFailure(sql, null, reasonOf(error), error);
  const { exception_type, exception_message, position, candidates } = said;
  if (exception_type === "Out of Memory")
    return fail.refused(
      "the query needs more memory than there is for one",
      "make it smaller, by WHERE or LIMIT",
      { cause: error },
    );
  const why = firstLine(exception_message);
  const rather =
    said.error_subtype === "COLUMN_NOT_FOUND" && candidates
      ? `${why} (did you mean ${candidates.replaceAll(",", ", ")}?)`
      : why;
  return queryFailure(sql, placeIn(position), rather, error);
}

interface Said {
  exception_type: string;
  exception_message: string;
  error_subtype?: string;
  candidates?: string;
  position?: string;
}

function errorIn(error: unknown): Said | null {
  const text = error instanceof Error ? error.message : String(error);
  const from = text.indexOf("{");
  try {
    const said = JSON.parse(text.slice(from)) as Partial<Said>;
    return typeof said.exception_message === "string" ? (said as Said) : null;
  } catch {
    // Some come as they are.
    return null;
  }
}

const placeIn = (position: string | undefined): Place =>
  position === undefined || !/^\d+$/.test(position) ? null : Number(position);

const firstLine = (text: string) =>
  text.split("\n", 1)[0]!.replace(/[!.]$/, "");
