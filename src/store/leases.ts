/**
 * Which sessions that came over the wire are gone. One with a lease is, when no
 * sign of life came for so long; of one without, its process may tell, when it
 * runs on this host; else patience ends some day.
 */
import { type SessionEnd, lostEnd } from "../model/event.ts";
import type { State } from "../model/state.ts";
import { isClosed } from "../model/session.ts";
import { type ProcessIdentity, liveness } from "../os/proc.ts";

/**
 * Between two looks, at most: whoever looks later was stopped or suspended, or
 * the clock was set, and has heard nobody meanwhile.
 */
const ABSENT_MS = 2_500;

interface Lease {
  /** null: no sign of life ever comes. */
  seconds: number | null;
  /** Of its events; signs that came beside them are not in here. */
  last_sign: string;
  /** When we heard of it, by our own clock. */
  heard_ms: number;
  process: ProcessIdentity | null;
  /** The recovered end that does not hold, for a sign was later. */
  end_id: string | null;
  /** Its own host said last that it is gone: our clocks need not agree on when. */
  said_gone: boolean;
  /** Until then it cannot be gone, whatever comes: later signs only add to it. */
  holds_until_ms: number;
}

export class Leases {
  private readonly timed = new Map<string, Lease>();
  /** Those whose process can be looked for; whose turn it is comes first. */
  private readonly processes = new Map<string, Lease>();

  /** Since when we listen without a break: everyone has a lease from then. */
  private listening_ms: number;
  private looked_ms: number;

  /**
   * @param opened_ms when the store was opened: signs of life from before are
   * forgotten
   * @param signs of life beside the events
   */
  constructor(
    private readonly opened_ms: number,
    private readonly signs: ReadonlyMap<string, string>,
  ) {
    this.listening_ms = opened_ms;
    this.looked_ms = opened_ms;
  }

  /**
   * Takes note of a session as it is now.
   * @param heard_ms when a sign of life came; null when it is none that changed it
   */
  note(state: State, heard_ms: number | null): void {
    const { session_id, start, last_sign, end } = state;
    const seconds = start?.value.lease_seconds;
    if (seconds === undefined || isClosed(state)) {
      this.timed.delete(session_id);
      this.processes.delete(session_id);
      return;
    }
    const process = seconds === null ? processOf(state) : null;
    const leases = process ? this.processes : this.timed;
    const end_id = end?.event_id ?? null;
    const before = leases.get(session_id);
    const says_gone = before !== undefined && before.end_id !== end_id;
    const said_gone = heard_ms === null && (before?.said_gone ?? false);
    leases.set(session_id, {
      ...{ seconds, last_sign, process, end_id },
      heard_ms: heard_ms ?? before?.heard_ms ?? 0,
      said_gone: says_gone || said_gone,
      holds_until_ms: 0,
    });
  }

  has(session_id: string): boolean {
    return this.timed.has(session_id) || this.processes.has(session_id);
  }

  /** A sign of life came. */
  heard(session_id: string, heard_ms: number): void {
    const lease = this.timed.get(session_id);
    if (lease) Object.assign(lease, { heard_ms, said_gone: false });
  }

  /**
   * The ends of those that are gone, at their last sign of life.
   * @param looks how many processes may be looked for
   * @param alive hears of each session whose process was found
   */
  lost(
    now_ms: number,
    unleased_timeout_ms: number,
    looks: number,
    alive: (session_id: string) => void,
  ): SessionEnd[] {
    const passed_ms = now_ms - this.looked_ms;
    if (passed_ms < 0 || passed_ms > ABSENT_MS) this.listening_ms = now_ms;
    this.looked_ms = now_ms;
    // What was reckoned by a clock that has been set back does not hold.
    if (passed_ms < 0)
      for (const leases of [this.timed, this.processes])
        for (const lease of leases.values()) lease.holds_until_ms = 0;
    const gone: SessionEnd[] = [];
    const timeOut = (id: string, lease: Lease) => {
      // Most are passed by at this: all are looked at each second.
      if (now_ms <= lease.holds_until_ms) return;
      const until_ms = this.patience(id, lease, unleased_timeout_ms, now_ms);
      lease.holds_until_ms = lease.said_gone ? 0 : until_ms;
      if (now_ms > lease.holds_until_ms)
        gone.push(lostEnd(id, this.lastSign(id, lease)));
    };
    for (const [id, lease] of this.timed) timeOut(id, lease);
    for (const [id, lease] of [...this.processes.entries().take(looks)]) {
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
   * a sign from the future (or ours was set back) says only that there was one.
   */
  private patience(
    id: string,
    lease: Lease,
    unleased_timeout_ms: number,
    now_ms: number,
  ): number {
    const { seconds, heard_ms } = lease;
    const signs = [heard_ms, Date.parse(this.lastSign(id, lease))];
    const from = seconds === null ? this.opened_ms : this.listening_ms;
    const last = Math.max(...signs.map((ms) => (ms > now_ms ? from : ms)));
    if (seconds === null) return last + unleased_timeout_ms;
    return Math.max(last, from) + seconds * 1_000;
  }
}

/** The process that the server found when the start came. */
function processOf({ start }: State): ProcessIdentity | null {
  const { pid, start_ticks, pid_namespace, boot_id } = start!.value;
  return start_ticks && pid_namespace && boot_id
    ? { pid, start_ticks, pid_namespace, boot_id }
    : null;
}
