/**
 * Patterns of LIKE, ILIKE and GLOB: their time grows with the length of the text to the
 * power of the wildcards.
 */

export const LIKE = new Set([
  ...["~~", "!~~", "~~*", "!~~*", "~~~", "like_escape", "not_like_escape"],
  ...["ilike_escape", "not_ilike_escape"],
]);
/** Each one more multiplies the time by the length of the text. */
const MAX_WILDCARDS = 3;

/** @param children of the call: the text, and the pattern */
export function patternProblem(children: unknown): string | null {
  const [, pattern] = (children ?? []) as {
    type?: string;
    value?: { value?: unknown };
  }[];
  const text = pattern?.value?.value;
  if (pattern?.type !== "VALUE_CONSTANT" || typeof text !== "string")
    return "a pattern has to be a text that stands there; contains, starts_with and regexp_matches take any";
  const wildcards = text.match(/[%*]+/g)?.length ?? 0;
  return wildcards > MAX_WILDCARDS
    ? `a pattern may have ${MAX_WILDCARDS} wildcards; regexp_matches takes any`
    : null;
}
