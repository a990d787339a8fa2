/**
 * What a test cannot ask of a real disk and a real clock: calls that fail as
 * chance picks them (fault.c), and a wall clock that is wrong (clock.c). Both
 * are compiled once a run; a machine without a compiler does without, and says
 * so.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Random } from "../support/random.ts";
import { tryReadText } from "../../src/os/file.ts";
import { needs } from "../support/tools.ts";

const KINDS = ["enospc", "eio", "efbig", "short", "sync"] as const;
const HOUR_MS = 3_600_000;

/** A disk's faults: which kinds, from which call on, and how many of a thousand. */
export interface Faults {
  after: number;
  kinds: readonly string[];
  permille: number;
  burst: number;
}

export function randomFaults(random: Random): Faults {
  const kinds = KINDS.filter(() => random.chance(0.5));
  return {
    kinds: kinds.length > 0 ? kinds : [random.pick(KINDS)],
    after: random.pick([0, 0, 30, 50, 60, 70, 120]),
    permille: random.pick([10, 50, 200, 600]),
    burst: random.pick([0, 3, 40]),
  };
}

export class Injector {
  private constructor(private readonly folder: string) {}

  /** null without a compiler. */
  static build(): Injector | null {
    if (!needs("gcc")) return null;
    const folder = mkdtempSync(join(tmpdir(), "sb-inject-"));
    process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
    compile("fault.c", join(folder, "fault"));
    compile("clock.c", join(folder, "clock.so"), "-shared", "-fPIC");
    return new Injector(folder);
  }

  /**
   * What goes before a program's argv, so that its calls below a folder fail.
   * @param log gets a line for each fault: its name, a blank, and more
   */
  disk(
    random: Random,
    { kinds, after, permille, burst }: Faults,
    below: string,
    log: string,
  ): string[] {
    const numbers = [random.int(1, 2 ** 31), after, permille, burst].map(
      String,
    );
    return [join(this.folder, "fault"), ...numbers, `${kinds}`, below, log];
  }

  /** Environment of a program whose clock is ahead. */
  clockAhead(ms: number): Record<string, string> {
    return {
      LD_PRELOAD: join(this.folder, "clock.so"),
      CLOCK_SHIFT_MS: `${ms}`,
    };
  }

  /** Environment of a program whose clock is wrong, or goes wrong as it runs. */
  clock(random: Random): Record<string, string> {
    const ms = () =>
      random.pick([-1, 1]) *
      Math.ceil(random.pick([1, 60, 1_000]) * HOUR_MS * random.next() * 0.03);
    const at = random.int(1, 400);
    return {
      LD_PRELOAD: join(this.folder, "clock.so"),
      ...(random.chance(0.5)
        ? { CLOCK_SHIFT_MS: `${ms()}` }
        : { CLOCK_JUMP_MS: `${ms()}`, CLOCK_JUMP_AFTER_MS: `${at}` }),
    };
  }
}

/** How many faults a log tells of, by name. */
export function faultsIn(log: string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const line of (tryReadText(log) ?? "").split("\n").filter(Boolean)) {
    const name = line.split(" ", 1)[0]!;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

function compile(source: string, out: string, ...flags: string[]): void {
  const argv = ["gcc", "-O2", "-Wall", "-Werror", ...flags, "-o", out];
  const { exitCode, stderr } = Bun.spawnSync([
    ...argv,
    join(import.meta.dir, source),
  ]);
  if (exitCode !== 0) throw new Error(`gcc ${source}: ${stderr.toString()}`);
}
