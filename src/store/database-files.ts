/** Which files a database of DuckDB consists of. */

/** What is added to its name: nothing, of its write-ahead log, of what a checkpoint copied. */
export const SUFFIXES = ["", ".wal", ".checkpoint"] as const;

/** Their paths, the database's own first; those beside it need not be there. */
export const databaseFiles = (path: string): string[] =>
  SUFFIXES.map((suffix) => `${path}${suffix}`);
