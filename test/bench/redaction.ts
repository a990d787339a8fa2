/**
 * How long redaction takes at worst: each rule over 64 KiB of what it looks for,
 * repeated, the fastest of three runs; and of one text through them all.
 */
import { redact } from "../../src/model/redaction/redact.ts";
import { exampleOf } from "../../src/model/redaction/rule.ts";
import { isSuspect } from "../../src/model/redaction/suspect.ts";
import { RULES } from "../../src/model/redaction/table.ts";
import { TOOLS } from "../../src/model/redaction/tools.ts";
import { corpus } from "../support/corpus.ts";

const BYTES = 64 * 1024;
const BOUND_MS = 50;

const filled = (piece: string) =>
  piece.repeat(Math.ceil(BYTES / piece.length)).slice(0, BYTES);

function fastest(run: () => void): number {
  let best = Infinity;
  for (let i = 0; i < 3; i++) {
    const began = performance.now();
    run();
    best = Math.min(best, performance.now() - began);
  }
  return best;
}

/** What stands before a secret, whole and in part, the example, and what stands near. */
function piecesOf(examples: readonly string[], near: readonly string[]) {
  const pieces = examples.flatMap((example) => {
    const { text, secret } = exampleOf(example);
    const before = secret ? text.slice(0, text.indexOf(secret)) : text;
    const program = `${text.split(" ")[0]} `;
    return [
      before,
      `${before.trim()} `,
      before.slice(0, -1),
      text,
      `${text} `,
    ].concat(program, `${program}-`, secret);
  });
  const globs = near.flatMap((glob) =>
    ["", " x "].map((star) =>
      glob.replaceAll(/\[(.)[^\]]*\]/g, "$1").replaceAll("*", star),
    ),
  );
  return [...new Set([...pieces, ...globs])].filter(Boolean);
}

const worst: [ms: number, what: string][] = [];
for (const { name, pattern, any_case, examples, near } of RULES) {
  const regexp = new RegExp(pattern, any_case ? "gi" : "g");
  for (const piece of piecesOf(examples, near)) {
    const text = filled(piece);
    const ms = fastest(() => void [...text.matchAll(regexp)]);
    worst.push([ms, `${name}: ${JSON.stringify(piece.slice(0, 50))}`]);
  }
}
for (const { pattern, examples, near } of TOOLS) {
  const regexp = new RegExp(pattern, "g");
  for (const piece of piecesOf(examples, near)) {
    const text = filled(piece);
    worst.push([
      fastest(() => void regexp.exec(text)),
      `withheld: ${JSON.stringify(piece.slice(0, 50))}`,
    ]);
  }
}
worst.sort(([a], [b]) => b - a);
console.log(`slowest rules over 64 KiB (at most ${BOUND_MS} ms):`);
for (const [ms, what] of worst.slice(0, 8))
  console.log(`  ${ms.toFixed(1).padStart(6)} ms  ${what}`);

const texts = [...corpus("tuned"), ...corpus("unseen")].map(({ text }) => text);
const each_us = (run: (text: string) => unknown) =>
  (fastest(() => texts.forEach(run)) / texts.length) * 1_000;
console.log(
  `a text of the corpus: ${each_us((text) => isSuspect(text)).toFixed(1)} µs to look at, ${each_us((text) => redact(text)).toFixed(1)} µs to redact`,
);
if (worst[0]![0] > BOUND_MS) process.exit(1);
