/** Finds the recordings of this host, and opens one, or a file that somebody brought. */
import { closeSync, fstatSync, readSync, readdirSync, statSync } from "node:fs";
import { errnoOf, fail } from "../model/failure.ts";
import { isSessionId, startSecondOf } from "../model/id.ts";
import {
  RECORDING_SUFFIX,
  recordingPath,
  recordingsFolder,
} from "../model/recording/place.ts";
import { RecordingReader, type Source } from "../model/recording/read.ts";
import { ambiguous } from "../model/reference.ts";
import type { Session } from "../model/session.ts";
import {
  O_NONBLOCK,
  O_RDONLY,
  irregular,
  openFile,
  openRegular,
} from "../os/file.ts";
import { readFailure } from "../os/paths.ts";
import { isFileAt, statFile } from "../os/stat.ts";
import { unpackZstd } from "../os/unpack.ts";

/** Blocks are read in their order: so much at once. */
const WINDOW_BYTES = 256 * 1024;
const SHORT_ID = 8;

/** The sessions that are recorded here, newest start first. */
export function recordedSessions(data: string): string[] {
  return names(data)
    .filter((name) => name.endsWith(RECORDING_SUFFIX))
    .map((name) => name.slice(0, -RECORDING_SUFFIX.length))
    .filter(isSessionId)
    .map((session_id) => ({
      session_id,
      start: startSecondOf(session_id) ?? "",
      changed_ms: changedAt(recordingPath(data, session_id)),
    }))
    .sort(
      (a, b) => b.start.localeCompare(a.start) || b.changed_ms - a.changed_ms,
    )
    .map(({ session_id }) => session_id);
}

function names(data: string): string[] {
  const folder = recordingsFolder(data);
  try {
    return readdirSync(folder);
  } catch (error) {
    // Nothing was recorded yet.
    if (errnoOf(error) === "ENOENT") return [];
    throw readFailure(folder, error);
  }
}

const changedAt = (path: string): number =>
  statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;

/**
 * Of those that are recorded, the one that a reference means: its id, a unique prefix
 * of it, or its last 8 hex.
 * @returns null when it is none of these; a name, say
 * @throws Failure (ambiguous)
 */
export function findRecorded(data: string, reference: string): string | null {
  const all = recordedSessions(data);
  if (reference === "") return null;
  if (all.includes(reference)) return reference;
  const isMeant = (id: string) =>
    id.startsWith(reference) ||
    (reference.length === SHORT_ID && id.endsWith(`-${reference}`));
  const found = all.filter(isMeant);
  if (found.length > 1)
    throw ambiguous(
      reference,
      found.map((session_id) => ({ session_id })),
    );
  return found[0] ?? null;
}

/** From a session's start to its recorder's first byte, at most. */
const BEGINS_MS = 3_000;
const LOOK_MS = 50;

/**
 * Waits until the recording of a session that has just begun is there, if it comes.
 * @returns whether it is
 */
export async function recordingBegan(
  data: string,
  { session_id, start_time }: Pick<Session, "session_id" | "start_time">,
): Promise<boolean> {
  const until = Math.min(Date.parse(start_time), Date.now()) + BEGINS_MS;
  const path = recordingPath(data, session_id);
  // Its header is written at once.
  while (!statFile(path, { follow: false })?.bytes) {
    if (Date.now() > until) return false;
    await Bun.sleep(LOOK_MS);
  }
  return true;
}

/** A recording that is open. */
export class OpenRecording implements Disposable {
  readonly reader: RecordingReader;
  readonly source: FileSource;

  private constructor(
    private readonly fd: number,
    private readonly path: string,
    /** Whether it is one of ours. */
    readonly own: boolean,
  ) {
    this.source = new FileSource(fd, path);
    this.reader = new RecordingReader(this.source);
  }

  /**
   * @param own whether it is one of ours: nothing that leads elsewhere is, then
   * @throws Failure when it is none, or cannot be read
   */
  static open(path: string, own: boolean): OpenRecording {
    const fd = openAt(path, own);
    try {
      return new OpenRecording(fd, path, own);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /**
   * Has the reader see what was written since it was opened.
   * @returns false when the file is another by now, or is gone, or lost what it had
   */
  grow(): boolean {
    return this.source.grow() && isFileAt(this.fd, this.path);
  }

  [Symbol.dispose](): void {
    closeSync(this.fd);
  }
}

function openAt(path: string, own: boolean): number {
  try {
    if (own) return openRegular(path, O_RDONLY);
    const fd = openFile(path, O_RDONLY | O_NONBLOCK);
    if (fstatSync(fd).isFile()) return fd;
    closeSync(fd);
    throw irregular(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT")
      throw fail.not_found(`there is no file '${path}'`, "check its name");
    throw readFailure(path, error);
  }
}

class FileSource implements Source {
  size: number;
  private readonly window = new Uint8Array(WINDOW_BYTES);
  private from = 0;
  private length = 0;

  constructor(
    private readonly fd: number,
    readonly name: string,
  ) {
    this.size = fstatSync(fd).size;
  }

  readonly unpack = unpackZstd;

  /** @returns false when there is less than there was */
  grow(): boolean {
    const before = this.size;
    this.size = fstatSync(this.fd).size;
    this.length = 0;
    return this.size >= before;
  }

  read(at: number, length: number): Uint8Array {
    if (length > WINDOW_BYTES) {
      const bytes = new Uint8Array(length);
      return bytes.subarray(0, this.fill(bytes, at));
    }
    if (at < this.from || at + length > this.from + this.length) {
      this.from = at;
      this.length = this.fill(this.window, at);
    }
    const from = at - this.from;
    return this.window.subarray(from, Math.min(from + length, this.length));
  }

  /** @returns how much there is */
  private fill(bytes: Uint8Array, at: number): number {
    // What was written since it was looked at is not read.
    const most = Math.min(bytes.length, this.size - at);
    let length = 0;
    while (length < most) {
      const got = this.readSome(bytes, length, most - length, at + length);
      if (got === 0) break;
      length += got;
    }
    return length;
  }

  private readSome(
    bytes: Uint8Array,
    from: number,
    length: number,
    at: number,
  ): number {
    try {
      return readSync(this.fd, bytes, from, length, at);
    } catch (error) {
      throw readFailure(this.name, error);
    }
  }
}
