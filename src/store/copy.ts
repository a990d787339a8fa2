/**
 * A copy of the database in a new file, as it is at one moment, without its
 * free space. It is made by a connection beside the writer's, which goes on.
 */
import { rmSync } from "node:fs";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { Failure } from "../model/failure.ts";
import type { Database } from "./database.ts";
import { storeFailure } from "./failure.ts";
import { SQL } from "./statements.ts";

/** What a table holds: the same for the same rows, in any order. */
export interface Fingerprint {
  rows: number;
  hash: string;
}

/** A text as SQL has it. */
export const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`;
const name = (text: string) => `"${text.replaceAll('"', '""')}"`;

export async function rowsOf<T>(
  connection: DuckDBConnection,
  sql: string,
): Promise<T[]> {
  const result = await connection.runAndReadAll(sql);
  return result.getRowObjectsJson() as T[];
}

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

/** Within one snapshot of the database. */
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

/**
 * Copies the database into a file, then reads that back.
 * @param path where nothing is yet; nothing is left there after a failure
 * @returns how many sessions and events it holds
 * @throws Failure naming `path`
 */
export async function copyDatabase(
  db: Database,
  path: string,
): Promise<{ sessions: number; events: number }> {
  try {
    return await db.aside((connection) => copyBy(connection, path));
  } catch (error) {
    for (const file of [path, `${path}.wal`]) rmSync(file, { force: true });
    throw storeFailure(path, error);
  }
}

async function copyBy(connection: DuckDBConnection, path: string) {
  const [{ own }] = (await rowsOf(
    connection,
    "SELECT current_database() AS own",
  )) as [{ own: string }];
  const copy = name(`copy_${crypto.randomUUID()}`);
  const prints = new Map<string, Fingerprint>();
  let sessions = 0;
  const attached = async (how: string, work: () => Promise<void>) => {
    await connection.run(`ATTACH ${quoted(path)} AS ${copy} ${how}`);
    try {
      await work();
    } finally {
      await connection.run(`DETACH ${copy}`);
    }
  };
  await attached("", async () => {
    await connection.run(SQL.begin);
    try {
      await connection.run(`COPY FROM DATABASE ${name(own)} TO ${copy}`);
      for (const table of await tablesOf(connection, own))
        prints.set(table, await fingerprint(connection, name(table)));
      sessions = (await fingerprint(connection, "all_sessions")).rows;
      await connection.run(SQL.commit);
    } catch (error) {
      await connection.run(SQL.rollback).catch(() => {
        // It has rolled back by itself.
      });
      throw error;
    }
  });
  await attached("(READ_ONLY)", async () => {
    for (const [table, print] of prints) {
      const read = await fingerprint(connection, `${copy}.${name(table)}`);
      if (!Bun.deepEquals(read, print)) throw differs(path, table);
    }
  });
  return { sessions, events: prints.get("events")!.rows };
}

async function tablesOf(connection: DuckDBConnection, database: string) {
  const rows = await rowsOf<{ table_name: string }>(
    connection,
    `SELECT table_name FROM duckdb_tables()
      WHERE database_name = ${quoted(database)} AND NOT temporary`,
  );
  return rows.map(({ table_name }) => table_name);
}

const differs = (path: string, table: string) =>
  new Failure(
    "storage",
    `'${path}' does not hold what was written to it: ${table} reads differently`,
    "check that disk, and give a file on another one",
  );

/**
 * Moves the write-ahead log of a database that nobody has open into its file,
 * where it still opens.
 */
export async function emptyLog(path: string): Promise<void> {
  try {
    const instance = await DuckDBInstance.create(path);
    try {
      const connection = await instance.connect();
      await connection.run(SQL.checkpoint);
      connection.closeSync();
    } finally {
      instance.closeSync();
    }
  } catch {
    // Damaged, or newer: whoever asks finds the log still there.
  }
}
