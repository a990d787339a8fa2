/** The recordings of sessions that are archived: they move into the archive's folder. */
import { linkSync, mkdirSync, statSync } from "node:fs";
import { type Settings, recordingsRoot } from "../config/load.ts";
import { errnoOf } from "../model/failure.ts";
import type { RecordingFiles } from "../model/maintenance.ts";
import { recordingPath, recordingsFolder } from "../model/recording/place.ts";
import { copyToNew, sync } from "../os/copy.ts";
import { O_RDONLY, closeFile, openRegular } from "../os/file.ts";
import { spooledSessions } from "../spool/contents.ts";
import { keptRecordings, removeRecording } from "./kept-recordings.ts";
import { requireNotOwn } from "./own-files.ts";

/** What the maintenance of this host's database has to know of the files beside it. */
export function filesBeside(settings: Settings) {
  const data = settings.paths.data!;
  return {
    spooled: () => spooledSessions(data),
    requireNotOwn: (path: string) => requireNotOwn(settings, path),
    recordings: recordingFiles(recordingsRoot(settings)),
  };
}

const recordingFiles = (data: string): RecordingFiles => ({
  sessions: () => keptRecordings(data).map(({ session_id }) => session_id),
  copy(session_ids, to) {
    mkdirSync(recordingsFolder(to), { mode: 0o700 });
    let bytes = 0;
    for (const session_id of session_ids)
      bytes += copyOne(data, session_id, to);
    sync(recordingsFolder(to));
    return bytes;
  },
  remove(session_ids) {
    for (const session_id of session_ids) removeRecording(data, session_id);
  },
});

function copyOne(data: string, session_id: string, to: string): number {
  const [from, made] = [data, to].map((folder) =>
    recordingPath(folder, session_id),
  ) as [string, string];
  try {
    linkSync(from, made);
  } catch (error) {
    // Another disk, or one that has no links.
    if (!["EXDEV", "EPERM", "EMLINK"].includes(errnoOf(error) ?? ""))
      throw error;
    const fd = openRegular(from, O_RDONLY);
    try {
      copyToNew(fd, made, true);
    } finally {
      closeFile(fd);
    }
    sync(made);
  }
  return statSync(made).size;
}
