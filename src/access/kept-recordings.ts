/**
 * The recordings of this data folder, and what stands beside each: whether the server of
 * this host has it, or who brought it here. Which of them go: removed-recordings.ts.
 */
import { closeSync, renameSync, rmSync, writeSync } from "node:fs";
import { basename } from "node:path";
import { errnoOf } from "../model/failure.ts";
import { isSessionId } from "../model/id.ts";
import {
  RECORDING_SUFFIX,
  recordingPath,
  recordingsFolder,
} from "../model/recording/place.ts";
import {
  O_CREAT,
  O_TRUNC,
  O_WRONLY,
  isLocked,
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
  /**
   * It is being written, or the end of its session is not stored yet. Of what hosts
   * write to a folder that they share their spools tell nothing here.
   */
  readonly live: boolean;
  /** What became of it at the server of this host; null: nothing yet. */
  mark: DeliveryMark | null;
  /** The reporter that brought it from another host; null: it was recorded here. */
  from: string | null;
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

/** Of a recording that is on its way to us. */
export const PART_SUFFIX = ".part";
const MARK_SUFFIX = ".delivery";
const FROM_SUFFIX = ".from";
const SPOOL_SUFFIX = ".ndjson";
const MOST_MARK_BYTES = 4096;
const BLOCK_BYTES = 4096;
export const partPath = (data: string, session_id: string): string =>
  `${recordingsFolder(data)}/${session_id}${PART_SUFFIX}`;

const besidePath = (data: string, session_id: string, suffix: string) =>
  `${recordingsFolder(data)}/${session_id}${suffix}`;

/** Oldest first. */
export const keptRecordings = (data: string): KeptRecording[] =>
  oldestFirst([...eachRecording(data)]);

export const oldestFirst = (kept: KeptRecording[]): KeptRecording[] =>
  kept.sort((a, b) => a.modified_ms - b.modified_ms);

/** In no order; each is looked at when it is asked for. */
export function* eachRecording(data: string): Generator<KeptRecording> {
  const live = spooledNow(data);
  const marked = new Set(idsIn(data, MARK_SUFFIX));
  const brought = new Set(idsIn(data, FROM_SUFFIX));
  for (const session_id of idsIn(data, RECORDING_SUFFIX)) {
    const path = recordingPath(data, session_id);
    const stat = statFile(path, { follow: false });
    if (stat?.kind !== "file") continue;
    const { bytes, modified_ms } = stat;
    const mark = marked.has(session_id) ? markOf(data, session_id) : null;
    const from = brought.has(session_id) ? fromOf(data, session_id) : null;
    const facts = { session_id, bytes, modified_ms, mark, from };
    yield {
      ...facts,
      // A look at its lock: whoever does not ask needs none.
      get live() {
        return live.has(session_id) || isWritten(path);
      },
    };
  }
}

/** Whether its recorder, whose wrapper may be killed, has not come to its end yet. */
export function isWritten(path: string): boolean {
  try {
    return isLocked(path);
  } catch (error) {
    return errnoOf(error) !== "ENOENT";
  }
}

/** Whether it is to be brought to the server. */
export const isWaiting = (one: KeptRecording): boolean =>
  one.mark === null && !one.live;

/** What the disk gives to a file of so many bytes: a million of one byte each fill it, too. */
export const onDisk = (bytes: number): number =>
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
  const text = tryReadText(
    besidePath(data, session_id, MARK_SUFFIX),
    MOST_MARK_BYTES,
  );
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
  const path = besidePath(data, session_id, MARK_SUFFIX);
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

const fromOf = (data: string, session_id: string): string | null =>
  tryReadText(besidePath(data, session_id, FROM_SUFFIX), MOST_MARK_BYTES);

/**
 * Keeps who brought a recording, which comes to its place after that.
 * @throws Error with the system's errno
 */
export function writeFrom(
  data: string,
  session_id: string,
  from: string,
): void {
  const path = besidePath(data, session_id, FROM_SUFFIX);
  const fd = openRegular(path, O_WRONLY | O_CREAT | O_TRUNC);
  try {
    writeSync(fd, from);
  } finally {
    closeSync(fd);
  }
}

/** As if nothing had been tried. */
export function forgetMark(data: string, session_id: string): void {
  rmSync(besidePath(data, session_id, MARK_SUFFIX), { force: true });
}

/** What is said of those that somebody took away. */
export function forgetGone(data: string): void {
  const there = new Set(idsIn(data, RECORDING_SUFFIX));
  for (const suffix of [MARK_SUFFIX, FROM_SUFFIX])
    for (const session_id of idsIn(data, suffix))
      if (!there.has(session_id) && isMissing(partPath(data, session_id)))
        rmSync(besidePath(data, session_id, suffix), { force: true });
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
  rmSync(besidePath(data, session_id, FROM_SUFFIX), { force: true });
  forgetMark(data, session_id);
  return bytes;
}
