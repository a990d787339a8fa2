/**
 * argv against a command's flags, strict where the parser behind it is lax:
 * unknown flags, missing and unwanted values, and spare words are errors.
 * Nothing is loaded here, `shell` uses it too.
 */
import { Failure } from "../model/failure.ts";

/** What a flag or a word of a command is; citty's own definitions fit. */
export interface ArgSpec {
  type?: string | undefined;
  alias?: string | readonly string[] | undefined;
  default?: unknown;
}

/** The flag that every command has who reads settings. */
export const CONFIG_FLAG = {
  type: "string",
  valueHint: "file",
  description: "Read this configuration too",
} as const;

/** The flags of what ends a server. */
export const STOP_FLAGS = {
  timeout: {
    type: "string",
    valueHint: "seconds",
    description: "How long to wait for its end (default: 10)",
  },
  force: {
    type: "boolean",
    description: "Kill it when it has not ended then",
  },
} as const;

/**
 * Rewrites a command's words to `--name=value` and `--name`.
 * @param command its name, for the sentence
 * @throws Failure (usage) suggesting the nearest flag
 */
export function strictArgs(
  command: string,
  argv: readonly string[],
  specs: Readonly<Record<string, ArgSpec>>,
): string[] {
  const flags = flagsOf(specs);
  const words: string[] = [];
  const out: string[] = [];
  let at = 0;
  const value = (flag: string, inline: string | undefined) => {
    if (inline !== undefined) return inline;
    const next = argv[++at];
    if (next === undefined)
      throw new Failure("usage", `${flag} needs a value`, helpOf(command));
    return next;
  };
  for (; at < argv.length; at++) {
    const arg = argv[at]!;
    if (arg === "--") {
      words.push(...argv.slice(at + 1));
      break;
    }
    const match =
      /^(--[^=]+)(?:=(.*))?$/s.exec(arg) ?? /^(-[a-zA-Z])(.+)?$/s.exec(arg);
    if (!match) {
      words.push(arg);
      continue;
    }
    const flag = flags.get(match[1]!);
    if (!flag) throw unknownFlag(command, match[1]!, [...flags.keys()]);
    if (flag.takesValue)
      out.push(`--${flag.name}=${value(match[1]!, match[2])}`);
    else if (match[2] === undefined) out.push(`--${flag.name}`);
    else
      throw new Failure("usage", `${match[1]} takes no value`, helpOf(command));
  }
  const wanted = Object.values(specs).filter((s) => s.type === "positional");
  if (words.length > wanted.length)
    throw new Failure(
      "usage",
      `${command} takes no word '${words[wanted.length]}'`,
      helpOf(command),
    );
  return words.length ? [...out, "--", ...words] : out;
}

function flagsOf(
  specs: Readonly<Record<string, ArgSpec>>,
): Map<string, { name: string; takesValue: boolean }> {
  const flags = new Map<string, { name: string; takesValue: boolean }>();
  for (const [name, { type, alias, default: initial }] of Object.entries(
    specs,
  )) {
    if (type === "positional") continue;
    const takesValue = type !== "boolean";
    for (const word of [name, ...[alias ?? []].flat()])
      flags.set(word.length === 1 ? `-${word}` : `--${word}`, {
        name,
        takesValue,
      });
    if (type === "boolean" && initial === true)
      flags.set(`--no-${name}`, { name: `no-${name}`, takesValue });
  }
  return flags;
}

/** @param known the flags there are, dashes included */
export function unknownFlag(
  command: string,
  flag: string,
  known: readonly string[],
): Failure {
  const near = nearest(flag, known);
  return new Failure(
    "usage",
    `${command} has no flag '${flag}'`,
    near ? `did you mean ${near}?` : helpOf(command),
  );
}

export const helpOf = (command: string) =>
  `try: session-buddy ${command} --help`;

/** The candidate that a mistyped word most likely meant, if any is near. */
export function nearest(
  word: string,
  candidates: readonly string[],
): string | null {
  let best: string | null = null;
  // Any two flags of one letter are near.
  if (/^-.$/.test(word)) return null;
  let least = Math.ceil(word.length / 3) + 1;
  for (const candidate of candidates) {
    const far = candidate.startsWith(word) ? 1 : distance(word, candidate);
    if (far < least) [best, least] = [candidate, far];
  }
  return best;
}

/** Edits (insert, delete, replace) between two words. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min(
        row[j]! + 1,
        next[j - 1]! + 1,
        row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1),
      );
    row = next;
  }
  return row[b.length]!;
}
