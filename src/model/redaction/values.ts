/**
 * Redaction of what is no text of a shell: the words of a command line, texts
 * that people give, metadata.
 */
import type { Json, JsonObject } from "../event.ts";
import type { Choice, Span } from "./custom.ts";
import { findSecrets, redact, replace } from "./redact.ts";
import { isSuspect } from "./suspect.ts";

const WITHHELD = "[withheld]";

/** Redacts one thing after the other, and remembers which rules hit. */
export class Redactor {
  readonly rules = new Set<string>();

  /** @param choice null: nobody can tell what is a secret, so nothing is kept */
  constructor(
    private readonly choice: Choice | null,
    private readonly now?: () => number,
  ) {}

  text(text: string): string {
    if (this.choice === null) return this.withhold();
    if (!isSuspect(text, this.choice.patterns)) return text;
    const result = redact(text, this.choice, this.now);
    this.note(result.rules);
    if (result.withheld) this.withhold();
    return result.text || (result.withheld ? WITHHELD : "");
  }

  /** The words of a command line; the program is kept. */
  words(words: readonly string[]): string[] {
    if (words.length === 0) return [];
    if (this.choice === null)
      return words.length > 1 ? [words[0]!, this.withhold()] : [words[0]!];
    const { line, places } = lineOf(words);
    if (!isSuspect(line, this.choice.patterns)) return [...words];
    const found = findSecrets(line, this.choice, this.now);
    if (found === null) return [words[0]!, this.withhold()];
    const out: string[] = [];
    for (const [i, place] of places.entries()) {
      const { withheld_from } = found;
      if (withheld_from !== null && withheld_from < place.to) {
        out.push(this.withhold());
        break;
      }
      out.push(this.word(words[i]!, place, found.spans));
    }
    return out;
  }

  /** @param key the name of the value: what it names may be a secret */
  value(key: string, value: Json): Json {
    if (Array.isArray(value)) return value.map((one) => this.value(key, one));
    if (typeof value === "object" && value !== null) return this.object(value);
    if (typeof value !== "string" && typeof value !== "number") return value;
    const given = String(value);
    const [word] = this.words([`${key}=${given}`]);
    const kept = word!.startsWith(`${key}=`)
      ? word!.slice(key.length + 1)
      : WITHHELD;
    return kept === given ? this.keep(value) : kept;
  }

  object(values: JsonObject): JsonObject {
    const out = Object.create(null) as JsonObject;
    for (const key in values) out[key] = this.value(key, values[key]!);
    return out;
  }

  private keep(value: Json): Json {
    return typeof value === "string" ? this.text(value) : value;
  }

  private word(word: string, place: Place, spans: readonly Span[]): string {
    const within = spans
      .filter(({ from, to }) => from < place.to && to > place.from)
      .map(({ from, to, rule }) => ({
        ...{ from: place.at(from), to: place.at(to), rule },
      }))
      .filter(({ from, to }) => to > from);
    const { text, rules } = replace(word, within);
    this.note(rules);
    // A script in a word is a text of its own.
    return this.text(text);
  }

  private note(rules: readonly string[]): void {
    for (const rule of rules) this.rules.add(rule);
  }

  private withhold(): string {
    this.rules.add("withheld");
    return WITHHELD;
  }
}

/** Where a word stands in the line. */
interface Place {
  from: number;
  to: number;
  /** A place in the line as one in the word. */
  at(place: number): number;
}

/** Words as a shell would have been given them. */
function lineOf(words: readonly string[]): { line: string; places: Place[] } {
  let line = "";
  const places: Place[] = [];
  for (const word of words) {
    if (line) line += " ";
    const from = line.length;
    // An option's or a variable's name is never quoted with its value.
    const bare = /^-{0,2}[\w.-]{1,64}[=:]/.exec(word)?.[0].length ?? 0;
    const rest = word.slice(bare);
    const safe = /^[\w@%+=:,./!-]{0,4096}$/.test(rest);
    const quote = safe ? "" : rest.includes("'") ? '"' : "'";
    line += word.slice(0, bare) + quote + rest + quote;
    places.push({
      from,
      to: line.length,
      at(place) {
        const inside = place - from;
        const shifted = inside > bare ? inside - quote.length : inside;
        return Math.min(Math.max(shifted, 0), word.length);
      },
    });
  }
  return { line, places };
}
