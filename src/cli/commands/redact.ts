/** `session-buddy redact`: shows what redaction makes of a text. */
import { redactionOf, validSettings } from "../../config/load.ts";
import { fail } from "../../model/failure.ts";
import { redact } from "../../model/redaction/redact.ts";
import { isSuspect } from "../../model/redaction/suspect.ts";
import { readOpen, say } from "../../os/file.ts";
import { escapeText } from "../../render/escape.ts";
import { CONFIG_FLAG, JSON_FLAG, defineCommand } from "../args.ts";
import { printResult } from "../terminal.ts";

export default defineCommand({
  description: `Shows what would be kept of a text, which is read from standard input.

Nothing is recorded by it. A text on the command line would be in the shell's
history and in the list of processes; so it takes none.

EXAMPLE
  session-buddy redact --check < commands.txt`,
  args: {
    check: {
      type: "boolean",
      description: "Print what is kept; the rules that hit go to stderr",
    },
    json: JSON_FLAG,
    config: CONFIG_FLAG,
  },
  async run({ check, json, config }) {
    if (!check)
      throw fail.usage(
        "redact needs --check",
        "try: session-buddy redact --check < commands.txt",
      );
    const settings = await validSettings(process.env, config);
    const { patterns } = settings.config.redaction;
    const input = readOpen(0, "standard input");
    const text = Buffer.from(input).toString("utf8");
    const result = redact(text, redactionOf(settings)!);
    const looked_at = isSuspect(text, patterns);
    const shown = result.text.split("\n").map(escapeText).join("\n");
    printResult(json, { ...result, looked_at }, shown, 2);
    if (!json) say(`${verdict(result, looked_at)}\n`);
  },
});

function verdict(
  { rules, withheld }: { rules: string[]; withheld: boolean },
  looked_at: boolean,
): string {
  if (withheld)
    return "withheld: a program that is called with a password, in a way that no rule reads";
  if (rules.length > 0) return `redacted: ${rules.join(", ")}`;
  return looked_at
    ? "kept: no rule hit"
    : "kept: nothing in it could be a secret";
}
