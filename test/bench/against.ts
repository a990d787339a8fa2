/**
 * The tail of single calls beside that of another build: both servers in one
 * run, a round of each in turn, each round long enough to cross what a server
 * does only now and then.
 */
import { statSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { quantile, ratios, spread } from "./figures.ts";
import type { Load } from "./load.ts";
import {
  type Serving,
  binary,
  homeOf,
  measured,
  probed,
  run,
  say,
  serve,
  stop,
} from "./serving.ts";

/** Sessions that are ahead of their rows before any are written. */
const DIRTY_SESSIONS = 4_096;
const LOOK_MS = 5;

interface Round extends Load {
  cpu_us: number;
  health_p99_ms: number;
  health_max_ms: number;
  checkpoints: number;
}

/**
 * @param other the executable of the other build
 * @param figures rounds, and calls a round
 */
export async function against(
  other: string,
  [rounds = 5, calls = 11 * DIRTY_SESSIONS]: number[],
): Promise<void> {
  console.log(`load average ${loadavg()[0]!.toFixed(1)}`);
  const ours = await Build.start("ours", binary);
  const theirs = await Build.start("theirs", other);
  try {
    for (const build of [ours, theirs]) await build.warmUp();
    for (let round = 0; round < rounds; round++)
      for (const build of round % 2 ? [ours, theirs] : [theirs, ours])
        await build.round(calls);
  } finally {
    await ours.stop();
    await theirs.stop();
  }
  tell(ours.rounds, theirs.rounds);
  console.log(`load average ${loadavg()[0]!.toFixed(1)}`);
}

class Build {
  readonly rounds: Round[] = [];

  private constructor(
    private readonly home: string,
    private readonly server: Serving,
  ) {}

  static async start(name: string, program: string): Promise<Build> {
    const home = homeOf(name);
    // Unpacks the library, which happens once.
    run(home, ["list-sessions"], program);
    return new Build(home, await serve(home, program));
  }

  async warmUp(): Promise<void> {
    await measured(this.server, { events: 0, calls: DIRTY_SESSIONS });
  }

  async round(calls: number): Promise<void> {
    const work = measured(this.server, { events: 0, calls });
    const log = watchLog(this.home);
    const health = await probed(this.server, work);
    this.rounds.push({
      ...(await work),
      health_p99_ms: quantile(health, 0.99),
      health_max_ms: quantile(health, 1),
      checkpoints: log.end(),
    });
  }

  stop(): Promise<void> {
    return stop(this.server);
  }
}

/** Counts checkpoints: each leaves the write-ahead log shorter. */
function watchLog(home: string): { end(): number } {
  const path = join(home, ".local/share/session-buddy/sessions.duckdb.wal");
  const size = () => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  let last = size();
  let shrunk = 0;
  const timer = setInterval(() => {
    const now = size();
    if (now < last) shrunk++;
    last = now;
  }, LOOK_MS);
  return {
    end() {
      clearInterval(timer);
      return shrunk;
    },
  };
}

function tell(ours: readonly Round[], theirs: readonly Round[]): void {
  const calls = ours.map((round) => round.calls);
  console.log(
    `single calls, ours ÷ theirs, ${ours.length} × ${spread(calls, 0)} calls:`,
  );
  const times = (rounds: readonly Round[]) =>
    spread(
      rounds.map((round) => round.calls / DIRTY_SESSIONS),
      1,
    );
  say("  times 4,096 sessions", `${times(ours)} | ${times(theirs)}`);
  const figures = {
    checkpoints: "",
    calls_per_second: "",
    cpu_us: "",
    p50_ms: "",
    p99_ms: "÷ ≤ 0.33",
    max_ms: "÷ ≤ 0.5, < 100 on a quiet machine",
    health_p99_ms: "",
    health_max_ms: "",
  };
  for (const [key, budget] of Object.entries(figures)) {
    const of = (rounds: readonly Round[]) =>
      rounds.map((round) => round[key as keyof Round]);
    const [mine, its] = [of(ours), of(theirs)];
    say(`  ${key}`, `${spread(mine, 1)} | ${spread(its, 1)}`);
    if (key !== "checkpoints") say("    ÷", spread(ratios(mine, its)), budget);
  }
}
