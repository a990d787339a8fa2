/** A person at a terminal: a program on a real pty, what it shows, and keys for it. */
import { fail } from "../model/failure.ts";

const PATIENCE_MS = 15_000;
/** More than a test ever shows. */
const MOST_CHARACTERS = 256 * 1024;

/** fish asks what the terminal is, and waits for the answer. */
const DEVICE_QUERY = /\x1b\[0?c/g;
const DEVICE_ANSWER = "\x1b[?62c";

export class Terminal {
  private shown = "";
  /** How far was looked. */
  private seen = 0;
  private wake: () => void = () => {};
  private readonly decoder = new TextDecoder();
  private readonly child: Bun.Subprocess;

  constructor(argv: string[], env: Record<string, string>, cwd: string) {
    this.child = Bun.spawn(argv, {
      ...{ argv0: "session-buddy", env, cwd },
      terminal: {
        cols: 120,
        rows: 40,
        data: (terminal, bytes) => {
          const text = this.decoder.decode(bytes, { stream: true });
          for (const _ of text.matchAll(DEVICE_QUERY))
            terminal.write(DEVICE_ANSWER);
          this.shown = (this.shown + text).slice(-MOST_CHARACTERS);
          this.wake();
        },
        exit: () => this.wake(),
      },
    });
    void this.child.exited.then(() => this.wake());
  }

  get ended(): Promise<number> {
    return this.child.exited;
  }

  line(text: string): void {
    this.child.terminal!.write(`${text}\r`);
  }

  /**
   * Waits until a pattern is shown, after what was found before.
   * @throws Failure (timeout) with what was shown instead
   */
  async expect(pattern: RegExp, what: string): Promise<RegExpExecArray> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const text = Bun.stripANSI(this.shown);
      const match = pattern.exec(text.slice(this.seen));
      if (match) {
        this.seen += match.index + match[0].length;
        return match;
      }
      const left_ms = deadline - performance.now();
      const over = this.child.exitCode !== null;
      if (left_ms <= 0 || over)
        throw fail.timeout(
          `${what} was not shown ${over ? "before it ended" : `within ${PATIENCE_MS / 1000} s`}, but: ${text.trim().slice(-500)}`,
          "try the same by hand: session-buddy shell",
        );
      await this.change(left_ms);
    }
  }

  /** @throws Failure (timeout) when the program does not end */
  async status(): Promise<number | null> {
    const deadline = performance.now() + PATIENCE_MS;
    while (this.child.exitCode === null && this.child.signalCode === null) {
      const left_ms = deadline - performance.now();
      if (left_ms <= 0)
        throw fail.timeout(
          `the shell does not end within ${PATIENCE_MS / 1000} s`,
          "look what it waits for",
        );
      await this.change(left_ms);
    }
    return this.child.exitCode;
  }

  private change(most_ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, most_ms);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** As a closed window does. */
  hangUp(): void {
    this.child.terminal?.close();
  }

  kill(): void {
    if (this.child.exitCode === null) this.child.kill("SIGKILL");
  }
}
