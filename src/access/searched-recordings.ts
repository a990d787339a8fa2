/**
 * Brings the lines of recordings into the database, for searches: those of sessions
 * that have ended, newest first, each once, piece by piece. Whoever has the database
 * open does that, never a wrapper. A file that was changed is read anew, and one that
 * is no more loses its lines.
 */
import { readdirSync } from "node:fs";
import { errnoOf } from "../model/failure.ts";
import { isSessionId, startSecondOf } from "../model/id.ts";
import {
  RECORDING_SUFFIX,
  recordingPath,
  recordingsFolder,
} from "../model/recording/place.ts";
import { readFailure } from "../os/paths.ts";
import { statFile } from "../os/stat.ts";
import { Reading, type Searching, type Stat, isOf } from "./recording-lines.ts";

/** Files that are looked at, or sessions asked for, at once. */
const PORTION = 256;

/** How many recordings were read, and how many are left for the next time. */
export interface Searched {
  read: number;
  left: number;
}

/** @throws Failure when there is no room, or something cannot be read or written */
export async function searchRecordings(
  searching: Searching,
): Promise<Searched> {
  const { data, lines, redaction } = searching;
  const known = new Map(
    (await lines.recordings()).map((one) => [one.session_id, one]),
  );
  const files = await filesOf(searching);
  const gone = [...known.keys()].filter((id) => !files.has(id));
  if (gone.length > 0) await lines.remove(gone);
  const all = { read: 0, left: 0 };
  if (redaction === null) return all;
  const todo = [...files].filter(([id, stat]) => {
    const one = known.get(id);
    const isRead = one?.done && isOf(one, stat);
    return !isRead || (one.within_ms ?? Infinity) < searching.within_ms;
  });
  for (let at = 0; at < todo.length; at += PORTION) {
    const portion = todo.slice(at, at + PORTION);
    const ended = await lines.ended(portion.map(([id]) => id));
    for (const [session_id, stat] of portion) {
      const start = ended.get(session_id);
      if (start === undefined) continue;
      const file = { session_id, start, stat, known: known.get(session_id) };
      const path = recordingPath(data, session_id);
      lines.requireRoom();
      const reading = new Reading(searching, redaction, { ...file, path });
      if (searching.begins(stat.bytes) && (await reading.run())) all.read++;
      else all.left++;
    }
  }
  return all;
}

/** The recordings that there are, newest start first. */
async function filesOf(searching: Searching): Promise<Map<string, Stat>> {
  const { data, goesOn } = searching;
  const files: [string, Stat][] = [];
  for (const name of namesIn(recordingsFolder(data))) {
    const session_id = name.slice(0, -RECORDING_SUFFIX.length);
    if (!name.endsWith(RECORDING_SUFFIX) || !isSessionId(session_id)) continue;
    const path = recordingPath(data, session_id);
    const stat = statFile(path, { follow: false });
    if (!stat) continue;
    const { bytes, changed } = stat;
    files.push([session_id, { bytes, changed }]);
    if (files.length % PORTION === 0) await goesOn();
  }
  const start = new Map(files.map(([id]) => [id, startSecondOf(id) ?? ""]));
  return new Map(
    files.sort(([a], [b]) => start.get(b)!.localeCompare(start.get(a)!)),
  );
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    // Nothing was recorded, or all of it removed.
    if (errnoOf(error) === "ENOENT") return [];
    throw readFailure(folder, error);
  }
}
