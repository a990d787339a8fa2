/**
 * A text that whatever matches a regular expression has in it: with it the database
 * looks for what may match, and leaves little to be matched.
 */

/** Shorter ones are nearly everywhere. */
const LEAST_CHARS = 3;

/** @returns null where none can be told from its letters alone */
export function requiredText(pattern: string): string | null {
  // Choices and groups with options: what is in them need not be there.
  if (/[|]|\(\?/.test(pattern)) return null;
  let best = "";
  let run = "";
  let depth = 0;
  const end = () => {
    if (run.length > best.length) best = run;
    run = "";
  };
  for (const [token] of pattern.matchAll(TOKENS)) {
    if (token === "(") depth++;
    else if (token === ")") depth--;
    const repeats = /^[*?{]/.test(token);
    // What may be there never, or more than once, ends before it.
    if (repeats) run = [...run].slice(0, -1).join("");
    if (depth === 0 && LITERAL.test(token)) run += token.replace("\\", "");
    else end();
  }
  end();
  return best.length >= LEAST_CHARS ? best : null;
}

/** A quotation, an escape, a class, a repetition, or one character. */
const TOKENS =
  /\\Q[^]*?(?:\\E|$)|\\[pP](?:\{[^}]*\}|.)|\\x(?:\{[^}]*\}|..)|\\[0-7]{1,3}|\\[^]|\[\^?\]?(?:\[:\^?\w+:\]|\\[^]|[^\]\\])*\]|\{\d*,?\d*\}|[^]/gu;
/** Of an escape alone punctuation stands for itself. */
const LITERAL = /^(?:[^\\[\](){}*+?.^$|]|\\[^\w\s])$/u;
