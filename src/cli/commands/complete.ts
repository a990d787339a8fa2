/**
 * `session-buddy complete SHELL (--|quoted) WORD…`: what the completion functions of shells ask
 * at each Tab. The first line says what kind of words there are, the others are the
 * words, in the form of that shell. Nothing here may take a moment that is felt.
 */
import type { Catalog } from "../args.ts";
import { type Kind, completionOf } from "../completion.ts";
import { recentSessions } from "../../access/recent.ts";
import { loadSettings } from "../../config/load.ts";
import { fail } from "../../model/failure.ts";
import { componentOf } from "../../model/id.ts";
import { UNSAFE } from "../../model/json.ts";
import { print } from "../terminal.ts";

/** More than anybody looks through. */
const MOST_WORDS = 500;

/** @param argv the words after `complete` */
export async function complete(
  [shell = "", how, ...words]: readonly string[],
  catalog: Catalog,
): Promise<number> {
  const form = FORMS[shell];
  if (!form)
    throw fail.usage(
      `nothing is completed for '${shell}'`,
      "try: session-buddy install completions bash (or zsh, or fish)",
    );
  const typed = form.read(words.length === 0 ? [""] : words);
  const found = await completionOf(
    typed.words,
    catalog,
    form.described,
    valuesHere,
  );
  if (found.kind === "command")
    print(`command ${typed.places[found.from] ?? found.from}\n`);
  else if (found.kind !== "words") print(`${found.kind}\n`);
  else {
    const safe = found.words.filter(([word]) => word !== "" && isLine(word));
    const lines = safe
      .slice(0, MOST_WORDS)
      .map(([word, about]) => form.line(word, about, typed.cut))
      // Within quotes of bash nothing can be escaped that way.
      .filter((line) => how !== "quoted" || !line.includes("\\"));
    print(["words", ...lines, ""].join("\n"));
  }
  return 0;
}

/** Whether nothing in it could move a cursor, or be more than a line. */
const isLine = (text: string) => text.search(UNSAFE) < 0;

async function valuesHere(kind: Kind, prefix: string): Promise<string[]> {
  const settings = loadSettings(process.env);
  const { profiles } = settings.config;
  if (kind === "profile") return Object.keys(profiles);
  if (kind === "session") {
    const ids = await recentSessions(settings, prefix);
    const whole = ids.filter((id) => id.startsWith(prefix));
    // The last 8 hex are an id, too.
    return whole.length > 0 ? whole : ids.map((id) => id.slice(-8));
  }
  const ids = await recentSessions(settings, "");
  const named = Object.values(profiles).flatMap(
    ({ component = [] }) => component,
  );
  const found = [...named, ...ids.map((id) => componentOf(id) ?? [])].flat();
  return [...new Set(found)].sort();
}

interface Typed {
  words: readonly string[];
  /** Where each stood in what was given. */
  places: readonly number[];
  /** How much of the last word stays as it is. */
  cut: number;
}

interface Form {
  read(words: readonly string[]): Typed;
  /** Whether it shows what a word is. */
  described: boolean;
  line(word: string, about: string, cut: number): string;
}

const asGiven = (words: readonly string[]): Typed => ({
  words,
  places: words.map((_, i) => i),
  cut: 0,
});

const withAbout = (word: string, about: string) => `${word}\t${about}`;

const FORMS: Readonly<Record<string, Form>> = {
  bash: {
    read: fromBash,
    described: false,
    line: (word, _, cut) => quoted(word.slice(cut)),
  },
  zsh: { read: asGiven, described: true, line: withAbout },
  fish: { read: asGiven, described: true, line: withAbout },
};

/**
 * bash gives words as they were typed, split at = and : as well, and puts what we
 * answer in the place of the last part as it is.
 */
function fromBash(parts: readonly string[]): Typed {
  const words: string[] = [];
  const places: number[] = [];
  let glued = false;
  let cut = 0;
  for (const [i, part] of parts.entries()) {
    const breaks = /^[=:]+$/.test(part);
    const before = words.at(-1);
    const joins = glued || (breaks && before !== undefined && before !== "--");
    if (joins) {
      cut = glued && !breaks ? before!.length : cut;
      words[words.length - 1] += unquoted(part);
    } else {
      cut = 0;
      words.push(unquoted(part));
      places.push(i);
    }
    glued = breaks;
  }
  return { words, places, cut };
}

/** Without the quotes of a shell; what would be expanded stays as it was typed. */
const unquoted = (word: string) =>
  word.replace(/\\(.)|["']/gs, (_, escaped: string = "") => escaped);

/** A word that bash reads as itself. */
const quoted = (word: string) =>
  word.replace(/[^\w@%+=:,./\x80-\u{10ffff}-]/gu, "\\$&");
