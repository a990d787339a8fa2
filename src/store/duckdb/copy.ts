/**
 * Copies the database to a new file, as of one moment and without free space. The
 * writer goes on meanwhile.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { DuckDBConnection } from "@duckdb/node-api";
import { fail } from "../../model/failure.ts";
import { SILENT, type Steps, part } from "../../model/progress.ts";
import { outputFailure } from "../../os/place.ts";
import { rowsOf, sampled, withFile } from "./connection.ts";
import type { Database } from "./database.ts";
import { removeWithLog } from "./file.ts";
import { storeFailure } from "./failure.ts";
import { SQL } from "./statements.ts";

/** The same for the same rows of a table, in any order. */
export interface Fingerprint {
  rows: number;
  hash: string;
}

/** A text as SQL has it. */
export const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`;
const identifier = (text: string) => `"${text.replaceAll('"', '""')}"`;

/** @param from a table, or a query in parentheses */
export async function fingerprint(
  connection: DuckDBConnection,
  from: string,
): Promise<Fingerprint> {
  const [row] = await rowsOf<Fingerprint>(
    connection,
    `SELECT count(*)::DOUBLE AS rows,
      coalesce(sum(hash(t)), 0)::VARCHAR AS hash FROM ${from} AS t`,
  );
  return row!;
}

export async function inSnapshot<T>(
  connection: DuckDBConnection,
  work: () => Promise<T>,
): Promise<T> {
  await connection.run(SQL.begin);
  try {
    return await work();
  } finally {
    await connection.run(SQL.rollback);
  }
}

interface Content {
  tables: Map<string, Fingerprint>;
  sessions: number;
}

/**
 * Copies the database to a file, and reads that back. Another instance writes it,
 * from files of the rows: a disk that fails under an attached file would take our
 * database down.
 * @param path where nothing is yet, nor after a failure
 * @param name the file in sentences
 * @param steps hears how far it is
 * @param empty tables whose rows stay behind
 * @throws Failure naming `name`
 */
export async function copyDatabase(
  db: Database,
  path: string,
  name = path,
  steps: Steps = SILENT,
  empty: readonly string[] = [],
): Promise<{ sessions: number; events: number }> {
  const rows = `${path}.rows`;
  try {
    makeFolder(rows);
    return await db.jobs.run(async (connection, joins) => {
      const had = await inSnapshot(connection, async () => {
        const all = `EXPORT DATABASE ${quoted(rows)} (FORMAT parquet, COMPRESSION zstd)`;
        await sampled(connection, part(steps, 0, 0.4), "reading", () =>
          connection.run(all),
        );
        return contentOf(connection, empty);
      });
      for (const table of empty) leaveEmpty(rows, table);
      await withFile(path, "READ_WRITE", async (writer) => {
        joins(writer);
        await sampled(writer, part(steps, 0.4, 0.9), "writing", () =>
          writer.run(`IMPORT DATABASE ${quoted(rows)}`),
        );
        // At its closing a failure would not be heard of.
        await writer.run(SQL.checkpoint);
      });
      const has = await withFile(path, "READ_ONLY", (reader) => {
        joins(reader);
        steps.at("comparing", 0.9);
        return contentOf(reader);
      });
      if (!Bun.deepEquals(has, had)) throw differs(name);
      return { sessions: had.sessions, events: had.tables.get("events")!.rows };
    });
  } catch (error) {
    removeWithLog(path);
    throw storeFailure(name, error);
  } finally {
    rmSync(rows, { recursive: true, force: true });
  }
}

/** Has an export made a table without its rows. */
function leaveEmpty(folder: string, table: string): void {
  const load = `${folder}/load.sql`;
  const file = `${folder}/${table}.parquet`;
  const copy = `COPY ${table} FROM ${quoted(file)} (FORMAT 'parquet', COMPRESSION 'zstd');`;
  const [before, after, ...more] = readFileSync(load, "utf8").split(copy);
  if (after === undefined || more.length > 0)
    throw new Error(`'${load}' does not load ${table} once`);
  writeFileSync(load, before + after);
  rmSync(file);
}

/** @param empty tables that have no rows, whatever stands there */
async function contentOf(
  connection: DuckDBConnection,
  empty: readonly string[] = [],
): Promise<Content> {
  const names = await rowsOf<{ name: string }>(
    connection,
    `SELECT table_name AS name FROM duckdb_tables()
      WHERE database_name = current_database() AND NOT temporary ORDER BY 1`,
  );
  const tables = new Map<string, Fingerprint>();
  const of = (name: string) =>
    empty.includes(name)
      ? `(FROM ${identifier(name)} WHERE false)`
      : identifier(name);
  for (const { name } of names)
    tables.set(name, await fingerprint(connection, of(name)));
  const { rows } = await fingerprint(connection, "all_sessions");
  return { tables, sessions: rows };
}

const differs = (path: string) =>
  fail.storage(
    `'${path}' does not hold what was written to it`,
    "check that disk, and give a file on another one",
  );

/** Makes a folder of our own, empty. */
export function makeFolder(path: string): void {
  rmSync(path, { recursive: true, force: true });
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    throw outputFailure(path, error);
  }
}
