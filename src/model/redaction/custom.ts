/**
 * Patterns of the user's own. They are held to what can be bounded: no text may
 * make one slow, in whichever process it runs.
 */
/** What a configuration makes of the rules. */
export interface Choice {
  /** Names of rules that are not tried. */
  off: readonly string[];
  /** The user's own. */
  patterns: readonly Pattern[];
}

export const EVERY_RULE: Choice = { off: [], patterns: [] };

/** Where in a text a secret stands, and the rule that says so. */
export interface Span {
  from: number;
  to: number;
  rule: string;
}

export interface Pattern {
  /** The name that stands in the secret's place. */
  name: string;
  source: string;
  /** Stands in all that it matches, in lower case: shells look for it. */
  word: string;
}

const NAME = /^[a-z0-9][a-z0-9-]{0,39}$/;
const MAX_SOURCE = 500;
const LEAST_WORD = 3;
const MOST_OPEN = 2;
/** How far a match may reach. */
const REACH = 4_096;

/**
 * A pattern of a configuration.
 * @returns what is wrong with it, in words
 */
export function readPattern(name: string, source: unknown): Pattern | string {
  if (!NAME.test(name))
    return "needs a name of lower-case letters, digits and -, at most 40";
  if (typeof source !== "string" || source === "")
    return "takes a regular expression";
  if (source.length > MAX_SOURCE)
    return `is longer than ${MAX_SOURCE} characters`;
  // A text of a shell is looked at byte by byte.
  if (!/^[ -~]{1,500}$/.test(source))
    return "holds other characters than those of ASCII";
  try {
    if (new RegExp(source, "i").test(""))
      return "matches a text without anything in it";
  } catch (error) {
    const [, why = "it cannot be read"] =
      /: ([^:]*)$/.exec((error as Error).message) ?? [];
    return `is no regular expression: ${why}`;
  }
  const shape = shapeOf(source);
  if (typeof shape === "string") return shape;
  return { name, source, word: shape.word };
}

/** A backslash and what it escapes, a set, a bracket, a quantifier, a letter. */
const PART =
  /\\(?:[1-9]|k<|[^])|\[(?:\\[^]|[^\]\\])*\]|\((?:\?(?:[:=!]|<[=!]|<\w+>))?|\)|\||[*+?]\??|\{\d+(?:,\d*)?\}\??|[^]/g;

/** The longest word that all of it needs, or why it could be slow. */
function shapeOf(source: string): { word: string } | string {
  let [word, run, depth, open] = ["", "", 0, 0];
  /** Of each open group: whether something in it varies. */
  const varies: boolean[] = [];
  let closed = false;
  let last = "";
  const end = () => {
    if (run.length > word.length) word = run;
    run = "";
  };
  for (const [part] of source.matchAll(PART)) {
    if (/^\\(?:[1-9]|k<)/.test(part)) return "refers back to a group";
    if (/^(?:[*+?]|\{\d)/.test(part)) {
      const repeats = !part.startsWith("?");
      if (repeats && closed && last === "varies")
        return "repeats a group in which something varies";
      if (/^(?:[*+]|\{\d+,\})/.test(part) && ++open > MOST_OPEN)
        return `has more than ${MOST_OPEN} of *, + and {n,}`;
      // What is before it may be missing, or stand there more than once.
      if (depth === 0 && !closed && run) run = run.slice(0, -1);
      end();
      if (varies.length) varies[varies.length - 1] = true;
      closed = false;
      continue;
    }
    closed = false;
    if (part.startsWith("(")) {
      end();
      depth++;
      varies.push(false);
    } else if (part === ")") {
      depth--;
      const inner = varies.pop() ?? false;
      if (inner && varies.length) varies[varies.length - 1] = true;
      [closed, last] = [true, inner ? "varies" : ""];
    } else if (part === "|") {
      if (depth === 0) return "has a | outside of a group";
      varies[varies.length - 1] = true;
    } else if (depth === 0 && isLiteral(part)) run += part.replace("\\", "");
    else end();
  }
  end();
  return word.length < LEAST_WORD
    ? `holds no ${LEAST_WORD} letters in a row that each match has, which shells look for first`
    : { word: word.toLowerCase() };
}

/** A character that stands for itself, and that can stand in a glob of any shell. */
const isLiteral = (part: string) =>
  /^[A-Za-z0-9_@:=/%,~-]$/.test(part) || /^\\[.\-/_:=@]$/.test(part);

/**
 * Looks from each place of the text by itself, so that the deadline is seen.
 * @returns null when it has passed
 */
export function matchesOf(
  { name, source }: Pattern,
  text: string,
  late: () => boolean,
): Span[] | null {
  const regexp = new RegExp(source, "di");
  const spans: Span[] = [];
  for (let at = 0; at < text.length;) {
    if (late()) return null;
    const match = regexp.exec(text.slice(at, at + REACH));
    if (!match) {
      at += REACH / 2;
      continue;
    }
    const groups = match.indices!.groups;
    const [from, to] = groups?.["s"] ?? match.indices![0]!;
    if (to > from) spans.push({ from: at + from, to: at + to, rule: name });
    at += Math.max(to, match.index + 1);
  }
  return spans;
}
