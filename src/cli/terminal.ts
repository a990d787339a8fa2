/**
 * Writes a command's result to stdout, and messages and questions to stderr.
 *
 * consola's own reporters write to stdout, and take backticks and underscores out
 * of recorded text; its prompt draws on stdout, leaves the terminal raw when it is
 * killed, and gives what is typed after a `y` to the shell: `confirm` replaces it.
 */
import { readSync } from "node:fs";
import { errnoOf, fail } from "../model/failure.ts";
import { plainJson } from "../model/json.ts";
import { say } from "../os/file.ts";
import { Output } from "../os/output.ts";
import { isTerminal } from "../os/proc.ts";
import { cleared } from "./progress.ts";
import { escapeText } from "../render/escape.ts";
import { type Mark, marked } from "../render/marked.ts";

/** Writes a result whole. @throws OutputClosed */
export function print(text: string): void {
  const output = new Output();
  output.write(text);
  output.flush();
}

/** A result as JSON, or as text. */
export function printResult(
  json: boolean,
  value: object,
  text: string,
  indent?: number,
): void {
  print(json ? `${plainJson(value, indent)}\n` : text);
}

/** One sentence, under our name. */
export function note(sentence: string): void {
  say(`${cleared()}session-buddy: ${escapeText(sentence)}\n`);
}

/** @param flag false under --no-color */
export function wantsColor(flag: boolean): boolean {
  return flag && isTerminal(1) && !process.env["NO_COLOR"];
}

/**
 * The console of a person who reads stderr at a terminal; null without one.
 * @param color false under --no-color
 */
export async function personConsole(color: boolean) {
  if (!isTerminal(2)) return null;
  const { LogLevels, createConsola } = await import("consola/core");
  const colored = color && !process.env["NO_COLOR"];
  return createConsola({
    // Whatever CONSOLA_LEVEL, CI and NODE_ENV say.
    level: LogLevels.info,
    // A line that comes again is another event.
    throttleMin: Infinity,
    reporters: [
      {
        // At once: the process may end right after it.
        log({ type, args: [text, hint = null] }) {
          const line =
            type === "log"
              ? `${text}\n`
              : marked(type as Mark, text, hint, colored);
          say(cleared() + line);
        },
      },
    ],
  });
}

/**
 * Whether a person agrees.
 * @param yes agreed beforehand: nothing is asked
 * @throws Failure (usage) when there is nobody to ask
 */
export function confirm(question: string, yes: boolean): boolean {
  if (yes) return true;
  if (!isTerminal(0) || !isTerminal(2))
    throw fail.usage(
      "nobody is there to be asked",
      "give --yes to go on without",
    );
  say(`${escapeText(question)} (y/N) `);
  const agreed = /^\s*y(es)?\s*$/i.test(readLine());
  if (!agreed) say("session-buddy: nothing was changed\n");
  return agreed;
}

/** A line of the terminal, which gives it whole; empty at its end. */
function readLine(): string {
  const line = new Uint8Array(4_096);
  for (;;)
    try {
      return new TextDecoder().decode(line.subarray(0, readSync(0, line)));
    } catch (error) {
      if (errnoOf(error) === "EOF") return "";
      if (errnoOf(error) !== "EAGAIN") throw error;
      // A terminal that somebody made non-blocking.
      Bun.sleepSync(20);
    }
}
