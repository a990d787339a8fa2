/**
 * Bounds what this process may take of memory for a while: an allocation beyond it
 * fails in whatever asks for it, instead of the host's memory. For libraries whose
 * own limit leaves something out.
 */
import { readFileSync } from "node:fs";
import { cLibrary } from "./libc.ts";

const SYMBOLS = {
  getrlimit: { args: ["i32", "ptr"], returns: "i32" },
  setrlimit: { args: ["i32", "ptr"], returns: "i32" },
} as const;
const RLIMIT_DATA = 2;

/** How many ask for it now, and the limit before the first did. */
let asked = 0;
let before: bigint | null = null;

/**
 * Lets the process have so much more than it has now, until it is disposed of. Of
 * several at a time the first one's limit holds.
 */
export function limitData(more_bytes: number): Disposable {
  if (asked++ === 0) before = lower(more_bytes);
  return {
    [Symbol.dispose]() {
      if (--asked > 0 || before === null) return;
      setSoft(before);
      before = null;
    },
  };
}

/** @returns the limit that was; null where it stays: it is lower, or there is no C library */
function lower(more_bytes: number): bigint | null {
  const limit = new BigUint64Array(2);
  const has = /^VmData:\s+(\d+) kB$/m.exec(
    readFileSync("/proc/self/status", "utf8"),
  );
  if (!has || calls()?.getrlimit(RLIMIT_DATA, limit) !== 0) return null;
  const [soft] = limit;
  const wanted = BigInt(has[1]!) * 1024n + BigInt(more_bytes);
  if (wanted >= soft!) return null;
  setSoft(wanted);
  return soft!;
}

function setSoft(soft: bigint): void {
  const limit = new BigUint64Array(2);
  calls()!.getrlimit(RLIMIT_DATA, limit);
  limit[0] = soft;
  calls()!.setrlimit(RLIMIT_DATA, limit);
}

let bound: ReturnType<typeof cLibrary<typeof SYMBOLS>> | undefined;
const calls = () => (bound === undefined ? (bound = cLibrary(SYMBOLS)) : bound);
