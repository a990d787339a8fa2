/**
 * What cannot be read is kept: a line goes, byte for byte, beside the spool
 * with the reason. The name says where it stood, so that doing it twice, after
 * a crash in between, keeps it once.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  writeSync,
} from "node:fs";
import type { BadLine } from "./read.ts";

export interface Quarantined extends BadLine {
  /** Where the line is kept now. */
  path: string;
}

/**
 * Keeps one line of an open spool file.
 * @param file the spool file's name
 * @returns null when it is kept already
 */
export function quarantine(
  folder: string,
  file: string,
  fd: number,
  line: BadLine,
): Quarantined | null {
  const kept = `${folder}/quarantine`;
  const path = `${kept}/${file}.${line.offset}`;
  if (existsSync(path)) return null;
  mkdirSync(kept, { recursive: true, mode: 0o700 });
  const out = openSync(`${path}.new`, "w", 0o600);
  try {
    copy(fd, line, out);
    writeSync(out, `\n# ${file} at byte ${line.offset}: ${line.reason}\n`);
    fsyncSync(out);
  } finally {
    closeSync(out);
  }
  renameSync(`${path}.new`, path);
  return { ...line, path };
}

function copy(from: number, { offset, length }: BadLine, to: number): void {
  const chunk = new Uint8Array(Math.min(length, 1 << 20));
  for (let at = 0; at < length;) {
    const want = Math.min(chunk.length, length - at);
    const got = readSync(from, chunk, 0, want, offset + at);
    if (got === 0) return;
    for (let wrote = 0; wrote < got;)
      wrote += writeSync(to, chunk, wrote, got - wrote);
    at += got;
  }
}
