/**
 * Reads a recording (format.ts) that anybody may have made: what is whole in it, in
 * bounded memory. What is damaged is passed over, and counted.
 */
import { Failure, fail } from "../failure.ts";
import { isSessionId } from "../id.ts";
import {
  BLOCK_FACTS_BYTES,
  BLOCK_MAGIC,
  CHECKED_FACTS_BYTES,
  type Entry,
  FRAME_HEAD_BYTES,
  HEADER_MAGIC,
  MAX_BLOCK_BYTES,
  MAX_HEADER_BYTES,
  type RecordingHeader,
  VERSION,
} from "./format.ts";

/** Where the bytes are. */
export interface Source {
  /** Of the file, for sentences. */
  readonly name: string;
  readonly size: number;
  /** @returns fewer bytes at the end; they may change at the next call */
  read(at: number, length: number): Uint8Array;
  /**
   * The content of a zstd frame.
   * @throws when it is none, or holds more than `most` bytes
   */
  unpack(packed: Uint8Array, most: number): Uint8Array;
}

/** The records of a block, and where it stands. */
export interface Chunk {
  entries: Entry[];
  at: number;
  /** Where the next one is to be. */
  end: number;
}

/** What could not be read. */
export interface Damage {
  /** Bytes at the end that are no whole block: a kill's, or somebody is writing. */
  torn_bytes: number;
  /** Elsewhere. */
  damaged_bytes: number;
}

interface Head {
  began_us: number;
  from: number;
  to: number;
  raw_bytes: number;
  crc32: number;
}

const HEAD_BYTES = FRAME_HEAD_BYTES + BLOCK_FACTS_BYTES;
/** What does not shrink is a little longer once it is packed. */
const MAX_PACKED_BYTES = MAX_BLOCK_BYTES + 64 * 1024;
/** Ten years: who says more says nothing. */
const MAX_US = 10 * 366 * 86_400 * 1_000_000;
/** Past it the file is somebody's joke. */
const MAX_DAMAGED_BLOCKS = 1_000;
const SEARCHED_BYTES = 64 * 1024;
/** A varint of 8 bytes holds more than any time or length here. */
const MAX_VARINT_BYTES = 8;

export class RecordingReader {
  readonly header: RecordingHeader;
  /** Where its first block stands. */
  readonly first: number;

  /** @throws Failure when it is no recording */
  constructor(private readonly source: Source) {
    const { header, end } = readHeader(source);
    this.header = header;
    this.first = end;
  }

  /**
   * What is whole, in its order.
   * @param at where a block stands
   * @param last_us no record is from before this
   * @param damage is counted in it, where it matters
   */
  *chunks(
    at = this.first,
    last_us = 0,
    damage: Damage = { torn_bytes: 0, damaged_bytes: 0 },
  ): Generator<Chunk> {
    let broken = 0;
    for (;;) {
      const head = this.nextHead(at, damage);
      if (!head) return;
      const { entries, whole } = this.entries(head, last_us);
      // Its length may be a lie, too: another block may stand within.
      const within = !whole && entries.length === 0;
      at = within ? head.from : head.to;
      if (!whole) damage.damaged_bytes += at - head.from + HEAD_BYTES;
      if (!whole && ++broken > MAX_DAMAGED_BLOCKS) {
        damage.damaged_bytes += this.source.size - at;
        return;
      }
      last_us = entries.at(-1)?.at_us ?? last_us;
      if (entries.length > 0)
        yield { entries, at: head.from - HEAD_BYTES, end: at };
    }
  }

  /** When the last record is, as far as the blocks' heads tell; nothing else is unpacked. */
  lastTime(): number {
    let last: Head | null = null;
    for (let at = this.first; ;) {
      const head = this.nextHead(at, { torn_bytes: 0, damaged_bytes: 0 });
      if (!head) break;
      last = head;
      at = head.to;
    }
    if (!last) return 0;
    return this.entries(last, 0).entries.at(-1)?.at_us ?? last.began_us;
  }

  /**
   * Where its last blocks begin: so many bytes of the file at most, and of what is in
   * them, as their heads say.
   */
  tailFrom(most_bytes: number, most_raw: number): number {
    const none = { torn_bytes: 0, damaged_bytes: 0 };
    const starts: { at: number; raw_bytes: number }[] = [];
    let at = Math.max(this.first, this.source.size - most_bytes);
    if (at === this.first) starts.push({ at, raw_bytes: 0 });
    for (let head = this.nextHead(at, none); head;) {
      starts.push({ at: head.from - HEAD_BYTES, raw_bytes: head.raw_bytes });
      at = head.to;
      head = this.nextHead(at, none);
    }
    let raw = 0;
    let from = at;
    for (const { at, raw_bytes } of starts.reverse()) {
      if ((raw += raw_bytes) > most_raw) break;
      from = at;
    }
    return from;
  }

  /** The block that stands at `at`, else the first after it. */
  private nextHead(at: number, damage: Damage): Head | null {
    const { size } = this.source;
    const here = this.headAt(at);
    if (here) return here;
    for (let from = at + 1; from < size; from += SEARCHED_BYTES) {
      const bytes = Uint8Array.from(this.source.read(from, SEARCHED_BYTES + 3));
      const view = new DataView(bytes.buffer);
      for (let i = 0; i + 4 <= bytes.length; i++) {
        if (bytes[i] !== (BLOCK_MAGIC & 0xff)) continue;
        if (view.getUint32(i, true) !== BLOCK_MAGIC) continue;
        const head = this.headAt(from + i);
        if (!head) continue;
        damage.damaged_bytes += from + i - at;
        return head;
      }
    }
    damage.torn_bytes += size - at;
    return null;
  }

