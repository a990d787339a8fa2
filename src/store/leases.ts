/**
 * Leases of sessions that came over the wire, and when they were last seen. A session
 * is lost when its lease expires without a sign of life; without a lease, when its
 * process on this host is gone, or after a long timeout.
 */
import {
  type Annotation,
  EVENT_VERSION,
  type SessionEnd,
  lostEnd,
} from "../model/event.ts";
import type { State } from "../model/state.ts";
import { isClosed } from "../model/session.ts";
import { type ProcessIdentity, liveness } from "../os/liveness.ts";

/** After a longer pause this process was stopped, or the clock was set. */
const ABSENT_MS = 2_500;

interface Lease {
  /** null: no heartbeats come. */
  seconds: number | null;
  /** Of its events, without heartbeats. */
  last_sign: string;
  /** When a sign of life came, by our clock. */
  heard_ms: number;
  process: ProcessIdentity | null;
  /** The recovered end, if a later sign has reopened the session. */
  end_id: string | null;
  /** Its own host said last that it is gone, by a clock that may differ. */
  said_gone: boolean;
  /** It cannot expire before; later signs only add to that. */
  holds_until_ms: number;
}

export class Leases {
  private readonly timed = new Map<string, Lease>();
  /** Those with a process on this host; the next to be looked for is first. */
  private readonly processes = new Map<string, Lease>();

  /** Since when signs could come without a break: each lease runs from then. */
  private listening_ms: number;
  private looked_ms: number;

  /**
   * @param opened_ms when the store was opened
   * @param signs when sessions were last seen, beside their events
   */
  constructor(
    private readonly opened_ms: number,
    private readonly signs: ReadonlyMap<string, string>,
  ) {
    this.listening_ms = opened_ms;
    this.looked_ms = opened_ms;
  }

  /**
   * Updates the lease of a session.
   * @param heard_ms when a sign of life came; null when another event did
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
   * The ends of lost sessions, at their last sign of life.
   * @param looks how many processes may be looked for
   * @param alive is called for each session whose process was found
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
    // The clock was set back.
    if (passed_ms < 0)
      for (const leases of [this.timed, this.processes])
        for (const lease of leases.values()) lease.holds_until_ms = 0;
    const gone: SessionEnd[] = [];
    const timeOut = (id: string, lease: Lease) => {
      // Quick: all are looked at each second.
      if (now_ms <= lease.holds_until_ms) return;
      const until_ms = this.expiryOf(id, lease, unleased_timeout_ms, now_ms);
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
   * When a lease expires, by our clock. A sign from the future counts as of the start
   * of the listening: one of the clocks is wrong.
   */
  private expiryOf(
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
export function processOf({ start }: State): ProcessIdentity | null {
  const { pid, start_ticks, pid_namespace, boot_id } = start!.value;
  return start_ticks && pid_namespace && boot_id
    ? { pid, start_ticks, pid_namespace, boot_id }
    : null;
}

const MAX_SIGNS = 65_536;

/** When sessions were last seen: session id → UTC, ISO 8601; in memory alone. */
export class LastSeen extends Map<string, string> {
  /**
   * Keeps the later time.
   * @returns whether it is the first of its session
   */
  merge(session_id: string, sign: string): boolean {
    const last = this.get(session_id);
    if (last === undefined || sign > last) this.set(session_id, sign);
    if (last !== undefined) return false;
    if (this.size > MAX_SIGNS) this.forgetOldest();
    return true;
  }

  private forgetOldest(): void {
    for (const session_id of this.keys()) {
      if (this.size <= (MAX_SIGNS * 15) / 16) return;
      this.delete(session_id);
    }
  }
}

/** An annotation without content, which says when the session was alive. */
export function signOfLife(session_id: string, timestamp: string): Annotation {
  return {
    event_version: EVENT_VERSION,
    event_id: Bun.randomUUIDv7(),
    event_type: "annotation",
    session_id,
    timestamp,
  };
}
