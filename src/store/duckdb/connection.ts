/** The settings of DuckDB, and short connections to files other than the store's. */
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import type { Steps } from "../../model/progress.ts";

/** How DuckDB is set up. */
export const OPTIONS = {
  // For new files: from this version on a log names the file that it belongs to.
  storage_compatibility_version: "v1.4.0",
  memory_limit: "512MB",
  // What has no room there goes to files; a user's query may not fill the disk.
  max_temp_directory_size: "4GB",
  // A checkpoint joins no small row groups, which takes seconds: see Database.checkpoint.
  max_vacuum_tasks: "0",
  allocator_background_threads: "true",
  autoinstall_known_extensions: "false",
  autoload_known_extensions: "false",
};

/** Opens another database than ours, for a while. */
export async function withFile<T>(
  path: string,
  access_mode: "READ_ONLY" | "READ_WRITE",
  work: (connection: DuckDBConnection) => Promise<T>,
): Promise<T> {
  const instance = await DuckDBInstance.create(path, {
    access_mode,
    ...OPTIONS,
  });
  try {
    const connection = await instance.connect();
    try {
      return await work(connection);
    } finally {
      connection.closeSync();
    }
  } finally {
    instance.closeSync();
  }
}

/** How often it is asked how far a query is. */
const SAMPLE_MS = 200;

/**
 * Does work with a connection, and says how far its queries are. It never goes back
 * when one query follows another.
 */
export async function sampled<T>(
  connection: DuckDBConnection,
  steps: Steps,
  step: string,
  work: () => Promise<T>,
): Promise<T> {
  // The library would print a bar of its own.
  await connection.run("SET enable_progress_bar_print = false");
  await connection.run("SET enable_progress_bar = true");
  let most = 0;
  steps.at(step, most);
  const timer = setInterval(() => {
    most = Math.max(most, connection.progress.percentage / 100 || 0);
    steps.at(step, most);
  }, SAMPLE_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

export async function rowsOf<T>(
  connection: DuckDBConnection,
  sql: string,
): Promise<T[]> {
  const result = await connection.runAndReadAll(sql);
  return result.getRowObjectsJson() as T[];
}
