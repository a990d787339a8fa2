/**
 * Repairs DuckDB's write-ahead log after a crash. A loss of power may leave zeros or
 * garbage at its end, a disk a flipped byte; DuckDB refuses some of that and passes
 * over the rest in silence. What is whole up to the last commit is kept, and what
 * comes after that is set aside.
 *
 * The format, version 2: a header, which may name the file that it belongs to
 * (see log-header.ts), then entries of size, checksum (u64 each, little-endian)
 * and payload, which begins with a field that says its kind.
 */
import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  lstatSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { basename, dirname } from "node:path";
import { type Warn, fail, reasonOf } from "../../model/failure.ts";
import { libc } from "../../os/libc.ts";
import { sync } from "../../os/copy.ts";
import { isCircumstance } from "./failure.ts";
import { HEADER_KIND, headerFor, headerOf, isNear } from "./log-header.ts";

/** Size and checksum. */
const ENTRY_BYTES = 16;
/** The end of a commit, always the same. */
const FLUSH = Buffer.from("640064ffff", "hex");
/** No entry is longer: one that says so has another's length. */
const MAX_ENTRY_BYTES = 256 * 1024 * 1024;
/** It is read whole; work that makes it longer than 16 MB is followed by a checkpoint. */
const MAX_LOG_BYTES = 1024 * 1024 * 1024;

/** A log that is not whole. */
export interface Torn {
  /** As it was found. */
  bytes: Buffer;
  /** What is wrong is its first bytes, of which DuckDB may make anything. */
  headless: boolean;
  /** Where the last commit that is whole ends; 0 when there is none. */
  whole_bytes: number;
  /** As it should be. */
  header: Buffer;
}

/** What is opened here, as far as it is used. */
interface Opened {
  disconnect(): void;
  moveLog(): Promise<void>;
}

/**
 * Opens a database after a crash. What can be read of a torn log is kept; the rest is
 * set aside, and the user is told.
 */
export async function openRepaired<T extends Opened>(
  path: string,
  connect: () => Promise<T>,
  warn: Warn,
): Promise<T> {
  // Without locks another process may be writing it.
  const torn = libc ? tornLog(path) : null;
  if (!torn) return connect();
  const opened = torn.headless ? null : await openDespite(connect);
  const kept = keepLog(path, torn, () => opened?.disconnect());
  const said = () => warn(leftOutSentence(path, torn, kept));
  if (opened && torn.whole_bytes > 0) {
    // Until then the log stays as it is, to be met again.
    await opened.moveLog().catch((error: unknown) => {
      opened.disconnect();
      throw error;
    });
    said();
    return opened;
  }
  opened?.disconnect();
  cutLog(path, torn);
  try {
    const db = await connect();
    said();
    return db;
  } catch (error) {
    // It is the file that is damaged: its log stays as it was.
    renameSync(kept, `${path}.wal`);
    throw error;
  }
}

/** @returns null when DuckDB cannot read the log; it passes over some damage */
async function openDespite<T>(connect: () => Promise<T>): Promise<T | null> {
  try {
    return await connect();
  } catch (error) {
    if (isCircumstance(reasonOf(error))) throw error;
    return null;
  }
}

/**
 * @param path of the database
 * @returns null when its log is whole, not there, or of a version unknown here
 */
export function tornLog(path: string): Torn | null {
  const bytes = readLog(`${path}.wal`);
  if (!bytes || bytes.length === 0) return null;
  const own = headerFor(path);
  const found = isNear(bytes, own) ? null : headerOf(bytes);
  const header = found ? bytes.subarray(0, found.bytes) : own;
  const named = bytes.subarray(0, HEADER_KIND.length).equals(HEADER_KIND);
  const first = entryEnd(bytes, header.length);
  // Of another version; one whose header alone is damaged has our entries.
  if (!found && named && first === null) return null;
  let whole_bytes = 0;
  let at = header.length;
  for (let end: number | null; (end = entryEnd(bytes, at)) !== null; at = end)
    if (bytes.subarray(at + ENTRY_BYTES, end).equals(FLUSH)) whole_bytes = end;
  if (found && isUnfinished(bytes.subarray(at))) return null;
  return { bytes, whole_bytes, headless: !found && first !== null, header };
}

/** Whether a rest is the beginning of a commit, as a kill leaves it. */
function isUnfinished(rest: Buffer): boolean {
  if (rest.length === 0) return true;
  if (rest.length < ENTRY_BYTES) return false;
  const size = Number(rest.readBigUInt64LE(0));
  const cutOff = ENTRY_BYTES + size > rest.length && size < MAX_ENTRY_BYTES;
  return cutOff && !rest.includes(FLUSHED);
}

