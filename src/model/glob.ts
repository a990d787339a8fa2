/** Matches texts by patterns: `*` for anything, `!` before what is not wanted. */

/** Texts with `*` for anything; those that begin with `!` exclude. */
export type Patterns = readonly string[];

/**
 * Whether a text is one of some patterns: it matches one without `!`, if there is
 * any, and none with it.
 */
export function isAmong(
  text: string,
  patterns: Patterns | undefined,
  matches: (text: string, glob: string) => boolean = isGlob,
): boolean {
  if (patterns === undefined) return true;
  const excluded = patterns.filter((glob) => glob.startsWith("!"));
  if (excluded.some((glob) => matches(text, glob.slice(1)))) return false;
  const wanted = patterns.filter((glob) => !glob.startsWith("!"));
  return wanted.length === 0 || wanted.some((glob) => matches(text, glob));
}

/** Whether all of a text is as a glob says. In a time that grows with their length. */
export function isGlob(text: string, glob: string): boolean {
  const parts = glob.split("*");
  const [first, last] = [parts[0]!, parts.at(-1)!];
  if (parts.length === 1) return text === glob;
  if (text.length < first.length + last.length) return false;
  if (!text.startsWith(first) || !text.endsWith(last)) return false;
  const inner = text.slice(first.length, text.length - last.length);
  return hasInOrder(inner, parts.slice(1, -1));
}

/** Whether a glob, in whichever case, is somewhere in a text in lower case. */
export const hasGlob = (text: string, glob: string): boolean =>
  hasInOrder(text, glob.toLowerCase().split("*"));

function hasInOrder(text: string, parts: readonly string[]): boolean {
  let at = 0;
  for (const part of parts) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return true;
}
