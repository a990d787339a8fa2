/**
 * consola for a person who reads stderr at a terminal: a mark, in a colour, for
 * how it went. Its own reporters write to stdout, and take backticks and
 * underscores out of what others recorded. Its prompt draws on stdout, leaves
 * the terminal raw when it is killed, and sends what is typed after a `y` to
 * the shell: terminal.ts asks by itself.
 */
import { LogLevels, createConsola } from "consola/core";
import { say } from "../os/file.ts";
import { type Mark, marked } from "../render/marked.ts";

export function createConsole(color: boolean) {
  return createConsola({
    // Whatever CONSOLA_LEVEL, CI and NODE_ENV say.
    level: LogLevels.info,
    // A line that comes again is another event.
    throttleMin: Infinity,
    reporters: [
      {
        // At once: the process may end right after it.
        log({ type, args: [text, hint = null] }) {
          if (type === "log") say(`${text}\n`);
          else say(marked(type as Mark, text, hint, color));
        },
      },
    ],
  });
}