/** Leaves the part of a log that is whole. */
function cutLog(path: string, { whole_bytes, header }: Torn): void {
  const wal = `${path}.wal`;
  if (whole_bytes === 0) return rmSync(wal, { force: true });
  const fd = openSync(wal, "r+");
  try {
    writeSync(fd, header, 0, header.length, 0);
    ftruncateSync(fd, whole_bytes);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

const leftOutSentence = (
  path: string,
  { bytes, whole_bytes }: Torn,
  kept: string,
): string =>
  `the write-ahead log of '${path}' was damaged, as by a loss of power: its last ${bytes.length - whole_bytes} bytes, after the last whole commit, were left out (all of it is kept in '${kept}')`;

/** @throws Failure (storage) for one that is longer than any of ours */
function readLog(path: string): Buffer | null {
  const bytes = statSync(path, { throwIfNoEntry: false })?.size;
  if (bytes === undefined) return null;
  if (bytes > MAX_LOG_BYTES)
    throw fail.storage(
      `'${path}' has ${bytes} bytes, more than a write-ahead log of ours ever has`,
      "move it away; what was not in the database yet may wait in the spool",
    );
  return readFileSync(path);
}

/** Where the entry at a place ends; null when there is no whole one. */
function entryEnd(bytes: Buffer, at: number): number | null {
  const from = at + ENTRY_BYTES;
  if (from > bytes.length) return null;
  const size = Number(bytes.readBigUInt64LE(at));
  if (size === 0 || from + size > bytes.length) return null;
  const payload = bytes.subarray(from, from + size);
  return checksum(payload) === bytes.readBigUInt64LE(at + 8)
    ? from + size
    : null;
}

const word = (value: bigint) => BigInt.asUintN(64, value);
const WORD_FACTOR = 0xbf58476d1ce4e5b9n;
const REST_FACTOR = 0xc6a4a7935bd1e995n;
const REST_SEED = 0xe17a1465n;
const REST_SHIFT = 47n;

/** As DuckDB computes it: words by a product each, the rest by MurmurHash64A. */
function checksum(payload: Buffer): bigint {
  let sum = 5381n;
  const words = payload.length >> 3;
  for (let i = 0; i < words; i++)
    sum ^= word(payload.readBigUInt64LE(i * 8) * WORD_FACTOR);
  const rest = payload.subarray(words * 8);
  return rest.length > 0 ? sum ^ restChecksum(rest) : sum;
}

function restChecksum(rest: Buffer): bigint {
  let hash = REST_SEED ^ word(BigInt(rest.length) * REST_FACTOR);
  let value = 0n;
  for (const byte of rest.toReversed()) value = (value << 8n) | BigInt(byte);
  hash = word((hash ^ value) * REST_FACTOR);
  hash ^= hash >> REST_SHIFT;
  hash = word(hash * REST_FACTOR);
  return hash ^ (hash >> REST_SHIFT);
}

/** What stands where a commit ends, behind the entry's size. */
const FLUSHED = Buffer.concat([
  new Uint8Array(new BigUint64Array([checksum(FLUSH)]).buffer),
  FLUSH,
]);

/**
 * Keeps a copy of a log, once.
 * @param failed is called before it throws
 * @returns the path of the copy
 */
function keepLog(path: string, { bytes }: Torn, failed: () => void): string {
  const folder = dirname(path);
  const half = `${path}.wal.new`;
  try {
    const before = keptBefore(path, bytes);
    if (before !== null) return before;
    rmSync(half, { force: true });
    writeFileSync(half, bytes, { flag: "wx", mode: 0o600, flush: true });
    const kept = `${path}.wal.damaged-${stamp()}`;
    renameSync(half, kept);
    sync(folder);
    return kept;
  } catch (error) {
    rmSync(half, { force: true });
    failed();
    throw error;
  }
}

function keptBefore(path: string, bytes: Buffer): string | null {
  const folder = dirname(path);
  const prefix = `${basename(path)}.wal.damaged-`;
  for (const name of readdirSync(folder)) {
    if (!name.startsWith(prefix)) continue;
    const stat = lstatSync(`${folder}/${name}`, { throwIfNoEntry: false });
    if (!stat?.isFile() || stat.size !== bytes.length) continue;
    if (readFileSync(`${folder}/${name}`).equals(bytes))
      return `${folder}/${name}`;
  }
  return null;
}

/** Renames a log that is not the database's; returns its new path. */
export function setAside(path: string): string {
  const kept = `${path}.wal.foreign-${stamp()}`;
  renameSync(`${path}.wal`, kept);
  sync(dirname(path));
  return kept;
}

/** UTC, and a random end. */
const stamp = () =>
  `${new Date().toISOString().replace(/[-:.]/g, "")}-${Bun.randomUUIDv7().slice(-4)}`;
