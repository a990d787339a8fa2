/**
 * Which recordings go: those that are older than `recordings.keep`, and the oldest once
 * all are larger than `recordings.max_bytes`. One that is being written never goes. What
 * went is written down in `removed.jsonl`.
 */
import { closeSync, renameSync, writeSync } from "node:fs";
import { isoTime } from "../model/clock.ts";
import { errnoOf } from "../model/failure.ts";
import { recordingsFolder } from "../model/recording/place.ts";
import {
  O_APPEND,
  O_CREAT,
  O_WRONLY,
  openRegular,
  tryReadText,
} from "../os/file.ts";
import { statFile } from "../os/stat.ts";
import {
  type KeptRecording,
  keptRecordings,
  onDisk,
  removeRecording,
  takenBytes,
} from "./kept-recordings.ts";

/** One that went to make room, or by its age. */
export interface RemovedRecording {
  session_id: string;
  bytes: number;
  why: "room" | "age";
  /** Whether a server had it. */
  delivered: boolean;
  /** UTC, ISO 8601. */
  at: string;
}

const REMOVED = "removed.jsonl";
/** With so much in it, it begins anew; the one before is kept. */
const MOST_REMOVED_BYTES = 1024 * 1024;

/**
 * Removes old ones until all that is kept has so many bytes at most.
 * @param now milliseconds since the epoch
 * @param kept oldest first
 * @returns those that went
 */
export function makeRoom(
  data: string,
  most_bytes: number,
  now: number,
  kept: readonly KeptRecording[] = keptRecordings(data),
): RemovedRecording[] {
  let bytes = takenBytes(data, kept);
  const removed: RemovedRecording[] = [];
  if (bytes <= most_bytes) return removed;
  for (const one of inOrderOfRemoval(kept)) {
    if (bytes <= most_bytes) break;
    bytes -= onDisk(one.bytes);
    removed.push(remove(data, one, "room", now));
  }
  return removed;
}

/** Removes those that were last written longer ago; see makeRoom. */
export function removeOld(
  data: string,
  keep_ms: number | null,
  now: number,
  kept?: readonly KeptRecording[],
): RemovedRecording[] {
  if (keep_ms === null) return [];
  return (kept ?? keptRecordings(data))
    .filter((one) => one.modified_ms < now - keep_ms && !one.live)
    .map((one) => remove(data, one, "age", now));
}

/**
 * Delivered ones first; then of who has most the oldest, so that nobody who brings much
 * pushes out what others have brought.
 */
function* inOrderOfRemoval(
  kept: readonly KeptRecording[],
): Generator<KeptRecording> {
  const isDelivered = ({ mark }: KeptRecording) => mark?.state === "delivered";
  yield* kept.filter((one) => isDelivered(one) && !one.live);
  const rest = kept.filter((one) => !isDelivered(one));
  const groups = [...Map.groupBy(rest, ({ from }) => from).values()].map(
    (all) => ({
      bytes: all.reduce((sum, one) => sum + one.bytes, 0),
      closed: all.values().filter((one) => !one.live),
    }),
  );
  while (groups.length > 0) {
    const most = groups.reduce((a, b) => (b.bytes > a.bytes ? b : a));
    const { done, value } = most.closed.next();
    if (done) groups.splice(groups.indexOf(most), 1);
    else {
      most.bytes -= value.bytes;
      yield value;
    }
  }
}

function remove(
  data: string,
  { session_id, bytes, mark }: KeptRecording,
  why: RemovedRecording["why"],
  now: number,
): RemovedRecording {
  removeRecording(data, session_id);
  const delivered = mark?.state === "delivered";
  const removed = { session_id, bytes, why, delivered, at: isoTime(now) };
  try {
    writeDown(data, removed);
  } catch (error) {
    // On a full disk, say, room counts for more than the list.
    if (errnoOf(error) === null) throw error;
  }
  return removed;
}

function writeDown(data: string, removed: RemovedRecording): void {
  const path = `${recordingsFolder(data)}/${REMOVED}`;
  const bytes = statFile(path, { follow: false })?.bytes ?? 0;
  if (bytes > MOST_REMOVED_BYTES) renameSync(path, `${path}.1`);
  const fd = openRegular(path, O_WRONLY | O_CREAT | O_APPEND);
  try {
    writeSync(fd, `${JSON.stringify(removed)}\n`);
  } finally {
    closeSync(fd);
  }
}

/** Those that went lately, oldest first. */
export function removedRecordings(data: string): RemovedRecording[] {
  const text = tryReadText(
    `${recordingsFolder(data)}/${REMOVED}`,
    2 * MOST_REMOVED_BYTES,
  );
  return (text ?? "").split("\n").flatMap((line) => {
    try {
      return [JSON.parse(line) as RemovedRecording];
    } catch {
      // The last line, or one that a full disk has cut.
      return [];
    }
  });
}
