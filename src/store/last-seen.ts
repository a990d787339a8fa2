/**
 * Signs of life of sessions that live on, in memory alone: session id → time
 * of the last sign, UTC ISO 8601.
 */
import { type Annotation, EVENT_VERSION } from "../model/event.ts";

const MAX_SIGNS = 65_536;

export class Signs extends Map<string, string> {
  /**
   * Keeps the later one.
   * @returns whether it is the first of its session, as far as is remembered
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

/** An annotation without content: all that it says is when. */
export function signOfLife(session_id: string, timestamp: string): Annotation {
  return {
    event_version: EVENT_VERSION,
    event_id: Bun.randomUUIDv7(),
    event_type: "annotation",
    session_id,
    timestamp,
  };
}
