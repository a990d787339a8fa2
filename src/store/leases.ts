/**
 * Which sessions that came over the wire are gone. One with a lease is, when no
 * sign of life came for so long; of one without, its process may tell, when it
 * runs on this host; else patience ends some day.
 */
import { EVENT_VERSION, type SessionEnd } from "../model/event.ts";
import { type State, isClosed } from "../model/session.ts";
import { type ProcessIdentity, liveness } from "../os/proc.ts";

/** Processes to look for at once: each costs some readings of /proc. */
const MAX_LOOKS = 128;
const NAMESPACE = "6f1c2f0e-1a5b-4d8c-9b0e-7e5d2c4a9b31";

interface Lease {
  /** null: no sign of life ever comes. */
  seconds: number | null;
  /** Of its events; signs that came beside them are not in here. */
  last_sign: string;
  /** When we heard of it, by our own clock. */
  heard_ms: number;
  process: ProcessIdentity | null;
}

export class Leases {
  private readonly timed = new Map<string, Lease>();
  /** Those whose process can be looked for; whose turn it is comes first. */
  private readonly processes = new Map<string, Lease>();

  /**
   * @param opened_ms when the store was opened: signs of life from before are
   * forgotten, so that everyone has a lease from then
   * @param signs of life beside the events
   */
  constructor(
    private readonly opened_ms: number,
    private readonly signs: ReadonlyMap<string, string>,
  ) {}

  /** Takes note of a session as it is now. */
  note(state: State, heard_ms: number): void {
    const { session_id, start, last_sign } = state;
    const seconds = start?.value.lease_seconds;
    if (seconds === undefined || isClosed(state)) {
      this.timed.delete(session_id);
      this.processes.delete(session_id);
      return;
    }
    const process = seconds === null ? processOf(state) : null;
    (process ? this.processes : this.timed).set(session_id, {
      seconds,
      last_sign,
      heard_ms,
      process,
    });
  }

  /** A sign of life came. */
  heard(session_id: string, heard_ms: number): void {
    const lease = this.timed.get(session_id);
    if (lease) lease.heard_ms = heard_ms;
  }

  /**
   * The ends of those that are gone, at their last sign of life.
   * @param alive hears of each session whose process was found
   */
  lost(
    now_ms: number,
    unleased_timeout_ms: number,
    alive: (session_id: string) => void,
  ): SessionEnd[] {
    const gone: SessionEnd[] = [];
    const timeOut = (id: string, lease: Lease) => {
      if (now_ms > this.patience(id, lease, unleased_timeout_ms, now_ms))
        gone.push(lostEnd(id, this.lastSign(id, lease)));
    };
    for (const [id, lease] of this.timed) timeOut(id, lease);
    for (const [id, lease] of [...this.processes.entries().take(MAX_LOOKS)]) {
      this.processes.delete(id);
      this.processes.set(id, lease);
      const found = liveness(lease.process!);
      if (found === "alive") alive(id);
      else if (found === "gone")
        gone.push(lostEnd(id, this.lastSign(id, lease)));
      else timeOut(id, lease);
    }
    return gone;
  }

  private lastSign(session_id: string, { last_sign }: Lease): string {
    const sign = this.signs.get(session_id) ?? "";
    return sign > last_sign ? sign : last_sign;
  }

  /**
   * Until when a session may be silent, by our clock: its own may be wrong, and
   * a sign from the future says only that there was one.
   */
  private patience(
    id: string,
    lease: Lease,
    unleased_timeout_ms: number,
    now_ms: number,
  ) {
    const { seconds, heard_ms } = lease;
    const sign = Date.parse(this.lastSign(id, lease));
    const last = Math.max(heard_ms, sign > now_ms ? this.opened_ms : sign);
    return seconds === null
      ? last + unleased_timeout_ms
      : Math.max(last, this.opened_ms) + seconds * 1_000;
  }
}

/** The process that the server found when the start came. */
function processOf({ start }: State): ProcessIdentity | null {
  const { pid, start_ticks, pid_namespace, boot_id } = start!.value;
  return start_ticks && pid_namespace && boot_id
    ? { pid, start_ticks, pid_namespace, boot_id }
    : null;
}

/** The same for the same silence: to write it twice changes nothing. */
export function lostEnd(session_id: string, timestamp: string): SessionEnd {
  return {
    event_version: EVENT_VERSION,
    event_id: Bun.randomUUIDv5(`${session_id} lost ${timestamp}`, NAMESPACE),
    event_type: "session_end",
    session_id,
    timestamp,
    end_source: "recovered",
    exit_code: null,
    signal: null,
    measured: { exit_reason: "lost" },
  };
}
