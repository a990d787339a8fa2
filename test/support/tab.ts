/**
 * Tab at a real shell on a real pty: what stands on the line afterwards, told by the
 * shell itself, which echoes its words.
 */
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { Pty } from "./pty.ts";
import { BINARY, type Sandbox } from "./sandbox.ts";

export const TAB = "\t";
const TO_START = "\x01";
const DROP_LINE = "\x15";

/** The environment in which `session-buddy` is a command. */
export function withCommand(sandbox: Sandbox): Record<string, string> {
  const bin = join(sandbox.home, "bin");
  mkdirSync(bin, { recursive: true });
  symlinkSync(BINARY, join(bin, "session-buddy"));
  return { PATH: `${bin}:${sandbox.env["PATH"]}`, PS1: "ready$ " };
}

export class Tabbed implements AsyncDisposable {
  private constructor(private readonly pty: Pty) {}

  /** @param prompt what the shell shows when it takes a line */
  static async at(
    sandbox: Sandbox,
    argv: string[],
    env: Record<string, string>,
    prompt: RegExp,
  ): Promise<Tabbed> {
    const pty = new Pty(sandbox, argv, { env, columns: 160 });
    await pty.expect(prompt);
    return new Tabbed(pty);
  }

  /**
   * Types words and Tab, and runs the line with `echo` before it, and a mark that
   * looks otherwise where it was typed.
   * @param keys after `session-buddy `
   * @returns the words that the shell would have run, without what it expanded
   */
  async line(keys: string): Promise<string> {
    const { pty } = this;
    pty.type(`session-buddy ${keys}${TAB}`);
    pty.type(`${TO_START}echo -E 4''2 \r`);
    const [, words] = await pty.expect(/42 session-buddy ?(.*?) *[\r\n]/);
    return words!;
  }

  /** Types words and Tab twice: everything that is shown until a pattern is. */
  async shown(keys: string, pattern: RegExp): Promise<string> {
    const { pty } = this;
    pty.type(`session-buddy ${keys}${TAB}${TAB}`);
    const [all] = await pty.expect(pattern);
    pty.type(DROP_LINE);
    return all;
  }

  /** Runs a line, and waits for what it shows. */
  async run(line: string, pattern: RegExp): Promise<void> {
    this.pty.line(line);
    await this.pty.expect(pattern);
  }

  text(): string {
    return this.pty.text();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.pty[Symbol.asyncDispose]();
  }
}
