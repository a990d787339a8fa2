/**
 * Defines commands, and parses the words after a command's name into the values
 * of its flags. Strict: an unknown flag, a missing or unwanted value and a word too
 * many are usage errors. It loads nothing, because `shell` uses it too.
 */
import { fail } from "../model/failure.ts";

/** A flag of a command, or a word (positional) that it takes. */
export interface ArgDef {
  type: "string" | "boolean" | "positional";
  description: string;
  /** Another spelling: `-n` for one letter, else `--since`. */
  alias?: string;
  /** What help calls the value. */
  valueHint?: string;
  /** A boolean that is true by default is turned off by `--no-NAME`. */
  default?: string | true;
  /** It may be given more than once, or is all words that are left: a list. */
  multiple?: true;
  /** It often has several words, which quotes make one. */
  phrase?: true;
  /** Words that begin with one dash are among its own, unless they are flags. */
  dashed?: true;
  /** The words that it takes, which a shell completes. */
  values?: readonly string[];
}

export type ArgDefs = Readonly<Record<string, ArgDef>>;

type Value<D extends ArgDef> = D["type"] extends "boolean"
  ? boolean
  : D extends { multiple: true }
    ? string[]
    : D extends { default: string }
      ? string
      : string | undefined;

export type Args<Defs extends ArgDefs> = {
  -readonly [Name in keyof Defs]: Value<Defs[Name]>;
};

export interface Command<Defs extends ArgDefs = ArgDefs> {
  /** The first paragraph says what it does; notes and examples follow. */
  description: string;
  args: Defs;
  /** Absent from `shell`, which main.ts runs. @returns the exit status, else 0 */
  run?(
    args: Args<Defs>,
    catalog: Catalog,
  ): number | void | Promise<number | void>;
}

/** All commands, for those that tell of them: completions, manual pages. */
export interface Catalog {
  /** Full names, in the order of the overview. */
  names: readonly string[];
  /** Other names, and the full ones. */
  aliases: ReadonlyMap<string, string>;
  /** The first words of commands of two words, with what help says of them. */
  groups: ReadonlyMap<string, string>;
  /** What help says of them all. */
  about: string;
  /** @throws Failure (usage) that suggests the nearest command */
  find(name: string): Promise<Command>;
}

/** Infers the types of the values from the definitions. */
export const defineCommand = <const Defs extends ArgDefs>(
  command: Command<Defs>,
): Command<Defs> => command;

/**
 * @param name the command's, for the sentences
 * @param flagsFirst the first word that is no flag ends them, and is not read
 * @returns the values, and how many words were read
 * @throws Failure (usage) that suggests the nearest flag
 */
export function parseArgs<const Defs extends ArgDefs>(
  name: string,
  argv: readonly string[],
  defs: Defs,
  flagsFirst = false,
): { args: Args<Defs>; consumed: number } {
  const args: Record<string, string | boolean | string[] | undefined> = {};
  for (const [key, def] of Object.entries(defs)) {
    const initial = def.type === "boolean" ? def.default === true : def.default;
    args[key] = def.multiple ? [] : initial;
  }
  const flags = spellings(defs);
  const dashed = Object.values(defs).some((def) => def.dashed);
  const words: string[] = [];
  /** Of each word, the flag whose value stands before it. */
  const behind: (string | null)[] = [];
  let valued: string | null = null;
  let at = 0;
  for (; at < argv.length; at++) {
    const word = argv[at]!;
    const isFlag =
      word.startsWith("-") &&
      word !== "-" &&
      !(dashed && word[1] !== "-" && !flags.has(word));
    if (word === "--" || (flagsFirst && !isFlag)) break;
    const before = valued;
    valued = null;
    if (!isFlag) {
      words.push(word);
      behind.push(before);
      continue;
    }
    const [flag, inline] = splitFlag(word);
    const key = flags.get(flag);
    if (key === undefined) throw unknownFlag(name, flag, flags.keys());
    const isSwitch = defs[key]!.type === "boolean";
    if (isSwitch && inline !== undefined)
      throw usage(name, `${flag} takes no value`);
    const value = isSwitch ? flag !== `--no-${key}` : (inline ?? argv[++at]);
    if (value === undefined) throw usage(name, `${flag} needs a value`);
    if (!isSwitch && inline === undefined) valued = flag;
    const list = args[key];
    args[key] = Array.isArray(list) ? [...list, String(value)] : value;
  }
  const consumed = argv[at] === "--" ? at + 1 : at;
  if (!flagsFirst) words.push(...argv.slice(consumed));
  for (const [key, { type, multiple }] of Object.entries(defs))
    if (type === "positional")
      args[key] = multiple ? words.splice(0) : words.shift();
  if (words.length > 0) {
    const before = behind.at(behind.length - words.length);
    const phrase = before ?? Object.values(defs).some((def) => def.phrase);
    const hint =
      phrase &&
      `put ${before ? `the value of ${before}` : "all of it"} in quotes`;
    throw usage(name, `${name} takes no word '${words[0]}'`, hint || null);
  }
  return { args: args as Args<Defs>, consumed };
}