  private headAt(at: number): Head | null {
    const bytes = this.source.read(at, HEAD_BYTES);
    if (bytes.length < HEAD_BYTES) return null;
    const view = new DataView(bytes.buffer, bytes.byteOffset, HEAD_BYTES);
    if (view.getUint32(0, true) !== BLOCK_MAGIC) return null;
    if (view.getUint32(4, true) !== BLOCK_FACTS_BYTES) return null;
    const checked = bytes
      .subarray(FRAME_HEAD_BYTES)
      .subarray(0, CHECKED_FACTS_BYTES);
    if (Bun.hash.crc32(checked) !== view.getUint32(28, true)) return null;
    const began_us = Number(view.getBigUint64(8, true));
    const packed = view.getUint32(16, true);
    const raw_bytes = view.getUint32(20, true);
    const from = at + HEAD_BYTES;
    const to = from + packed;
    const fits =
      began_us <= MAX_US &&
      packed <= MAX_PACKED_BYTES &&
      raw_bytes <= MAX_BLOCK_BYTES &&
      to <= this.source.size;
    if (!fits) return null;
    return { began_us, from, to, raw_bytes, crc32: view.getUint32(24, true) };
  }

  /** @returns those before the first that is not as it should be */
  private entries(
    { began_us, from, to, raw_bytes, crc32 }: Head,
    last_us: number,
  ): { entries: Entry[]; whole: boolean } {
    const entries: Entry[] = [];
    const broken = { entries, whole: false };
    const raw = this.content(from, to, raw_bytes);
    if (raw?.length !== raw_bytes || Bun.hash.crc32(raw) !== crc32)
      return broken;
    let at = 0;
    const number = (): number | null => {
      let value = 0;
      let scale = 1;
      for (let i = 0; i < MAX_VARINT_BYTES; i++, scale *= 0x80) {
        const byte = raw[at++];
        if (byte === undefined) return null;
        value += (byte & 0x7f) * scale;
        if (byte < 0x80) return value;
      }
      return null;
    };
    // A clock of another process's may have been a little behind.
    let at_us = began_us;
    while (at < raw.length) {
      const since = number();
      const kind = String.fromCharCode(raw[at++] ?? 0);
      const length = number();
      if (since === null || length === null || at + length > raw.length)
        return broken;
      at_us += since;
      if (at_us > MAX_US) return broken;
      const bytes = raw.subarray(at, at + length);
      at += length;
      // A kind of a later version is passed over.
      if (kind === "o" || kind === "r" || kind === "x")
        entries.push({ at_us: Math.max(at_us, last_us), kind, bytes });
    }
    return { entries, whole: true };
  }

  private content(from: number, to: number, most: number): Uint8Array | null {
    try {
      return this.source.unpack(this.source.read(from, to - from), most);
    } catch (error) {
      // That of a disk, which is no damage of the recording's.
      if (error instanceof Failure) throw error;
      return null;
    }
  }
}

function readHeader(source: Source): { header: RecordingHeader; end: number } {
  const head = source.read(0, FRAME_HEAD_BYTES);
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  if (
    head.length < FRAME_HEAD_BYTES ||
    view.getUint32(0, true) !== HEADER_MAGIC
  )
    throw noRecording(source, "it does not begin as one");
  const length = view.getUint32(4, true);
  if (length > MAX_HEADER_BYTES)
    throw noRecording(source, "its header is too long");
  const bytes = source.read(FRAME_HEAD_BYTES, length);
  if (bytes.length < length) throw noRecording(source, "its header is cut off");
  return {
    header: headerOf(source, bytes),
    end: FRAME_HEAD_BYTES + length,
  };
}

function headerOf(source: Source, bytes: Uint8Array): RecordingHeader {
  let said: Record<string, unknown>;
  try {
    // What is no object has none of these.
    said = Object(JSON.parse(new TextDecoder().decode(bytes)));
  } catch {
    throw noRecording(source, "its header is no JSON");
  }
  const { recording, session_id, started_at, columns, rows, term } = said;
  if (recording !== VERSION && Number.isInteger(recording))
    throw fail.storage(
      `'${source.name}' is a recording of version ${Number(recording)}, which is not read here`,
      "a session-buddy of the version that recorded it reads it",
    );
  if (recording !== VERSION)
    throw noRecording(source, "its header names no version");
  if (typeof session_id !== "string" || !isSessionId(session_id))
    throw noRecording(source, "its header names no session");
  const began = typeof started_at === "string" ? Date.parse(started_at) : NaN;
  if (Number.isNaN(began))
    throw noRecording(source, "its header does not say when it began");
  const whole = [columns, rows].every(
    (n) => Number.isInteger(n) && Number(n) > 0 && Number(n) <= 10_000,
  );
  if (!whole) throw noRecording(source, "its header has no size of a terminal");
  return {
    ...{ session_id, started_at: new Date(began).toISOString() },
    ...{ columns: Number(columns), rows: Number(rows) },
    term: typeof term === "string" ? term.slice(0, 100) : "",
  };
}

const noRecording = ({ name }: Source, why: string): Failure =>
  fail.storage(
    `'${name}' is no recording of a terminal: ${why}`,
    "recordings are made by session-buddy shell --record, and end with .rec",
  );
