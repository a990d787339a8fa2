/**
 * A full screen with what a terminal may do to it: signals that end it, a new size,
 * being stopped and going on.
 */
import { Screen } from "./screen.ts";

export const ENDING = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
export type EndingSignal = (typeof ENDING)[number];

/** What is shown on it. */
export interface Shown {
  typed(keys: string): void;
  /** Something else is to be looked at: another size, or that it is left. */
  changed(): void;
  /** The terminal has been another's meanwhile: all is to be drawn. */
  anew(): void;
}

export class Stage implements Disposable {
  readonly screen: Screen;
  /** It is to be left. */
  left = false;
  /** By which signal. */
  signal: EndingSignal | null = null;
  private readonly forget: (() => void)[] = [];

  constructor(private readonly shown: Shown) {
    for (const name of ENDING) this.on(name, () => this.end(name));
    this.on("SIGWINCH", () => shown.changed());
    this.screen = new Screen((keys) => shown.typed(keys));
    this.on("SIGCONT", () => this.resume());
  }

  leave(): void {
    this.left = true;
    this.shown.changed();
  }

  end(signal: EndingSignal): void {
    this.signal ??= signal;
    this.leave();
  }

  /** As a terminal's Ctrl-Z does; here it is a key. */
  suspend(): void {
    this.screen.leave();
    process.kill(0, "SIGTSTP");
  }

  /** The shell has had the terminal meanwhile, and it is in the shell's modes. */
  private resume(): void {
    if (this.left) return;
    try {
      this.screen.leave();
      this.screen.enter();
    } catch {
      // Whose terminal is taken away is woken to hear of it.
      return this.end("SIGHUP");
    }
    this.shown.anew();
    this.shown.changed();
  }

  private on(name: NodeJS.Signals, heard: () => void): void {
    process.on(name, heard);
    this.forget.push(() => process.removeListener(name, heard));
  }

  [Symbol.dispose](): void {
    try {
      this.screen[Symbol.dispose]();
    } catch (error) {
      // Of a terminal that was taken away nothing can be restored.
      if (this.signal !== "SIGHUP") throw error;
    } finally {
      for (const forget of this.forget) forget();
    }
  }
}
