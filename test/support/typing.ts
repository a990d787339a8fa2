/**
 * Commands typed into a shell on a real pty, one after the other, each once the
 * prompt of the one before is there; the same into a shell that nobody wraps.
 */
import { expect } from "bun:test";
import { asBytes, hookedCommands } from "./hooked.ts";
import { Pty } from "./pty.ts";
import { BINARY, type Sandbox } from "./sandbox.ts";
import { childOf, waiting } from "./wait.ts";

export interface Typed {
  /** Lines and keys; each line but the last brings a continuation prompt. */
  keys: (string | Uint8Array)[];
  /** Without Enter, and given up by Ctrl-C once it is shown: no command. */
  dropped?: string;
  /** Once this is shown, further keys, without Enter. */
  then?: { shown: RegExp; keys: string };
  /** What has to be recorded; null: nothing is; left out: whatever redaction leaves. */
  text?: string | null;
  mark?: string;
  status?: number;
  pipe_status?: string;
  end_cwd?: string;
  /** False: nobody sees its end. */
  ended?: false;
  /** It brings no further prompt. */
  last?: true;
}

/** A command of one line. */
export const typed = (
  line: string,
  status = 0,
  rest: Partial<Typed> = {},
): Typed => ({ keys: [line], text: line, status, ...rest });

export interface Typist {
  argv: string[];
  prompt: RegExp;
  continued: RegExp;
  /** Every prompt has another number: one that is drawn again is told from the next. */
  counts?: true;
  /** What it writes as it takes a line: no prompt before that is the next one. */
  takes?: string;
  env?: Record<string, string>;
}

/** A line that is given up. */
export const dropped = (line: string): Typed => ({
  ...{ keys: [], dropped: line, text: null },
});

/** @returns what was shown from the first prompt to the end */
export async function typeAll(
  sandbox: Sandbox,
  typist: Typist,
  wrapped: readonly string[] | null,
  commands: readonly Typed[],
): Promise<string> {
  const { argv, continued, env } = typist;
  const words = wrapped
    ? [BINARY, "shell", "--quiet", ...wrapped, "--", ...argv]
    : argv;
  await using pty = new Pty(sandbox, words, env ? { env } : {});
  let shown = await nextPrompt(pty, typist, "");
  for (const { keys, dropped, then, text, last } of commands) {
    const from = pty.raw().length;
    if (dropped !== undefined) {
      pty.type(dropped);
      await pty.expect(dropped);
      // Just before it waits for a key python misses a Ctrl-C.
      await waiting(wrapped ? await childOf(pty.pid) : pty.pid);
      pty.type(CTRL_C);
    }
    for (const [i, key] of keys.entries()) {
      pty.type(key);
      pty.type("\r");
      if (i < keys.length - 1) await pty.expect(continued);
    }
    if (then) {
      await pty.expect(then.shown);
      pty.type(then.keys);
    }
    if (last) break;
    const { takes } = typist;
    // A line without a command is not taken.
    if (takes && text !== null)
      await pty.until("it to take the line", () =>
        pty.raw().includes(takes, from),
      );
    shown = await nextPrompt(pty, typist, shown);
  }
  await pty.ended();
  return pty.raw();
}

/**
 * A shell that draws its line again shows the prompt before it shows what was
 * typed: what is typed then is echoed while the command runs.
 */
async function nextPrompt(
  pty: Pty,
  { prompt, counts }: Typist,
  before: string,
): Promise<string> {
  for (;;) {
    const [shown] = await pty.expect(prompt);
    if (!counts || shown !== before) return shown;
  }
}

/**
 * Types everything twice, into a shell that nobody wraps and into a wrapped one:
 * the screens are the same byte for byte, and the record is what was typed.
 * @param from where the comparison of the screens begins
 * @param recorded where less is recorded than was typed
 */
export async function sameWithAndWithout(
  plain: Sandbox,
  wrapped: Sandbox,
  typist: Typist,
  commands: readonly Typed[],
  from: RegExp = /^/,
  recorded: readonly Typed[] = commands,
): Promise<void> {
  const alone = await typeAll(plain, typist, null, commands);
  const shown = await typeAll(wrapped, typist, [], commands);
  const [left, right] = [comparable(shown, wrapped), comparable(alone, plain)];
  expect(left.slice(left.search(from))).toBe(right.slice(right.search(from)));
  expectRecorded(wrapped, recorded);
}

