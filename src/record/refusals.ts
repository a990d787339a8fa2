/** Why there is no shell under `--audit strict`. */
import { type Failure, fail } from "../model/failure.ts";
import { libc } from "../os/libc.ts";

const MEND =
  "no shell without a record; mend the cause, or ask the host's administrator";

export const unrecordable = (why: string): Failure =>
  fail.recording(
    `the session cannot be recorded and the audit is strict: ${why}`,
    MEND,
  );

export const unscreened = (why: string): Failure =>
  fail.recording(
    `its screen cannot be recorded and the audit is strict: ${why}`,
    MEND,
  );

/** Nobody may be able to take a session that goes on for one that is over. */
export const unlockable = (): Failure =>
  fail.recording(
    `the spool cannot be locked, ${libc ? "its filesystem has no locks" : "the engine may not compile code here"}`,
    libc
      ? "set SESSION_BUDDY_DATA_DIR to a folder on a local disk"
      : "in a systemd unit set MemoryDenyWriteExecute=no",
  );
