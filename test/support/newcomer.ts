/**
 * Somebody who follows the pages: a real interactive bash on a terminal, the
 * executable on its PATH, and each command typed as it stands.
 */
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Pty } from "./pty.ts";
import { BINARY, type Sandbox } from "./sandbox.ts";
import { endServer } from "./server.ts";

/** The prompt tells the last command's exit status. */
const PROMPT = /<<(\d+)>> $/;
const RC = `unset PS1; PS1='<<$?>> '; PS2=; bind 'set enable-bracketed-paste off'\n`;

export interface Answer {
  /** 0 for what was ended by a key on purpose. */
  status: number;
  /** What the terminal showed, the command's echo included. */
  shown: string;
}

/** What a person does with a command that does not end by itself. */
interface Patience {
  command: RegExp;
  /** What has to be shown first. */
  until: RegExp;
  /** The keys that end it. */
  keys: string;
  /** Its exit status then. */
  status: number;
}

const INTERACTIVE: readonly Patience[] = [
  {
    command: /^session-buddy shell( +#.*)?$/,
    until: /[$#] $/,
    keys: "exit\r",
    status: 0,
  },
  {
    command: /^session-buddy mcp start(?!.*(--detach|&))/,
    until: /ready \(pid \d+\)/,
    keys: "\x03",
    status: 0,
  },
  {
    command: /^session-buddy replay(?!.*\|)/,
    until: /\] end/,
    keys: "q",
    status: 0,
  },
  { command: / logs -f/, until: /ready url=/, keys: "\x03", status: 130 },
];

export class Newcomer implements AsyncDisposable {
  private constructor(private readonly pty: Pty) {}

  /** @param env beside the sandbox's */
  static async atTerminal(
    sandbox: Sandbox,
    env: Record<string, string | undefined> = {},
  ): Promise<Newcomer> {
    const rc = join(sandbox.home, "bashrc");
    writeFileSync(rc, RC);
    const PATH = withExecutable(sandbox);
    const bash = ["bash", "--rcfile", rc, "-i"];
    const newcomer = new Newcomer(
      new Pty(sandbox, bash, { env: { ...env, PATH } }),
    );
    await newcomer.pty.expect(PROMPT);
    return newcomer;
  }

  /** Types a command, ends it when it does not by itself, and waits for the prompt. */
  async type(command: string): Promise<Answer> {
    const before = this.pty.text().length;
    // What was shown so far answers another command.
    await this.pty.expect(/$/);
    for (const line of command.split("\n")) this.pty.line(line);
    const patience = INTERACTIVE.find((p) => p.command.test(command));
    if (patience) {
      await this.pty.expect(patience.until);
      this.pty.type(patience.keys);
    }
    const status = Number((await this.pty.expect(PROMPT))[1]);
    return {
      status: status === patience?.status ? 0 : status,
      shown: this.pty.text().slice(before),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pty[Symbol.asyncDispose]();
  }
}

/** Ends what a sandbox's newcomer has left running, however the test ends. */
export function tidied(sandbox: Sandbox): AsyncDisposable {
  return { [Symbol.asyncDispose]: () => endServer(sandbox) };
}

/** A PATH on which `session-buddy` is found. */
export function withExecutable(sandbox: Sandbox): string {
  const bin = join(sandbox.home, "bin");
  mkdirSync(bin, { recursive: true });
  try {
    symlinkSync(BINARY, join(bin, "session-buddy"));
  } catch (error) {
    if ((error as { code?: string }).code !== "EEXIST") throw error;
  }
  return `${bin}:${sandbox.env["PATH"]}`;
}
