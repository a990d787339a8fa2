/**
 * Copies what terminals showed to another folder of recordings, each once: a part of one
 * never has its name, so that whoever was killed goes on with the next.
 */
import { renameSync, rmSync } from "node:fs";
import { recordingPath, recordingsFolder } from "../model/recording/place.ts";
import type { Steps } from "../model/progress.ts";
import { copyToNew, sync } from "../os/copy.ts";
import { O_RDONLY, closeFile, openRegular } from "../os/file.ts";
import { ensurePrivateDir } from "../os/paths.ts";
import { outputFailure } from "../os/place.ts";
import { statFile } from "../os/stat.ts";
import { keptRecordings, partPath, writeFrom } from "./kept-recordings.ts";

export interface MovedRecordings {
  files: number;
  bytes: number;
  /** They were there already. */
  there: number;
  /** Those of sessions that go on stay. */
  running: number;
}

/**
 * @param from the folder that `recordings/` is in
 * @param to as well; the same one has them already
 * @throws Failure when one does not fit
 */
export function moveRecordings(
  from: string,
  to: string,
  steps: Steps,
): MovedRecordings {
  const done = { files: 0, bytes: 0, there: 0, running: 0 };
  if (from === to) return done;
  const kept = keptRecordings(from);
  if (kept.length === 0) return done;
  const folder = recordingsFolder(to);
  try {
    ensurePrivateDir(folder);
    for (const [n, { session_id, bytes, live, from: by }] of kept.entries()) {
      steps.at(`${n} of ${kept.length} recordings`, n / kept.length);
      const path = recordingPath(to, session_id);
      if (live) done.running++;
      else if (statFile(path, { follow: false })?.bytes === bytes) done.there++;
      else {
        copyWhole(recordingPath(from, session_id), partPath(to, session_id));
        if (by !== null) writeFrom(to, session_id, by);
        renameSync(partPath(to, session_id), path);
        done.files++;
        done.bytes += bytes;
      }
    }
    sync(folder);
    return done;
  } catch (error) {
    throw outputFailure(`${folder}/any`, error);
  }
}

function copyWhole(from: string, to: string): void {
  rmSync(to, { force: true });
  const fd = openRegular(from, O_RDONLY);
  try {
    copyToNew(fd, to, true);
  } finally {
    closeFile(fd);
  }
  sync(to);
}
