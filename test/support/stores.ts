/** The kinds of stores that a process keeps open: what one does, all do. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KeptStore, OpenOptions } from "../../src/model/store.ts";
import { DuckDBPatterns } from "../../src/store/duckdb/patterns.ts";
import { writeArchive } from "../../src/store/duckdb/archive-files.ts";
import { DuckDBStore } from "../../src/store/duckdb/store.ts";
import { addressOf } from "../../src/store/postgres/address.ts";
import type { PostgresOptions } from "../../src/store/postgres/options.ts";
import { PostgresStore } from "../../src/store/postgres/store.ts";
import { needsPostgres } from "../crash/postgres/node.ts";
import { type TestDatabase, emptyDatabase } from "./postgres.ts";

/** Where a store keeps its things, for one test. */
export interface KeptPlace extends AsyncDisposable {
  /** The database, where it is a file. */
  file: string | null;
  /** Opens the store; again after a close, on what was stored. */
  open(options?: OpenOptions): Promise<KeptStore>;
}

export interface Kind {
  kind: string;
  place(): Promise<KeptPlace>;
}

/** With its tables, which take longer to make than to copy. */
let file_of_tables: Promise<Buffer> | null = null;

async function madeFile(): Promise<Buffer> {
  const home = mkdtempSync(join(tmpdir(), "sb-store-"));
  try {
    const file = join(home, "sessions.duckdb");
    await (await DuckDBStore.open(file)).close();
    return readFileSync(file);
  } finally {
    rmSync(home, { recursive: true });
  }
}

const duckdb: Kind = {
  kind: "DuckDB",
  async place() {
    const home = mkdtempSync(join(tmpdir(), "sb-store-"));
    const file = join(home, "sessions.duckdb");
    writeFileSync(file, await (file_of_tables ??= madeFile()));
    return {
      file,
      open: (options) => DuckDBStore.open(file, options),
      async [Symbol.asyncDispose]() {
        rmSync(home, { recursive: true });
      },
    };
  },
};

let template: Promise<TestDatabase> | null = null;

/** With its tables, which take longer to make than to copy. */
async function madeDatabase(): Promise<TestDatabase> {
  const database = await emptyDatabase();
  await (await openPostgres(database)).close();
  return database;
}

export const openPostgres = (
  { url }: TestDatabase,
  options: PostgresOptions = {},
): Promise<PostgresStore> =>
  PostgresStore.open(addressOf(url, null, null), {
    patterns: async () => new DuckDBPatterns(),
    // A database that is slow is not away.
    patience_ms: 120_000,
    ...options,
  });

/** A database with its tables, and nothing in them. */
export const sharedDatabase = async (): Promise<TestDatabase> =>
  emptyDatabase(await (template ??= madeDatabase()));

const postgres = (kind: string, own: PostgresOptions): Kind => ({
  kind,
  async place() {
    const database = await sharedDatabase();
    return {
      file: null,
      open: (options) =>
        openPostgres(database, { ...options, ...own, writeArchive }),
      [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
    };
  },
});

/** Those that several processes may have open at once. */
export const SHARED: readonly Kind[] = needsPostgres()
  ? [
      postgres("PostgreSQL", {}),
      postgres("PostgreSQL without locks", { locks: false }),
    ]
  : [];

/** All kinds, for `describe.each`. */
export const STORES: readonly Kind[] = [duckdb, ...SHARED];
