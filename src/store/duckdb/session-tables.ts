/**
 * Closed sessions stand in one of two tables: with an id that names the second
 * of their start, or with one that names none.
 */
import { type DuckDBValue, listValue } from "@duckdb/node-api";
import type { EndSource } from "../../model/event.ts";
import { startSecondOf } from "../../model/id.ts";
import type { Database } from "./database.ts";
import { SQL } from "./statements.ts";

export interface ClosedRow {
  id: string;
  end_source: EndSource;
  reporter: string | null;
  start_time: string;
  end_time: string;
}

export type End = Pick<ClosedRow, "id" | "end_source" | "end_time">;

/** Runs a statement, by whatever connection. */
type Ask = <T>(sql: string, values: DuckDBValue[]) => Promise<T[]>;

/** Ids, and the span of the seconds that they name; null when none names one. */
export function among(ids: readonly string[]): DuckDBValue[] {
  const seconds = ids.map((id) => startSecondOf(id)!).sort();
  return [listValue(ids), seconds[0]!, seconds.at(-1)!];
}

export function byTable(ids: Iterable<string>) {
  const of = { dated: [] as string[], undated: [] as string[] };
  for (const id of ids)
    of[startSecondOf(id) === null ? "undated" : "dated"].push(id);
  return of;
}

/** Those of some sessions that have a row among the closed. */
export async function closedAmong(
  ask: Ask,
  ids: Iterable<string>,
): Promise<ClosedRow[]> {
  const { dated, undated } = byTable(ids);
  const rows: ClosedRow[] = [];
  if (dated.length > 0)
    rows.push(...(await ask<ClosedRow>(SQL.closedDated, among(dated))));
  if (undated.length > 0)
    rows.push(
      ...(await ask<ClosedRow>(SQL.closedUndated, [listValue(undated)])),
    );
  return rows;
}

/** When the ends of some sessions were written down, by our own clock. */
export async function writtenDown(
  ask: Ask,
  ends: readonly End[],
): Promise<Map<string, string>> {
  if (ends.length === 0) return new Map();
  const earliest = ends.map(({ end_time }) => end_time).sort()[0]!;
  const rows = await ask<{ id: string; received_at: string }>(SQL.endsFound, [
    listValue(ends.map(({ id }) => id)),
    earliest,
  ]);
  return new Map(rows.map(({ id, received_at }) => [id, received_at]));
}

export async function deleteOpen(
  db: Database,
  ids: readonly string[],
): Promise<void> {
  if (ids.length > 0) await db.run(SQL.deleteOpen, [listValue(ids)]);
}

export async function deleteClosed(
  db: Database,
  ids: Iterable<string>,
): Promise<void> {
  const { dated, undated } = byTable(ids);
  if (dated.length > 0) await db.run(SQL.deleteDated, among(dated));
  if (undated.length > 0) await db.run(SQL.deleteUndated, [listValue(undated)]);
}

/** The statement that finds a session, open or closed, and what goes into it. */
export function sessionQuery(session_id: string): {
  sql: string;
  values: DuckDBValue[];
} {
  return startSecondOf(session_id) === null
    ? { sql: SQL.sessionUndated, values: [listValue([session_id])] }
    : { sql: SQL.sessionDated, values: among([session_id]) };
}
