/**
 * What is said to a person beside the result, on stderr.
 */
import { say } from "./os/file.ts";
import { isTerminal } from "./os/proc.ts";
import { escapeText } from "./render/escape.ts";

/** One sentence, under our name. */
export function note(sentence: string): void {
  say(`session-buddy: ${escapeText(sentence)}\n`);
}

/** @param flag false under --no-color */
export function wantsColor(flag: boolean): boolean {
  return flag && isTerminal(1) && !process.env["NO_COLOR"];
}
