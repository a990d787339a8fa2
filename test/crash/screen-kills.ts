/**
 * Recorded terminals of which somebody is killed with -9 at a random moment while much is
 * shown: the wrapper, the process that records, or all. What was shown a moment before
 * plays; nothing before it is missing, nothing is damaged.
 *
 * `bun test/crash/screen-kills.ts --rounds 200 --seed 1` tells how much the kills cost.
 */
import { parseArgs } from "node:util";
import { quantile } from "../bench/figures.ts";
import { Pty } from "../support/pty.ts";
import { Random } from "../support/random.ts";
import { RECORD, begun, recorded } from "../support/recorded-screen.ts";
import { Sandbox } from "../support/sandbox.ts";
import { recorderOf, processState, until } from "../support/wait.ts";

export const VICTIMS = ["wrapper", "recorder", "all"] as const;
export type Victim = (typeof VICTIMS)[number];

/** Says when each line is written; ends when it is told to. */
const WRITER = `
import sys, time, select
n = 0
while not select.select([sys.stdin], [], [], 0.001)[0]:
    sys.stdout.write(f"{time.time() * 1000:.1f} {n} {'.' * (n % 97)}\\n")
    sys.stdout.flush()
    n += 1
print("told to end")
sys.exit(5)
`;

export interface Round {
  victim: Victim;
  /** What is wrong, in words. */
  wrong: string[];
  /** From the last line that plays to the kill. */
  lost_ms: number;
  /** From the last line that was seen at the terminal to the kill: what the machine was late by. */
  late_ms: number;
}

export async function killRound(
  victim: Victim,
  after_ms: number,
): Promise<Round> {
  using sandbox = new Sandbox();
  const command = [...RECORD, "python3", "-c", WRITER];
  await using pty = new Pty(sandbox, command);
  await pty.expect(/ 20 /);
  const recorder = await until("its recorder", () => recorderOf(pty.pid));
  // It is there, and has begun.
  await until("its recording", () => linesIn(sandbox).length > 0);
  await Bun.sleep(after_ms);
  const seen = linesOf(pty.raw()).at(-1)!;
  const killed_ms = Date.now();
  if (victim !== "recorder") process.kill(pty.pid, "SIGKILL");
  if (victim !== "wrapper") process.kill(recorder, "SIGKILL");
  const wrong: string[] = [];
  if (victim === "recorder") {
    await pty.expect(new RegExp(` ${seen.n + 50} `));
    pty.line("");
    await pty.expect("told to end");
    const { code } = await pty.ended();
    if (code !== 5) wrong.push(`the shell ended with ${code}`);
    const { recording } = (await sandbox.only()).metadata as {
      recording?: { trouble?: string };
    };
    if (!recording?.trouble?.includes("was ended"))
      wrong.push(`the end says ${JSON.stringify(recording)}`);
  }
  await until("the end of its recorder", () => processState(recorder) === null);
  const lines = linesIn(sandbox);
  for (const [i, { n }] of lines.entries())
    if (n !== i) {
      wrong.push(`line ${i} is missing: ${n} is there`);
      break;
    }
  const last_ms = lines.at(-1)?.ms ?? 0;
  return {
    ...{ victim, wrong, lost_ms: killed_ms - last_ms },
    late_ms: killed_ms - seen.ms,
  };
}

interface Line {
  ms: number;
  n: number;
}

const linesOf = (text: string): Line[] =>
  [...text.matchAll(/^(\d{13}\.\d) (\d+) (\.*)\r$/gm)]
    .map(([, ms, n, dots]) => ({ ms: Number(ms), n: Number(n), dots }))
    .filter(({ n, dots }) => dots!.length === n % 97);

function linesIn(sandbox: Sandbox): Line[] {
  // Its folder, or what it begins with, is still to be made.
  if (!begun(sandbox)) return [];
  return linesOf(recorded(sandbox).shown.toString());
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "200" },
      seed: { type: "string" },
    },
  });
  const seed = Number(
    values.seed ?? crypto.getRandomValues(new Uint32Array(1))[0],
  );
  const random = new Random(seed);
  console.log(`screen-kills: seed ${seed}, ${values.rounds} rounds`);
  const rounds: Round[] = [];
  for (let i = 0; i < Number(values.rounds); i++) {
    const round = await killRound(random.pick(VICTIMS), random.int(0, 1_500));
    rounds.push(round);
    for (const wrong of round.wrong)
      console.log(`round ${i} (${round.victim}): ${wrong}`);
  }
  for (const victim of VICTIMS) {
    const of = rounds.filter((round) => round.victim === victim);
    const lost = of.map(({ lost_ms }) => lost_ms);
    const at = (share: number) => Math.round(quantile(lost, share));
    const over = of.filter(({ lost_ms, late_ms }) => lost_ms > 200 + late_ms);
    console.log(
      `${victim}: ${of.length} kills, lost ms: median ${at(0.5)}, 90% ${at(0.9)}, most ${at(1)}; over 200 ms and what the machine was late by: ${over.length}`,
    );
  }
  const failed = rounds.filter(({ wrong }) => wrong.length > 0).length;
  console.log(`${rounds.length} rounds, ${failed} failed`);
  process.exit(failed > 0 ? 1 : 0);
}
