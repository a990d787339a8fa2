/** `session-buddy install completions`: what completes our words at a Tab. */
import { existsSync } from "node:fs";
import { fail } from "../../model/failure.ts";
import { kindOf } from "../../record/program.ts";
import { defineCommand } from "../args.ts";
import bash from "../completions/session-buddy.bash" with { type: "text" };
import fish from "../completions/session-buddy.fish" with { type: "text" };
import zsh from "../completions/session-buddy.zsh" with { type: "text" };
import {
  type Environment,
  SHELLS,
  STARTUP_FILES,
  type Shell,
  below,
  belowData,
  changeLine,
  isShell,
  putFile,
  removeFile,
  requireHome,
} from "../startup.ts";
import { note, print } from "../terminal.ts";

/** By it the line in a startup file is known again; by the other the file. */
const LINE_MARK = "# session-buddy completions";
const FILE_MARK = "written by `session-buddy install completions`";

/** Who reads the folder for bash, where it is installed. */
const BASH_COMPLETION = [
  "/usr/share/bash-completion/bash_completion",
  "/usr/local/share/bash-completion/bash_completion",
  "/etc/bash_completion",
];

interface Place {
  text: string;
  file(env: Environment): string | null;
  /** The line that reads it; null where the shell finds it by itself. */
  line(quoted: string): string | null;
}

const PLACES: Readonly<Record<Shell, Place>> = {
  bash: {
    text: bash,
    file: (env) =>
      below(env["BASH_COMPLETION_USER_DIR"], "completions/session-buddy") ??
      belowData(env, "bash-completion/completions/session-buddy"),
    line: (quoted) =>
      BASH_COMPLETION.some((file) => existsSync(file))
        ? null
        : `[ -r ${quoted} ] && . ${quoted}`,
  },
  zsh: {
    text: zsh,
    file: (env) => belowData(env, "zsh/site-functions/_session-buddy"),
    line: (quoted) =>
      `(( \${+functions[compdef]} )) && [[ -r ${quoted} ]] && . ${quoted}`,
  },
  fish: {
    text: fish,
    file: (env) =>
      below(env["XDG_CONFIG_HOME"], "fish/completions/session-buddy.fish") ??
      below(env["HOME"], ".config/fish/completions/session-buddy.fish"),
    line: () => null,
  },
};

export default defineCommand({
  description: `Prints what makes a shell complete our commands at a Tab.

Commands, flags and the words that they take, ids of recent sessions, components
and profiles are completed, and after shell -- the words of the command that is
wrapped. What there is the program says itself, so that nothing grows old.

--write puts it where the shell looks: for bash into the folder of
bash-completion, for fish among its own completions. zsh has no such place, so a
line in .zshrc reads it, where the completion system is on (compinit); bash gets
such a line where bash-completion is not installed.

EXAMPLES
  session-buddy install completions zsh --write
  session-buddy install completions fish --remove
  eval "$(session-buddy install completions bash)"`,
  args: {
    shell: {
      type: "positional",
      values: SHELLS,
      description: "bash, zsh or fish (default: $SHELL)",
    },
    write: {
      type: "boolean",
      description: "Put it to its place in your home",
    },
    remove: { type: "boolean", description: "Take it away again" },
  },
  async run({ shell = kindOf(process.env["SHELL"] ?? ""), write, remove }) {
    if (!isShell(shell))
      throw fail.usage(
        shell ? `there are no completions for '${shell}'` : "SHELL is not set",
        "try: session-buddy install completions bash (or zsh, or fish)",
      );
    if (write && remove)
      throw fail.usage("--write and --remove are both given", "give one");
    const place = PLACES[shell];
    if (!write && !remove) return print(place.text);
    const file = requireHome(place.file(process.env));
    const startup = requireHome(STARTUP_FILES[shell](process.env));
    const line = place.line(`'${file.replaceAll("'", "'\\''")}'`);
    if (remove) {
      const gone = removeFile(file, FILE_MARK);
      note(gone ? `removed '${file}'` : `there is no '${file}'`);
      if (shell !== "fish") await changeLine(startup, LINE_MARK, null);
      return;
    }
    const fresh = await putFile(file, FILE_MARK, place.text);
    note(fresh ? `written: '${file}'` : `'${file}' is there already`);
    if (line !== null)
      await changeLine(startup, LINE_MARK, `${line} ${LINE_MARK}`);
    note("it completes in the next shell that you start");
  },
});
