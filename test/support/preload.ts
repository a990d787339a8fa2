/**
 * Runs before each file of tests. A query that a file leaves behind lets its process have
 * little more memory (os/data-limit.ts); the process goes on with other files, in which
 * that limit would never be lifted.
 */
import { cLibrary } from "../../src/os/libc.ts";

const RLIMIT_DATA = 2;
const calls = cLibrary({
  getrlimit: { args: ["i32", "ptr"], returns: "i32" },
  setrlimit: { args: ["i32", "ptr"], returns: "i32" },
});
const limit = new BigUint64Array(2);
if (calls?.getrlimit(RLIMIT_DATA, limit) === 0 && limit[0]! < limit[1]!) {
  limit[0] = limit[1]!;
  calls.setrlimit(RLIMIT_DATA, limit);
}
