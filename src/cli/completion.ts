/**
 * Completes the word that is being typed, from the definitions of the commands: what
 * the shells' completion functions ask for at each Tab. It knows no shell, and nothing
 * of this host: values such as session ids are asked for.
 */
import { FILTERS } from "../model/filter.ts";
import {
  type ArgDef,
  type ArgDefs,
  type Catalog,
  spellings,
  splitFlag,
} from "./args.ts";

/** A word, and what it is, which may be empty. */
export type Candidate = readonly [word: string, about: string];

export type Completion =
  | { kind: "words"; words: Candidate[] }
  /** Which the shell completes itself. */
  | { kind: "files" | "folders" }
  /** Another command's words, from that index on. */
  | { kind: "command"; from: number };

/** What this host has. */
export type Kind = "session" | "component" | "profile";
export type Values = (kind: Kind, prefix: string) => Promise<string[]>;

/** Of a flag or a word of that name, in whatever command. */
const NAMED: Readonly<Record<string, Kind>> = {
  id: "session",
  session: "session",
  "session-id": "session",
  component: "component",
  profile: "profile",
};

/** The first words that are no commands. */
const FIRST: readonly Candidate[] = [
  ["help", "What a command does"],
  ["--help", "All commands"],
  ["--version", "The version"],
];
const HELP: Candidate = ["--help", "What it does, with examples"];

/**
 * @param words those after our name, the last of which is being typed
 * @param described whether the shell shows what a word is
 */
export async function completionOf(
  words: readonly string[],
  catalog: Catalog,
  described: boolean,
  values: Values,
): Promise<Completion> {
  const { groups, aliases, names } = catalog;
  const helped = words[0] === "help" && words.length > 1;
  const [first = "", second, ...more] = helped ? words.slice(1) : words;
  if (second === undefined) return starting(first, await commands("", helped));
  const grouped = groups.has(first);
  if (grouped && more.length === 0)
    return starting(second, await commands(`${first} `, helped));
  const name = grouped ? `${first} ${second}` : first;
  const full = aliases.get(name) ?? name;
  if (helped || !names.includes(full)) return { kind: "words", words: [] };
  const { args } = await catalog.find(full);
  const before = grouped ? 2 : 1;
  const found = await argument(full, words.slice(before), args, values);
  if (found.kind !== "command") return found;
  return { kind: "command", from: found.from + before };

  /** The next word of commands that begin so. */
  async function commands(prefix: string, help: boolean): Promise<Candidate[]> {
    const found = new Map<string, string>(prefix || help ? [] : FIRST);
    for (const each of names.filter((each) => each.startsWith(prefix))) {
      const [word] = each.slice(prefix.length).split(" ", 1);
      const group = prefix ? undefined : groups.get(word!);
      const text = described
        ? (group ?? (await catalog.find(each)).description)
        : "";
      found.set(word!, text.split("\n", 1)[0]!.replace(/[.,:]$/, ""));
    }
    if (!prefix)
      for (const [alias, full] of aliases)
        if (!alias.startsWith("-")) found.set(alias, `The same as ${full}`);
    return [...found];
  }
}

function starting(prefix: string, all: readonly Candidate[]): Completion {
  const begins = ([word]: Candidate) => word.startsWith(prefix);
  // A dash asks for flags; without one they would be in the way.
  const wanted = ([word]: Candidate) =>
    prefix.startsWith("-") || !word.startsWith("-");
  return {
    kind: "words",
    words: all.filter((each) => begins(each) && wanted(each)),
  };
}

/** A flag, its value, or a word of a command. */
async function argument(
  command: string,
  words: readonly string[],
  defs: ArgDefs,
  values: Values,
): Promise<Completion> {
  const flags = spellings(defs);
  const given = new Set<string>();
  // What is wrapped is everything from the first word that is no flag.
  const wraps = command === "shell";
  const typed = words.at(-1)!;
  let positional = 0;
  for (let at = 0; at < words.length - 1; at++) {
    const word = words[at]!;
    const isFlag = word.startsWith("-") && word !== "-";
    if (word === "--" || (wraps && !isFlag)) {
      const from = word === "--" ? at + 1 : at;
      if (wraps) return { kind: "command", from };
      return plain(positional + words.length - at - 2);
    }
    if (!isFlag) {
      positional++;
      continue;
    }
    const [flag, inline] = splitFlag(word);
    const key = flags.get(flag);
    if (key === undefined) continue;
    given.add(key);
    const def = defs[key]!;
    if (def.type === "boolean" || inline !== undefined) continue;
    if (++at === words.length - 1) return valuesOf(key, def, typed, "");
  }
  if (typed.startsWith("-")) {
    const inline = /^(--[^=]+)=(.*)$/s.exec(typed);
    const key = inline ? flags.get(inline[1]!) : undefined;
    if (key !== undefined)
      return valuesOf(key, defs[key]!, inline![2]!, `${inline![1]}=`);
    return starting(typed, flagWords());
  }
  return wraps
    ? { kind: "command", from: words.length - 1 }
    : plain(positional);

  function plain(index: number): Promise<Completion> | Completion {
    const all = Object.entries(defs).filter(
      ([, { type }]) => type === "positional",
    );
    const last = all.at(-1);
    const next = all[index] ?? (last?.[1].multiple ? last : undefined);
    if (next) return valuesOf(...next, typed, "");
    return { kind: "words", words: typed === "" ? flagWords() : [] };
  }

  function flagWords(): Candidate[] {
    const found: Candidate[] = [];
    for (const [spelling, key] of flags) {
      const { multiple, description, default: initial } = defs[key]!;
      // One that is on by default is there to be turned off.
      const off = initial !== true || spelling.startsWith("--no-");
      const again = multiple || !given.has(key);
      if (spelling.startsWith("--") && again && off)
        found.push([spelling, description]);
    }
    return [...found, HELP];
  }

  async function valuesOf(
    name: string,
    { values: words, valueHint, type }: ArgDef,
    prefix: string,
    before: string,
  ): Promise<Completion> {
    const hint = valueHint ?? (type === "positional" ? name : "");
    if (hint === "file") return { kind: "files" };
    if (hint === "folder") return { kind: "folders" };
    const fixed =
      words ?? FILTERS.find((filter) => filter.name === name)?.values;
    const kind = NAMED[name];
    const found = fixed ?? (kind ? await values(kind, prefix) : []);
    return {
      kind: "words",
      words: found
        .filter((word) => word.startsWith(prefix))
        .map((word): Candidate => [before + word, ""]),
    };
  }
}
