/**
 * The file of a recorded terminal: what it showed, byte for byte, and when. It is a
 * chain of zstd frames, each written once, so a kill costs the last one at most, and
 * `zstdcat` shows what is in it. Before each stands a frame that decompressors skip:
 *
 *     skippable, JSON     what the file is: the session, its start, the terminal's size
 *     skippable, 20 bytes when the next begins, its length, that of its content, a checksum
 *     zstd                records: varint of microseconds since the one before, kind,
 *                         varint of the length, bytes
 */
import { isSessionId } from "../id.ts";

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

const VERSION = 1;
/** Of 16 numbers that the format gives to frames that are skipped (RFC 8878, 3.1.2). */
const HEADER_MAGIC = 0x184d2a5b;
const BLOCK_MAGIC = 0x184d2a5c;
const FRAME_HEAD_BYTES = 8;
const BLOCK_FACTS_BYTES = 20;
/** A block that says more is none of ours: nobody unpacks a bomb. */
export const MAX_BLOCK_BYTES = 1024 * 1024;
const MAX_HEADER_BYTES = 64 * 1024;
/** Level 1: as small as 3 for what terminals show, in half the time. */
const LEVEL = 1;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

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

/** Collects records until they are written as a block. */
export class BlockWriter {
  private parts: Uint8Array[] = [];
  private bytes = 0;
  /** When the first of them was. */
  private began_us = 0;
  private last_us = 0;

  /** Bytes that a block would hold now. */
  get size(): number {
    return this.bytes;
  }

  add({ at_us, kind, bytes }: Entry): void {
    if (this.bytes === 0) this.began_us = this.last_us = at_us;
    const since = Math.max(0, Math.round(at_us - this.last_us));
    this.last_us += since;
    const head = Uint8Array.from([
      ...varint(since),
      kind.charCodeAt(0),
      ...varint(bytes.length),
    ]);
    this.parts.push(head, bytes);
    this.bytes += head.length + bytes.length;
  }

  /** @returns the frames of what was collected, and begins anew; null: nothing was */
  take(): Uint8Array | null {
    if (this.bytes === 0) return null;
    const raw = Buffer.concat(this.parts);
    this.parts = [];
    this.bytes = 0;
    const packed = Bun.zstdCompressSync(raw, { level: LEVEL });
    const facts = new Uint8Array(BLOCK_FACTS_BYTES);
    const view = new DataView(facts.buffer);
    view.setBigUint64(0, BigInt(Math.round(this.began_us)), true);
    view.setUint32(8, packed.length, true);
    view.setUint32(12, raw.length, true);
    view.setUint32(16, Bun.hash.crc32(raw), true);
    return Buffer.concat([skippable(BLOCK_MAGIC, facts), packed]);
  }
}

function varint(value: number): number[] {
  const bytes = [];
  for (; value >= 0x80; value = Math.floor(value / 0x80))
    bytes.push((value % 0x80) | 0x80);
  return [...bytes, value];
}

/** Where a block stands in its file, and of when it is. */
export interface Block {
  began_us: number;
  /** Of its zstd frame, in the file. */
  from: number;
  to: number;
  raw_bytes: number;
  crc32: number;
}

export interface Recording {
  header: RecordingHeader;
  blocks: Block[];
  /** Bytes at the end that are no whole block: a kill's, or somebody is writing. */
  torn_bytes: number;
}

/**
 * Finds the blocks of a file, without unpacking any.
 * @throws Error when it is no recording, in a few words
 */
export function readRecording(file: Uint8Array): Recording {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const first = frameAt(view, 0, HEADER_MAGIC, MAX_HEADER_BYTES);
  if (!first) throw new Error("it is no recording");
  const header = headerOf(file.subarray(first.from, first.to));
  const blocks: Block[] = [];
  let at = first.to;
  for (;;) {
    const block = blockAt(view, at);
    if (!block) break;
    blocks.push(block);
    at = block.to;
  }
  return { header, blocks, torn_bytes: file.length - at };
}

function headerOf(bytes: Uint8Array): RecordingHeader {
  const said: unknown = JSON.parse(decoder.decode(bytes));
  const { recording, session_id, started_at, columns, rows, term } =
    said as Record<string, unknown>;
  if (recording !== VERSION)
    throw new Error(`a recording of version ${JSON.stringify(recording)}`);
  const whole = [columns, rows].every(
    (n) => Number.isInteger(n) && Number(n) > 0 && Number(n) <= 10_000,
  );
  if (
    !isSessionId(`${session_id}`) ||
    Number.isNaN(Date.parse(`${started_at}`))
  )
    throw new Error("its header does not say whose it is");
  if (!whole) throw new Error("its header has no size of a terminal");
  return {
    ...{ session_id: `${session_id}`, started_at: `${started_at}` },
    ...{ columns: Number(columns), rows: Number(rows) },
    term: typeof term === "string" ? term : "",
  };
}

function frameAt(
  view: DataView,
  at: number,
  magic: number,
  most: number,
): { from: number; to: number } | null {
  if (at + FRAME_HEAD_BYTES > view.byteLength) return null;
  if (view.getUint32(at, true) !== magic) return null;
  const bytes = view.getUint32(at + 4, true);
  const from = at + FRAME_HEAD_BYTES;
  if (bytes > most || from + bytes > view.byteLength) return null;
  return { from, to: from + bytes };
}

function blockAt(view: DataView, at: number): Block | null {
  const facts = frameAt(view, at, BLOCK_MAGIC, BLOCK_FACTS_BYTES);
  if (!facts || facts.to - facts.from !== BLOCK_FACTS_BYTES) return null;
  const began_us = Number(view.getBigUint64(facts.from, true));
  const packed = view.getUint32(facts.from + 8, true);
  const raw_bytes = view.getUint32(facts.from + 12, true);
  const crc32 = view.getUint32(facts.from + 16, true);
  const { to: from } = facts;
  const to = from + packed;
  if (to > view.byteLength || raw_bytes > MAX_BLOCK_BYTES) return null;
  return { began_us, from, to, raw_bytes, crc32 };
}

/**
 * The records of a block.
 * @param file the whole file
 * @throws Error when its content is not what was written
 */
export function* entriesOf(file: Uint8Array, block: Block): Generator<Entry> {
  const raw = Bun.zstdDecompressSync(file.subarray(block.from, block.to));
  if (raw.length !== block.raw_bytes || Bun.hash.crc32(raw) !== block.crc32)
    throw new Error(`the block at byte ${block.from} is damaged`);
  let at = 0;
  let at_us = block.began_us;
  const number = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 0x80) {
      const byte = raw[at++];
      if (byte === undefined) throw new Error("a record is cut short");
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  while (at < raw.length) {
    at_us += number();
    const kind = String.fromCharCode(raw[at++]!);
    const length = number();
    const bytes = raw.subarray(at, at + length);
    if (bytes.length < length) throw new Error("a record is cut short");
    at += length;
    // A kind of a later version is passed over.
    if (kind === "o" || kind === "r" || kind === "x")
      yield { at_us, kind, bytes };
  }
}
