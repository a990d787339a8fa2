/** The resource limits of this process (setrlimit(2)). */
import { cLibrary } from "./libc.ts";

const SYMBOLS = {
  getrlimit: { args: ["i32", "ptr"], returns: "i32" },
  setrlimit: { args: ["i32", "ptr"], returns: "i32" },
} as const;
/** RLIMIT_CPU, _FSIZE, _DATA, _RSS, _NOFILE, _AS. */
const RAISED = [0, 1, 2, 5, 7, 9];

/** Each soft limit becomes as high as it may. */
export function raiseLimits(): void {
  const calls = cLibrary(SYMBOLS);
  const limit = new BigUint64Array(2);
  for (const which of RAISED) {
    if (calls?.getrlimit(which, limit) !== 0) continue;
    limit[0] = limit[1]!;
    calls.setrlimit(which, limit);
  }
}
