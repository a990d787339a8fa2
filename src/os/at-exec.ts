/**
 * What this process was given when it was executed and the runtime has changed
 * since. The build puts the instructions that keep it before the runtime's.
 */
import { type Pointer, read } from "bun:ffi";
import type { Libc } from "./libc.ts";

export interface AtExec {
  /** One bit a signal, from 1. */
  ignored: bigint;
  blocked: bigint;
  /** One bit a descriptor, from 0; of the 64 lowest. */
  open: bigint;
  /** The soft limit of open files; 0: the kernel did not say. */
  open_files: bigint;
}

const AT_ENTRY = 9n;
/** `SBatExec`. */
const MAGIC = 0x63657845_74614253n;
const HEAD_BYTES = 24;

/**
 * Goes back to a folder without a path, in which the runtime would not have
 * started; a relative path leads nowhere there, as it should.
 */
export function returnToFolder(c: Libc): void {
  const kept = keptAt(c);
  const folder = kept === null ? 0 : read.i32(kept, 32);
  if (folder <= 0) return;
  c.calls.fchdir(folder);
  c.calls.close(folder);
}

/** @returns null where nothing was kept: not built for x86-64, or not compiled */
export function atExec(c: Libc): AtExec | null {
  const kept = keptAt(c);
  if (kept === null) return null;
  const [ignored, open, open_files, blocked] = [0, 8, 16, 24].map((at) =>
    read.u64(kept, at),
  ) as [bigint, bigint, bigint, bigint];
  return { ignored, open, open_files, blocked };
}

function keptAt(c: Libc): Pointer | null {
  const entry = c.calls.getauxval(AT_ENTRY) as Pointer | null;
  if (!entry || read.u64(entry, -HEAD_BYTES) !== MAGIC) return null;
  return Number(read.u64(entry, 8 - HEAD_BYTES)) as Pointer;
}
