/** The path of the database: whether DuckDB can use it, and where it leads. */
import { linkSync, realpathSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, dirname } from "node:path";
import { type Failure, errnoOf, fail } from "../../model/failure.ts";
import { statFile } from "../../os/stat.ts";
import { databaseFiles } from "../database-files.ts";

/** DuckDB reads options from a question mark on, and puts the log's suffix before it. */
export function refuseQuestionMark(path: string): void {
  const real = `${realpathSync(dirname(path))}/${basename(path)}`;
  if (real.includes("?"))
    throw fail.config(
      `'${real}' cannot be a database: DuckDB takes no question mark in a path`,
      "choose another path: SESSION_BUDDY_DB_PATH; what waits in the spool comes along",
    );
}

/** Renames a file, unless the name is taken. */
export function publish(half: string, path: string): void {
  try {
    linkSync(half, path);
  } catch (error) {
    if (errnoOf(error) === "EEXIST") return;
    // A filesystem without links.
    renameSync(half, path);
  }
}

export function removeWithLog(path: string): void {
  for (const file of databaseFiles(path)) rmSync(file, { force: true });
}

/** Of a database's file and its write-ahead log, in bytes. */
export function sizesOf(path: string): { file: number; log: number } {
  const bytes = (of: string) =>
    statSync(of, { throwIfNoEntry: false })?.size ?? 0;
  return { file: bytes(path), log: bytes(`${path}.wal`) };
}

export const identityOf = (path: string): string | null =>
  statFile(path, { follow: true })?.identity ?? null;

export const movedFailure = (path: string): Failure =>
  fail.storage(
    `'${path}' was removed or replaced while it was open`,
    "stop the server before its database is moved; what the spool still has comes in again",
  );

export const closedFailure = (path: string) =>
  fail.storage(`'${path}' was closed in the middle of a question`, "ask again");
