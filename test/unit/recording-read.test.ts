/** Recordings that others made: what is whole in them is read, in bounded memory. */
import { expect, test } from "bun:test";
import { zstdCompressSync } from "node:zlib";
import {
  BLOCK_MAGIC,
  type Entry,
  MAX_BLOCK_BYTES,
} from "../../src/model/recording/format.ts";
import { Failure } from "../../src/model/failure.ts";
import { RecordingReader } from "../../src/model/recording/read.ts";
import {
  blockOf,
  readerOf,
  recordingOf,
  shown,
  sourceOf,
} from "../support/recording.ts";

function read(file: Uint8Array) {
  const damage = { torn_bytes: 0, damaged_bytes: 0 };
  const reader = readerOf(file);
  const entries = [...reader.chunks(reader.first, 0, damage)].flatMap(
    (chunk) => chunk.entries,
  );
  return { texts: entries.map(textOf), entries, damage };
}
const textOf = ({ bytes }: Entry) => Buffer.from(bytes).toString();
const BLOCKS = ["one", "two", "three"].map((text, i) => [shown(i, text)]);

test("what was written is read, byte for byte", () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  const file = recordingOf([[shown(0.5, bytes), shown(70.000_001, "x")]]);
  const { entries, damage } = read(file);
  expect(entries.map(({ at_us }) => at_us)).toEqual([500_000, 70_000_001]);
  expect(Buffer.from(entries[0]!.bytes)).toEqual(Buffer.from(bytes));
  expect(damage).toEqual({ torn_bytes: 0, damaged_bytes: 0 });
  expect(readerOf(file).lastTime()).toBe(70_000_001);
});

test("cut anywhere, all blocks before the cut are read", () => {
  const file = recordingOf(BLOCKS);
  const lengths = BLOCKS.map((block) => blockOf(block).length);
  const first = readerOf(file).first;
  for (let cut = first; cut <= file.length; cut++) {
    let [whole, end] = [0, first];
    while (whole < 3 && end + lengths[whole]! <= cut) end += lengths[whole++]!;
    const { texts, damage } = read(file.slice(0, cut));
    expect(texts).toEqual(["one", "two", "three"].slice(0, whole));
    expect(damage).toEqual({ torn_bytes: cut - end, damaged_bytes: 0 });
  }
});

test("any byte may be damaged: the other blocks are read, and the loss is counted", () => {
  const file = recordingOf(BLOCKS);
  for (let at = readerOf(file).first; at < file.length; at++) {
    const broken = Uint8Array.from(file);
    broken[at] = broken[at]! ^ 0x55;
    const { texts, damage } = read(broken);
    expect([at, texts.length]).toEqual([at, 2]);
    expect(damage.torn_bytes + damage.damaged_bytes).toBeGreaterThan(0);
  }
});

test("rubbish between two blocks is passed over", () => {
  const rubbish = new Uint8Array(200_000).fill(0x5c);
  const file = Buffer.concat([
    recordingOf(BLOCKS.slice(0, 1)),
    rubbish,
    blockOf(BLOCKS[1]!),
  ]);
  expect(read(file)).toMatchObject({
    texts: ["one", "two"],
    damage: { torn_bytes: 0, damaged_bytes: 200_000 },
  });
});

/** A block of any content, whose head says what is wished. */
function forged(
  packed: Uint8Array,
  raw: Uint8Array,
  raw_bytes = raw.length,
  began = 0n,
): Uint8Array {
  const head = new Uint8Array(32);
  const view = new DataView(head.buffer);
  view.setUint32(0, BLOCK_MAGIC, true);
  view.setUint32(4, 24, true);
  view.setBigUint64(8, began, true);
  view.setUint32(16, packed.length, true);
  view.setUint32(20, raw_bytes, true);
  view.setUint32(24, Bun.hash.crc32(raw), true);
  view.setUint32(28, Bun.hash.crc32(head.subarray(8, 28)), true);
  return Buffer.concat([head, packed]);
}

test("a bomb is not unpacked", () => {
  const bomb = new Uint8Array(256 * 1024 * 1024);
  const packed = zstdCompressSync(bomb);
  const before = process.memoryUsage.rss();
  for (const says of [10, MAX_BLOCK_BYTES, bomb.length, 2 ** 32 - 1]) {
    const file = Buffer.concat([
      recordingOf(BLOCKS),
      forged(packed, bomb.subarray(0, 10), says),
      blockOf([shown(9, "last")]),
    ]);
    expect(read(file)).toMatchObject({
      texts: ["one", "two", "three", "last"],
      damage: { torn_bytes: 0, damaged_bytes: packed.length + 32 },
    });
  }
  expect(process.memoryUsage.rss() - before).toBeLessThan(64 * 1024 * 1024);
});

