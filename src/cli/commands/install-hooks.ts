/** `session-buddy install hooks`: the line that hooks shells inside a session. */
import { defineCommand } from "../args.ts";
import { existsSync, readFileSync } from "node:fs";
import { writeOutput } from "../../os/output.ts";
import { readFailure } from "../../os/paths.ts";
import { fail } from "../../model/failure.ts";
import { kindOf } from "../../record/program.ts";
import { note, print } from "../terminal.ts";

type Environment = NodeJS.ProcessEnv;

interface Startup {
  line: string;
  /** The startup file; null without a home. */
  file(env: Environment): string | null;
}

/** By it the line is known again. */
const MARK = "# session-buddy hooks";
/** A folder of another user's, whose environment this is (su, sudo -E), is not ours to run. */
const POSIX = (shell: string) =>
  `[ -O "\${SESSION_BUDDY_HOOKS-}" ] && . "$SESSION_BUDDY_HOOKS/hook.${shell}" ${MARK}`;

const below = (folder: string | undefined, name: string) =>
  folder?.startsWith("/") ? `${folder}/${name}` : null;

const STARTUP: Readonly<Record<string, Startup>> = {
  bash: {
    line: POSIX("bash"),
    file: (env) => below(env["HOME"], ".bashrc"),
  },
  zsh: {
    line: POSIX("zsh"),
    file: (env) => below(env["ZDOTDIR"] || env["HOME"], ".zshrc"),
  },
  fish: {
    line: `test -O "$SESSION_BUDDY_HOOKS"; and source "$SESSION_BUDDY_HOOKS/hook.fish" ${MARK}`,
    file: (env) =>
      below(env["XDG_CONFIG_HOME"], "fish/config.fish") ??
      below(env["HOME"], ".config/fish/config.fish"),
  },
};

export default defineCommand({
  description: `Prints the line by which shells inside a session are recorded.

The shell that session-buddy shell starts needs no such line. One that is
started in it (bash in zsh, a tmux pane) does, at the end of its startup file.
Outside of a session, and as another user, the line does nothing.

EXAMPLES
  session-buddy install hooks bash
  session-buddy install hooks zsh --write
  session-buddy install hooks zsh --remove`,
  args: {
    shell: {
      type: "positional",
      description: "bash, zsh or fish (default: $SHELL)",
    },
    write: {
      type: "boolean",
      description: "Add it to the shell's startup file, unless it is there",
    },
    remove: { type: "boolean", description: "Take it out again" },
  },
  async run({ shell = kindOf(process.env["SHELL"] ?? ""), write, remove }) {
    const startup = STARTUP[shell];
    if (!startup)
      throw fail.usage(
        shell ? `there are no hooks for '${shell}'` : "SHELL is not set",
        "try: session-buddy install hooks bash (or zsh, or fish)",
      );
    if (write && remove)
      throw fail.usage("--write and --remove are both given", "give one");
    if (!write && !remove) return print(`${startup.line}\n`);
    const file = startup.file(process.env);
    if (file === null)
      throw fail.config("HOME is not set", "set it, or add the line yourself");
    const old = readStartup(file);
    const lines = old.split("\n").filter((line) => !line.endsWith(MARK));
    const without = lines.join("\n");
    const ended = without === "" || without.endsWith("\n");
    const text = write
      ? `${without}${ended ? "" : "\n"}${startup.line}\n`
      : without;
    if (text === old)
      return note(`'${file}' has ${write ? "it already" : "no such line"}`);
    await writeOutput(
      file,
      () => {},
      async (output) => output.write(text),
    );
    note(write ? `added to '${file}'` : `removed from '${file}'`);
  },
});

/** @throws Failure (usage) where it would not come back byte for byte */
function readStartup(file: string): string {
  if (!existsSync(file)) return "";
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw readFailure(file, error);
  }
  const text = bytes.toString("utf8");
  if (Buffer.from(text).equals(bytes)) return text;
  throw fail.usage(
    `'${file}' is not UTF-8`,
    "change it yourself: session-buddy install hooks prints the line",
  );
}
