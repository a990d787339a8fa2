/** The program that a command runs, as far as its text says. */

/** Words that stand before the program. */
export const PREFIXES = [
  ...["sudo", "env", "exec", "command", "time", "nohup"],
] as const;

/** A first word that is a program's name, if it is none of those. */
export const PLAIN_WORD = String.raw`[\w.+-]{1,64}`;

/** The first word that is neither an assignment nor a prefix; its name is captured. */
export const PROGRAM = String.raw`^\s*(?:(?:${PREFIXES.join("|")})\s+(?:-[ughCDRTU]\s+\S+\s+|-\S+\s+)*|\w+=\S*\s+)*(?:[^\s;|&]*/)?([^\s;|&()<>]{1,64})`;

// The spaces of JavaScript are more than those of RE2.
const ascii = (pattern: string) =>
  pattern
    .replaceAll(String.raw`[^\s`, String.raw`[^\t\n\f\r `)
    .replaceAll(String.raw`\s`, String.raw`[\t\n\f\r ]`)
    .replaceAll(String.raw`\S`, String.raw`[^\t\n\f\r ]`);
const plain = new RegExp(`^${PLAIN_WORD}$`);
const program = new RegExp(ascii(PROGRAM), "u");

/** @returns null where there is none */
export function programOf(text: string): string | null {
  const [word] = text.split(" ", 1) as [string];
  if (plain.test(word) && !(PREFIXES as readonly string[]).includes(word))
    return word;
  return program.exec(text)?.[1] ?? null;
}
