/** How deep JSON is, told without parsing it. */

/** More levels would be more than the stack has, here or where it is written. */
const MAX_LEVELS = 200;

/** @param text JSON */
export function isTooDeep(text: string): boolean {
  if (text.length <= MAX_LEVELS) return false;
  let level = 0;
  for (const [sign] of text.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{}]/gs))
    if (sign === "[" || sign === "{") {
      if (++level > MAX_LEVELS) return true;
    } else if (sign === "]" || sign === "}") level--;
  return false;
}
