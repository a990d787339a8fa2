/** Recordings made without a terminal: of these records, in these blocks. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  BlockWriter,
  type Entry,
  type RecordingHeader,
  encodeHeader,
} from "../../src/model/recording/format.ts";
import {
  RecordingReader,
  type Source,
} from "../../src/model/recording/read.ts";
import { unpackZstd } from "../../src/os/unpack.ts";
import type { Random } from "./random.ts";
import type { Sandbox } from "./sandbox.ts";

export const HEADER: RecordingHeader = {
  session_id: "bash-20260206-123456-1a2b3c4d",
  started_at: "2026-02-06T12:34:56.000Z",
  ...{ columns: 40, rows: 10, term: "xterm" },
};

const bytesOf = (text: string | Uint8Array): Uint8Array =>
  typeof text === "string" ? new TextEncoder().encode(text) : text;

/** Output at a second. */
export const shown = (at_s: number, text: string | Uint8Array): Entry => ({
  ...{ at_us: at_s * 1e6, kind: "o", bytes: bytesOf(text) },
});
export const resized = (at_s: number, size: string): Entry => ({
  ...{ at_us: at_s * 1e6, kind: "r", bytes: bytesOf(size) },
});
export const omitted = (at_s: number, bytes: number): Entry => ({
  ...{ at_us: at_s * 1e6, kind: "x", bytes: bytesOf(`${bytes}`) },
});

/** The frames of a block. */
export function blockOf(entries: readonly Entry[]): Uint8Array {
  const block = new BlockWriter();
  for (const entry of entries) block.add(entry);
  return block.take()!;
}

/** A block each. */
export const recordingOf = (
  blocks: readonly (readonly Entry[])[],
  header: Partial<RecordingHeader> = {},
): Uint8Array =>
  Buffer.concat([
    encodeHeader({ ...HEADER, ...header }),
    ...blocks.map(blockOf),
  ]);

export function sourceOf(file: Uint8Array, name = "x.rec"): Source {
  return {
    ...{ name, size: file.length, unpack: unpackZstd },
    read: (at, length) => file.subarray(at, at + length),
  };
}

export const readerOf = (file: Uint8Array): RecordingReader =>
  new RecordingReader(sourceOf(file));

/** As a wrapper leaves it. @returns its path */
export function keep(
  sandbox: Sandbox,
  file: Uint8Array,
  session_id = HEADER.session_id,
): string {
  const folder = join(sandbox.data, "recordings");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, `${session_id}.rec`);
  writeFileSync(path, file, { mode: 0o600 });
  return path;
}

const STRINGS = [
  "]0;HOSTILE",
  "]2;HOSTILE",
  "]52;c;SE9TVElMRQ==",
  "]8;;http://x",
];
const OTHERS = [
  "P+q544e",
  "P$qm",
  "_Gi=31,s=1",
  "^HOSTILE",
  "XHOSTILE",
  "kHOSTILE",
];
const QUERIES = [
  "[c",
  "[>c",
  "[=c",
  "[5n",
  "[6n",
  "[?6n",
  "[18t",
  "[21t",
  "[20t",
];
const CHANGES = ["[8;1;1t", "[2t", "[?1000h", "[?1003h", "[?1006h", "[?2004h"];
const MODES = [
  "[?1h",
  "=",
  "[>4;2m",
  "[>1u",
  "[?5h",
  "[?3h",
  "[?1004h",
  "[20h",
];
const SCREEN = [
  "[?1049h",
  "[?1049l",
  "[?47h",
  "[?25l",
  "[?7l",
  "[4h",
  "(0",
  "c",
];
const MORE = [
  "[2;5r",
  "[?6h",
  "[99999b",
  "[99999S",
  "[99999;99999H",
  "#8",
  "[!p",
];
const ENDS = ["\x07", "\x1b\\", "\x9c", "\u009c", "", "\x18", "\n"];

/** What would reach beyond the screen, or leave it otherwise than it was. */
export function hostile(random: Random): string {
  const sequences = [STRINGS, OTHERS, QUERIES, CHANGES, MODES, SCREEN, MORE];
  const sequence = random.pick(random.pick(sequences));
  const begin = random.chance(0.9) ? "\x1b" : "";
  const eight = random.chance(0.05)
    ? random.pick(["\u009d52;c;eA==", "\u009b?1000h", "\u0090q"])
    : "";
  const bidi = random.chance(0.1) ? "\u202e\u2066\u200d" : "";
  return `${bidi}${begin}${sequence}${random.pick(ENDS)}${eight}`;
}
