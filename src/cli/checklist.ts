/** Shows checks as they are made: phases, and in each what passed and what failed. */
import type { Output } from "../os/output.ts";
import { isTerminal } from "../os/proc.ts";
import { marked } from "../render/marked.ts";
import { personConsole, wantsColor } from "./terminal.ts";

/**
 * For people; nothing with --json. A person at a terminal sees each line as it comes.
 * @param args color: false under --no-color
 */
export async function checklist(
  output: Output,
  args: { json: boolean; color: boolean },
) {
  const color = wantsColor(args.color);
  const atTerminal = !args.json && isTerminal(1);
  const person = atTerminal ? await personConsole(args.color) : null;
  const write = (text: string) => (args.json ? undefined : output.write(text));
  return {
    title: (title: string) =>
      person ? person.log(title) : write(`${title}\n`),
    result(text: string, passed: boolean, hint: string | null) {
      const mark = passed ? "success" : "fail";
      if (person) person[mark](text, hint);
      else write(marked(mark, text, hint, color));
    },
  };
}

/** @param phase snake_case, as in the JSON */
export function titleOf(phase: string): string {
  const words = phase.replaceAll("_", " ").replace(/^mcp\b/, "MCP");
  return `${words[0]!.toUpperCase()}${words.slice(1)}`;
}

export const statusOf = (parts: readonly { status: string }[]) =>
  parts.every(({ status }) => status === "pass") ? "pass" : "fail";
