/**
 * What is given at a session's start, without the secrets in it. A program's
 * name alone holds none, and that is what most sessions start with: the rules
 * are loaded for more than that.
 */
import type { JsonObject } from "../model/event.ts";
import type { Choice } from "../model/redaction/custom.ts";
import { mayHold } from "../model/redaction/near.ts";
// Made when the executable is built: a start would wait for the table.
import { literals } from "../model/redaction/suspect.ts" with { type: "macro" };

interface Given {
  name: string | null;
  reason: string | null;
  tags: string[];
  metadata: JsonObject;
  recorded_argv: readonly string[];
}

/**
 * @param argv whether the command line is redacted, too: it may be wanted as it is
 * @param choice null: redaction is not configured soundly, and little is kept
 */
export async function withoutSecrets<Start extends Given>(
  start: Start,
  argv: boolean,
  choice: Choice | null,
): Promise<Start & { redacted_by: string[] }> {
  if (choice !== null && isHarmless(start, choice))
    return { ...start, redacted_by: [] };
  const { Redactor } = await import("../model/redaction/values.ts");
  const redactor = new Redactor(choice);
  const text = (given: string | null) => given && redactor.text(given);
  return {
    ...start,
    name: text(start.name),
    reason: text(start.reason),
    tags: start.tags.map((tag) => redactor.text(tag)),
    metadata: redactor.object(start.metadata),
    recorded_argv: argv
      ? redactor.words(start.recorded_argv)
      : start.recorded_argv,
    redacted_by: [...redactor.rules],
  };
}

function isHarmless(start: Given, { patterns }: Choice): boolean {
  const { recorded_argv, name, reason, tags, metadata } = start;
  const words = recorded_argv.length > 1 ? recorded_argv : [];
  const given = [words.join(" "), name, reason, ...tags].filter(Boolean);
  const keys = Object.keys(metadata);
  if (given.length === 0 && keys.length === 0) return true;
  // A key and its value stand beside each other as a variable's do.
  if (keys.length > 0)
    given.push(JSON.stringify(metadata).replaceAll('":', "="));
  const text = given.join("\n").toLowerCase();
  return (
    !mayHold(text, literals()) &&
    !patterns.some(({ word }) => text.includes(word))
  );
}
