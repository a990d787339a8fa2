/**
 * Somebody who follows along, asking any of the servers for what came after what he
 * has: he is to miss nothing and to see nothing twice, whatever befalls meanwhile.
 */
import type { Event } from "../../../src/model/event.ts";
import type { Provenance } from "../../../src/model/reporter.ts";
import type { Reporter } from "../reporter.ts";
import type { StoredRow, World } from "../world.ts";

const PAGE = 500;

interface Listed {
  seq: number;
  provenance: Provenance | null;
  event: Event;
}

export class Tail {
  /** By its place in the order of arrival. */
  readonly seen = new Map<number, StoredRow>();
  /** Nobody follows just now. */
  paused = false;
  private last = 0;
  private asking: Promise<number> | null = null;

  constructor(
    private readonly world: World,
    private readonly reporter: Pick<Reporter, "call">,
  ) {}

  /**
   * Asks for the next page; nobody asks twice at a time.
   * @returns how many events came; -1: it was not answered
   */
  async next(): Promise<number> {
    if (this.paused) return -1;
    return (this.asking ??= this.page().finally(() => (this.asking = null)));
  }

  /** Once the page is read that is asked for. */
  async pause(): Promise<void> {
    this.paused = true;
    await this.asking;
  }

  /** Reads on until there is no more. */
  async finish(): Promise<void> {
    for (let tries = 0; tries < 500; tries++) {
      const came = await this.next();
      if (came === 0) return;
      if (came < 0) await Bun.sleep(100);
    }
    throw new Error("the tail has no end");
  }

  private async page(): Promise<number> {
    const { last, world } = this;
    const args = { after_seq: last, limit: PAGE };
    const result = await this.reporter.call("list_events", args);
    if (!Array.isArray(result?.["events"])) return -1;
    const events = result["events"] as Listed[];
    world.count("pages of the tail");
    for (const { seq, provenance, event } of events) {
      if (seq !== this.last + 1)
        world.blame(`after ${this.last} of the tail comes ${seq}`);
      this.last = seq;
      this.seen.set(seq, {
        event_id: event.event_id,
        session_id: event.session_id,
        payload: JSON.stringify(event),
        provenance: provenance && JSON.stringify(provenance),
      });
    }
    return events.length;
  }
}
