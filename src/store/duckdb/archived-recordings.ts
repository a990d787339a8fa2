/** The recordings of the sessions that go to an archive: they go along. */
import { type DuckDBConnection, listValue } from "@duckdb/node-api";
import type { Archive, RecordingFiles } from "../../model/maintenance.ts";
import { outputFailure } from "../../os/place.ts";
import { SESSIONS_FILE } from "../archive-folder.ts";
import { quoted } from "./copy.ts";

export interface Recorded {
  /** The sessions whose recordings went. */
  recorded: readonly string[];
  recordings: Archive["recordings"];
}

export const NOT_RECORDED: Recorded = {
  recorded: [],
  recordings: { files: 0, bytes: 0 },
};

/**
 * Puts them into the folder that holds the sessions, too.
 * @param name what it will be called
 * @throws Failure when they do not fit
 */
export async function copyRecordings(
  connection: DuckDBConnection,
  files: RecordingFiles | undefined,
  folder: string,
  name: string,
): Promise<Recorded> {
  const all = files?.sessions() ?? [];
  if (!files || all.length === 0) return NOT_RECORDED;
  const sessions = quoted(`${folder}/${SESSIONS_FILE}`);
  const read = await connection.runAndReadAll(
    `SELECT session_id FROM read_parquet(${sessions})
      WHERE session_id IN (SELECT unnest($1::VARCHAR[]))`,
    [listValue(all)],
  );
  const recorded = read.getRows().map(([session_id]) => String(session_id));
  if (recorded.length === 0) return NOT_RECORDED;
  try {
    const bytes = files.copy(recorded, folder);
    return { recorded, recordings: { files: recorded.length, bytes } };
  } catch (error) {
    throw outputFailure(name, error);
  }
}
