/**
 * Keeps what recorded terminals showed in the database of a server, for searches: in
 * the background, for a third of the time of one thread while there is something to do.
 */
import { redactionOf, type Settings, recordingsRoot } from "../config/load.ts";
import type { Log } from "../log/log.ts";
import { recordingsFolder } from "../model/recording/place.ts";
import { reasonOf } from "../model/failure.ts";
import type { KeptStore } from "../model/store.ts";
import { statFile } from "../os/stat.ts";

const REST_MS = 8;
/** Work on one recording; a usual one takes less than a second. */
const WITHIN_MS = 120_000;
/** As often it is looked whether a file was changed in place. */
const LOOK_MS = 60_000;
/** Looking takes this part of the time, however many recordings there are. */
const LOOKING = 1 / 20;
/** How often a duty is taken again. */
const DUTY_MS = 1_000;

export class SearchedOutput {
  private running: Promise<void> | null = null;
  private closed = false;
  /** The folder and the events, when all was looked through. */
  private seen = "";
  private looked_ms = -Infinity;
  private rests_until = -Infinity;
  private failed = "";
  private taken_ms = -Infinity;

  /** @param file throws while there is none */
  constructor(
    private readonly settings: Settings,
    private readonly file: () => KeptStore,
    private readonly log: Log,
  ) {}

  /** Looks whether there is something to do, and begins with it. */
  tick(): void {
    const now = performance.now();
    if (this.running || this.closed || now < this.rests_until) return;
    const store = this.file();
    const folder = recordingsFolder(recordingsRoot(this.settings));
    const changed = statFile(folder, { follow: true })?.changed;
    const seen = `${changed} ${store.facts().last_seq}`;
    if (seen === this.seen && now - this.looked_ms < LOOK_MS) return;
    this.running = this.run(store, seen).finally(() => (this.running = null));
  }

  private async run(store: KeptStore, seen: string): Promise<void> {
    const { settings, log } = this;
    const began = performance.now();
    let rested_ms = 0;
    try {
      if (!(await this.isOurs(store))) return;
      const { searchRecordings } =
        await import("../access/searched-recordings.ts");
      const { read, left } = await searchRecordings({
        data: recordingsRoot(settings),
        lines: store.output,
        redaction: redactionOf(settings),
        leftOut: (path, reason) =>
          log.warn("recording_not_searched", { path, reason }),
        within_ms: WITHIN_MS,
        begins: () => !this.closed && this.isOpen(store),
        goesOn: async () => {
          await Bun.sleep(REST_MS);
          rested_ms += REST_MS;
          return (
            !this.closed && this.isOpen(store) && (await this.isOurs(store))
          );
        },
      });
      this.seen = left === 0 ? seen : "";
      this.failed = "";
      const looking_ms = performance.now() - began - rested_ms;
      if (read + left === 0)
        this.rests_until = performance.now() + looking_ms / LOOKING;
    } catch (error) {
      const reason = reasonOf(error);
      if (this.failed !== reason && !this.closed)
        log.warn("recordings_not_searched", { reason });
      this.failed = reason;
      this.seen = seen;
    }
    this.looked_ms = performance.now();
  }

  /** Of a folder that servers share, one of them takes the lines. */
  private async isOurs(store: KeptStore): Promise<boolean> {
    if (this.settings.config.store.recordings === null) return true;
    const now = performance.now();
    if (store.holds("output") && now - this.taken_ms < DUTY_MS) return true;
    this.taken_ms = now;
    return (await store.take("output")) !== null;
  }

  private isOpen(store: KeptStore): boolean {
    try {
      return this.file() === store;
    } catch {
      return false;
    }
  }

  /** Leaves the rest for the next time. */
  async close(): Promise<void> {
    this.closed = true;
    await this.running;
  }
}
