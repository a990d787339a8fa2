/**
 * Lays out strings, arrays of them and sets of signals as C takes them, on 64-bit
 * Linux, glibc and musl alike.
 */
import { ptr } from "bun:ffi";

/** A NULL-terminated array of C strings; keep it as long as C may read it. */
export class CStrings {
  readonly pointers: BigUint64Array;
  private readonly block: Uint8Array;

  constructor(strings: readonly Uint8Array[]) {
    let size = 0;
    for (const text of strings) size += text.length + 1;
    this.block = new Uint8Array(size || 1);
    this.pointers = new BigUint64Array(strings.length + 1);
    const base = BigInt(ptr(this.block));
    let at = 0;
    for (const [i, text] of strings.entries()) {
      this.block.set(text, at);
      this.pointers[i] = base + BigInt(at);
      at += text.length + 1;
    }
  }
}

/** sigset_t: one bit a signal, from 1. */
export function signalSet(signals: Iterable<number>): BigUint64Array {
  const set = new BigUint64Array(16);
  for (const signal of signals) set[0]! |= 1n << BigInt(signal - 1);
  return set;
}

export function signalsIn(mask: bigint): Set<number> {
  const found = new Set<number>();
  for (let signal = 1, left = mask; left > 0n; signal++, left >>= 1n)
    if (left & 1n) found.add(signal);
  return found;
}

/** The set of all others, without a loop over sixty: what loops at the start is compiled, see wait.ts. */
export function allSignalsBut(signals: Iterable<number>): BigUint64Array {
  const set = signalSet(signals);
  set[0] = ~set[0]!;
  return set;
}

export const cText = (text: string): Uint8Array =>
  new TextEncoder().encode(`${text}\0`);

export function cString(text: Uint8Array): Uint8Array {
  const out = new Uint8Array(text.length + 1);
  out.set(text);
  return out;
}
