/**
 * The file of a recorded terminal: what it showed, byte for byte, and when. It is a
 * chain of zstd frames, each written once, so a kill costs the last one at most, and
 * `zstdcat` shows what is in it. Before each stands a frame that decompressors skip:
 *
 *     skippable, JSON     what the file is: the session, its start, the terminal's size
 *     skippable, 24 bytes when the next begins, its length, that of its content, a
 *                         checksum of that, and one of these facts
 *     zstd                records: varint of microseconds since the one before, kind,
 *                         varint of the length, bytes
 */
/** A record's kind is a letter, as in asciicast. */
export type Kind = "o" | "r" | "x";

export interface Entry {
  /** Microseconds since the recording began. */
  at_us: number;
  /** `o`: output · `r`: `COLUMNSxROWS` from now on · `x`: so many bytes are left out. */
  kind: Kind;
  bytes: Uint8Array;
}

/** What the first frame says. */
export interface RecordingHeader {
  session_id: string;
  /** UTC, ISO 8601. */
  started_at: string;
  columns: number;
  rows: number;
  /** $TERM. */
  term: string;
}

export const VERSION = 1;
/** Of 16 numbers that the format gives to frames that are skipped (RFC 8878, 3.1.2). */
export const HEADER_MAGIC = 0x184d2a5b;
export const BLOCK_MAGIC = 0x184d2a5c;
export const FRAME_HEAD_BYTES = 8;
export const BLOCK_FACTS_BYTES = 24;
/** The facts before their own checksum. */
export const CHECKED_FACTS_BYTES = 20;
/** A block that says more is none of ours: nobody unpacks a bomb. */
export const MAX_BLOCK_BYTES = 1024 * 1024;
export const MAX_HEADER_BYTES = 64 * 1024;
/** Level 1: as small as 3 for what terminals show, in half the time. */
const LEVEL = 1;

const encoder = new TextEncoder();

export function encodeHeader(header: RecordingHeader): Uint8Array {
  const text = JSON.stringify({ recording: VERSION, ...header });
  return skippable(HEADER_MAGIC, encoder.encode(text));
}

function skippable(magic: number, content: Uint8Array): Uint8Array {
  const frame = new Uint8Array(FRAME_HEAD_BYTES + content.length);
  const view = new DataView(frame.buffer);
  view.setUint32(0, magic, true);
  view.setUint32(4, content.length, true);
  frame.set(content, FRAME_HEAD_BYTES);
  return frame;
}

/** The longest that stands before a record's bytes: two varints and a kind. */
const RECORD_HEAD_BYTES = 2 * 8 + 1;
const PAGE_BYTES = 256 * 1024;

/** Collects records until they are written as a block. */
export class BlockWriter {
  private page = new Uint8Array(PAGE_BYTES);
  private bytes = 0;
  /** When the first of them was. */
  private began_us = 0;
  private last_us = 0;

  /** Bytes that a block would hold now. */
  get size(): number {
    return this.bytes;
  }

  /** @param entry its bytes are copied */
  add({ at_us, kind, bytes }: Entry): void {
    if (this.bytes === 0) this.began_us = this.last_us = at_us;
    const since = Math.max(0, Math.round(at_us - this.last_us));
    this.last_us += since;
    const most = this.bytes + RECORD_HEAD_BYTES + bytes.length;
    if (most > this.page.length) {
      const page = new Uint8Array(2 * most);
      page.set(this.page);
      this.page = page;
    }
    this.varint(since);
    this.page[this.bytes++] = kind.charCodeAt(0);
    this.varint(bytes.length);
    this.page.set(bytes, this.bytes);
    this.bytes += bytes.length;
  }

  private varint(value: number): void {
    let left = value;
    for (; left >= 0x80; left = Math.floor(left / 0x80))
      this.page[this.bytes++] = (left % 0x80) | 0x80;
    this.page[this.bytes++] = left;
  }

  /** @returns the frames of what was collected, and begins anew; null: nothing was */
  take(): Uint8Array | null {
    if (this.bytes === 0) return null;
    const raw = this.page.subarray(0, this.bytes);
    this.bytes = 0;
    const packed = Bun.zstdCompressSync(raw, { level: LEVEL });
    const facts = new Uint8Array(BLOCK_FACTS_BYTES);
    const view = new DataView(facts.buffer);
    view.setBigUint64(0, BigInt(Math.round(this.began_us)), true);
    view.setUint32(8, packed.length, true);
    view.setUint32(12, raw.length, true);
    view.setUint32(16, Bun.hash.crc32(raw), true);
    const checked = facts.subarray(0, CHECKED_FACTS_BYTES);
    view.setUint32(20, Bun.hash.crc32(checked), true);
    return Buffer.concat([skippable(BLOCK_MAGIC, facts), packed]);
  }
}
