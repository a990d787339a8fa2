/**
 * Takes secrets out of a text before it is written anywhere. What a rule finds
 * is replaced by its name; where a program that takes passwords is called in a
 * way that no rule reads, its arguments are withheld; what cannot be judged in
 * time is withheld whole.
 */
import { workedMs } from "../worked.ts";
import { type Choice, EVERY_RULE, type Span, matchesOf } from "./custom.ts";
import { isNear } from "./near.ts";
import type { Rule } from "./rule.ts";
import { RULES } from "./table.ts";
import { withheldFrom } from "./tools.ts";

export interface Redacted {
  text: string;
  /** The names of the rules that hit, each once; empty: nothing was found. */
  rules: string[];
  /** Whether arguments, or all of the text, were withheld. */
  withheld: boolean;
}

/** Within so much work a text is judged, or withheld. */
export const DEADLINE_MS = 200;

/** @param now milliseconds, for the deadline */
export function redact(
  text: string,
  choice: Choice = EVERY_RULE,
  now?: () => number,
): Redacted {
  const found = findSecrets(text, choice, now);
  if (found === null) return { text: "", rules: [], withheld: true };
  const { spans, withheld_from } = found;
  if (spans.length === 0 && withheld_from === null)
    return { text, rules: [], withheld: false };
  const kept = withheld_from === null ? text : text.slice(0, withheld_from);
  const { text: out, rules } = replace(kept, spans);
  const withheld = withheld_from !== null;
  return { text: withheld ? `${out} [withheld]` : out, rules, withheld };
}

/** @param spans in the order of their places */
export function replace(
  text: string,
  spans: readonly Span[],
): { text: string; rules: string[] } {
  const out: string[] = [];
  const rules = new Set<string>();
  let end = 0;
  for (const { from, to, rule } of spans) {
    if (to <= end || from >= text.length) continue;
    if (from >= end) {
      out.push(text.slice(end, from), `[redacted:${rule}]`);
      rules.add(rule);
    }
    end = to;
  }
  out.push(text.slice(end));
  return { text: out.join(""), rules: [...rules] };
}

export interface Found {
  /** In the order of their places; they may overlap. */
  spans: Span[];
  /** From here on all is withheld. */
  withheld_from: number | null;
}

/** @returns null when the deadline has passed */
export function findSecrets(
  text: string,
  choice: Choice,
  now: () => number = workedMs,
): Found | null {
  const lower = text.toLowerCase();
  const search = new Search(text, now() + DEADLINE_MS, now);
  for (const rule of RULES) {
    if (choice.off.includes(rule.name)) continue;
    if (!rule.near.some((glob) => isNear(lower, glob))) continue;
    if (!search.try(rule)) return null;
  }
  for (const pattern of choice.patterns) {
    if (!lower.includes(pattern.word)) continue;
    const late = () => search.late();
    const spans = matchesOf(pattern, text, late);
    if (spans === null) return null;
    search.spans.push(...spans);
  }
  const withheld_from = withheldFrom(text, lower, search.seen, () =>
    search.late(),
  );
  if (search.late()) return null;
  search.spans.sort((a, b) => a.from - b.from || b.to - a.to);
  return { spans: search.spans, withheld_from };
}

class Search {
  readonly spans: Span[] = [];
  /** Where a rule looked, whether or not it took what it saw for a secret. */
  readonly seen: [from: number, to: number][] = [];

  constructor(
    private readonly text: string,
    private readonly until_ms: number,
    private readonly now: () => number,
  ) {}

  late(): boolean {
    return this.now() > this.until_ms;
  }

  /** @returns false when the deadline has passed */
  try(rule: Rule): boolean {
    const regexp = regexpOf(rule.pattern, rule.any_case);
    regexp.lastIndex = 0;
    for (let match; (match = regexp.exec(this.text));) {
      const [from, to] = placeOf(match);
      // The next one may stand before this match's end, after its secret.
      if (to < regexp.lastIndex)
        regexp.lastIndex = Math.max(to, match.index + 1);
      if (rule.each) this.list(rule.name, rule.each, from, to);
      else this.take(rule.name, from, to);
      if (this.late()) return false;
    }
    return !this.late();
  }

  private list(rule: string, each: string, start: number, end: number): void {
    const list = this.text.slice(start, end);
    const regexp = regexpOf(each);
    regexp.lastIndex = 0;
    for (let match; (match = regexp.exec(list)) && !this.late();) {
      const [from, to] = placeOf(match);
      this.take(rule, start + from, start + to);
      regexp.lastIndex = Math.max(to, match.index + 1);
    }
  }

  private take(rule: string, from: number, to: number): void {
    this.seen.push([from, to]);
    const value = this.text.slice(from, Math.min(to, from + 1_024));
    if (value.trim() === "" || value.startsWith("[redacted")) return;
    if (to - from <= 1_024 && NO_SECRET.test(value)) return;
    if (rule === "opaque" && !isRandom(value)) return;
    this.spans.push({ from, to, rule });
  }
}

const compiled = new Map<string, RegExp>();

function regexpOf(source: string, any_case?: true): RegExp {
  const flags = any_case ? "dgi" : "dg";
  const key = flags + source;
  let regexp = compiled.get(key);
  if (!regexp) compiled.set(key, (regexp = new RegExp(source, flags)));
  return regexp;
}

function placeOf(match: RegExpExecArray): [number, number] {
  const { groups } = match.indices!;
  return groups!["s"] ?? groups!["t"] ?? match.indices![0]!;
}

/**
 * Values that are no secret themselves: variables (not what stands for an unset one),
 * also as they stand in a template, substitutions, files, placeholders.
 */
const NO_SECRET =
  /^(?:""|''|["']?(?:\$|\$\{?[A-Za-z_]\w{0,255}(?:\}|:(?![-=][^}$"']).{0,1024}|[#%/^,].{0,1024})?|\\\$\{[A-Za-z_]\w{0,255}(?:\}|:\?.{0,1024})|\$\(.{0,1024}|`.{0,1024}|\{\{.{0,1024}|%[A-Z_]{1,255}%|<[^>]{0,255}>?|\*{1,64}|x{3,64}|\.{3}|-|@[\w./~-]{1,255}|file:[^ ]{0,255}|env:[^ ]{0,255}|true|false|yes|no|on|off|none|null|nil|undefined|prompt|stdin|ask|required|\d{1,2})["']?)$/i;

/** The shortest entropy, in bits a character, of what nobody wrote by hand. */
const RANDOM_BITS = 4;

function isRandom(value: string): boolean {
  const mixed = /[a-z]/.test(value) && /[A-Z]/.test(value);
  if (!mixed || (value.match(/\d/g)?.length ?? 0) <= 2) return false;
  // A public key, and the checksum of a package.
  if (/^(?:AAAA[BCE]|sha\d{1,3}-)/.test(value)) return false;
  // A path, a number, words joined by dashes.
  if ((value.match(/\//g)?.length ?? 0) > 3) return false;
  if (/^[0-9a-fA-F-]{1,512}$/.test(value)) return false;
  if ((value.match(/[-_][A-Za-z]{1,64}(?=[-_]|$)/g)?.length ?? 0) > 2)
    return false;
  return entropy(value) >= RANDOM_BITS;
}

function entropy(text: string): number {
  const counts = new Map<string, number>();
  for (const letter of text) counts.set(letter, (counts.get(letter) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values())
    bits -= (count / text.length) * Math.log2(count / text.length);
  return bits;
}
