/**
 * The recordings of this data folder, and which of them go: those that are older than
 * `recordings.keep`, and the oldest once all are larger than `recordings.max_bytes`, of
 * a host that delivers them those first that are delivered. One that is being written
 * never goes. What went is written down in `removed.jsonl`.
 */
import { closeSync, renameSync, rmSync, writeSync } from "node:fs";
import { basename } from "node:path";
import { isoTime } from "../model/clock.ts";
import { errnoOf } from "../model/failure.ts";
import { isSessionId } from "../model/id.ts";
import {
  RECORDING_SUFFIX,
  recordingPath,
  recordingsFolder,
} from "../model/recording/place.ts";
import {
  O_APPEND,
  O_CREAT,
  O_WRONLY,
  isMissing,
  namesIn,
  openRegular,
  tryReadText,
} from "../os/file.ts";
import { statFile } from "../os/stat.ts";
import { spoolFolder } from "../spool/write.ts";

export interface KeptRecording {
  session_id: string;
  bytes: number;
  /** When it was last written. */
  modified_ms: number;
  /** Its session is under way, or has an end that is not stored yet. */
  live: boolean;
  /** What became of it at the server of this host; null: nothing yet. */
  mark: DeliveryMark | null;
}

/** `unknown`: the server knows nothing of the session. */
const STATES = ["delivered", "refused", "unknown"] as const;

/** Beside a recording, as JSON: it need not be brought to the server any more. */
export interface DeliveryMark {
  state: (typeof STATES)[number];
  /** The server. */
  to: string;
  /** The machine that asked: another one, of the same folder, may have more luck. */
  by: string;
  /** UTC, ISO 8601. */
  at: string;
  /** Why it was refused. */
  why?: string;
}

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

/** Of a recording that is on its way to us. */
export const PART_SUFFIX = ".part";
const MARK_SUFFIX = ".delivery";
const SPOOL_SUFFIX = ".ndjson";
const MOST_MARK_BYTES = 4096;
const BLOCK_BYTES = 4096;
const REMOVED = "removed.jsonl";
/** With so much in it, it begins anew; the one before is kept. */
const MOST_REMOVED_BYTES = 1024 * 1024;

export const partPath = (data: string, session_id: string): string =>
  `${recordingsFolder(data)}/${session_id}${PART_SUFFIX}`;

const markPath = (data: string, session_id: string): string =>
  `${recordingsFolder(data)}/${session_id}${MARK_SUFFIX}`;

/** Oldest first. */
export const keptRecordings = (data: string): KeptRecording[] =>
  oldestFirst([...eachRecording(data)]);

export const oldestFirst = (kept: KeptRecording[]): KeptRecording[] =>
  kept.sort((a, b) => a.modified_ms - b.modified_ms);

/** In no order; each is looked at when it is asked for. */
export function* eachRecording(data: string): Generator<KeptRecording> {
  const live = spooledNow(data);
  const marked = new Set(idsIn(data, MARK_SUFFIX));
  for (const session_id of idsIn(data, RECORDING_SUFFIX)) {
    const path = recordingPath(data, session_id);
    const stat = statFile(path, { follow: false });
    if (stat?.kind !== "file") continue;
    const { bytes, modified_ms } = stat;
    const mark = marked.has(session_id) ? markOf(data, session_id) : null;
    const facts = { session_id, bytes, modified_ms, mark };
    yield { ...facts, live: live.has(session_id) };
  }
}

/** Whether it is to be brought to the server. */
export const isWaiting = ({ live, mark }: KeptRecording): boolean =>
  !live && mark === null;

/** What the disk gives to a file of so many bytes: a million of one byte each fill it, too. */
const onDisk = (bytes: number): number =>
  Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;

