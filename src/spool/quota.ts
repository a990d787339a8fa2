/**
 * The quota of the spool. Its usage is kept beside it (`spool.json`), so that the
 * start of a session reads one small file instead of counting thousands. Drains
 * count; where none runs, wrappers do now and then.
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

/** The files that waited when they were last counted, those in done/ not counted. */
export interface SpoolUsage {
  files: number;
  bytes: number;
  /** Milliseconds since the epoch. */
  counted_at: number;
}

/** From this part of the quota on the user is warned. */
const NEARLY = 0.8;
/** After so long a wrapper counts again. */
const COUNT_MS = 3_600_000;
/** After so many files the event loop goes on. */
const AT_ONCE = 500;
/** Always as long, so that one write replaces it whole. */
const DIGITS = 15;
const MIB = 1024 * 1024;

const FORM = /^\{"files": *(\d+),"bytes": *(\d+),"counted_at": *(\d+)\}$/m;
const fileIn = (folder: string): string => `${folder}/spool.json`;

/** @returns null when it was never counted */
export function readUsage(folder: string): SpoolUsage | null {
  const path = fileIn(folder);
  const found = isMissing(path)
    ? null
    : FORM.exec(tryReadText(path, SMALL_BYTES) ?? "");
  if (!found) return null;
  const [files = 0, bytes = 0, counted_at = 0] = found.slice(1).map(Number);
  return { files, bytes, counted_at };
}

/** Counts what waits, and writes it down. */
export async function countSpool(folder: string, now: Clock): Promise<void> {
  let files = 0;
  let bytes = 0;
  for (const name of namesOf(folder)) {
    if (!/\.(ndjson|commands)$/.test(name)) continue;
    bytes += statFile(`${folder}/${name}`, { follow: false })?.bytes ?? 0;
    if (++files % AT_ONCE === 0) await Bun.sleep(1);
  }
  writeUsage(folder, { files, bytes, counted_at: now() });
}

/** Whether a wrapper should count again. */
export function isCountOld(folder: string, now: number): boolean {
  const age_ms = now - (readUsage(folder)?.counted_at ?? 0);
  return Math.abs(age_ms) >= COUNT_MS;
}

/** Why no further session can be recorded; null when there is room. */
export function spoolFull(folder: string, max_bytes: number): string | null {
  const usage = readUsage(folder);
  if (!usage || usage.bytes < max_bytes) return null;
  return `the spool is full: ${amount(usage, max_bytes)} (run: session-buddy drain)`;
}

/** The warning of a spool that is full or nearly so; null when it is not. */
export function nearlyFull(folder: string, max_bytes: number): string | null {
  const usage = readUsage(folder);
  if (!usage || usage.bytes < max_bytes * NEARLY) return null;
  if (usage.bytes >= max_bytes) return spoolFull(folder, max_bytes);
  return `the spool is nearly full: ${amount(usage, max_bytes)}; then no session is recorded until they are brought to the store (run: session-buddy drain)`;
}

function amount({ files, bytes }: SpoolUsage, max_bytes: number): string {
  const mib = (n: number) => `${(n / MIB).toFixed(1)} MiB`;
  return `${files} files wait with ${mib(bytes)} of the ${mib(max_bytes)} that spool.max_bytes allows`;
}

function namesOf(folder: string): string[] {
  if (libc) return namesIn(folder);
  return nodeFs().readdirSync(folder);
}

function writeUsage(folder: string, usage: SpoolUsage): void {
  const [files, bytes, counted_at] = [
    usage.files,
    usage.bytes,
    usage.counted_at,
  ].map((n) => String(n).padStart(DIGITS));
  const text = `{"files":${files},"bytes":${bytes},"counted_at":${counted_at}}\n`;
  const fd = openRegular(fileIn(folder), O_WRONLY | O_CREAT);
  try {
    writeSome(fd, new TextEncoder().encode(text));
  } finally {
    closeFile(fd);
  }
}
