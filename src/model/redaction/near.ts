/**
 * The look that comes before the rules: whether a text could hold a secret at
 * all. Globs over the text in lower case: literals, `[sets]` and `*`.
 */

/** Pieces of a glob, in order; one with a set is a regular expression. */
type Pieces = readonly (string | RegExp)[];

const compiled = new Map<string, Pieces>();

function piecesOf(glob: string): Pieces {
  const found = compiled.get(glob);
  if (found) return found;
  const pieces = glob
    .split("*")
    .map((piece) =>
      piece.includes("[") ? new RegExp(sourceOf(piece)) : piece,
    );
  compiled.set(glob, pieces);
  return pieces;
}

/** @param lower in lower case */
export function isNear(lower: string, glob: string): boolean {
  let rest = lower;
  for (const piece of piecesOf(glob)) {
    if (typeof piece === "string") {
      const at = rest.indexOf(piece);
      if (at < 0) return false;
      rest = rest.slice(at + piece.length);
    } else {
      const match = piece.exec(rest);
      if (!match) return false;
      rest = rest.slice(match.index + match[0].length);
    }
  }
  return true;
}

/** A glob as a regular expression that JavaScript, PCRE and Python read alike. */
export const sourceOf = (glob: string): string =>
  glob
    .replace(
      /(\[[^\]]*\])|([.|+()?{}$\\^/])|(\*)/g,
      (_, set: string, special: string, star: string) =>
        set?.replace("[!", "[^") ?? (special ? `\\${special}` : star && ".*"),
    )
    .replace(
      /(\[[^\]]*\])\1+/g,
      (all: string, set: string) => `${set}{${all.length / set.length}}`,
    );

/**
 * A shorter look that compiles nothing: whatever is suspect passes, and more.
 * @param literals of each term, in order: see `literals` of suspect.ts
 */
export function mayHold(
  lower: string,
  literals: readonly (readonly string[])[],
): boolean {
  for (const pieces of literals) if (hasInOrder(lower, pieces)) return true;
  return hasRun(lower);
}

export function hasInOrder(
  text: string,
  pieces: readonly string[],
  from = 0,
): boolean {
  for (const piece of pieces) {
    const at = text.indexOf(piece, from);
    if (at < 0) return false;
    from = at + piece.length;
  }
  return true;
}

/** As many letters in a row as a token without a name has. */
const RUN = 24;

function hasRun(lower: string): boolean {
  let run = 0;
  for (let i = 0; i < lower.length && run < RUN; i++) {
    const c = lower.charCodeAt(i);
    const letter = c >= A && c <= Z;
    const digit = c >= ZERO && c <= NINE;
    run = letter || digit || "_+=-".includes(lower[i]!) ? run + 1 : 0;
  }
  return run >= RUN;
}

const [A, Z, ZERO, NINE] = [0x61, 0x7a, 0x30, 0x39];
