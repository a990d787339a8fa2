/**
 * How far a destination has got: a small text beside the database, written after a
 * delivery and never with a commit. It names the last event that was delivered; should
 * it be lost or lag behind, events are delivered once more.
 */
import type { Documents } from "../model/documents.ts";
import { reasonOf } from "../model/failure.ts";

/** The last event that was delivered. */
export interface Place {
  seq: number;
  /** null where nothing was yet. */
  event_id: string | null;
  /** Of that event. */
  received_at: string | null;
}

/** What the text says. */
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

/** Of one that has got as far as a number, before anything is delivered. */
export const freshProgress = (seq: number): Progress => ({
  place: { ...BEGINNING, seq },
  ...{ delivered_at: null, failing_since: null, last_error: null, refused: 0 },
});

/** @returns null where there is none; `damaged` says what is wrong with one */
export async function readProgress(
  documents: Documents,
  name: string,
): Promise<{ progress: Progress; damaged: string | null } | null> {
  const text = await documents.read(fileOf(name));
  if (text === null) return null;
  try {
    const read = JSON.parse(text) as Progress;
    const { seq } = read.place;
    if (!Number.isSafeInteger(seq) || seq < 0) throw new Error("no position");
    return { progress: { ...freshProgress(0), ...read }, damaged: null };
  } catch (error) {
    return { progress: freshProgress(0), damaged: reasonOf(error) };
  }
}

/** Replaces it whole. @throws Error when it cannot be written */
export const writeProgress = (
  documents: Documents,
  name: string,
  progress: Progress,
): Promise<void> =>
  documents.write(fileOf(name), `${JSON.stringify(progress)}\n`);

/** Where it stands, for people. */
export const placeOf = ({ place }: Documents, name: string): string =>
  `${place}/${fileOf(name)}`;

const fileOf = (destination: string) => `${destination}.json`;