/** Bytes of all that is kept, and on its way to us. */
export function takenBytes(
  data: string,
  kept: readonly KeptRecording[] = keptRecordings(data),
): number {
  let sum = 0;
  for (const { bytes } of kept) sum += onDisk(bytes);
  for (const session_id of idsIn(data, PART_SUFFIX)) {
    const stat = statFile(partPath(data, session_id), { follow: false });
    sum += onDisk(stat?.bytes ?? 0);
  }
  return sum;
}

/** The sessions that a file of the folder is named by, with that suffix. */
export function idsIn(data: string, suffix: string): string[] {
  const folder = recordingsFolder(data);
  if (isMissing(folder)) return [];
  return namesIn(folder)
    .filter((name) => name.endsWith(suffix))
    .map((name) => name.slice(0, -suffix.length))
    .filter(isSessionId);
}

/** The sessions whose own file is in the spool of a machine, not done yet. */
function spooledNow(data: string): Set<string> {
  const found = new Set<string>();
  const spool = `${data}/spool`;
  for (const machine of isMissing(spool) ? [] : namesIn(spool)) {
    const folder = `${spool}/${machine}`;
    if (statFile(folder, { follow: false })?.kind !== "folder") continue;
    for (const name of namesIn(folder))
      if (name.endsWith(SPOOL_SUFFIX))
        found.add(name.slice(0, -SPOOL_SUFFIX.length));
  }
  return found;
}

/** The id of this machine. */
export const machineOf = (data: string): string => basename(spoolFolder(data));

function markOf(data: string, session_id: string): DeliveryMark | null {
  const text = tryReadText(markPath(data, session_id), MOST_MARK_BYTES);
  if (text === null) return null;
  try {
    const mark = Object(JSON.parse(text)) as DeliveryMark;
    if (!STATES.includes(mark.state)) return null;
    const holds = mark.state === "delivered" || mark.by === machineOf(data);
    return holds ? mark : null;
  } catch {
    // Torn: it is asked for again.
    return null;
  }
}

/** @throws Error with the system's errno */
export function writeMark(
  data: string,
  session_id: string,
  mark: DeliveryMark,
): void {
  const path = markPath(data, session_id);
  const whole = `${path}.${process.pid}`;
  rmSync(whole, { force: true });
  const fd = openRegular(whole, O_WRONLY | O_CREAT);
  try {
    writeSync(fd, `${JSON.stringify(mark)}\n`);
  } finally {
    closeSync(fd);
  }
  renameSync(whole, path);
}

/** As if nothing had been tried. */
export function forgetMark(data: string, session_id: string): void {
  rmSync(markPath(data, session_id), { force: true });
}

/** What is said of those that somebody took away. */
export function forgetGone(data: string): void {
  const there = new Set(idsIn(data, RECORDING_SUFFIX));
  for (const session_id of idsIn(data, MARK_SUFFIX))
    if (!there.has(session_id)) forgetMark(data, session_id);
}

/** Whether there is one, or what came of one. */
export const hasRecording = (data: string, session_id: string): boolean =>
  [recordingPath(data, session_id), partPath(data, session_id)].some(
    (path) => !isMissing(path),
  );

/** Removes a recording, what is there of one, and what is said of it. @returns its bytes */
export function removeRecording(data: string, session_id: string): number {
  const paths = [recordingPath(data, session_id), partPath(data, session_id)];
  let bytes = 0;
  for (const path of paths) {
    bytes += statFile(path, { follow: false })?.bytes ?? 0;
    rmSync(path, { force: true });
  }
  forgetMark(data, session_id);
  return bytes;
}

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
    .filter(({ live, modified_ms }) => !live && modified_ms < now - keep_ms)
    .map((one) => remove(data, one, "age", now));
}

const inOrderOfRemoval = (kept: readonly KeptRecording[]): KeptRecording[] => {
  const closed = kept.filter(({ live }) => !live);
  const isDelivered = ({ mark }: KeptRecording) => mark?.state === "delivered";
  return [
    ...closed.filter(isDelivered),
    ...closed.filter((one) => !isDelivered(one)),
  ];
};

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
