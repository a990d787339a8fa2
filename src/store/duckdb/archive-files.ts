/**
 * Writes an archive of sessions that another store keeps: into a database of its own,
 * whose files are then the same as those of an archive from here.
 */
import type { DuckDBConnection } from "@duckdb/node-api";
import type { WholeSession } from "../../model/contents.ts";
import { metadataJson } from "../../model/metadata.ts";
import { type Steps, part } from "../../model/progress.ts";
import { writeFiles } from "./archive.ts";
import { withFile } from "./connection.ts";
import { makeFolder } from "./copy.ts";
import { storeFailure } from "./failure.ts";
import { removeWithLog } from "./file.ts";
import { MIGRATIONS } from "./schema.ts";
import { EVENT_COPY, SQL } from "./statements.ts";

/**
 * @param folder is made, and holds the two files then
 * @param name what it will be called
 * @param portions some sessions at a time
 * @returns how many sessions and events it holds
 */
export async function writeArchive(
  folder: string,
  name: string,
  portions: AsyncIterable<readonly WholeSession[]>,
  steps: Steps,
): Promise<{ sessions: number; events: number }> {
  const path = `${folder}.duckdb`;
  try {
    makeFolder(folder);
    return await withFile(path, "READ_WRITE", async (connection) => {
      for (const sql of MIGRATIONS) await connection.run(sql);
      const count = { sessions: 0, events: 0 };
      for await (const portion of portions) {
        const rows = portion.flatMap(({ row }) =>
          row ? [{ ...row, metadata: metadataJson(row.metadata) }] : [],
        );
        const events = portion.flatMap(({ events }) => events);
        await add(connection, SQL.insertUndated, rows);
        await add(
          ...([
            connection,
            EVENT_COPY,
            events.map(({ event, provenance, ...place }) => ({
              ...{ ...place, event_id: event.event_id, kind: event.event_type },
              ...{ session_id: event.session_id, timestamp: event.timestamp },
              provenance: provenance && JSON.stringify(provenance),
              payload: JSON.stringify(event),
            })),
          ] as const),
        );
        count.sessions += rows.length;
        count.events += events.length;
        steps.at(`reading ${count.sessions} sessions`, null);
      }
      const chosen = "SELECT * FROM all_sessions";
      const writing = part(steps, 0.5, 1);
      const all = { chosen, values: [] satisfies [] };
      await writeFiles(connection, folder, name, all, count, writing);
      return count;
    });
  } catch (error) {
    throw storeFailure(name, error);
  } finally {
    removeWithLog(path);
  }
}

async function add(
  connection: DuckDBConnection,
  insert: string,
  rows: readonly object[],
): Promise<void> {
  if (rows.length === 0) return;
  const lines = rows.map((row) => JSON.stringify(row)).join("\n");
  await connection.run(insert, [lines]);
}