/** Without what no two runs share: process ids, the home's name. */
export const comparable = (screen: string, { home }: Sandbox): string =>
  drawnOnce(screen)
    .replace(/^(\[\d+\][-+ ]*) \d+/gm, "$1 PID")
    .replaceAll(home, "HOME")
    // IPython's title has the last folders of it.
    .replaceAll(home.split("/").slice(-2).join("/"), "HOME");

/** How often fish draws the very same line over itself is a matter of the moment. */
function drawnOnce(screen: string): string {
  const drawn = screen.split(/\r(?=<\d+>\$ )/);
  const isRepeated = (line: string, i: number) =>
    drawn[i + 1]?.startsWith(line) &&
    "\r\n".includes(drawn[i + 1]!.charAt(line.length));
  return drawn.filter((line, i) => !isRepeated(line, i)).join("\r");
}

export function expectRecorded(
  sandbox: Sandbox,
  commands: readonly Typed[],
): void {
  const wanted = commands.filter(({ text }) => text !== null);
  const found = hookedCommands(sandbox);
  expect(found.map(({ text, mark }) => ({ text, mark }))).toEqual(
    wanted.map(({ text, mark = "" }, i) =>
      text == null
        ? { text: found[i]?.text ?? "", mark: found[i]?.mark ?? "" }
        : { text: bytesOf(text), mark },
    ),
  );
  for (const [i, one] of wanted.entries()) {
    const { status, pipe_status, end_cwd, ended } = one;
    const command = found[i]!;
    const of = (value: unknown) => [command.text, value];
    if (ended === false) expect(of(command.ended_us)).toEqual(of(undefined));
    if (status === undefined) continue;
    expect(of(command.status)).toEqual(of(status));
    expect(command.ended_us).toBeGreaterThanOrEqual(command.started_us);
    if (pipe_status !== undefined)
      expect(of(command.pipe_status)).toEqual(of(pipe_status));
    const cwd = command.end_cwd?.replace(sandbox.home, "HOME");
    if (end_cwd !== undefined) expect(of(cwd)).toEqual(of(end_cwd));
  }
}

/** Of what is no UTF-8 the bytes are given, one a character. */
const bytesOf = (text: string): string =>
  text.includes("\xff") ? text : asBytes(text);

export const CTRL_C = "\x03";
export const CTRL_Z = "\x1a";

/** bash as it is here, or another that SESSION_BUDDY_TEST_BASH names. */
export function bashTypist(): Typist {
  const file = process.env["SESSION_BUDDY_TEST_BASH"];
  if (!file) return { argv: ["bash"], ...NUMBERED };
  const PATH = `${file.slice(0, file.lastIndexOf("/"))}:/usr/bin:/bin`;
  return { argv: [file], ...NUMBERED, env: { PATH } };
}

/** Of that bash: 502 is 5.2. */
export function bashVersion(): number {
  const [file] = bashTypist().argv;
  const told = Bun.spawnSync([
    file!,
    ...["-c", "echo $((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1]))"],
  ]);
  return Number(told.stdout.toString());
}

/** Prompts with a number: one is told from the next. */
export const NUMBERED = { prompt: /<\d+>\$ $/, continued: /> $/ };

/** What bash and zsh take alike. */
export const PIPELINES: Typed[] = [
  typed("(exit 3)", 3),
  typed("false | true", 0, { pipe_status: "1 0" }),
  typed("true | false | (exit 4)", 4, { pipe_status: "0 1 4" }),
];
export const IN_ANY_SHELL: Typed[] = [
  typed("echo 'a;b' ; echo c"),
  typed("mkdir -p 'a b/c' && cd 'a b/c'", 0, { end_cwd: "HOME/a b/c" }),
  typed("cd ../..", 0, { end_cwd: "HOME" }),
  typed("x=5"),
  typed("echo $x ${x}0"),
  typed("echo first last"),
  typed("echo $_"),
  typed("f() { return 7; }"),
  typed("f", 7),
  typed("alias e=echo"),
  typed("e aliased"),
  typed("nosuchcommandhere", 127),
  typed("/", 126),
  typed("! true", 1),
];
