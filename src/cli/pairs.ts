/** `key=value` words of a command line; a value that is JSON is taken as JSON. */
import {
  type Json,
  type JsonObject,
  isReservedMetadata,
} from "../model/event.ts";
import { fail } from "../model/failure.ts";

/**
 * @param after what stands before a pair on the command line: a flag, or a command
 * @throws Failure (usage)
 */
export function parsePairs(
  pairs: readonly string[],
  after: string,
): JsonObject {
  const out = Object.create(null) as JsonObject;
  for (const pair of pairs) {
    const at = pair.indexOf("=");
    const name = pair.slice(0, at);
    if (at < 1)
      throw fail.usage(
        `${after}takes key=value, not '${pair}'`,
        `try: ${after}ticket=4711`,
      );
    if (isReservedMetadata(name) || name === "recorder")
      throw fail.usage(
        `'${name}' is measured and cannot be given by ${after.trim()}`,
        "choose another key",
      );
    out[name] = parseJson(pair.slice(at + 1));
  }
  return out;
}

function parseJson(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    // Plain text is a value too.
    return text;
  }
}
