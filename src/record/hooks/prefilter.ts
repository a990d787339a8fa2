/**
 * The look that a shell itself takes at each command: could it hold a secret?
 * Made of the globs of redaction's table, so that whatever a rule could find
 * is sent to the rules. Most commands end at the first, short question.
 */
import {
  expressionOf,
  isRun,
  neededTerms,
} from "../../model/redaction/suspect.ts";

/** `pcre` is what Python's `re` reads, too. */
export type Dialect = "bash" | "zsh" | "fish" | "pcre";

/**
 * bash and zsh: functions `__sb_suspect TEXT`, which fails where nothing could
 * be in it; zsh has the first question as a pattern in `__sb_gate`, too. fish, which
 * compiles a regular expression anew at each use: a short one in `__sb_gate`, and the
 * whole one in `__sb_re`; to both of them any long text is suspect. pcre: the whole
 * one. They ask of a text in lower case, or of all letters alike.
 * @param words in the user's own patterns, in lower case
 */
export function prefilter(
  dialect: Dialect,
  words: readonly string[] = [],
): string {
  const terms = [...neededTerms(), ...words];
  if (dialect === "pcre") return `(?s)${expressionOf(terms)}\n`;
  const cases = terms.map(globOf).join("|");
  const gate = gateOf(terms);
  if (dialect === "fish")
    return [
      ["gate", `[=:@%|<-]|${expressionOf(gate)}`],
      ["re", expressionOf(terms)],
    ]
      .map(([name, regex]) => `set -g __sb_${name} ${fishWord(regex!)}\n`)
      .join("");
  const signs = `*[=:@%\\|\\<-]*`;
  if (dialect === "bash") return bash(signs, terms);
  const question = [signs, ...gate.map(globOf)].join("|");
  // In a variable a pattern has no quotes.
  const pattern = ["*[=:@%|<-]*", ...gate.map((word) => `*${word}*`)].join("|");
  return zsh(pattern, question, cases);
}

/**
 * In variables: bash copies a function, with every pattern in it, at each call. Letters
 * in a row cost as much as all the words, and are asked for where the text is that long.
 */
function bash(signs: string, terms: readonly string[]): string {
  const runs = terms.filter(isRun);
  const words = terms.filter((term) => !isRun(term));
  const letters = Math.min(...runs.map((run) => run.split("[").length - 1));
  const pattern = (globs: readonly string[]) =>
    `'@(${globs.join("|").replaceAll("'", "'\\''")})'`;
  return `__sb_gate=${pattern([signs, ...gateOf(words).map(globOf)])}
__sb_hit=${pattern(words.map(globOf))}
__sb_run=${pattern(runs.map(globOf))}
__sb_suspect() {
  set -- "\${1,,}"
  [[ $1 == $__sb_gate && $1 == $__sb_hit ]] ||
    { ((\${#1} >= ${letters})) && [[ $1 == $__sb_run ]]; }
}
`;
}

const zsh = (
  pattern: string,
  gate: string,
  cases: string,
) => `typeset -g __sb_gate
__sb_gate='(${pattern.replaceAll("'", "'\\''")})'
__sb_suspect() {
  emulate -L zsh
  case \${1:l} in
    (${gate}) ;;
    (*) return 1 ;;
  esac
  case \${1:l} in
    (${cases}) return 0 ;;
  esac
  return 1
}
`;

/** Of a text that is too long to be judged in the shell. */
const fishWord = (regex: string) =>
  `'(?s)^.{8193}|${regex.replaceAll(/['\\]/g, "\\$&")}'`;

/** The words to look for where none of the signs is: one of each term. */
function gateOf(terms: readonly string[]): string[] {
  const found = new Set<string>();
  for (const term of terms)
    if (!/[=:@%|<-]/.test(term.replaceAll(/\[[^\]]*\]/g, ""))) {
      const pieces = term.split("*");
      found.add(pieces.sort((a, b) => b.length - a.length)[0]!);
    }
  const short = [...found];
  return short.filter(
    (word) => !short.some((other) => other !== word && word.includes(other)),
  );
}

/** A term as a glob of a shell, found anywhere. */
const globOf = (term: string): string =>
  `*${term.replace(/[ |<>&;()'"#$`\\~]/g, "\\$&")}*`.replaceAll("**", "*");
