/** Whether texts of a session may be in a database other than ours. */
import { ownBeside } from "../database-files.ts";
import { withFile } from "./connection.ts";
import { quoted } from "./copy.ts";

/**
 * @param path a file that nobody else could have written
 * @throws what DuckDB says of a file that it cannot open
 */
export async function holdsSession(
  path: string,
  session_id: string,
): Promise<boolean> {
  // What is in a log that was not replayed nobody can tell.
  if (path.includes("?") || ownBeside(path).length > 0) return true;
  return withFile(path, "READ_ONLY", async (connection) => {
    const read = await connection.runAndReadAll(
      `SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main'
        AND table_name IN ('events', 'archived_sessions')`,
    );
    // Of an archived one bytes may be left in blocks that are free by now.
    for (const [table] of read.getRowsJson()) {
      const found = await connection.runAndReadAll(
        `SELECT 1 FROM ${String(table)}
          WHERE session_id = ${quoted(session_id)} LIMIT 1`,
      );
      if (found.currentRowCount > 0) return true;
    }
    return false;
  });
}
