/**
 * Archives sessions: the files are written from one snapshot, read back and compared,
 * then renamed; what they hold is removed from the database in one transaction that
 * leaves a tombstone of each session. Killed anywhere in between, the sessions are in
 * the database, in the files, or in both.
 */
import { chmodSync } from "node:fs";
import { type DuckDBConnection, listValue } from "@duckdb/node-api";
import { fail } from "../../model/failure.ts";
import type { ArchivePlan, ArchiveRequest } from "../../model/maintenance.ts";
import { type Steps, part } from "../../model/progress.ts";
import { sync } from "../../os/copy.ts";
import type { OpenFolder } from "../../os/scratch.ts";
import { EVENTS_FILE, SESSIONS_FILE } from "../archive-folder.ts";
import { rowsOf, sampled } from "./connection.ts";
import { fingerprint, inSnapshot, makeFolder, quoted } from "./copy.ts";
import type { Database } from "./database.ts";
import { NAMED_SECOND, NOW, OUTPUT_TABLES, SQL, time } from "./statements.ts";

export interface Exported extends ArchivePlan {
  /** The number of the last event then. */
  seq: number;
}

/** The old sessions, and why some of them stay. */
const OLD = `FROM (
  SELECT *, session_id IN (SELECT unnest($3::VARCHAR[])) AS is_spooled,
    $2 AND len(tags) > 0 AS is_tagged
  FROM all_sessions
  WHERE end_source IS NOT NULL AND end_time < $1::TIMESTAMP)`;
const GOING = "NOT is_spooled AND NOT coalesce(is_tagged, false)";
const PLAN = `
  SELECT (count(*) FILTER (${GOING}))::DOUBLE AS sessions,
    (count(*) FILTER (is_spooled))::DOUBLE AS spooled,
    (count(*) FILTER (is_tagged AND NOT is_spooled))::DOUBLE AS tagged,
    ${time(`min(end_time) FILTER (${GOING})`, "first_end")},
    ${time(`max(end_time) FILTER (${GOING})`, "last_end")},
    (SELECT count(*) FROM events WHERE session_id IN
      (SELECT session_id ${OLD} WHERE ${GOING}))::DOUBLE AS events
  ${OLD}`;

/** @param spooled sessions with files in the spool */
function valuesOf(request: ArchiveRequest, spooled: readonly string[]) {
  const { ended_before, keep_tagged } = request;
  // An empty list would have no type.
  return [ended_before, keep_tagged, listValue(["", ...spooled])];
}

export async function plan(
  connection: DuckDBConnection,
  request: ArchiveRequest,
  spooled: readonly string[],
): Promise<ArchivePlan> {
  const values = valuesOf(request, spooled);
  const read = await connection.runAndReadAll(PLAN, values);
  return read.getRowObjectsJson()[0] as unknown as ArchivePlan;
}

/**
 * Writes what is to go to a new folder, and compares it with what is stored.
 * @param folder where it is made
 * @param name what it will be called
 * @param steps hears how far it is
 * @returns what the folder holds; it is not made for no session
 */
export async function exportTo(
  connection: DuckDBConnection,
  folder: string,
  name: string,
  request: ArchiveRequest,
  spooled: readonly string[],
  steps: Steps,
): Promise<Exported> {
  return inSnapshot(connection, async () => {
    const planned = await plan(connection, request, spooled);
    const [last] = await rowsOf<{ value: number }>(connection, SQL.lastSeq);
    if (planned.sessions === 0) return { ...planned, seq: last!.value };
    makeFolder(folder);
    const values = valuesOf(request, spooled);
    const chosen = `SELECT * EXCLUDE (is_spooled, is_tagged)
      ${OLD} WHERE ${GOING}`;
    await writeFiles(
      connection,
      folder,
      name,
      { chosen, values },
      planned,
      steps,
    );
    return { ...planned, seq: last!.value };
  });
}

/**
 * Writes chosen sessions with their events to the files of a folder, and compares
 * these with what is stored.
 */
export async function writeFiles(
  connection: DuckDBConnection,
  folder: string,
  name: string,
  { chosen, values }: { chosen: string; values: DuckDBValues },
  count: Pick<ArchivePlan, "sessions" | "events">,
  steps: Steps,
): Promise<void> {
  const sessions = quoted(`${folder}/${SESSIONS_FILE}`);
  const events = quoted(`${folder}/${EVENTS_FILE}`);
  const write = async (rows: string, file: string, values: DuckDBValues) =>
    connection.run(
      `COPY (${rows}) TO ${file}
        (FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false)`,
      values,
    );
  await write(chosen, sessions, values);
  const theirs = (table: string) => `SELECT * FROM ${table}
    WHERE session_id IN (SELECT session_id FROM read_parquet(${sessions}))`;
  await sampled(connection, part(steps, 0.1, 0.6), "writing", () =>
    write(theirs("events"), events, []),
  );
  for (const file of [SESSIONS_FILE, EVENTS_FILE]) {
    chmodSync(`${folder}/${file}`, 0o600);
    sync(`${folder}/${file}`);
  }
  steps.at("comparing", 0.6);
  for (const [table, file, rows] of [
    ["all_sessions", sessions, count.sessions],
    ["events", events, count.events],
  ] as const)
    await compare(connection, theirs(table), file, rows, name);
}

type DuckDBValues = ReturnType<typeof valuesOf> | [];

/** @throws Failure when a file does not hold what it should */
async function compare(
  connection: DuckDBConnection,
  stored: string,
  file: string,
  rows: number,
  folder: string,
): Promise<void> {
  const want = await fingerprint(connection, `(${stored})`);
  const read = await fingerprint(connection, `read_parquet(${file})`);
  if (want.rows === rows && Bun.deepEquals(want, read)) return;
  throw fail.storage(
    `'${folder}' would not hold what was written to it: ${read.rows} rows instead of ${rows}, or others`,
    "nothing was removed; check that disk, and give --output on another one",
  );
}

/**
 * Removes what a folder holds from the database; in the writer's turn, with all rows
 * written.
 * @returns false when some of it has changed since, and nothing was removed
 */
export async function removeExported(
  db: Database,
  made: OpenFolder,
  folder: string,
  { seq, sessions, events }: Exported,
): Promise<boolean> {
  const gone = `session_id IN (SELECT session_id
    FROM read_parquet(${quoted(made.at(SESSIONS_FILE))}))`;
  const changed = await db.once(
    `SELECT count(*)::DOUBLE AS n FROM events WHERE seq > ${seq} AND ${gone}`,
  );
  if (changed !== 0) return false;
  await db.transaction(async () => {
    await db.once(`INSERT INTO archived_sessions BY NAME
      SELECT session_id, ${NAMED_SECOND} AS named_second, ${NOW} AS archived_at,
        ${quoted(folder)} AS folder, 0 AS late_events
      FROM all_sessions WHERE ${gone}`);
    let rows = 0;
    for (const table of ["sessions", "undated_sessions", "open_sessions"])
      rows += await db.once(`DELETE FROM ${table} WHERE ${gone}`);
    for (const table of ["event_columns", ...OUTPUT_TABLES])
      await db.once(`DELETE FROM ${table} WHERE ${gone}`);
    const lines = await db.once(`DELETE FROM events WHERE ${gone}`);
    if (rows !== sessions || lines !== events)
      throw fail.storage(
        `${rows} sessions with ${lines} events would go, the files hold ${sessions} with ${events}`,
        `nothing was removed; '${folder}' holds copies`,
      );
  });
  return true;
}
