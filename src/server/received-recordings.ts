/**
 * Takes recordings of other hosts in, piece by piece: of a session whose stored events
 * say how many bytes its recording has and which, from the session's own reporter, and
 * not a byte more. It is `recordings/SESSION.part` until the last piece is there and
 * its digest agrees; then it is a recording like this host's own.
 */
import { createHash } from "node:crypto";
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  renameSync,
  rmSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { partPath, writeFrom } from "../access/kept-recordings.ts";
import { OpenRecording } from "../access/recordings.ts";
import type { Config } from "../config/load.ts";
import type { Log } from "../log/log.ts";
import type { Clock } from "../model/clock.ts";
import { Failure, errnoOf, fail, reasonOf } from "../model/failure.ts";
import { isSessionId } from "../model/id.ts";
import { recordingPath, recordingsFolder } from "../model/recording/place.ts";
import {
  PROMISING,
  type RecordingPromise,
  promiseOf,
} from "../model/recording/promise.ts";
import { NOT_YOURS, type Provenance } from "../model/reporter.ts";
import type { ServedStore, StoredEvent } from "../model/store.ts";
import { sync } from "../os/copy.ts";
import { O_CREAT, O_RDWR, openRegular } from "../os/file.ts";
import { ensurePrivateDir, ensurePrivateDirIn } from "../os/paths.ts";
import { statFile } from "../os/stat.ts";
import { RecordingsRoom, noRoom } from "./recordings-room.ts";
import { KeyedMutex } from "../model/mutex.ts";

/** What of a recording there is. */
export interface Taken {
  bytes: number;
  /** What it will have. */
  of: number;
  sha256: string;
}

const FULL = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);
const READ_BYTES = 256 * 1024;
/** Uploads that are known at once; others are looked up anew. */
const MOST_UPLOADS = 256;

/** What is asked of the store. */
export interface Promises {
  summary: ServedStore["summary"];
  events: (filter: {
    session_id: string;
    kinds: string[];
  }) => AsyncIterable<StoredEvent>;
}

/** One that is on its way. */
interface Upload {
  promised: RecordingPromise;
  /** Of its session. */
  reporter: string;
}

export class ReceivedRecordings {
  private readonly mutex = new KeyedMutex();
  /** Those that are on their way, the latest last. */
  private readonly uploads = new Map<string, Upload>();
  readonly room: RecordingsRoom;

  constructor(
    private readonly data: string,
    private readonly limits: Config["recordings"],
    private readonly store: Promises,
    private readonly log: Log,
    private readonly now: Clock = Date.now,
  ) {
    this.room = new RecordingsRoom(data, limits, log, now);
  }

  /**
   * Takes a piece in, when it stands where ours ends; an empty one asks how far we are.
   * @param offset where in the recording it stands
   * @throws Failure (not_found) while no end of the session tells of a recording,
   *   (refused) when it will never be taken, as from another reporter, (overloaded)
   *   without room on the disk
   */
  take(
    session_id: string,
    offset: number,
    piece: Uint8Array,
    from: Provenance,
  ): Promise<Taken> {
    if (!isSessionId(session_id))
      throw fail.refused(`'${session_id}' is not the id of a session`);
    return this.mutex.run(session_id, () =>
      this.takeInTurn(session_id, offset, piece, from),
    );
  }

  private async takeInTurn(
    session_id: string,
    offset: number,
    piece: Uint8Array,
    from: Provenance,
  ): Promise<Taken> {
    // What was removed meanwhile is asked for anew.
    const begun = sizeOf(partPath(this.data, session_id)) ?? 0;
    const known = begun > 0 ? this.uploads.get(session_id) : undefined;
    if (known) this.requireOwner(session_id, known.reporter, from);
    const upload = known ?? (await this.lookUp(session_id, from));
    const { bytes: of, sha256 } = upload.promised;
    const path = recordingPath(this.data, session_id);
    const there = sizeOf(path);
    if (there === of) return { bytes: of, of, sha256 };
    if (there !== null)
      throw fail.refused(
        `another recording of session '${session_id}' is here`,
      );
    this.requireFitting(of);
    this.remember(session_id, upload);
    if (piece.length === 0 && begun < of) return { bytes: begun, of, sha256 };
    const have = this.write(session_id, offset, piece, of);
    if (have < of) return { bytes: have, of, sha256 };
    await this.finish(session_id, upload.promised, from);
    return { bytes: of, of, sha256 };
  }

  /** @throws Failure, see `take` */
  private async lookUp(session_id: string, from: Provenance): Promise<Upload> {
    const summary = await this.store.summary(session_id);
    if (summary?.archived)
      throw fail.refused(`session '${session_id}' is in an archive already`);
    const reporter = summary?.reporter ?? null;
    if (reporter === null) throw unpromised(session_id);
    this.requireOwner(session_id, reporter, from);
    const filter = { session_id, kinds: PROMISING };
    const events = await Array.fromAsync(this.store.events(filter));
    const promised = promiseOf(events, reporter);
    if (promised === null) throw unpromised(session_id);
    if (promised !== "removed") return { promised, reporter };
    this.forget(session_id);
    throw fail.refused(
      `the recording of session '${session_id}' was removed, and is not taken again`,
    );
  }

