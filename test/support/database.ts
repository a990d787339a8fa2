/** A look into the database's file when nobody else has it open. */
import { DuckDBInstance } from "@duckdb/node-api";

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
