/** Secrets that are planted where they shall be found, and the ways in which terminals come to show them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { EVERY_RULE } from "../../src/model/redaction/custom.ts";
import { findSecrets } from "../../src/model/redaction/redact.ts";
import { exampleOf } from "../../src/model/redaction/rule.ts";
import { RULES } from "../../src/model/redaction/table.ts";

export interface Planted {
  text: string;
  secret: string;
}

/** Put together here: none stands whole in a file. */
export const PLANTED: readonly Planted[] = [
  ...RULES.flatMap(({ examples }) => examples.map(exampleOf)),
  ...["tuned", "unseen"].flatMap(fromCorpus),
].filter(isFound);

function fromCorpus(name: string): Planted[] {
  const file = join(import.meta.dir, `../corpus/${name}.tsv`);
  return readFileSync(file, "utf8")
    .replaceAll("¦", "")
    .split("\n")
    .flatMap((line) => {
      const [kind, text, ...secrets] = line.split("\t");
      if (kind !== "S") return [];
      return secrets.map((secret) => ({ text: text!, secret }));
    });
}

/** One row of text, of which a rule finds the secret when it is all there. */
function isFound({ text, secret }: Planted): boolean {
  const at = text.indexOf(secret);
  if (secret === "" || at < 0 || /\n|\\n/.test(text)) return false;
  const found = findSecrets(text, EVERY_RULE, () => 0)!;
  const end = found.withheld_from ?? text.length;
  const hidden = (i: number) =>
    i >= end || found.spans.some(({ from, to }) => i >= from && i < to);
  return Array.from(secret, (_, i) => at + i).every(hidden);
}

/** What is written at once, and how long after the one before. */
export interface Write {
  text: string;
  after_ms: number;
}

export const at = (after_ms: number, text: string): Write => ({
  text,
  after_ms,
});
const letters = (text: string) => [...text];
const END = at(0, "\r\n$ ");
const half = (text: string, where: number) =>
  [text.slice(0, where), text.slice(where)] as const;

/** Each makes writes of a line that holds a secret, for a terminal of 80 columns. */
export const WAYS: Record<string, (planted: Planted) => Write[]> = {
  "in one write": ({ text }) => [at(0, text), END],
  "letter by letter": ({ text }) => [
    ...letters(text).map((letter) => at(1, letter)),
    END,
  ],
  "typed slowly": ({ text }) => [
    ...letters(text).map((letter) => at(700, letter)),
    END,
  ],
  "typed very slowly": ({ text }) => [
    ...letters(text).map((letter) => at(2_500, letter)),
    END,
  ],
  "with a long pause in it": ({ text, secret }) => {
    const middle = text.indexOf(secret) + Math.floor(secret.length / 2);
    const [first, second] = half(text, middle);
    return [at(0, first), at(40_000, second), END];
  },
  "in colours": ({ text }) => [
    at(
      0,
      letters(text)
        .map((letter, i) => `\x1b[3${i % 8};1m${letter}`)
        .join(""),
    ),
    at(0, "\x1b[0m"),
    END,
  ],
  "in colours, typed slowly": ({ text }) => [
    ...letters(text).map((letter) => at(700, `\x1b[32m${letter}\x1b[0m`)),
    END,
  ],
  "with the cursor going to and fro": ({ text }) => [
    at(
      0,
      letters(text)
        .map((letter) => `${letter}\x1b[3C\x1b[3D`)
        .join(""),
    ),
    END,
  ],
  "each letter put in its column": ({ text }) => [
    at(
      0,
      letters(text)
        .map((letter, i) => `\x1b[${i + 1}G${letter}`)
        .join(""),
    ),
    END,
  ],
  "from its end to its beginning": ({ text }) => [
    at(
      0,
      letters(text)
        .map((letter, i) => `\x1b[${i + 1}G${letter}`)
        .reverse()
        .join(""),
    ),
    END,
  ],
  "mistyped, and rubbed out": ({ text }) => [
    ...letters(text).map((letter) => at(300, `#\b \b${letter}`)),
    END,
  ],
  "with its first half put in later": ({ text, secret }) => {
    const middle = text.indexOf(secret) + Math.floor(secret.length / 2);
    const [first, second] = half(text, middle);
    return [at(0, `${second}\r\x1b[${first.length}@${first}`), END];
  },
  "drawn over what was there": ({ text }) => [
    at(0, `${"x".repeat(text.length)}\r`),
    at(500, text),
    END,
  ],
  "in the other screen": ({ text }) => [
    at(0, `\x1b[?1049h\x1b[2J\x1b[5;1H${text}`),
    at(3_000, "\x1b[24;1Hstatus"),
    at(3_000, "\x1b[?1049l"),
    END,
  ],
  "typed in an editor, which tells the place": ({ text }) => [
    at(0, "\x1b[?1049h\x1b[2J\x1b[5;1H"),
    ...letters(text).map((letter, i) =>
      at(
        250,
        `${letter}\x1b[24;60H5,${i + 2}\x1b[${5 + Math.floor((i + 1) / 80)};${((i + 1) % 80) + 1}H`,
      ),
    ),
    at(0, "\x1b[?1049l"),
    END,
  ],
  "over the right margin": (planted) => [at(0, wrapped(planted, "")), END],
  "over the right margin, as readline does": (planted) => [
    at(0, wrapped(planted, " \r")),
    END,
  ],
  "over the right margin, as a multiplexer does": (planted) => [
    at(0, wrapped(planted, "\r\n")),
    END,
  ],
  "over the right margin, row by row": (planted) => {
    const [first, second] = wrapped(planted, "\r\n\0").split("\0");
    return [at(0, `\x1b[0m${first!}`), at(300, second ?? ""), END];
  },
  "over the right margin, by addresses": (planted) => [
    at(0, `\x1b[3;1H${wrapped(planted, "\x1b[4;1H")}`),
    at(300, "\x1b[9;1H"),
    END,
  ],
  "between letters of another alphabet": ({ text }) => [
    at(0, `│${text}│\r\n“${text}”\r\n中${text}文`),
    END,
  ],
  "as the terminal's title": ({ text }) => [
    at(0, `\x1b]0;${text}\x07\x1b]2;${text}\x1b\\`),
    END,
  ],
  "within much else": ({ text }) => [
    at(0, `${"some line of output\r\n".repeat(400)}${text}\r\n`),
    at(0, "and more of it\r\n".repeat(400)),
    END,
  ],
};

/** The secret stands across the 80th column. */
function wrapped({ text, secret }: Planted, by: string): string {
  const middle = text.indexOf(secret) + Math.ceil(secret.length / 2);
  const before = (80 - (middle % 80)) % 80;
  const row = `${" ".repeat(before)}${text}`;
  return row.match(/[^]{1,80}/g)!.join(by);
}
