/**
 * Writes what a terminal shows to `recordings/SESSION.rec`, without its secrets
 * (output-filter.ts), a block at least every 60 ms. Up to a size; what is past it, and
 * what a full disk does not take, is counted and left out.
 */
import { createHash } from "node:crypto";
import { BlockWriter, encodeHeader } from "../model/recording/format.ts";
import type { RecordingHeader } from "../model/recording/format.ts";
import {
  RECORDING_SUFFIX,
  recordingPath,
  recordingsFolder,
} from "../model/recording/place.ts";
import type { Choice } from "../model/redaction/custom.ts";
import { errnoOf, fail } from "../model/failure.ts";
import {
  O_APPEND,
  O_CREAT,
  O_EXCL,
  O_WRONLY,
  closeFile,
  openRegular,
  syncData,
  writeSome,
} from "../os/file.ts";
import { libc } from "../os/libc.ts";
import { ensurePrivateDir, folderFailure } from "../os/paths.ts";
import { truncate } from "../os/pty.ts";
import { OutputFilter, type Shown } from "./output-filter.ts";
import { type Limits, RecordingsQuota } from "./recordings-quota.ts";

/** What the end of a session says of its recording. */
export interface RecordingFacts {
  bytes: number;
  duration_ms: number;
  sha256: string;
  /** Bytes of output that are not in it; its records of that say the same. */
  omitted_bytes: number;
  /** What kept them out, in a sentence. */
  trouble?: string;
}

/** A kill may cost 200 ms; the rest is for a machine that is busy. */
const FLUSH_US = 60_000;
/** So much is written at once when it comes that fast. */
const BLOCK_BYTES = 128 * 1024;
/** A block that says how much is left out. There is room for two at the end. */
const SAID_BYTES = 128;
/** What a disk, or a limit, may take again later. */
const FULL = new Set(["ENOSPC", "EDQUOT", "EFBIG", "EIO"]);
const RETRY_US = 1_000_000;
const encoder = new TextEncoder();

export class Recorder {
  private readonly block = new BlockWriter();
  private readonly filter: OutputFilter;
  private readonly hash = createHash("sha256");
  private readonly quota: RecordingsQuota;
  /** null: the disk had no room for it yet. */
  private fd: number | null = null;
  private open_again_us = 0;
  /** What the file begins with, as long as there is no room for it. */
  private unheaded: Uint8Array | null = null;
  /** Output that came since the last flush, and in the block. */
  private fresh = 0;
  private blocked = 0;
  private flushed_us = 0;
  private bytes = 0;
  private omitted = 0;
  /** Of those, what no record in it says yet. */
  private unsaid = 0;
  private last_us = 0;
  /** It is as large as it may be. */
  private closed = false;
  private trouble: string | null = null;

  /**
   * Makes the file.
   * @param choice the rules; null: all letters are withheld
   * @param sleep waits so many milliseconds
   * @throws Failure when it may not be there: something is in its way, say
   */
  constructor(
    private readonly data: string,
    private readonly header: RecordingHeader,
    choice: Choice | null,
    private readonly limits: Limits,
    sleep: (ms: number) => void,
  ) {
    this.filter = new OutputFilter(choice, header.columns);
    const own = header.session_id + RECORDING_SUFFIX;
    const folder = recordingsFolder(data);
    this.quota = new RecordingsQuota(folder, own, limits, sleep);
    this.open(0);
  }

  /** When something has to be done; null: nothing waits. */
  get due_us(): number | null {
    const flush_us = this.flushed_us + FLUSH_US;
    return this.fresh > 0 ? flush_us : this.filter.due_us;
  }

  /** @param at_us microseconds since the recording began */
  shown(shown: Shown): void {
    const { length } = shown.bytes;
    if (this.closed) return this.omit(length);
    // What does not fit any more goes block by block: they are no larger than that.
    if (this.fresh + length > BLOCK_BYTES) this.flush(shown.at_us);
    this.filter.push(shown);
    this.fresh += length;
  }

  /** The terminal is of another size from now on: `COLUMNSxROWS`. */
  resized(bytes: Uint8Array, at_us: number): void {
    this.take(at_us, true);
    this.filter.resize(parseInt(Buffer.from(bytes).toString(), 10));
    this.block.add({ at_us, kind: "r", bytes });
    this.write();
  }

  /** Writes what may be written by now: all but a row that is not over. */
  flush(now_us: number): void {
    this.take(now_us, false);
    this.write();
    this.fresh = 0;
    this.flushed_us = now_us;
  }

  /** So many bytes were shown that are not in it. */
  omit(bytes: number): void {
    this.omitted += bytes;
    this.unsaid += bytes;
  }

