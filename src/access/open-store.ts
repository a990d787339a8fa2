/** Opens the store that this process keeps; the one place that knows which it is. */
import { dirname } from "node:path";
import type { Settings } from "../config/load.ts";
import { fail } from "../model/failure.ts";
import type { Documents } from "../model/documents.ts";
import type { WriteArchive } from "../model/maintenance.ts";
import type { Duty, KeptStore, OpenOptions } from "../model/store.ts";
import { handsDownAccess } from "../os/group.ts";
import { refuseNetwork } from "../os/mounts.ts";
import { machineId } from "../os/proc.ts";
import { statFile } from "../os/stat.ts";
import { requireTrustedFile, requireUnshared } from "../os/trust.ts";
import type { PostgresStore } from "../store/postgres/store.ts";
import { databaseFiles } from "../store/database-files.ts";
import type { StoreLock } from "../store/lock.ts";
import { databasePath, loadDuckDB } from "./claim.ts";
import { databaseAddress } from "./database-address.ts";
import { type Shelf, ownDocuments } from "./documents.ts";

export interface OpenedStore {
  store: KeptStore;
  /** Opens it once more after it has given up and was closed; the lock is still held. */
  reopen(): Promise<KeptStore>;
  /** Closes it, and releases the lock. */
  close(): Promise<void>;
  /**
   * Small texts beside its events, of all who share it.
   * @param by by what duty they are written; a write fails once that is another's
   */
  documents(shelf: Shelf, by?: Term | null): Documents;
}

/** A duty, and since when it is had without a break; see `take`. */
export interface Term {
  duty: Duty;
  term: string;
}

/**
 * @param lock that of this host's database, held
 * @throws Failure when it cannot be opened; the lock is free then
 */
export async function openStore(
  settings: Settings,
  lock: StoreLock,
  options: OpenOptions = {},
): Promise<OpenedStore> {
  try {
    const { url } = settings.config.store;
    const reopen = () => openKept(settings, options);
    const closing = (store: KeptStore) => () =>
      store.close().finally(() => lock.release());
    if (url === null) {
      const store = await reopen();
      const documents = (shelf: Shelf) => ownDocuments(settings, shelf);
      return { store, reopen, close: closing(store), documents };
    }
    const store = await openDatabase(settings, url, options);
    const documents: OpenedStore["documents"] = (shelf, by = null) =>
      store.documents(shelf, by);
    return { store, reopen, close: closing(store), documents };
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** Opens it for whoever holds its lock. */
export function openKept(
  settings: Settings,
  options: OpenOptions,
): Promise<KeptStore> {
  const { url } = settings.config.store;
  return url === null
    ? openFile(settings, options)
    : openDatabase(settings, url, options);
}

async function openDatabase(
  settings: Settings,
  url: string,
  options: OpenOptions,
): Promise<PostgresStore> {
  const address = await databaseAddress(settings, url);
  const { PostgresStore } = await import("../store/postgres/store.ts");
  const patterns = async () => {
    await loadDuckDB(settings);
    const { DuckDBPatterns } = await import("../store/duckdb/patterns.ts");
    return new DuckDBPatterns();
  };
  const writeArchive: WriteArchive = async (...archive) => {
    await loadDuckDB(settings);
    const files = await import("../store/duckdb/archive-files.ts");
    return files.writeArchive(...archive);
  };
  // The same when it is started again.
  const name = `${machineId()} ${settings.paths.data}`;
  const recordings = settings.config.store.recordings ? "shared" : name;
  return PostgresStore.open(address, {
    ...{ ...options, patterns, writeArchive, recordings },
    ...(options.serves && { server: name }),
  });
}

/**
 * For a command: the texts that this host's server works with, which need not run.
 * @throws Failure when their database cannot be used
 */
export async function withDocuments<T>(
  settings: Settings,
  shelf: Shelf,
  use: (places: readonly Documents[]) => Promise<T>,
): Promise<T> {
  const { server, store } = settings.config;
  const own = ownDocuments(settings, shelf);
  if (store.url === null || server.endpoint !== null) return use([own]);
  const { withDatabaseDocuments } =
    await import("../store/postgres/documents.ts");
  const address = await databaseAddress(settings, store.url);
  // A server that shares its database keeps alerts of its own host by itself.
  return withDatabaseDocuments(address, shelf, (shared) =>
    use(shelf === "alerts" ? [shared, own] : [shared]),
  );
}

async function openFile(
  settings: Settings,
  options: OpenOptions,
): Promise<KeptStore> {
  const path = databasePath(settings);
  requireOwnDatabase(path);
  refuseInherited(dirname(path));
  if (!settings.config.store.network_filesystem) refuseNetwork(dirname(path));
  const { DuckDBStore } = await loadDuckDB(settings);
  return DuckDBStore.open(path, options);
}

/**
 * Refuses a database that others could write or exchange, and what is beside it.
 * @throws Failure (permission)
 */
export function requireOwnDatabase(path: string): void {
  for (const file of databaseFiles(path)) requireTrustedFile(file);
  requireUnshared(dirname(path));
}

/** Refuses a folder whose default ACL would open DuckDB's own files to others. */
function refuseInherited(folder: string): void {
  const stat = statFile(folder, { follow: true });
  if (!stat || (stat.mode & 0o011) === 0) return;
  if (handsDownAccess(folder))
    throw fail.permission(
      `'${folder}' opens to others what is made in it (a default ACL)`,
      `try: setfacl -k '${folder}', or chmod go-rwx it, or keep the database in a private folder`,
    );
}
