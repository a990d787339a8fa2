/**
 * How full the spool is, kept beside it (`spool.json`): whoever starts a session
 * reads one small file, and does not look through thousands. Drains count, and
 * where none ever runs, wrappers do now and then.
 */
import type { Clock } from "../model/clock.ts";
import {
  O_CREAT,
  O_WRONLY,
  SMALL_BYTES,
  closeFile,
  isMissing,
  namesIn,
  tryReadText,
  writeSome,
  openRegular,
} from "../os/file.ts";
import { statFile } from "../os/stat.ts";
import { libc, nodeFs } from "../os/libc.ts";

/** What waited when it was last counted; files that are done do not. */
export interface SpoolLevel {
  files: number;
  bytes: number;
  /** Milliseconds since the epoch. */
  counted_at: number;
}

/** From this part of the limit on it is told of. */
const NEARLY = 0.8;
/** How old a count may be that a wrapper leaves as it is. */
const COUNT_MS = 3_600_000;
/** After so many files others have their turn. */
const AT_ONCE = 500;
/** Always as long, so that one write replaces it whole. */
const DIGITS = 15;
const MIB = 1024 * 1024;

const FORM = /^\{"files": *(\d+),"bytes": *(\d+),"counted_at": *(\d+)\}$/m;
const fileIn = (folder: string): string => `${folder}/spool.json`;

/** @returns null when nobody has counted yet */
export function readLevel(folder: string): SpoolLevel | null {
  const path = fileIn(folder);
  const found = isMissing(path)
    ? null
    : FORM.exec(tryReadText(path, SMALL_BYTES) ?? "");
  if (!found) return null;
  const [files = 0, bytes = 0, counted_at = 0] = found.slice(1).map(Number);
  return { files, bytes, counted_at };
}

/** Counts what waits, and writes it down; files may come and go meanwhile. */
export async function countSpool(folder: string, now: Clock): Promise<void> {
  let files = 0;
  let bytes = 0;
  for (const name of namesOf(folder)) {
    if (!name.endsWith(".ndjson")) continue;
    bytes += statFile(`${folder}/${name}`, { follow: false })?.bytes ?? 0;
    if (++files % AT_ONCE === 0) await Bun.sleep(1);
  }
  writeLevel(folder, { files, bytes, counted_at: now() });
}

/** Whether nobody has counted lately. */
export function isCountOld(folder: string, now: number): boolean {
  const age_ms = now - (readLevel(folder)?.counted_at ?? 0);
  return Math.abs(age_ms) >= COUNT_MS;
}

/**
 * Why no further session can be recorded.
 * @returns null when there is room
 */
export function spoolFull(folder: string, max_bytes: number): string | null {
  const level = readLevel(folder);
  if (!level || level.bytes < max_bytes) return null;
  return `the spool is full: ${amount(level, max_bytes)} (run: session-buddy drain)`;
}

/** What to say from a while before on. @returns null when there is nothing */
export function nearlyFull(folder: string, max_bytes: number): string | null {
  const level = readLevel(folder);
  if (!level || level.bytes < max_bytes * NEARLY) return null;
  if (level.bytes >= max_bytes) return spoolFull(folder, max_bytes);
  return `the spool is nearly full: ${amount(level, max_bytes)}; then no session is recorded until they are brought to the store (run: session-buddy drain)`;
}

function amount({ files, bytes }: SpoolLevel, max_bytes: number): string {
  const mib = (n: number) => `${(n / MIB).toFixed(1)} MiB`;
  return `${files} files wait with ${mib(bytes)} of the ${mib(max_bytes)} that spool.max_bytes allows`;
}

function namesOf(folder: string): string[] {
  if (libc) return namesIn(folder);
  return nodeFs().readdirSync(folder);
}

function writeLevel(folder: string, level: SpoolLevel): void {
  const [files, bytes, counted_at] = [
    level.files,
    level.bytes,
    level.counted_at,
  ].map((n) => String(n).padStart(DIGITS));
  const text = `{"files":${files},"bytes":${bytes},"counted_at":${counted_at}}\n`;
  const fd = openRegular(fileIn(folder), O_WRONLY | O_CREAT);
  try {
    writeSome(fd, new TextEncoder().encode(text));
  } finally {
    closeFile(fd);
  }
}
