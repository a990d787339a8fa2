/** The signs of life that a pass finds: when the files of live sessions were touched. */
import type { Clock } from "../model/clock.ts";
import type { Liveness } from "../os/proc.ts";
import { writerOf } from "./file-facts.ts";

export class SignsOfLife {
  /** session id → the last sign, UTC, ISO 8601 */
  readonly latest = new Map<string, string>();

  /** @param began when the pass did, in milliseconds since the epoch */
  constructor(
    private readonly began: number,
    private readonly now: Clock,
  ) {}

  /** Of who is not known to live, a time to come says nothing: least of all now. */
  add(name: string, at: Date, who: Liveness): void {
    const session_id = writerOf(name)?.session_id;
    const past = this.past(at);
    if (!session_id || (who !== "alive" && past !== at)) return;
    this.latest.set(session_id, past.toISOString());
  }

  /** A time to come was written before the clock was set back: now, at most. */
  past(at: Date): Date {
    const now = Math.max(this.began, this.now());
    return at.getTime() > now ? new Date(now) : at;
  }
}
