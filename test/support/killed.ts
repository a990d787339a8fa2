/** Kills the executable with -9 at one of its steps, by strace. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { BINARY, type Finished, type Sandbox } from "./sandbox.ts";

/** Runs it until one of its threads is about to make its nth step, and kills it there. */
export async function killedAt(
  sandbox: Sandbox,
  step: string,
  n: number,
  words: string[],
): Promise<Finished & { killed: boolean }> {
  const trace = join(sandbox.home, "trace");
  const done = await sandbox.command(
    [
      ...["strace", "-f", "-o", trace, "-e", `trace=${step}`],
      ...["-e", `inject=${step}:signal=KILL:when=${n}`, BINARY, ...words],
    ],
    // Each of its system calls costs two switches more.
    { timeout_ms: 600_000 },
  );
  const killed = readFileSync(trace, "latin1").includes("killed by SIGKILL");
  return { ...done, killed };
}
