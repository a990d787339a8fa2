/**
 * What recording a terminal costs, beside script(1) and beside no recording, in one
 * interleaved run: 30 MB of coloured output, and how long a key takes to be shown.
 * `bun test/bench/record.ts 10` makes 10 rounds.
 */
import {
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { recorderOf } from "../support/wait.ts";
import { quantile, ratios, spread } from "./figures.ts";

const rounds = Number(process.argv[2] ?? 7);
const KEYS = 150;
const BYTES = 30e6;
const folder = mkdtempSync(join(tmpdir(), "session-buddy-bench-"));
const binary = join(import.meta.dir, "../../dist/session-buddy");
const file = join(folder, "output");
const log = join(folder, "script.log");
const data = join(folder, ".local/share/session-buddy");

const env = {
  ...{
    HOME: folder,
    PATH: process.env["PATH"],
    TERM: "xterm",
    SHELL: "/bin/sh",
  },
  LANG: "C.UTF-8",
};

const wrapped = [binary, "shell", "--quiet"];
const ways = {
  recorded: [...wrapped, "--record", "--"],
  script: null,
  wrapped: [...wrapped, "--"],
  plain: [],
};
type Way = keyof typeof ways;
const WAYS = Object.keys(ways) as Way[];

const commandOf = (way: Way, words: string[]): string[] =>
  way === "script"
    ? ["script", "-qc", words.join(" "), log]
    : [...ways[way]!, ...words];

/** What `ls`, builds and logs look like: no two rows alike, a colour or two in each. */
function writeOutput(): void {
  const rows: string[] = [];
  let bytes = 0;
  for (let i = 0; bytes < BYTES; i++) {
    const row = `\x1b[3${i % 8}m[${i}]\x1b[0m \x1b[1;32mok\x1b[0m -rw-r--r-- 1 alice staff ${(i * 7919) % 100_003} Nov 28 14:05 \x1b[01;34msrc/module-${i % 997}\x1b[0m took ${(i * 31) % 1_000} ms\n`;
    rows.push(row);
    bytes += row.length;
  }
  writeFileSync(file, rows.join(""));
}

interface Run {
  ms: number;
  /** Of it and of all that it waited for. */
  cpu_ms: number;
  recorder_ms: number;
}

async function show(way: Way): Promise<Run> {
  const began = Bun.nanoseconds();
  let bytes = 0;
  const child = Bun.spawn(commandOf(way, ["cat", file]), {
    env,
    cwd: folder,
    terminal: {
      cols: 120,
      rows: 40,
      data: (_, chunk) => void (bytes += chunk.length),
    },
  });
  let recorder_ms = 0;
  const recorder =
    way === "recorded" && watch(child.pid, (ms) => (recorder_ms = ms));
  await child.exited;
  const ms = (Bun.nanoseconds() - began) / 1e6;
  if (recorder) clearInterval(recorder);
  const used = child.resourceUsage()!.cpuTime;
  child.terminal?.close();
  if (child.exitCode !== 0 || bytes < BYTES / 2)
    throw new Error(`${way} ended with ${child.exitCode} after ${bytes} bytes`);
  return { ms, cpu_ms: Number(used.total) / 1e3, recorder_ms };
}

/** What the process that records has used by then. */
function watch(wrapper: number, tell: (ms: number) => void): Timer {
  let pid: number | null = null;
  return setInterval(() => {
    try {
      pid ??= recorderOf(wrapper);
      if (pid === null) return;
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      const fields = stat.replace(/^.*\) /s, "").split(" ");
      tell((Number(fields[11]) + Number(fields[12])) * 10);
    } catch {
      // It has ended.
    }
  }, 20);
}

/** Microseconds from a key to its echo. */
async function type(way: Way): Promise<number[]> {
  let wake: () => void = () => {};
  let seen = 0;
  const child = Bun.spawn(commandOf(way, ["cat"]), {
    env,
    cwd: folder,
    terminal: {
      ...{ cols: 120, rows: 40 },
      data: (_, chunk) => {
        seen += chunk.length;
        wake();
      },
    },
  });
  const terminal = child.terminal!;
  const echoed = async (text: string) => {
    const before = seen;
    const began = Bun.nanoseconds();
    const shown = new Promise<void>((resolve) => (wake = resolve));
    terminal.write(text);
    await shown;
    wake = () => {};
    if (seen === before) throw new Error("nothing is shown");
    return (Bun.nanoseconds() - began) / 1e3;
  };
  // It is there once it answers a line.
  const ready = new Promise<void>((resolve) => (wake = resolve));
  terminal.write("x\n");
  await ready;
  await Bun.sleep(500);
  const times: number[] = [];
  for (let i = 0; i < KEYS; i++) {
    times.push(await echoed(i % 40 === 39 ? "\n" : "k"));
    await Bun.sleep(8);
  }
  terminal.write("\n\x04");
  await child.exited;
  terminal.close();
  return times;
}

writeOutput();
let script_bytes = 0;
const runs = Object.fromEntries(
  WAYS.map((way) => [way, [] as Run[]]),
) as Record<Way, Run[]>;
const keys = Object.fromEntries(
  WAYS.map((way) => [way, [] as number[]]),
) as Record<Way, number[]>;
for (let round = -1; round < rounds; round++)
  for (let i = 0; i < WAYS.length; i++) {
    // Each goes first in turn: what ran before warms or cools the machine.
    const way = WAYS[(i + round + 1) % WAYS.length]!;
    const run = await show(way);
    if (way === "script") script_bytes = statSync(log).size;
    const times = await type(way);
    if (round < 0) continue;
    runs[way].push(run);
    keys[way].push(quantile(times, 0.5));
  }

console.log(
  `${rounds} rounds, 30 MB of coloured output, seconds: median (10th to 90th percentile)`,
);
for (const way of WAYS) {
  const of = (what: keyof Run) =>
    spread(runs[way].map((run) => run[what] / 1e3));
  const recorder =
    way === "recorded" ? `, of it the recorder ${of("recorder_ms")}` : "";
  console.log(`  ${way.padEnd(9)} ${of("ms")}, CPU ${of("cpu_ms")}${recorder}`);
}
console.log("a key to its echo, microseconds, medians of each round");
for (const way of WAYS)
  console.log(`  ${way.padEnd(9)} ${spread(keys[way], 0)}`);
const walls = (way: Way) => runs[way].map(({ ms }) => ms);
console.log(
  `recorded ÷ script: output ${spread(ratios(walls("recorded"), walls("script")))}, budget 1.3; echo ${spread(ratios(keys.recorded, keys.script))}, budget 1.5`,
);
const sizes = readdirSync(join(data, "recordings")).map(
  (name) => statSync(join(data, "recordings", name)).size,
);
console.log(
  `the largest recording: ${(Math.max(...sizes) / 1e6).toFixed(1)} MB; script's file: ${(script_bytes / 1e6).toFixed(1)} MB`,
);
const lost = await lostBytes();
console.log(`left out: ${lost} bytes`);
rmSync(folder, { recursive: true });

/** What any of them left out. */
async function lostBytes(): Promise<number> {
  const list = [binary, "list-sessions", "--format", "json"];
  const child = Bun.spawn(list, { env, stderr: "inherit" });
  const sessions = JSON.parse(await child.stdout.text()) as {
    metadata: { recording?: { omitted_bytes: number } };
  }[];
  return sessions.reduce(
    (sum, { metadata }) => sum + (metadata.recording?.omitted_bytes ?? 0),
    0,
  );
}
