/**
 * Goes on for as many rounds as asked: `bun run crash --rounds N --seed S`.
 * `--postgres` plays them over PostgreSQL, with several hosts. `--from R` begins at
 * that round, `--go-on` does not stop at the first that fails. A round that fails is
 * told whole and its place is kept. TERM ends it after the round that is played.
 */
import { parseArgs } from "node:util";
import { ready } from "./means.ts";
import { playRound } from "./round.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "100" },
    seed: { type: "string" },
    from: { type: "string", default: "0" },
    postgres: { type: "boolean", default: false },
    "go-on": { type: "boolean", default: false },
  },
});
const seed = Number(
  values.seed ?? crypto.getRandomValues(new Uint32Array(1))[0],
);
const rounds = Number(values.rounds);
const from = Number(values.from);
console.log(`crash: seed ${seed}, ${rounds} rounds from ${from}`);

const means = await ready();
const play = values.postgres
  ? (await import("./postgres/round.ts")).playRound
  : playRound;
const total: Record<string, number> = {};
let played = 0;
let failed = 0;
let enough = false;
// The round that is played is ended, and all are counted.
process.on("SIGTERM", () => (enough = true));
const began = performance.now();
for (let number = from; number < from + rounds && !enough; number++) {
  const { counts, violations, story, place } = await play(seed, number, means);
  played++;
  for (const [what, n] of Object.entries(counts))
    total[what] = (total[what] ?? 0) + n;
  if (violations.length > 0) {
    failed++;
    console.log(
      `\nround ${number} of seed ${seed} failed (${values.postgres ? "--postgres " : ""}--seed ${seed} --from ${number} --rounds 1), kept in ${place}`,
    );
    for (const violation of violations) console.log(`  ${violation}`);
    console.log(`  story:\n    ${story.join("\n    ")}`);
    if (!values["go-on"]) break;
  } else if (played % (values.postgres ? 5 : 25) === 0)
    console.log(`${played} rounds`);
}
const seconds = Math.round((performance.now() - began) / 1_000);
console.log(
  `crash: seed ${seed}: ${played} rounds in ${seconds} s, ${failed} failed`,
);
for (const what of Object.keys(total).sort())
  console.log(`  ${what}: ${total[what]}`);
process.exit(failed > 0 ? 1 : 0);
