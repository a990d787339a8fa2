/** The lines of a file as bytes, each with its place; of a long one piece by piece. */
import { fstatSync, readSync } from "node:fs";

const CHUNK_BYTES = 1 << 20;
/** No line that can be read is longer. */
const MOST_BYTES = 8 << 20;
const NEWLINE = 10;

export interface Piece {
  /** Where it stands in the file. */
  at: number;
  /** Without the newline. */
  bytes: Uint8Array;
  /** A line as a whole, or the first or another piece of one that is too long. */
  part: "whole" | "first" | "next";
  /** Whether the newline follows. */
  ended: boolean;
}

/** Those that are there when reading begins; none of an empty line. */
export function* linePieces(fd: number): Generator<Piece, void> {
  const { size } = fstatSync(fd);
  let held: Uint8Array[] = [];
  let [begin, length] = [0, 0];
  let part: "whole" | "next" = "whole";
  const piece = (ended: boolean): Piece => {
    const cut = !ended && part === "whole" && length >= MOST_BYTES;
    const bytes = Buffer.concat(held);
    return { at: begin, bytes, part: cut ? "first" : part, ended };
  };
  for (let at = 0; at < size;) {
    const chunk = new Uint8Array(Math.min(CHUNK_BYTES, size - at));
    const got = readSync(fd, chunk, 0, chunk.length, at);
    if (got === 0) break;
    for (let from = 0; from < got;) {
      const end = chunk.subarray(0, got).indexOf(NEWLINE, from);
      const rest = chunk.subarray(from, end < 0 ? got : end);
      held.push(rest);
      length += rest.length;
      if (end >= 0 || length >= MOST_BYTES) {
        if (length > 0) yield piece(end >= 0);
        part = end >= 0 ? "whole" : "next";
        begin = at + (end < 0 ? got : end + 1);
        [held, length] = [[], 0];
      }
      from = end < 0 ? got : end + 1;
    }
    at += got;
  }
  if (length > 0) yield piece(false);
}
