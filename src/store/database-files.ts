/** Which files a database of DuckDB consists of. */
import { closeSync, openSync, readSync, statSync } from "node:fs";

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
  const isOurs = isThere(copy) && beginning(`${path}${copy}`).equals(COPY_KIND);
  return [...(isThere(log) ? [log] : []), ...(isOurs ? [copy] : [])];
}

function beginning(path: string): Buffer {
  const bytes = Buffer.alloc(COPY_KIND.length);
  const fd = openSync(path, "r");
  try {
    return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, 0));
  } finally {
    closeSync(fd);
  }
}
