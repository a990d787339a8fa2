/**
 * A full screen that is drawn again and again, until a key or a signal ends it: the
 * terminal is then as it was.
 */
import { listen } from "../model/progress.ts";
import { Output } from "../os/output.ts";
import { isTerminal } from "../os/proc.ts";

const ENTER = "\x1b[?1049h\x1b[?25l";
const LEAVE = "\x1b[?25h\x1b[?1049l";
const HOME = "\x1b[H";
const REST_OF_LINE = "\x1b[K";
const REST_OF_SCREEN = "\x1b[J";
/** `q`, Ctrl-C and Ctrl-D. */
export const QUIT = /[qQ\x03\x04]/;
const DEFAULT_ROWS = 24;

export class Screen implements Disposable {
  private readonly output = new Output();
  private readonly keys = isTerminal(0);

  /** @param heard called with the keys that a person types */
  constructor(private readonly heard: (keys: string) => void) {
    // Nothing else has a place on it.
    listen(null);
    this.enter();
  }

  /** Takes the terminal, once more after `leave`. */
  enter(): void {
    this.put(ENTER);
    if (!this.keys) return;
    process.stdin.setRawMode(true);
    process.stdin.on("data", this.typed);
    process.stdin.resume();
  }

  private readonly typed = (bytes: Buffer) => {
    this.heard(bytes.toString("latin1"));
  };

  get rows(): number {
    return process.stdout.rows || DEFAULT_ROWS;
  }

  /** @param lines without line breaks, each at most as wide as the terminal */
  draw(lines: readonly string[]): void {
    const shown = lines.slice(0, this.rows);
    this.put(
      HOME +
        shown.map((line) => line + REST_OF_LINE).join("\r\n") +
        REST_OF_SCREEN,
    );
  }

  /** Whether there is somebody to type. */
  get hasKeys(): boolean {
    return this.keys;
  }

  put(text: string): void {
    this.output.write(text);
    this.output.flush();
  }

  /** The terminal is as it was. */
  leave(): void {
    if (this.keys) {
      process.stdin.off("data", this.typed);
      process.stdin.setRawMode(false);
      process.stdin.pause();
    }
    this.put(LEAVE);
  }

  [Symbol.dispose](): void {
    this.leave();
  }
}
