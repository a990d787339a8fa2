/** Unpacks zstd frames that anybody may have made: no more than is asked for. */
import { zstdDecompressSync } from "node:zlib";

const MAGIC = 0xfd2fb528;
const RUN = 1;

/** @throws Error when it is not one whole frame, or holds more than `most` bytes */
export function unpackZstd(packed: Uint8Array, most: number): Uint8Array {
  // The library passes over what stands behind the frame.
  if (frameLength(packed) !== packed.length)
    throw new Error("it is not one frame");
  return zstdDecompressSync(packed, { maxOutputLength: Math.max(1, most) });
}

/** How long the frame is that bytes begin with (RFC 8878, 3.1.1); -1: none, or not whole. */
function frameLength(bytes: Uint8Array): number {
  if (bytes.length < 5) return -1;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== MAGIC) return -1;
  const facts = bytes[4]!;
  const single = (facts >> 5) & 1;
  const size = [single, 2, 4, 8][facts >> 6]!;
  const dictionary = [0, 1, 2, 4][facts & 3]!;
  let at = 5 + (1 - single) + dictionary + size;
  for (let last = false; !last;) {
    if (at + 3 > bytes.length) return -1;
    const head = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16);
    last = (head & 1) === 1;
    at += 3 + (((head >> 1) & 3) === RUN ? 1 : head >> 3);
  }
  return at + ((facts >> 2) & 1) * 4;
}
