/**
 * Recordings of any bytes: the reader throws nothing but its own sentence, goes to the
 * end, and holds no more than a screen and a block; and hostile output, which nothing
 * comes of but letters, colours and places.
 */
import { expect, test } from "bun:test";
import { BLOCK_MAGIC } from "../../src/model/recording/format.ts";
import { Failure } from "../../src/model/failure.ts";
import { castLines } from "../../src/model/recording/cast.ts";
import { linesOf } from "../../src/model/recording/lines.ts";
import { Screen } from "../../src/model/recording/screen.ts";
import { Parser } from "../../src/model/recording/sequences.ts";
import { UNSAFE } from "../../src/model/json.ts";
import { Picture } from "../../src/render/picture.ts";
import { Random } from "../support/random.ts";
import {
  hostile,
  omitted,
  readerOf,
  recordingOf,
  resized,
  shown,
} from "../support/recording.ts";
import { CASES } from "./mutate.ts";

const random = Random.seeded("recording");
const bytes = (most: number): Uint8Array =>
  Uint8Array.from({ length: random.int(0, most) }, () => random.int(0, 255));

/** What programs write, and what they do not. */
const output = (): Uint8Array =>
  Buffer.concat(
    Array.from({ length: random.int(1, 20) }, () =>
      random.chance(0.3)
        ? bytes(20)
        : Buffer.from(random.chance(0.5) ? hostile(random) : sequence()),
    ),
  );

function sequence(): string {
  const number = () => random.pick(["", "0", "1", "7", "80", "999999999999"]);
  const numbers = Array.from({ length: random.int(0, 4) }, number);
  const joined = numbers.join(random.pick([";", ":"]));
  const final = String.fromCharCode(random.int(0x40, 0x7e));
  const prefix = random.pick(["", "", "", "?", ">", "!"]);
  return `\x1b[${prefix}${joined}${final}${random.pick(["", "x", "中", "e\u0301", "\r\n"])}`;
}

function anyRecording(): Uint8Array {
  const entry = (_: unknown, i: number) =>
    random.pick([
      () => shown(i, output()),
      () =>
        resized(i, random.pick(["1x1", "99999x99999", "80x24", "0x0", "x"])),
      () => omitted(i, random.int(0, 1e9)),
    ])();
  const blocks = Array.from({ length: random.int(0, 4) }, () =>
    Array.from({ length: random.int(1, 6) }, entry),
  );
  return Uint8Array.from(
    recordingOf(blocks, {
      ...{
        columns: random.pick([1, 2, 80, 10_000]),
        rows: random.pick([1, 2, 24, 10_000]),
      },
    }),
  );
}

/** Bytes changed, cut out, put in or doubled. */
function mutated(file: Uint8Array): Uint8Array {
  let now: Uint8Array = file;
  for (let i = random.int(0, 4); i > 0; i--) {
    const at = random.int(0, now.length);
    const to = Math.min(now.length, at + random.int(0, 60));
    const piece = random.pick([
      () => bytes(40),
      () => new Uint8Array(),
      () => Buffer.concat([now.subarray(at, to), now.subarray(at, to)]),
    ])();
    now = Buffer.concat([now.subarray(0, at), piece, now.subarray(to)]);
  }
  return now;
}

/** The same with its checksums made right again: they keep nobody out who knows them. */
function signed(file: Uint8Array): Uint8Array {
  const made = Buffer.from(file);
  const magic = new Uint8Array(Uint32Array.of(BLOCK_MAGIC).buffer);
  for (let at = 0; (at = made.indexOf(magic, at)) >= 0; at++) {
    const facts = made.subarray(at + 8, at + 28);
    if (at + 32 > made.length) break;
    made.writeUInt32LE(Bun.hash.crc32(facts), at + 28);
  }
  return made;
}

/** A whole block of any records, or none. */
function forged(): Uint8Array {
  const raw = bytes(60);
  const packed = Bun.zstdCompressSync(raw);
  const head = Buffer.alloc(32);
  head.writeUInt32LE(BLOCK_MAGIC, 0);
  head.writeUInt32LE(24, 4);
  head.writeDoubleLE(random.chance(0.5) ? 0 : 1e300, 8);
  head.writeUInt32LE(packed.length, 16);
  head.writeUInt32LE(random.chance(0.9) ? raw.length : 2 ** 32 - 1, 20);
  head.writeUInt32LE(Bun.hash.crc32(raw), 24);
  return signed(Buffer.concat([head, packed]));
}

function hostileFile(): Uint8Array {
  if (random.chance(0.1)) return bytes(400);
  const file = random.chance(0.3)
    ? Buffer.concat([anyRecording(), forged(), forged()])
    : mutated(anyRecording());
  return random.chance(0.5) ? signed(file) : file;
}

test("any bytes are read to their end, or refused in a sentence", () => {
  const before = process.memoryUsage.rss();
  for (let i = 0; i < CASES; i++) {
    const file = hostileFile();
    const damage = { torn_bytes: 0, damaged_bytes: 0 };
    try {
      const reader = readerOf(file);
      for (const { text } of linesOf(reader, damage))
        expect(text).not.toMatch(/[\x00-\x1f\x7f]/);
      for (const version of [2, 3] as const)
        for (const line of castLines(reader, version, [])) JSON.parse(line);
      expect(reader.lastTime()).toBeGreaterThanOrEqual(0);
      const lost = damage.torn_bytes + damage.damaged_bytes;
      expect(lost).toBeLessThanOrEqual(file.length);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
    }
  }
  // A screen has at most 300,000 cells, of 13 bytes.
  expect(process.memoryUsage.rss() - before).toBeLessThan(500 * 1024 * 1024);
});

/** Without what a regular expression remembers of the last text. */
const unsafe = new RegExp(UNSAFE.source, "u");
/** What a drawn picture may have besides letters. */
const DRAWN = /\x1b\[[\d;]*[mHGK]|\x1b\[2J|\x1b\[\?25[hl]/g;

test("of hostile output nothing is drawn but letters, colours and places", () => {
  const screen = new Screen({ columns: 80, rows: 24 });
  const parser = new Parser(screen);
  const picture = new Picture();
  for (let i = 0; i < CASES; i++) {
    parser.write(random.chance(0.7) ? Buffer.from(hostile(random)) : output());
    const size = { columns: random.int(1, 100), rows: random.int(1, 30) };
    const drawn = picture.draw(screen, size, "status", random.chance(0.5));
    expect(drawn.replace(DRAWN, "")).not.toMatch(unsafe);
    const { rows, columns } = screen;
    expect(rows.length).toBeLessThanOrEqual(300);
    expect(columns).toBeLessThanOrEqual(1_000);
    const { cursor } = screen;
    if (!cursor) continue;
    expect(cursor.row).toBeLessThan(rows.length);
    expect(cursor.column).toBeLessThan(columns);
  }
});
