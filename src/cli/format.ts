/** Which form a command's answer takes, of those that it has. */
import { fail } from "../model/failure.ts";

interface Given {
  format?: string | undefined;
  json: boolean;
  /** A file whose name ends in a form asks for it. */
  output?: string | undefined;
}

/**
 * @param formats `table` among them, which it is without a word
 * @throws Failure (usage) for another one, and for two at once
 */
export function formatOf<const Format extends string>(
  formats: readonly Format[],
  { format, json, output }: Given,
): Format {
  const named = (text: string | undefined) =>
    formats.find((name) => name === text);
  const suffix = output?.slice(output.lastIndexOf(".") + 1);
  const wanted = format ?? (json ? "json" : (named(suffix) ?? "table"));
  const known = named(wanted);
  if (known && (known === "json" || !json)) return known;
  throw fail.usage(
    `--format takes ${formats.join(", ")}, not '${wanted}'`,
    "try: --format json",
  );
}
