/** Which files a database of DuckDB consists of. */
import { closeSync, openSync, readSync, statSync } from "node:fs";
import { errnoOf } from "../model/failure.ts";

/** What is added to its name: nothing, of its write-ahead log, of what a checkpoint copied. */
export const SUFFIXES = ["", ".wal", ".checkpoint"] as const;

/** What a checkpoint copied begins so; no database does, that nobody takes it for one. */
export const COPY_KIND = Buffer.from("session-buddy checkpoint 1\n");

/** Their paths, the database's own first; those beside it need not be there. */
export const databaseFiles = (path: string): string[] =>
  SUFFIXES.map((suffix) => `${path}${suffix}`);

/**
 * What stands beside a database and is its own, by their suffixes. A user's file may
 * have the name of a copy.
 */
export function ownBeside(path: string): string[] {
  const isThere = (suffix: string) =>
    statSync(`${path}${suffix}`, { throwIfNoEntry: false })?.isFile() ?? false;
  const [, log, copy] = SUFFIXES;
  const isOurs =
    isThere(copy) &&
    beginningOf(`${path}${copy}`, COPY_KIND.length).equals(COPY_KIND);
  return [...(isThere(log) ? [log] : []), ...(isOurs ? [copy] : [])];
}

/** The first bytes of a file; zeros where there is less of it, or nothing. */
export function beginningOf(path: string, bytes: number): Buffer {
  const head = Buffer.alloc(bytes);
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return head;
    throw error;
  }
  try {
    readSync(fd, head, 0, head.length, 0);
    return head;
  } finally {
    closeSync(fd);
  }
}
