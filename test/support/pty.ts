/**
 * A person at a terminal: a program on a real pty, what it shows, and keys
 * typed into it. Waiting is for what appears, never for time.
 */
import { readFileSync, readdirSync } from "node:fs";
import type { Sandbox } from "./sandbox.ts";

const PATIENCE_MS = 60_000;
/** It is drawn over itself, and erased. */
const PROGRESS = /\r(?:[a-z]+: [^\r\n\x1b]*)?\x1b\[K/g;

export class Pty implements AsyncDisposable {
  /** Everything shown so far, escape sequences removed. */
  private shown = "";
  /** How far `expect` has read. */
  private read = 0;
  private wake: () => void = () => {};
  private readonly decoder = new TextDecoder();

  readonly child: Bun.Subprocess;

  constructor(
    sandbox: Sandbox,
    argv: string[],
    options: {
      env?: Record<string, string | undefined>;
      cwd?: string;
      columns?: number;
    } = {},
  ) {
    this.child = Bun.spawn(argv, {
      env: sandbox.envWith(options.env),
      cwd: options.cwd ?? sandbox.home,
      terminal: {
        cols: options.columns ?? 200,
        rows: 50,
        data: (_, bytes) => {
          this.shown += this.decoder.decode(bytes, { stream: true });
          this.wake();
        },
        exit: () => this.wake(),
      },
    });
    void this.child.exited.then(() => this.wake());
  }

  get pid(): number {
    return this.child.pid;
  }

  type(text: string | Uint8Array): void {
    this.child.terminal!.write(text);
  }

  /** Types a line and Enter. */
  line(text: string): void {
    this.type(`${text}\r`);
  }

  resize(cols: number, rows: number): void {
    this.child.terminal!.resize(cols, rows);
  }

  /** Takes the terminal away, as a closed window or a lost connection does. */
  hangUp(): void {
    this.child.terminal!.close();
  }

  /**
   * Waits until a pattern is shown after what was read before.
   * @returns the match
   * @throws Error with the screen when it does not come
   */
  async expect(pattern: RegExp | string): Promise<RegExpExecArray> {
    const regex =
      typeof pattern === "string"
        ? new RegExp(pattern.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
        : pattern;
    return this.until(`${regex}`, () => {
      const text = Bun.stripANSI(this.shown);
      const match = regex.exec(text.slice(this.read));
      if (match) this.read += match.index + match[0].length;
      return match;
    });
  }

  /** Waits until all programs in the terminal's foreground wait themselves: a wrapper always does. */
  async asleep(): Promise<void> {
    await this.until("its sleep", () => {
      const foreground = statOf(`${this.pid}`)?.[5];
      const states = readdirSync("/proc")
        .filter((name) => /^\d+$/.test(name))
        .map(statOf)
        .filter((stat) => stat?.[2] === foreground)
        .map((stat) => stat![0]);
      return states.length > 0 && states.every((state) => state === "S");
    });
  }

  /** Waits until something is so; looked at whenever something happens. */
  async until<T>(what: string, look: () => T | null | false): Promise<T> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const found = look();
      if (found !== null && found !== false) return found;
      const rest = deadline - performance.now();
      if (rest <= 0)
        throw new Error(`waited in vain for ${what}; shown:\n${this.text()}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(rest, 50));
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** All that was shown, without escape sequences. */
  text(): string {
    return Bun.stripANSI(this.shown);
  }

  /** As `raw`, but for the bar that shows how far work is that takes a second. */
  withoutProgress(): string {
    return this.shown.replace(PROGRESS, "");
  }

  /** All that was shown, as the program wrote it. */
  raw(): string {
    return this.shown;
  }

  /** Waits for the end: the exit code, and the signal when one ended it. */
  async ended(): Promise<{ code: number | null; signal: string | null }> {
    let timer: Timer | undefined;
    const late = new Promise<"late">((resolve) => {
      timer = setTimeout(() => resolve("late"), PATIENCE_MS);
    });
    const first = await Promise.race([this.child.exited, late]);
    clearTimeout(timer);
    if (first === "late")
      throw new Error(`it does not end; shown:\n${this.text()}`);
    const { exitCode, signalCode } = this.child;
    return {
      code: exitCode,
      signal: signalCode === null ? null : `${signalCode}`,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null)
      this.child.kill("SIGKILL");
    await this.child.exited;
    this.child.terminal?.close();
  }
}

/** The fields of /proc/PID/stat from the state on; null when it is gone. */
function statOf(pid: string): string[] | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    return text.replace(/^.*\) /s, "").split(" ");
  } catch {
    return null;
  }
}
