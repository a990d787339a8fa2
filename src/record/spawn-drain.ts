/**
 * Starts a `drain` process, which delivers the whole spool and the heartbeats of all
 * sessions to a server on another host: the wrapper itself never connects to it.
 * One drain serves all wrappers of the host.
 */
import { SMALL_BYTES, tryReadText } from "../os/file.ts";
import { statFile } from "../os/stat.ts";
import type { Drain } from "../os/drain-at-beats.ts";
import type { Run } from "./outcome.ts";

/** A drain that began so lately has taken our sign of life along. */
const LATELY = 0.5;

/** By this path also when the executable was replaced meanwhile. */
const COMMAND = ["/proc/self/exe", "drain", "--auto"];
const ARGV0 = "session-buddy";

/** The drains of one wrapper; none where the store is on this host. */
export class Drains {
  /** @param folder this machine's spool folder */
  constructor(
    private readonly of: { remote: boolean; heartbeat_ms: number },
    private readonly run: Pick<Run, "detach">,
    private readonly folder: string,
  ) {}

  start(): void {
    if (this.of.remote) startDrain(this.run, this.folder);
  }

  /** At a heartbeat that is more than a touch. */
  atBeat(): void {
    if (!drainedLately(this.folder, this.of.heartbeat_ms)) this.start();
  }

  /** What all others start, see os/wait.ts. */
  get prepared(): (Drain & { folder: string }) | null {
    if (!this.of.remote) return null;
    return {
      ...{ folder: this.folder, command: COMMAND, argv0: ARGV0 },
      lately_ms: this.of.heartbeat_ms * LATELY,
      longest_ms: LONGEST_INTERVAL_MS,
    };
  }
}

/**
 * Starts a drain that outlives us, unless the server is to be left alone; never
 * waits for it. Trouble with it is not the user's: what is not delivered stays
 * in the spool.
 * @param folder this machine's spool folder
 */
export function startDrain(run: Pick<Run, "detach">, folder: string): void {
  if (circuitIsOpen(folder)) return;
  run.detach(COMMAND, ARGV0);
}

/** No drain writes a longer one: the clock was set back. */
const LONGEST_INTERVAL_MS = 600_000;

/** Whether drains have found the server away, and not long ago. */
function circuitIsOpen(folder: string): boolean {
  const text = tryReadText(`${folder}/delivery.json`, SMALL_BYTES);
  const [, open_until] = /"open_until":"([^"]+)"/.exec(text ?? "") ?? [];
  const left_ms = Date.parse(open_until ?? "") - Date.now();
  return left_ms > 0 && left_ms <= LONGEST_INTERVAL_MS;
}

/**
 * Whether another wrapper's drain was at work within the last half heartbeat.
 * @param folder this machine's spool folder
 */
function drainedLately(folder: string, heartbeat_ms: number): boolean {
  const lock = statFile(`${folder}/drain.lock`, { follow: false });
  // A time to come was written before the clock was set back.
  const age_ms = Date.now() - (lock?.modified_ms ?? 0);
  return age_ms >= 0 && age_ms < heartbeat_ms * LATELY;
}
