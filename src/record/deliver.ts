/**
 * Brings what is recorded to a server on another host, without the wrapper ever
 * speaking to it: a `drain` is started beside us, which takes the whole spool and
 * every session's sign of life. One serves all wrappers of the host.
 */
/** A drain that began so lately has taken our sign of life along. */
const LATELY = 0.5;

/**
 * Starts a drain that outlives us; never waits for it. Trouble with it is not
 * the user's: what is not delivered stays in the spool.
 */
export function startDrain(
  env: Readonly<Record<string, string | undefined>>,
): void {
  try {
    // By this path also when the executable was replaced meanwhile.
    Bun.spawn(["/proc/self/exe", "drain"], {
      argv0: "session-buddy",
      cwd: "/",
      env: { ...env },
      stdio: ["ignore", "ignore", "ignore"],
      detached: true,
    }).unref();
  } catch {
    // No process to be had, or the executable is gone: the next drain takes it.
  }
}

/**
 * Whether another wrapper's drain was at work within the last half heartbeat.
 * @param folder this machine's spool folder
 */
export function drainedLately(folder: string, heartbeat_ms: number): boolean {
  const { statSync } = process.getBuiltinModule("node:fs");
  const lock = statSync(`${folder}/drain.lock`, { throwIfNoEntry: false });
  // A time to come was written before the clock was set back.
  const age_ms = Date.now() - (lock?.mtimeMs ?? 0);
  return age_ms >= 0 && age_ms < heartbeat_ms * LATELY;
}
