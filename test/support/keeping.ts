/** Old sessions as they are long after: in the database, and nowhere else. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { query } from "./database.ts";
import { type Planted, plant } from "./host.ts";
import type { Sandbox } from "./sandbox.ts";

/**
 * Plants sessions, has them stored, and lets their spool files go.
 * @returns their ids
 */
export async function settled(
  sandbox: Sandbox,
  sessions: Planted[],
): Promise<string[]> {
  const ids = plant(sandbox, sessions);
  await sandbox.list("--limit", "1");
  rmSync(join(sandbox.spool, "done"), { recursive: true, force: true });
  return ids;
}

/** Ended long ago, so many of them. */
export const old = (sessions: number): Planted[] =>
  Array.from({ length: sessions }, (_, n) => ({
    at: new Date(Date.UTC(2026, 0, 1) + n * 60_000).toISOString(),
  }));

/** The ids of the sessions in an archive's folder. */
export async function archivedIn(
  sandbox: Sandbox,
  folder: string,
): Promise<string[]> {
  const rows = await query<{ id: string }>(
    join(sandbox.home, "any.duckdb"),
    `SELECT session_id AS id FROM '${folder}/sessions.parquet' ORDER BY 1`,
  );
  return rows.map(({ id }) => id);
}

export const idsOf = (sessions: { session_id: string }[]) =>
  sessions.map(({ session_id }) => session_id).sort();
