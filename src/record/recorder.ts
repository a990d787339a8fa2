/**
 * Writes what a terminal shows to `recordings/SESSION.rec`, without its secrets
 * (output-filter.ts), a block at least every 200 ms. Up to a size; what is past it, and
 * what a full disk does not take, is counted and left out.
 */
import { createHash } from "node:crypto";
import { BlockWriter, encodeHeader } from "../model/recording/format.ts";
import type { RecordingHeader } from "../model/recording/format.ts";
import type { Choice } from "../model/redaction/custom.ts";
import {
  O_APPEND,
  O_CREAT,
  O_EXCL,
  O_NOFOLLOW,
  O_WRONLY,
  closeFile,
  openFile,
  syncData,
  writeSome,
} from "../os/file.ts";
import { ensurePrivateDir, ensurePrivateDirIn } from "../os/paths.ts";
import { truncate } from "../os/pty.ts";
import { OutputFilter, type Shown } from "./output-filter.ts";

/** What the end of a session says of its recording. */
export interface RecordingFacts {
  bytes: number;
  duration_ms: number;
  sha256: string;
  /** Bytes of output that are not in it. */
  omitted_bytes: number;
}

export const FLUSH_MS = 200;
/** So much is written at once when it comes that fast. */
const BLOCK_BYTES = 64 * 1024;
const encoder = new TextEncoder();

/** Where the recordings are. */
export const recordingsFolder = (data: string): string => `${data}/recordings`;
export const recordingPath = (data: string, session_id: string): string =>
  `${recordingsFolder(data)}/${session_id}.rec`;

export class Recorder {
  private readonly block = new BlockWriter();
  private readonly filter: OutputFilter;
  private readonly hash = createHash("sha256");
  private pending = 0;
  private bytes = 0;
  private omitted = 0;
  /** Of those, what no record in it says yet. */
  private unsaid = 0;
  private last_us = 0;

  private constructor(
    private readonly fd: number,
    choice: Choice | null,
    private readonly most_bytes: number,
  ) {
    this.filter = new OutputFilter(choice);
  }

  /**
   * Makes the file.
   * @param choice the rules; null: all letters are withheld
   * @param most_bytes how large it may become
   * @throws Error with the system's errno
   */
  static create(
    data: string,
    header: RecordingHeader,
    choice: Choice | null,
    most_bytes: number,
  ): Recorder {
    ensurePrivateDir(data);
    ensurePrivateDirIn(recordingsFolder(data));
    const path = recordingPath(data, header.session_id);
    const flags = O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW;
    const fd = openFile(path, flags, 0o600);
    const recorder = new Recorder(fd, choice, most_bytes);
    recorder.append(encodeHeader(header));
    return recorder;
  }

  /** Whether something waits to be written. */
  get waits(): boolean {
    return this.pending > 0;
  }

  /** @param at_us microseconds since the recording began */
  shown(shown: Shown): void {
    this.filter.push(shown);
    this.pending += shown.bytes.length;
    if (this.pending >= BLOCK_BYTES) this.flush(shown.at_us);
  }

  /** The terminal is of another size from now on: `COLUMNSxROWS`. */
  resized(bytes: Uint8Array, at_us: number): void {
    this.take(at_us, true);
    this.block.add({ at_us, kind: "r", bytes });
    this.write();
  }

  /** Writes what may be written by now: all but a row that is not over. */
  flush(now_us: number): void {
    this.take(now_us, false);
    this.write();
  }

  /** Nothing more will be shown. */
  close(now_us: number): RecordingFacts {
    this.take(now_us, true);
    this.write();
    syncData(this.fd);
    closeFile(this.fd);
    return {
      bytes: this.bytes,
      duration_ms: Math.round(now_us / 1_000),
      sha256: this.hash.digest("hex"),
      omitted_bytes: this.omitted,
    };
  }

  private take(now_us: number, all: boolean): void {
    for (const { at_us, bytes } of this.filter.take(now_us, all)) {
      this.block.add({ at_us, kind: "o", bytes });
      this.pending -= bytes.length;
    }
    this.last_us = now_us;
  }

  private write(): void {
    const { size } = this.block;
    if (size === 0) return;
    const frames = this.block.take()!;
    if (this.bytes + frames.length > this.most_bytes) return this.omit(size);
    try {
      if (this.unsaid > 0) this.sayOmitted();
      this.append(frames);
    } catch {
      // The disk is full, say: the shell goes on, and so do we once there is room.
      this.omit(size);
    }
  }

  private sayOmitted(): void {
    const told = new BlockWriter();
    const bytes = encoder.encode(`${this.unsaid}`);
    told.add({ at_us: this.last_us, kind: "x", bytes });
    this.append(told.take()!);
    this.unsaid = 0;
  }

  /** So many bytes were shown that are not in it. */
  omit(bytes: number): void {
    this.omitted += bytes;
    this.unsaid += bytes;
  }

  /** All of it, or nothing. */
  private append(frames: Uint8Array): void {
    try {
      for (let at = 0; at < frames.length;)
        at += writeSome(this.fd, frames.subarray(at));
    } catch (error) {
      truncate(this.fd, this.bytes);
      throw error;
    }
    this.bytes += frames.length;
    this.hash.update(frames);
  }
}
