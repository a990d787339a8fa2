/** A look into the database's file when nobody else has it open. */
import { DuckDBInstance } from "@duckdb/node-api";
import { MIGRATIONS } from "../../src/store/duckdb/schema.ts";

/** The columns of sessions that came after a version of the schema. */
export const addedSince = (version: number): string[] =>
  MIGRATIONS.slice(version).flatMap((sql) =>
    [...sql.matchAll(/ALTER TABLE sessions ADD COLUMN (\w+)/g)].map(
      ([, name]) => name!,
    ),
  );

/** All columns of sessions that a version of the schema had, for SELECT. */
export function columnsOf(version: number): string {
  const added = addedSince(version);
  return added.length === 0 ? "*" : `* EXCLUDE (${added.join(", ")})`;
}

export async function query<T>(path: string, sql: string): Promise<T[]> {
  const instance = await DuckDBInstance.create(path);
  const db = await instance.connect();
  try {
    return (await db.runAndReadAll(sql)).getRowObjectsJson() as T[];
  } finally {
    db.closeSync();
    instance.closeSync();
  }
}

export interface StoredEvent {
  event_id: string;
  session_id: string;
  kind: string;
}

export const storedEvents = (path: string) =>
  query<StoredEvent>(
    path,
    "SELECT event_id::VARCHAR AS event_id, session_id, kind FROM events ORDER BY seq",
  );
