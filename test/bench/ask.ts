/**
 * What questions over a year of work cost, beside plain lists of the same: the 50
 * newest sessions, and all of them in a pipe. Wall time of whole commands, in turns.
 * `bun test/bench/ask.ts 1000000 20 3`
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { quantile, ratios, spread } from "./figures.ts";
import { EVERYWHERE, ONCE, generate } from "./generate.ts";

const [sessions = 100_000, commands = 20, rounds = 5] = process.argv
  .slice(2)
  .map(Number);
const BINARY = join(import.meta.dir, "../../dist/session-buddy");
const MONTH = ["--range", "2025-12-01..2025-12-31"];

const QUESTIONS: Record<string, string[]> = {
  newest: ["list-sessions", "-n", "50"],
  at: ["list-sessions", "--at", "2025-10-15 14:05"],
  list: ["list-sessions"],
  once: ["search", ONCE],
  everywhere: ["search", EVERYWHERE, "-n", "50"],
  report: ["analytics", "report", ...MONTH],
};

const home = mkdtempSync(join(tmpdir(), "session-buddy-bench-"));
try {
  const data = join(home, ".local/share/session-buddy");
  mkdirSync(data, { recursive: true, mode: 0o700 });
  process.umask(0o077);
  await generate(join(data, "sessions.duckdb"), { sessions, commands });
  const env = { HOME: home, PATH: "/usr/bin:/bin", LANG: "C.UTF-8" };
  const took: Record<string, number[]> = {};
  // The first of each fills caches.
  for (let round = 0; round <= rounds; round++)
    for (const [name, args] of Object.entries(QUESTIONS)) {
      const begun = performance.now();
      const child = Bun.spawnSync([BINARY, ...args], { env });
      if (child.exitCode !== 0) throw new Error(child.stderr.toString());
      if (name === "once" && child.stdout.toString().split("\n").length !== 2)
        throw new Error("it is not there once");
      if (round > 0) (took[name] ??= []).push(performance.now() - begun);
    }
  console.log(
    `${sessions} sessions with ${commands} commands each; load ${loadavg()[0]!.toFixed(1)}`,
  );
  for (const [name, ms] of Object.entries(took))
    console.log(
      `${name.padEnd(10)}  ${quantile(ms, 0.5).toFixed(0).padStart(6)} ms  × newest ${spread(ratios(ms, took["newest"]!))}  × list ${spread(ratios(ms, took["list"]!), 3)}`,
    );
} finally {
  rmSync(home, { recursive: true, force: true });
}
