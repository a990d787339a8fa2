/**
 * Records who watches: once before anything is shown, once when a live look is over. Who
 * comes again within a minute watches still, so that a page that is loaded again and
 * again fills nothing.
 */
import type { Log } from "../log/log.ts";
import type { Clock } from "../model/clock.ts";
import { EVENT_VERSION, type Event } from "../model/event.ts";
import { fail, reasonOf } from "../model/failure.ts";
import { type Provenance, byServer } from "../model/reporter.ts";
import type { ServedStore } from "../model/store.ts";

/** Who comes again within this watches still. */
const AGAIN_MS = 60_000;
/** How many sessions one may begin to watch within that. */
const EACH_MAX = 120;

export interface Look {
  session_id: string;
  /** A token's subject, or a user. */
  watcher: string;
  peer: Provenance;
  /** Whether its end is known: who has a whole recording looks at it for as long as it likes. */
  live: boolean;
}

interface Watching {
  event_id: string;
  session_id: string;
  by: string;
  from: Provenance;
  /** Its looks that are open. */
  open: number;
  live: boolean;
  left_ms: number;
  timer: Timer | null;
  stored: Promise<unknown>;
}

export class Watches {
  private readonly all = new Map<string, Watching>();

  /** @param again_ms between two looks that are one */
  constructor(
    private readonly store: Pick<ServedStore, "append">,
    private readonly log: Log,
    private readonly now: Clock = Date.now,
    private readonly again_ms = AGAIN_MS,
  ) {}

  /**
   * @returns to be called when the look is over
   * @throws Failure when it cannot be recorded: nothing is shown, then
   */
  async begin(look: Look): Promise<() => void> {
    const { session_id, watcher, peer, live } = look;
    const by = `${watcher} ${peer.address}`;
    const key = `${session_id} ${by}`;
    const watching = this.all.get(key) ?? this.first(key, by, look);
    if (watching.timer) clearTimeout(watching.timer);
    watching.open++;
    watching.live ||= live;
    let isOver = false;
    const left = () => {
      if (isOver) return;
      isOver = true;
      this.leave(key, watching);
    };
    try {
      await watching.stored;
    } catch (error) {
      if (this.all.get(key) === watching) this.all.delete(key);
      throw error;
    }
    return left;
  }

  /** Nobody watches any more: what is over is recorded. */
  async close(): Promise<void> {
    const open = [...this.all.keys()];
    await Promise.all(open.map((key) => this.end(key)));
  }

  private first(key: string, by: string, look: Look): Watching {
    const { session_id, watcher, peer } = look;
    const others = [...this.all.values()].filter((other) => other.by === by);
    if (others.length >= EACH_MAX)
      throw fail.overloaded(
        `you began to watch ${EACH_MAX} sessions within a minute`,
        "wait for a minute",
      );
    const event_id = Bun.randomUUIDv7();
    const from = byServer(peer);
    const stored = this.append(from, {
      ...{ event_version: EVENT_VERSION, event_id, session_id },
      ...{ event_type: "watch_start", timestamp: this.time(this.now()) },
      ...{ watcher, address: peer.address },
    });
    const watching: Watching = {
      ...{ event_id, session_id, by, from, open: 0, live: false },
      ...{ left_ms: this.now(), timer: null, stored },
    };
    this.all.set(key, watching);
    return watching;
  }

  private leave(key: string, watching: Watching): void {
    watching.left_ms = this.now();
    watching.open--;
    if (watching.open > 0 || this.all.get(key) !== watching) return;
    watching.timer = setTimeout(() => void this.end(key), this.again_ms);
    watching.timer.unref();
  }

  private async end(key: string): Promise<void> {
    const watching = this.all.get(key)!;
    this.all.delete(key);
    if (watching.timer) clearTimeout(watching.timer);
    const { session_id, event_id: of, from, live, open, left_ms } = watching;
    if (!live) return;
    const end_ms = open > 0 ? this.now() : left_ms;
    try {
      await watching.stored;
      await this.append(from, {
        ...{ event_version: EVENT_VERSION, event_id: Bun.randomUUIDv7() },
        ...{ event_type: "watch_end", session_id, of },
        timestamp: this.time(end_ms),
      });
    } catch (error) {
      // That somebody watched is recorded; until when is not.
      const reason = reasonOf(error);
      this.log.error("watch_not_recorded", { session_id, reason });
    }
  }

  private append(from: Provenance, event: Event): Promise<unknown> {
    return this.store.append([event], from);
  }

  private time = (ms: number) => new Date(ms).toISOString();
}
