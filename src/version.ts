/**
 * What this build is. The build defines the constants; from source they say so.
 */
declare const SESSION_BUDDY_VERSION: string | undefined;
declare const SESSION_BUDDY_COMMIT: string | undefined;
declare const SESSION_BUDDY_DATE: string | undefined;
declare const SESSION_BUDDY_DUCKDB: string | undefined;

const defined = (value: () => string | undefined, otherwise: string) => {
  try {
    return value() ?? otherwise;
  } catch {
    // Not built: the name does not exist.
    return otherwise;
  }
};

export const VERSION = defined(() => SESSION_BUDDY_VERSION, "0.0.0-source");
export const COMMIT = defined(() => SESSION_BUDDY_COMMIT, "source");
/** Of the commit, `2026-02-06`; empty where it is not known. */
export const COMMIT_DATE = defined(() => SESSION_BUDDY_DATE, "");
export const DUCKDB_VERSION = defined(() => SESSION_BUDDY_DUCKDB, "source");
/** True in the compiled executable, which brings DuckDB's files with it. */
export const COMPILED = COMMIT !== "source";
