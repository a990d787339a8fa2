/**
 * Shows the screen of a session that runs to all who watch it: its recording is read
 * once, as it grows. Who reads slowly is not waited for: it gets the screen of the
 * moment at which it reads on.
 */
import {
  type Ending,
  followRecording,
  without,
} from "../access/follow-recording.ts";
import type { OpenRecording } from "../access/recordings.ts";
import { CastLines, castHeader, sizeText } from "../model/recording/cast.ts";
import { LiveScreen, type Moment } from "../model/recording/live.ts";
import { snapshot } from "../render/snapshot.ts";

/** Of what a watcher has not read yet, in letters. */
const WAITING_MAX = 256 * 1024;
/** Without news, so that whoever is gone is found out. */
const QUIET_MS = 15_000;

export class Broadcast {
  readonly live: LiveScreen;
  private readonly watchers = new Set<Watcher>();
  /** Resolves once what was there is read. */
  readonly ready: Promise<void>;
  /** Nobody can begin to watch. */
  isOver = false;

  /**
   * @param over asked now and then: how the session ended; null while it runs
   * @param done called when there is nothing more to be seen, or nobody who looks;
   *   with the error that kept it from being read
   */
  constructor(
    private readonly recording: OpenRecording,
    private readonly over: () => Promise<Ending | null>,
    private readonly done: (error?: unknown) => void,
  ) {
    this.live = new LiveScreen(recording.reader);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ready = promise;
    void this.run(resolve);
  }

  /** @param left called when the watcher is gone */
  watch(left: () => void): Watcher {
    const { live, recording, ready } = this;
    const watcher = new Watcher(live, recording, ready, () => {
      this.watchers.delete(watcher);
      left();
      if (this.watchers.size === 0) this.isOver = true;
    });
    this.watchers.add(watcher);
    return watcher;
  }

  end(ending: Ending): void {
    this.isOver = true;
    for (const watcher of [...this.watchers]) watcher.end(ending);
  }

  private async run(ready: () => void): Promise<void> {
    const { recording, live, over } = this;
    const take = (moment: Moment) => {
      for (const watcher of this.watchers) watcher.offer(moment);
    };
    const steps = followRecording({ recording, live, over, take });
    try {
      while (!this.isOver) {
        const { value, done } = await steps.next();
        if (value) ready();
        if (done) this.end(value);
      }
      this.done();
    } catch (error) {
      this.end(without("its recording cannot be read"));
      this.done(error);
    } finally {
      ready();
      recording[Symbol.dispose]();
    }
  }
}

/** One who watches: what it has not been sent yet. */
export class Watcher {
  private waiting: Moment[] = [];
  private letters = 0;
  /** It is to get the screen: it has none yet, or too much came meanwhile. */
  private behind = true;
  private lines: CastLines | null = null;
  private ending: Ending | null = null;
  private isOver = false;
  private wake = () => {};

  constructor(
    private readonly live: LiveScreen,
    private readonly recording: OpenRecording,
    readonly ready: Promise<void>,
    private readonly left: () => void,
  ) {}

  offer(moment: Moment): void {
    if (this.behind || moment[2] === "") return;
    this.letters += moment[2].length;
    if (this.letters > WAITING_MAX) {
      this.behind = true;
      this.waiting = [];
    } else this.waiting.push(moment);
    this.wake();
  }

  /** Nothing more is to come. */
  end(ending: Ending): void {
    this.ending ??= ending;
    this.wake();
  }

  /** Nobody reads any more. */
  leave(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.wake();
    this.left();
  }

  /** The next lines of a cast; null after the last. */
  async next(): Promise<string | null> {
    if (this.isOver) return null;
    let isQuiet = false;
    if (!this.behind && this.waiting.length === 0 && !this.ending)
      isQuiet = await this.rest();
    if (this.isOver) return null;
    if (this.behind) return this.picture();
    const { waiting, ending } = this;
    this.waiting = [];
    this.letters = 0;
    let text = waiting.map((moment) => this.lines!.event(...moment)).join("");
    if (ending) text += this.last(ending);
    else if (isQuiet) text += this.lines!.event(this.live.at_us, "o", "");
    return text;
  }

  private picture(): string {
    const { live } = this;
    const { screen, at_us } = live;
    this.behind = false;
    this.letters = 0;
    const size = { columns: screen.columns, rows: screen.rows.length };
    let text = "";
    if (this.lines === null) {
      const { header } = this.recording.reader;
      const started_at = new Date().toISOString();
      text += castHeader({ ...header, ...size, started_at }, 3);
      this.lines = new CastLines(3, at_us);
    } else text += this.lines.event(at_us, "r", sizeText(size));
    return text + this.lines.event(at_us, "o", snapshot(screen));
  }

  private last({ why, exit_code }: Ending): string {
    const { at_us } = this.live;
    let text = this.lines!.event(at_us, "m", why);
    if (exit_code !== null)
      text += this.lines!.event(at_us, "x", `${exit_code}`);
    this.leave();
    return text;
  }

  /** @returns whether nothing has come for long */
  private async rest(): Promise<boolean> {
    const quiet = await new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(true), QUIET_MS);
      this.wake = () => {
        clearTimeout(timer);
        resolve(false);
      };
    });
    this.wake = () => {};
    return quiet;
  }
}
