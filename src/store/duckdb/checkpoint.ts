/**
 * Checkpoints that a kill or a loss of power may interrupt. DuckDB writes new metadata
 * to the free parts of blocks of which the file needs the rest, and the block has one
 * checksum: one that is written in part keeps the file from opening ever again. So these
 * blocks are copied beside the file before, and who opens it next, with its lock, puts
 * them back, unless the checkpoint came to its end.
 *
 * The copy: a line that says what it is; what the file begins with, of which a checkpoint
 * changes a part as its last step; then of each block its number (u64, little-endian) and
 * its content.
 */
import {
  closeSync,
  fsyncSync,
  lstatSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statfsSync,
  writeSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import { errnoOf } from "../../model/failure.ts";
import { rowsOf } from "./connection.ts";
import { COPY_KIND } from "../database-files.ts";
import { SQL } from "./statements.ts";

/**
 * A longer log is moved into the file, and commits wait for that: 80 ms at 16 MB, 300 at
 * 64, the same in all. At 8 MB more than one call in a hundred of 64 clients would meet
 * one.
 */
export const MOST_LOG_BYTES = 16 * 1024 * 1024;
/** Below this a disk counts as full: a checkpoint would not fit. */
const DISK_FLOOR_BYTES = 64 * 1024 * 1024;

/** Of a database: three headers; then come its blocks. */
const HEAD_BYTES = 12_288;
/** Where the first header that a checkpoint writes says how large a block is: u64. */
const BLOCK_BYTES_AT = 4_096 + 40;
const NUMBER_BYTES = 8;

const copyOf = (path: string) => `${path}.checkpoint`;
const halfOf = (path: string) => `${copyOf(path)}.new`;

/**
 * Moves the write-ahead log of an open database into its file.
 * @param fd of the file
 */
export async function checkpoint(
  path: string,
  fd: number,
  connection: DuckDBConnection,
): Promise<void> {
  const blocks = await rowsOf<{ id: string }>(
    connection,
    "SELECT block_id AS id FROM pragma_metadata_info()",
  );
  const numbers = blocks.map(({ id }) => BigInt(id));
  if (numbers.length > 0) await keep(path, fd, numbers);
  await connection.run(SQL.checkpoint);
  rmSync(copyOf(path), { force: true });
}

/** Whether one would fit on the disk. */
export function hasRoom(path: string): boolean {
  const { bavail, bsize } = statfsSync(dirname(path));
  return bavail * bsize > DISK_FLOOR_BYTES;
}

/** Copies blocks to the disk, as they are in the file. */
async function keep(
  path: string,
  fd: number,
  blocks: readonly bigint[],
): Promise<void> {
  const head = readAt(fd, 0, HEAD_BYTES);
  const parts = [COPY_KIND, head];
  for (const number of blocks) {
    const word = Buffer.alloc(NUMBER_BYTES);
    word.writeBigUInt64LE(number);
    const block = readAt(fd, placeOf(number, head), blockBytes(head));
    // What is not in the file yet is not written over.
    if (block.length === blockBytes(head)) parts.push(word, block);
  }
  const half = halfOf(path);
  rmSync(half, { force: true });
  try {
    await using file = await open(half, "wx", 0o600);
    await file.writeFile(Buffer.concat(parts));
    await file.sync();
  } catch (error) {
    rmSync(half, { force: true });
    throw error;
  }
  renameSync(half, copyOf(path));
  await using folder = await open(dirname(path));
  await folder.sync();
}

/**
 * Mends what an interrupted checkpoint has left of a file, before it is opened.
 * @param path of the file, which nobody has open: none of ours by `store.lock`
 */
export function mendCheckpoint(path: string): void {
  // Whatever else may stand there is told of by who wants its place.
  if (lstatSync(halfOf(path), { throwIfNoEntry: false })?.isFile())
    rmSync(halfOf(path), { force: true });
  let copy: Buffer;
  try {
    copy = readFileSync(copyOf(path));
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return;
    throw error;
  }
  // Another version's, of which nothing is known here.
  if (!copy.subarray(0, COPY_KIND.length).equals(COPY_KIND)) return;
  putBack(path, copy.subarray(COPY_KIND.length));
  rmSync(copyOf(path), { force: true });
}

/** @param copy without its first line */
function putBack(path: string, copy: Buffer): void {
  const fd = openSync(path, "r+");
  try {
    const head = copy.subarray(0, HEAD_BYTES);
    // It came to its end, or this is another file by now.
    if (!readAt(fd, 0, HEAD_BYTES).equals(head)) return;
    const bytes = NUMBER_BYTES + blockBytes(head);
    for (let at = HEAD_BYTES; at + bytes <= copy.length; at += bytes) {
      const number = copy.readBigUInt64LE(at);
      const block = copy.subarray(at + NUMBER_BYTES, at + bytes);
      writeAt(fd, placeOf(number, head), block);
    }
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

const blockBytes = (head: Buffer) =>
  Number(head.readBigUInt64LE(BLOCK_BYTES_AT));

const placeOf = (number: bigint, head: Buffer) =>
  HEAD_BYTES + Number(number) * blockBytes(head);

/** So many bytes of a file; fewer where it ends. */
function readAt(fd: number, from: number, bytes: number): Buffer {
  const all = Buffer.alloc(bytes);
  let have = 0;
  for (let got = -1; got !== 0 && have < bytes; have += got)
    got = readSync(fd, all, have, bytes - have, from + have);
  return all.subarray(0, have);
}

function writeAt(fd: number, from: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length;)
    at += writeSync(fd, bytes, at, bytes.length - at, from + at);
}
