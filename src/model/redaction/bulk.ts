/** Which lines of much text could hold a secret at all, for whoever has megabytes of it. */
import { literals } from "./suspect.ts";

/** What a term begins with; where it is not, the term is not. */
const FIRST: readonly Buffer[] = [
  ...new Set(literals().map(([first]) => first!)),
].map((literal) => Buffer.from(literal, "latin1"));
/** Letters in a row as a token without a name has them: see `literals`. */
const RUN = /[a-z0-9_+=-]{24}/g;
const LF = 10;

/**
 * @param text a letter a byte
 * @param words of the user's own patterns, in lower case
 * @returns where lines begin and end, each once, in their order
 */
export function suspectLines(
  text: string,
  words: readonly string[],
): { from: number; to: number }[] {
  const lower = text.toLowerCase();
  const bytes = Buffer.from(lower, "latin1");
  /** By where they begin. */
  const lines = new Map<number, number>();
  const add = (at: number): number => {
    const from = bytes.lastIndexOf(LF, at) + 1;
    const end = bytes.indexOf(LF, at);
    const to = end < 0 ? bytes.length : end;
    lines.set(from, to);
    return to;
  };
  for (const literal of [...FIRST, ...words])
    for (let at = bytes.indexOf(literal); at >= 0;)
      at = bytes.indexOf(literal, Math.max(add(at), at + 1));
  RUN.lastIndex = 0;
  for (let match; (match = RUN.exec(lower));)
    RUN.lastIndex = Math.max(add(match.index), match.index + 1);
  return [...lines]
    .map(([from, to]) => ({ from, to }))
    .sort((a, b) => a.from - b.from);
}
