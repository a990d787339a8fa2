/** `session-buddy install hooks`: the line that hooks shells inside a session. */
import { defineCommand } from "../args.ts";
import { fail } from "../../model/failure.ts";
import { kindOf } from "../../record/program.ts";
import {
  SHELLS,
  STARTUP_FILES,
  type Shell,
  changeLine,
  isShell,
  requireHome,
} from "../startup.ts";
import { print } from "../terminal.ts";

/** By it the line is known again. */
const MARK = "# session-buddy hooks";
/** A folder of another user's, whose environment this is (su, sudo -E), is not ours to run. */
const POSIX = (shell: string) =>
  `[ -O "\${SESSION_BUDDY_HOOKS-}" ] && . "$SESSION_BUDDY_HOOKS/hook.${shell}" ${MARK}`;

const LINES: Readonly<Record<Shell, string>> = {
  bash: POSIX("bash"),
  zsh: POSIX("zsh"),
  fish: `test -O "$SESSION_BUDDY_HOOKS"; and source "$SESSION_BUDDY_HOOKS/hook.fish" ${MARK}`,
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
      values: SHELLS,
      description: "bash, zsh or fish (default: $SHELL)",
    },
    write: {
      type: "boolean",
      description: "Add it to the shell's startup file, unless it is there",
    },
    remove: { type: "boolean", description: "Take it out again" },
  },
  async run({ shell = kindOf(process.env["SHELL"] ?? ""), write, remove }) {
    if (!isShell(shell))
      throw fail.usage(
        shell ? `there are no hooks for '${shell}'` : "SHELL is not set",
        "try: session-buddy install hooks bash (or zsh, or fish)",
      );
    if (write && remove)
      throw fail.usage("--write and --remove are both given", "give one");
    const line = LINES[shell];
    if (!write && !remove) return print(`${line}\n`);
    const file = requireHome(STARTUP_FILES[shell](process.env));
    await changeLine(file, MARK, write ? line : null);
  },
});