test("a length that takes in the next block does not hide it", () => {
  const raw = Uint8Array.from([0, 0x6f, 1, 0x61]);
  const packed = Bun.zstdCompressSync(raw);
  const two = blockOf([shown(5, "two")]);
  // The library takes a frame for whole when rubbish stands behind it.
  for (const between of [new Uint8Array(), Buffer.from("rubbish")]) {
    const all = Buffer.concat([packed, between, two]);
    const { texts, damage } = read(
      Buffer.concat([recordingOf([]), forged(all, raw)]),
    );
    expect(texts).toEqual(["two"]);
    expect(damage.damaged_bytes).toBeGreaterThan(0);
  }
});

test.each([
  ["a record that is longer than the block", [0, 0x6f, 100, 1]],
  ["a length without an end", [0, 0x6f, ...Array(20).fill(0xff)]],
  ["a time without an end", Array(20).fill(0xff)],
  ["a time that nobody lives to see", [...Array(7).fill(0xff), 0x7f, 0x6f, 0]],
  ["a record of a kind alone", [0, 0x6f]],
])("%s ends its block, which holds what was before", (_, tail) => {
  const raw = Uint8Array.from([5, 0x6f, 2, 0x6f, 0x6b, ...tail]);
  const file = Buffer.concat([
    recordingOf(BLOCKS.slice(0, 1)),
    forged(Bun.zstdCompressSync(raw), raw),
    blockOf([shown(9, "last")]),
  ]);
  const { texts, damage } = read(file);
  expect(texts).toEqual(["one", "ok", "last"]);
  expect(damage.damaged_bytes).toBeGreaterThan(0);
});

test("time does not go back; a block of no time is damaged; other kinds are passed over", () => {
  const raw = Uint8Array.from([0, 0x7a, 1, 0x21, 0, 0x6f, 1, 0x61]);
  const packed = Bun.zstdCompressSync(raw);
  const file = Buffer.concat([
    recordingOf([[shown(7, "seven")]]),
    forged(packed, raw, raw.length, 3_000_000n),
    forged(packed, raw, raw.length, 2n ** 63n),
  ]);
  const { entries, texts } = read(file);
  expect(texts).toEqual(["seven", "a"]);
  expect(entries.map(({ at_us }) => at_us)).toEqual([7e6, 7e6]);
});

test.each([
  [
    "no recording",
    Buffer.from("hello"),
    /'x.rec' is no recording of a terminal: it does not begin as one/,
  ],
  ["nothing", new Uint8Array(), /it does not begin as one/],
  [
    "a version to come",
    withHeader({ recording: 2 }),
    /is a recording of version 2, which is not read here/,
  ],
  ["no version", withHeader({ recording: "\x1b[2J" }), /names no version/],
  ["no session", withHeader({ session_id: "../../x" }), /names no session/],
  ["no time", withHeader({ started_at: 5 }), /does not say when it began/],
  ["no size", withHeader({ columns: 0 }), /no size of a terminal/],
  ["no number as a size", withHeader({ rows: "24" }), /no size of a terminal/],
  ["no JSON", headed("{"), /its header is no JSON/],
  ["null", headed("null"), /names no version/],
  ["a header that is cut off", headed("{}").subarray(0, 9), /is cut off/],
])("%s: one sentence", (_, file, sentence) => {
  const open = () => new RecordingReader(sourceOf(file));
  expect(open).toThrow(Failure);
  expect(open).toThrow(sentence);
});

function headed(text: string): Uint8Array {
  const head = new Uint8Array(8);
  const view = new DataView(head.buffer);
  view.setUint32(0, 0x184d2a5b, true);
  view.setUint32(4, text.length, true);
  return Buffer.concat([head, Buffer.from(text)]);
}

function withHeader(facts: Record<string, unknown>): Uint8Array {
  const usual = { recording: 1, columns: 80, rows: 24, term: "xterm" };
  const session = {
    session_id: "bash-20260206-123456-1a2b3c4d",
    started_at: "2026-02-06T12:34:56.000Z",
  };
  return headed(JSON.stringify({ ...usual, ...session, ...facts }));
}
