/**
 * Live is told from dead: by the file's lock, then by the child that the
 * `process` event names. What cannot be known stays unknown, never lost.
 */
import type {
  Event,
  KnownEvent,
  Process,
  SessionEnd,
  SessionStart,
} from "../model/event.ts";
import { EVENT_VERSION } from "../model/event.ts";
import { anyProcessWith, liveness, processStat } from "../os/proc.ts";

/** What one pass over a file needs to remember of it. */
export class FileFacts {
  private start: SessionStart | null = null;
  private process: Process | null = null;
  private session_id: string | null = null;
  private lastTimestamp = "";
  ended = false;
  /** Bytes follow the last newline. */
  unfinished = false;

  take(event: Event): void {
    const known = event as KnownEvent;
    this.session_id ??= known.session_id;
    if (known.timestamp > this.lastTimestamp)
      this.lastTimestamp = known.timestamp;
    if (known.event_type === "process") this.process = known;
    if (known.event_type === "session_end") this.ended = true;
    if (known.event_type === "session_start") this.start = known;
  }

  /** False when the first line says that nobody may judge by the lock. */
  get lockable(): boolean {
    return this.start?.lock !== "none";
  }

  /** Whether the recorder runs on, of a file that has no lock to tell. */
  writerLiveness(): "alive" | "gone" | "unknown" {
    if (this.ended || !this.start) return "gone";
    const { pid, start_ticks = null } = this.start;
    if (this.process) return liveness({ ...this.process, pid, start_ticks });
    const stat = processStat(pid);
    return stat && stat.start_ticks === start_ticks ? "alive" : "gone";
  }

  /** Whether the wrapped child runs on, of a file whose writer is gone. */
  childLiveness(): "alive" | "gone" | "unknown" {
    if (this.process) return liveness(this.process);
    // Killed around the spawn, before the child's pid was written: a child, if
    // there is one, carries the session in its environment.
    if (!this.session_id) return "gone";
    return anyProcessWith(`SESSION_BUDDY_SESSION_ID=${this.session_id}`)
      ? "alive"
      : "gone";
  }

  /**
   * The end that nobody saw, at the last sign of life.
   * @param touched the file's modification time: its last heartbeat
   */
  recoveredEnd(touched: Date): SessionEnd | null {
    if (!this.session_id) return null;
    const sign = touched.toISOString();
    return {
      event_version: EVENT_VERSION,
      event_id: Bun.randomUUIDv7(),
      event_type: "session_end",
      session_id: this.session_id,
      timestamp: sign > this.lastTimestamp ? sign : this.lastTimestamp,
      end_source: "recovered",
      exit_code: null,
      signal: null,
      measured: { exit_reason: "lost" },
    };
  }
}