  private requireOwner(
    session_id: string,
    reporter: string,
    from: Provenance,
  ): void {
    if (from.reporter === reporter || from.acts_for_all === true) return;
    this.log.warn("recording_rejected", { session_id, by: from.reporter });
    throw fail.refused(`session '${session_id}' ${NOT_YOURS}`);
  }

  private requireFitting(of: number): void {
    const { session_bytes, max_bytes } = this.limits;
    const most = Math.min(session_bytes, max_bytes);
    if (of <= most) return;
    throw fail.refused(
      `the recording has ${of} bytes, and this server keeps none of more than ${most}`,
      "raise recordings.session_bytes on the server's host",
    );
  }

  private remember(session_id: string, upload: Upload): void {
    this.uploads.delete(session_id);
    this.uploads.set(session_id, upload);
    if (this.uploads.size > MOST_UPLOADS)
      this.uploads.delete(this.uploads.keys().next().value!);
  }

  private forget(session_id: string): void {
    this.uploads.delete(session_id);
    rmSync(partPath(this.data, session_id), { force: true });
  }

  private openPart(session_id: string): number {
    try {
      ensurePrivateDir(this.data);
      ensurePrivateDirIn(recordingsFolder(this.data));
      return openRegular(partPath(this.data, session_id), O_RDWR | O_CREAT);
    } catch (error) {
      // It names paths, and is ours to mend: for the log alone.
      this.log.error("recordings_unwritable", { reason: reasonOf(error) });
      throw noRoom();
    }
  }

  /** @returns how much of it is there now */
  private write(
    session_id: string,
    offset: number,
    piece: Uint8Array,
    of: number,
  ): number {
    const fd = this.openPart(session_id);
    try {
      const { size } = fstatSync(fd);
      // It was cut short elsewhere, or another recording was promised before.
      if (size > of) ftruncateSync(fd, 0);
      const have = size > of ? 0 : size;
      if (offset !== have || piece.length === 0) return have;
      if (have + piece.length > of)
        throw fail.refused(
          `the recording of session '${session_id}' has ${of} bytes, and more were sent`,
        );
      this.room.require(piece.length);
      try {
        for (let at = 0; at < piece.length;)
          at += writeSync(fd, piece, at, piece.length - at, have + at);
      } catch (error) {
        ftruncateSync(fd, have);
        throw FULL.has(errnoOf(error) ?? "") ? noRoom() : error;
      }
      this.room.wrote(piece.length);
      return have + piece.length;
    } finally {
      closeSync(fd);
    }
  }

  /** @throws Failure (refused) when it is not what was promised */
  private async finish(
    session_id: string,
    before: RecordingPromise,
    from: Provenance,
  ): Promise<void> {
    const part = partPath(this.data, session_id);
    const { sha256, bytes } = await digestOf(part);
    this.uploads.delete(session_id);
    // Somebody may have removed it meanwhile.
    const { promised, reporter } = await this.lookUp(session_id, from);
    if (
      promised.sha256 !== before.sha256 ||
      sha256 !== promised.sha256 ||
      bytes !== promised.bytes
    ) {
      this.forget(session_id);
      throw fail.refused(
        `what was sent is not the recording that the end of session '${session_id}' tells of: its SHA-256 is another`,
      );
    }
    requireOf(session_id, part);
    writeFrom(this.data, session_id, reporter);
    // Its age is the recording's, not that of our copy.
    const at = new Date(Math.min(Date.parse(promised.at), this.now()));
    utimesSync(part, at, at);
    renameSync(part, recordingPath(this.data, session_id));
    sync(recordingsFolder(this.data));
    this.room.tookIn(bytes);
    this.log.info("recording_received", { session_id, bytes });
  }
}

/** @throws Failure (refused) when a file is no recording, or that of another session */
function requireOf(session_id: string, path: string): void {
  try {
    using open = OpenRecording.open(path, true);
    if (open.reader.header.session_id === session_id) return;
  } catch (error) {
    // It names a path of ours.
    if (!(error instanceof Failure)) throw error;
  }
  rmSync(path);
  throw fail.refused(
    `what was sent is no recording of session '${session_id}'`,
  );
}

const unpromised = (session_id: string) =>
  fail.not_found(
    `no event of session '${session_id}' tells of a recording of it`,
  );

const sizeOf = (path: string): number | null =>
  statFile(path, { follow: false })?.bytes ?? null;

/** On the disk, and read back from there. */
async function digestOf(path: string): Promise<Omit<RecordingPromise, "at">> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    await file.datasync();
    const hash = createHash("sha256");
    const page = new Uint8Array(READ_BYTES);
    for (let bytes = 0; ;) {
      const { bytesRead } = await file.read(page, 0, READ_BYTES, bytes);
      if (bytesRead === 0) return { bytes, sha256: hash.digest("hex") };
      hash.update(page.subarray(0, bytesRead));
      bytes += bytesRead;
    }
  } finally {
    await file.close();
  }
}
