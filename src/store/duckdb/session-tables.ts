/**
 * Closed sessions stand in two tables: in `sessions` when their id names the second
 * of their start, else in `undated_sessions`.
 */
import { type DuckDBValue, listValue } from "@duckdb/node-api";
import type { EndSource } from "../../model/event.ts";
import { startSecondOf } from "../../model/id.ts";
import type { Query } from "./queries.ts";
import { SQL } from "./statements.ts";

export interface ClosedRow {
  id: string;
  end_source: EndSource;
  reporter: string | null;
  start_time: string;
  end_time: string;
}

export type End = Pick<ClosedRow, "id" | "end_source" | "end_time">;

/** Runs a statement, on whatever connection. */
type Ask = <T>(sql: string, values: DuckDBValue[]) => Promise<T[]>;

/**
 * Queries of some sessions, one a table that may hold any of them.
 * @param dated takes the ids, and the first and the last second that they name
 * @param undated takes the ids
 */
export function byTable(
  ids: Iterable<string>,
  dated: string,
  undated: string,
): Query[] {
  const of = Map.groupBy(ids, (id) => startSecondOf(id) !== null);
  const queries: Query[] = [];
  const [named, others] = [of.get(true), of.get(false)];
  if (named) {
    const seconds = named.map((id) => startSecondOf(id)!).sort();
    const values = [listValue(named), seconds[0]!, seconds.at(-1)!];
    queries.push({ sql: dated, values });
  }
  if (others) queries.push({ sql: undated, values: [listValue(others)] });
  return queries;
}

/** The rows of some queries, one after the other. */
export async function rowsOfAll<T>(
  ask: Ask,
  queries: readonly Query[],
): Promise<T[]> {
  const rows: T[] = [];
  for (const { sql, values } of queries)
    rows.push(...(await ask<T>(sql, values)));
  return rows;
}

/** The rows of some sessions, of those that are closed. */
export const closedAmong = (
  ask: Ask,
  ids: Iterable<string>,
): Promise<ClosedRow[]> =>
  rowsOfAll(ask, byTable(ids, SQL.closedDated, SQL.closedUndated));

/** When the ends of some sessions were received, by our own clock. */
export async function receiptOfEnds(
  ask: Ask,
  ends: readonly End[],
): Promise<Map<string, string>> {
  if (ends.length === 0) return new Map();
  const earliest = ends.map(({ end_time }) => end_time).sort()[0]!;
  const ids = listValue(ends.map(({ id }) => id));
  type Row = { id: string; received_at: string };
  const rows = await ask<Row>(SQL.endsFound, [ids, earliest]);
  return new Map(rows.map(({ id, received_at }) => [id, received_at]));
}

/** The query of a session, open or closed. */
export const sessionQuery = (session_id: string): Query =>
  byTable([session_id], SQL.sessionDated, SQL.sessionUndated)[0]!;