  /** Nothing more will be shown. */
  close(now_us: number): RecordingFacts {
    this.take(now_us, true);
    this.open_again_us = 0;
    this.write();
    this.attempt(() => {
      if (this.fd !== null && this.unsaid > 0) this.sayOmitted();
    });
    // It may be delivered from now on.
    if (this.fd !== null) libc?.unlock(this.fd);
    return {
      bytes: this.bytes,
      duration_ms: Math.round(now_us / 1_000),
      sha256: this.hash.digest("hex"),
      omitted_bytes: this.omitted,
      ...(this.trouble !== null && { trouble: this.trouble }),
    };
  }

  /** Brings it to the disk, for which nobody waits. */
  sync(): void {
    if (this.fd === null) return;
    this.attempt(() => syncData(this.fd!));
    closeFile(this.fd);
  }

  private take(now_us: number, all: boolean): void {
    for (const { at_us, bytes } of this.filter.take(now_us, all)) {
      this.block.add({ at_us, kind: "o", bytes });
      this.blocked += bytes.length;
    }
    this.last_us = now_us;
  }

  private write(): void {
    if (this.block.size === 0) return;
    const output = this.blocked;
    const frames = this.block.take()!;
    this.blocked = 0;
    if (this.closed) return this.omit(output);
    if (this.fits(frames) && this.keep(frames)) return;
    this.omit(output);
    // Once now, in case we do not live to say the rest.
    if (this.closed) this.attempt(() => this.sayOmitted());
  }

  private fits(frames: Uint8Array): boolean {
    const { session_bytes } = this.limits;
    if (this.sizeWith(frames) <= session_bytes - 2 * SAID_BYTES) return true;
    this.closed = true;
    this.trouble = `its recording is as large as recordings.session_bytes lets it be, ${session_bytes} bytes`;
    return false;
  }

  private sizeWith(frames: Uint8Array): number {
    const head = this.unheaded?.length ?? 0;
    const said = this.unsaid > 0 ? SAID_BYTES : 0;
    return this.bytes + head + said + frames.length;
  }

  /** @returns whether it is kept */
  private keep(frames: Uint8Array): boolean {
    let kept = false;
    this.attempt(() => {
      if (this.fd === null) this.open(this.last_us);
      if (this.fd === null) return;
      kept = this.quota.within(this.sizeWith(frames), () => {
        if (this.unsaid > 0) this.sayOmitted();
        this.append(frames);
      });
      if (!kept)
        this.trouble = `all recordings together are as large as recordings.max_bytes lets them be, ${this.limits.max_bytes} bytes`;
    });
    return kept;
  }

  /** The shell goes on whatever a disk says, and so do we once there is room. */
  private attempt(step: () => void): void {
    try {
      step();
    } catch (error) {
      const path = recordingPath(this.data, this.header.session_id);
      this.trouble = folderFailure(path, error).message;
    }
  }

  private open(now_us: number): void {
    if (now_us < this.open_again_us) return;
    this.open_again_us = now_us + RETRY_US;
    const path = recordingPath(this.data, this.header.session_id);
    try {
      ensurePrivateDir(recordingsFolder(this.data));
      const flags = O_WRONLY | O_CREAT | O_EXCL | O_APPEND;
      this.fd = openRegular(path, flags, 0o600);
    } catch (error) {
      if (errnoOf(error) === "EEXIST") throw inTheWay(path);
      const failure = folderFailure(path, error);
      const cause = failure.cause ?? error;
      if (!FULL.has(errnoOf(cause) ?? "")) throw failure;
      this.trouble = failure.message;
      return;
    }
    // Held until we are gone: it goes on.
    this.quota.lock(this.fd);
    this.unheaded = encodeHeader(this.header);
    this.attempt(() => this.append(new Uint8Array()));
  }

  private sayOmitted(): void {
    const told = new BlockWriter();
    const bytes = encoder.encode(`${this.unsaid}`);
    told.add({ at_us: this.last_us, kind: "x", bytes });
    this.append(told.take()!);
    this.unsaid = 0;
  }

  /** All of it, or nothing. */
  private append(frames: Uint8Array): void {
    const fd = this.fd!;
    const all = this.unheaded ? Buffer.concat([this.unheaded, frames]) : frames;
    try {
      for (let at = 0; at < all.length;) at += writeSome(fd, all.subarray(at));
    } catch (error) {
      truncate(fd, this.bytes);
      throw error;
    }
    this.unheaded = null;
    this.bytes += all.length;
    this.hash.update(all);
  }
}

const inTheWay = (path: string) =>
  fail.storage(
    `'${path}' is there already`,
    "move it away: no recording is written over",
  );