/** Each spelling of a flag, dashes included, and the flag's name. */
export function spellings(defs: ArgDefs): Map<string, string> {
  const flags = new Map<string, string>();
  for (const [name, def] of Object.entries(defs)) {
    const { type, alias = name } = def;
    if (type === "positional") continue;
    flags.set(`--${name}`, name);
    flags.set(alias.length === 1 ? `-${alias}` : `--${alias}`, name);
    if (def.default === true) flags.set(`--no-${name}`, name);
  }
  return flags;
}

/** `--limit=5`, `-n5`: the flag, and the value in the same word. */
export function splitFlag(
  word: string,
): [flag: string, inline: string | undefined] {
  const [, flag, inline] =
    /^(--[^=]*)(?:=(.*))?$/s.exec(word) ?? /^(-.)(.+)?$/su.exec(word)!;
  return [flag!, inline];
}

function unknownFlag(name: string, flag: string, known: Iterable<string>) {
  const near = nearest(flag, known);
  const hint = near && `did you mean ${near}?`;
  return usage(name, `${name} has no flag '${flag}'`, hint);
}

const usage = (name: string, sentence: string, hint?: string | null) =>
  fail.usage(sentence, hint || `try: session-buddy ${name} --help`);

/**
 * What a mistyped word most likely meant: those that have it for a part of their
 * name, else the one that is a few letters from it; null when none is.
 */
export function nearest(
  word: string,
  candidates: Iterable<string>,
): string | null {
  // Any two flags of one letter are near.
  if (/^-.$/.test(word)) return null;
  const bare = word.replace(/^-+(no-)?/, "");
  if (bare === "") return null;
  const names = [...candidates];
  const having = names.filter((name) =>
    name.replace(/^-+/, "").split(/[- ]/).includes(bare),
  );
  if (having.length > 0 && having.length <= MOST_SUGGESTED)
    return having.join(" or ");
  let best: string | null = null;
  let least = (bare.length <= 4 ? 1 : bare.length <= 8 ? 2 : 3) + 1;
  for (const candidate of names) {
    const far = candidate.startsWith(word) ? 1 : distance(word, candidate);
    if (far < least) [best, least] = [candidate, far];
  }
  return best;
}

const MOST_SUGGESTED = 3;

/** Edits (insert, delete, replace, exchange two neighbours) between two words. */
function distance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, i) => i)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    const before = rows[i - 1]!;
    for (let j = 1; j <= b.length; j++) {
      const replaced = before[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const exchanged =
        i > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
          ? rows[i - 2]![j - 2]! + 1
          : Infinity;
      row[j] = Math.min(before[j]! + 1, row[j - 1]! + 1, replaced, exchanged);
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}

// Flags that several commands have.

export const CONFIG_FLAG = {
  type: "string",
  valueHint: "file",
  description: "Read this configuration too",
} as const;

/** The session that a command says something of. */
export const SESSION_WORD = {
  type: "positional",
  description:
    "Its id, a unique prefix of it, its last 8 hex, or its name; left out: the session that we are in",
} as const;

/** Where rows go, for commands that know several formats. */
export const OUTPUT_FLAGS = {
  json: { type: "boolean", description: "The same as --format json" },
  output: {
    type: "string",
    alias: "o",
    valueHint: "file",
    description: "Write to this file, in the format that its name ends with",
  },
  "csv-raw": {
    type: "boolean",
    description: "CSV with every text as it is, without a '",
  },
} as const;

export const JSON_FLAG = { type: "boolean", description: "As JSON" } as const;

export const COLOR_FLAG = {
  type: "boolean",
  default: true,
  description: "No colours at a terminal",
} as const;

export const YES_FLAG = {
  type: "boolean",
  alias: "y",
  description: "Do it without asking",
} as const;

/** How `mcp stop` and `mcp restart` end the running server. */
export const STOP_FLAGS = {
  timeout: {
    type: "string",
    default: "10",
    valueHint: "seconds",
    description: "How long to wait for its end (default: 10)",
  },
  force: {
    type: "boolean",
    description: "Kill it when it has not ended then",
  },
} as const;

export const READ_ONLY_FLAG = {
  type: "boolean",
  description: "Offer no tools that record anything",
} as const;
