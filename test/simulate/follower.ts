/**
 * Somebody who follows along while a simulation runs: how long after an event was
 * received he sees it, and whether the order of arrival has gaps.
 */
interface Listed {
  seq: number;
  received_at: string;
}

const PAGE = 5_000;
const PAUSE_MS = 250;

export class Follower {
  /** Of the newest event of each page that is not full, since the last look. */
  lags_ms: number[] = [];
  /** The last page was full: so many were behind at least. */
  behind = false;
  seen = 0;
  gaps = 0;
  private last = 0;
  private stopped = false;
  private turn = 0;

  /** @param urls of the servers, who are asked in turn */
  constructor(private readonly urls: readonly string[]) {}

  async follow(): Promise<void> {
    while (!this.stopped) {
      const came = await this.page();
      if (came < PAGE) await Bun.sleep(PAUSE_MS);
    }
  }

  /** Reads to the end, and stops. */
  async finish(following: Promise<void>): Promise<void> {
    this.stopped = true;
    await following;
    for (let came = 1; came !== 0;) {
      came = await this.page();
      if (came < 0) await Bun.sleep(PAUSE_MS);
    }
  }

  /** @returns how many came; -1 when nobody answered */
  private async page(): Promise<number> {
    const url = this.urls[this.turn++ % this.urls.length]!;
    const params = {
      name: "list_events",
      arguments: { after_seq: this.last, limit: PAGE },
    };
    try {
      const response = await fetch(url, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({
          ...{ jsonrpc: "2.0", id: 1, method: "tools/call", params },
        }),
        signal: AbortSignal.timeout(60_000),
      });
      const { result } = (await response.json()) as {
        result?: { structuredContent?: { events?: Listed[] } };
      };
      const events = result?.structuredContent?.events;
      if (!events) return -1;
      this.take(events);
      return events.length;
    } catch {
      // The server is away; another is asked next.
      return -1;
    }
  }

  private take(events: readonly Listed[]): void {
    this.behind = events.length === PAGE;
    for (const { seq } of events) {
      if (seq !== this.last + 1) this.gaps++;
      this.last = seq;
    }
    this.seen += events.length;
    const newest = events.at(-1);
    if (newest) this.lags_ms.push(Date.now() - Date.parse(newest.received_at));
  }
}
