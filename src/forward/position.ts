/**
 * How far a destination has got: a small file beside the database, written after a
 * delivery and never with a commit. It names the last event that was delivered; should
 * it be lost or lag behind, events are delivered once more.
 */
import { open, rename } from "node:fs/promises";
import { reasonOf } from "../model/failure.ts";
import {
  O_CREAT,
  O_NOFOLLOW,
  O_TRUNC,
  O_WRONLY,
  SMALL_BYTES,
  isMissing,
  readText,
} from "../os/file.ts";
import { ensurePrivateDir } from "../os/paths.ts";

/** The last event that was delivered. */
export interface Place {
  seq: number;
  /** null where nothing was yet. */
  event_id: string | null;
  /** Of that event. */
  received_at: string | null;
}

/** What the file says. */
export interface Progress {
  place: Place;
  /** When something was last delivered, UTC ISO 8601. */
  delivered_at: string | null;
  /** Since when nothing can be; null while it goes well. */
  failing_since: string | null;
  last_error: string | null;
  /** Events that the destination will never take. */
  refused: number;
}

export const BEGINNING: Place = { seq: 0, event_id: null, received_at: null };
const FRESH: Progress = {
  place: BEGINNING,
  ...{ delivered_at: null, failing_since: null, last_error: null, refused: 0 },
};

/** @param database the path of the database that the events are in */
export const positionFile = (database: string, name: string): string =>
  `${database}.exported/${name}.json`;

/** @returns null where there is none; `damaged` says what is wrong with one */
export function readProgress(
  path: string,
): { progress: Progress; damaged: string | null } | null {
  if (isMissing(path)) return null;
  try {
    const read = JSON.parse(readText(path, SMALL_BYTES)) as Progress;
    const { seq } = read.place;
    if (!Number.isSafeInteger(seq) || seq < 0) throw new Error("no position");
    return { progress: { ...FRESH, ...read }, damaged: null };
  } catch (error) {
    return { progress: FRESH, damaged: reasonOf(error) };
  }
}

/** Replaces it whole. @throws Error when it cannot be written */
export async function writeProgress(
  path: string,
  progress: Progress,
): Promise<void> {
  const next = `${path}.new`;
  const flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW;
  const file = await open(next, flags, 0o600);
  try {
    await file.writeFile(`${JSON.stringify(progress)}\n`);
    await file.datasync();
  } finally {
    await file.close();
  }
  await rename(next, path);
}

/** Makes the private folder that it stands in. @throws Failure (permission) */
export function ensurePositions(database: string): void {
  ensurePrivateDir(`${database}.exported`);
}
