/** The content of a file, from one to another, and to the disk. */
import { closeSync, fsyncSync, openSync, readSync } from "node:fs";

const COPY_BYTES = 256 * 1024;

/**
 * Passes on what an open file holds.
 * @param write takes all that it is given
 * @returns how many bytes there were
 */
export function copy(from: number, write: (bytes: Uint8Array) => void): number {
  const buffer = new Uint8Array(COPY_BYTES);
  for (let at = 0; ;) {
    const got = readSync(from, buffer, 0, COPY_BYTES, at);
    if (got === 0) return at;
    write(buffer.subarray(0, got));
    at += got;
  }
}

/** Brings a file or folder to the disk. */
export function sync(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
