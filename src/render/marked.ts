/** Formats a line with a mark for success or failure, of the doctor or the server. */
import { escapeText } from "./escape.ts";

const MARKS = {
  success: { mark: "✓", color: "\x1b[32m" },
  fail: { mark: "✗", color: "\x1b[31m" },
  info: { mark: "•", color: "\x1b[36m" },
};
export type Mark = keyof typeof MARKS;

/** @param hint what to do, on a line of its own */
export function marked(
  type: Mark,
  text: string,
  hint: string | null,
  color: boolean,
): string {
  const { mark, color: code } = MARKS[type];
  const shown = color ? `${code}${mark}\x1b[0m` : mark;
  const line = `  ${shown} ${escapeText(text)}\n`;
  return hint === null ? line : `${line}      → ${escapeText(hint)}\n`;
}
