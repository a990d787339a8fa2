/**
 * What wrapping costs, as ratios in one interleaved run: `true` wrapped, beside
 * `script -qc true` and beside an empty program compiled by the same Bun.
 * Run it with `bun run bench`; `bun test/bench/wrap.ts 200` makes 200 rounds.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ratios, spread } from "./figures.ts";
import { buildEmpty } from "./floor.ts";

const rounds = Number(process.argv[2] ?? 60);
const folder = mkdtempSync(join(tmpdir(), "session-buddy-bench-"));
const binary = join(import.meta.dir, "../../dist/session-buddy");
const empty = await buildEmpty(folder);

const env = {
  ...process.env,
  HOME: folder,
  XDG_DATA_HOME: undefined,
  XDG_CACHE_HOME: undefined,
  SESSION_BUDDY_DATA_DIR: undefined,
};

const commands = {
  "wrapped true": [binary, "shell", "--", "true"],
  "script -qc true": ["script", "-qc", "true", "/dev/null"],
  "empty program": [empty],
  true: ["true"],
};
type Name = keyof typeof commands;

const runs = measure();
report(runs);
rmSync(folder, { recursive: true });

/** Milliseconds of each run; the commands take turns. */
function measure(): Record<Name, number[]> {
  const names = Object.keys(commands) as Name[];
  const times = Object.fromEntries(
    names.map((name) => [name, [] as number[]]),
  ) as Record<Name, number[]>;
  for (let round = -3; round < rounds; round++)
    // Each goes first in turn: what ran before warms or cools the machine.
    for (let i = 0; i < names.length; i++) {
      const name = names[(i + round + 3) % names.length]!;
      const start = Bun.nanoseconds();
      const { exitCode } = Bun.spawnSync(commands[name], {
        env,
        stdio: ["ignore", "ignore", "ignore"],
      });
      const ms = (Bun.nanoseconds() - start) / 1e6;
      if (exitCode !== 0) throw new Error(`${name} ended with ${exitCode}`);
      if (round >= 0) times[name].push(ms);
    }
  return times;
}

function report(times: Record<Name, number[]>): void {
  console.log(
    `${rounds} rounds, milliseconds: median (10th to 90th percentile)`,
  );
  for (const [name, all] of Object.entries(times))
    console.log(`  ${name.padEnd(16)} ${spread(all)}`);
  ratio("script -qc true", 0.5);
  ratio("empty program", 2.2);

  function ratio(peer: Name, budget: number): void {
    const pairs = ratios(times["wrapped true"], times[peer]);
    console.log(`wrapped true ÷ ${peer}: ${spread(pairs)}, budget ${budget}`);
  }
}
