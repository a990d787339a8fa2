/** Waits until files of a folder change, and never longer than a while. */
import { type FSWatcher, watch } from "node:fs";

export class Changes implements Disposable {
  private watcher: FSWatcher | null = null;
  private changed = false;
  private ring: () => void = () => {};

  /**
   * @param counts whether a file matters, by its name
   * @param least_ms so long changes are collected
   * @param most_ms after so long it counts as one: some filesystems tell of none
   */
  constructor(
    private readonly folder: string,
    private readonly counts: (name: string) => boolean,
    private readonly least_ms: number,
    private readonly most_ms: number,
  ) {}

  /** Resolves after a change that came since the last call; at once when aborted. */
  async next(signal: AbortSignal): Promise<void> {
    this.look();
    await sleep(this.least_ms, signal);
    if (!this.changed && !signal.aborted)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, this.most_ms);
        this.ring = () => {
          clearTimeout(timer);
          resolve();
        };
        signal.addEventListener("abort", this.ring, { once: true });
      });
    signal.removeEventListener("abort", this.ring);
    this.changed = false;
  }

  /** The folder may come later, or be moved away. */
  private look(): void {
    if (this.watcher) return;
    try {
      this.watcher = watch(this.folder, (_event, name) => {
        if (name !== null && !this.counts(name)) return;
        this.changed = true;
        this.ring();
      }).on("error", () => this.close());
    } catch {
      // Not made yet, or no more watches to be had: time passes all the same.
    }
  }

  private close(): void {
    this.watcher?.close();
    this.watcher = null;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
  });
}
