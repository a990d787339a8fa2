/**
 * What at the end of a text may become a secret once more of it is there: the rules find
 * many a secret by what comes after its beginning, or after all of it.
 */
import type { Rule } from "./rule.ts";
import { ARGUMENTS } from "./arguments.ts";
import { TOKENS } from "./tokens.ts";

/** So much of the end is looked at. */
const REACH = 4 * 1024;

/** A rule's pattern, of which the first letters are enough. */
function begun({ pattern, any_case }: Rule): RegExp {
  const least = (_: string, from: string, to: string | undefined) =>
    `{${Math.min(1, Number(from))},${to ?? from}}`;
  const short = pattern
    .replace(/\{(\d+)(?:,(\d+))?\}/g, least)
    // What has to follow is not there yet.
    .replace(/\(\?=[^()]*\)$/, "");
  return new RegExp(`(?:${short})$`, any_case ? "di" : "d");
}

const NEEDS_MORE = /\{(?:[2-9]|\d\d+)(?:,\d+)?\}/;

const BEGUN: readonly RegExp[] = [
  ...[...TOKENS, ...ARGUMENTS]
    .filter(
      ({ name, pattern }) => name !== "private-key" && NEEDS_MORE.test(pattern),
    )
    .map(begun),
  // The @ that makes it a password is to come.
  /\b[a-z][a-z0-9+.-]{0,30}:\/\/[^ \t/:@'"$?#]{0,255}:(?<s>[^ \t/'"]{1,512})$/di,
  /\bhttps?:\/\/(?<s>[A-Za-z0-9_-]{8,255})$/di,
  // A quote that is still open, of what is called by a secret's name.
  /(?:pass\w{0,8}|pwd|secret|token|key|cred\w{0,9}|connection[-_]?string|_pw|_auth|pin)[\w.-]{0,40}\\?["']?\]?[ \t]{0,8}(?::|=>?)[ \t]{0,8}(?:str\()?[rbuf]?(?<s>\\?"(?:[^"\n\\]|\\[^\n]){0,4096}|'[^'\n]{0,4096})$/di,
  /\b(?:identified|password)[ \t][^'"\n]{0,64}(?<s>'[^'\n]{0,4096}|\\?"[^"\n]{0,4096})$/di,
  /\bset[ \t]{1,8}password\b[^"\n=]{0,200}=[ \t]{0,8}(?:password\()?[ \t]{0,8}(?<s>'[^'\n]{0,4096})$/di,
  /\bauth[ ]{0,8}=[ ]{0,8}\([^)\n]{0,255},[ ]{0,8}(?<s>["'][^"'\n]{0,4096})$/di,
  /\bsend[ ]{1,8}(?:--?[ ]{0,8})?(?<s>"[^"\n]{1,1024})$/d,
  /\b(?:impacket-|\w{1,20}exec\.py\b)[^\n]{0,200}\/[\w.-]{1,64}:(?<s>[^ @\n]{1,255})$/di,
  // The first part says how it is signed.
  /\b(?<s>eyJ[\w-]{1,16384}\.?)$/d,
  // Who gets it is said behind it.
  /\b(?:echo|printf)[ ]{1,8}(?<s>[^|;&\n]{1,1024})(?:\|[^\n]{0,512})?$/d,
  // Nothing but randomness.
  /(?<![\w+/=.-])(?<s>(?=[\w+/-]{0,40}[a-z])(?=[\w+/-]{0,40}[A-Z])(?=[\w+/-]{0,40}\d)[\w+/-]{8,512}={0,2})$/d,
];

/** @returns where it begins and ends; null: there is nothing like that */
export function unfinishedSecret(
  text: string,
): { from: number; to: number } | null {
  const skipped = Math.max(0, text.length - REACH);
  const end = text.slice(skipped);
  let [from, to] = [Infinity, 0];
  for (const regexp of BEGUN) {
    const groups = regexp.exec(end)?.indices?.groups;
    const place = groups?.["s"] ?? groups?.["t"];
    if (!place) continue;
    from = Math.min(from, place[0] + skipped);
    to = Math.max(to, place[1] + skipped);
  }
  return from < to ? { from, to } : null;
}
