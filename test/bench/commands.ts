/**
 * What recording a command costs a shell: added CPU time a command with our hooks,
 * beside the usual way, two processes a command (one before it, one after it): of
 * an empty program by the same compiler, and of the least that there is, `true`.
 * Each shell runs the same commands bare, hooked, and in that way, in turns, on a
 * terminal. What it costs to start each, without a command, is taken off: the hooks
 * are written and read then. `bun test/bench/commands.ts 5 400`: 5 rounds of 400 commands.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { quantile, spread } from "./figures.ts";
import { buildEmpty } from "./floor.ts";

const rounds = Number(process.argv[2] ?? 5);
const commands = Number(process.argv[3] ?? 400);
const only = process.argv[4];
const BINARY = join(import.meta.dir, "../../dist/session-buddy");

/** What a person types, none of it with a secret. */
const LINES = ["cd .", "true a b c", "true -la src", "true 'x y' # a comment"];

interface Peer {
  argv: string[];
  /** Where its startup file is below a home, and what stands in it. */
  file: string;
  bare: string;
  /** The two processes. */
  usual: string;
}

const PEERS: Record<string, Peer> = {
  bash: {
    argv: ["bash"],
    file: ".bashrc",
    bare: "PS1='> '\n",
    usual: `trap '[[ $armed ]] && { armed=; PROCESS start "$BASH_COMMAND"; }' DEBUG
PROMPT_COMMAND='PROCESS end $?; armed=1'
`,
  },
  zsh: {
    argv: ["zsh"],
    file: ".zshrc",
    bare: "PROMPT='> '\nunsetopt zle promptsp\n",
    usual: `preexec() { PROCESS start "$1"; }
precmd() { PROCESS end $?; }
`,
  },
  fish: {
    argv: ["fish"],
    file: ".config/fish/config.fish",
    bare: "set -g fish_greeting\nfunction fish_prompt; echo -n '> '; end\n",
    usual: `function before --on-event fish_preexec; PROCESS start $argv; end
function after --on-event fish_postexec; PROCESS end $status; end
`,
  },
};

type Way = "bare" | "hooked" | "empty" | "true";

const tools = mkdtempSync(join(tmpdir(), "session-buddy-bench-"));
const PROCESS: Partial<Record<Way, string>> = {
  empty: await buildEmpty(tools),
  true: "/bin/true",
};

/** Seconds of CPU of a shell and its children for the commands alone. */
const cpuSeconds = async (peer: Peer, way: Way): Promise<number> =>
  (await wholeSeconds(peer, way, commands)) -
  (await wholeSeconds(peer, way, 0));

async function wholeSeconds(
  peer: Peer,
  way: Way,
  count: number,
): Promise<number> {
  const home = mkdtempSync(join(tmpdir(), "session-buddy-bench-"));
  mkdirSync(join(home, peer.file, ".."), { recursive: true });
  // Else fish reads all manual pages in the background.
  mkdirSync(join(home, ".local/share/fish/generated_completions"), {
    recursive: true,
  });
  const program = PROCESS[way];
  const usual = program ? peer.usual.replaceAll("PROCESS", program) : "";
  const rc = peer.bare + usual;
  writeFileSync(join(home, peer.file), rc);
  // All of them wrapped: what is compared is the commands alone.
  const flags = way === "hooked" ? [] : ["--no-commands"];
  const argv = [BINARY, "shell", "--quiet", ...flags, "--", ...peer.argv];
  let screen = "";
  let wake = () => {};
  const child = Bun.spawn(argv, {
    env: { HOME: home, PATH: "/usr/bin:/bin", TERM: "dumb", LANG: "C.UTF-8" },
    cwd: home,
    terminal: {
      cols: 80,
      rows: 24,
      data: (_, bytes) => {
        screen = (screen + new TextDecoder().decode(bytes)).slice(-200);
        wake();
      },
    },
  });
  const prompt = async () => {
    while (!screen.endsWith("> "))
      await new Promise<void>((resolve) => (wake = resolve));
    screen = "";
  };
  await prompt();
  for (let i = 0; i < count; i++) {
    child.terminal!.write(`${LINES[i % LINES.length]}\r`);
    await prompt();
  }
  child.terminal!.write("exit\r");
  await child.exited;
  child.terminal!.close();
  rmSync(home, { recursive: true });
  const { cpuTime } = child.resourceUsage()!;
  return Number(cpuTime.total) / 1e6;
}

for (const [name, peer] of Object.entries(PEERS)) {
  if (only !== undefined && only !== name) continue;
  const seconds: Record<Way, number[]> = {
    ...{ bare: [], hooked: [], empty: [], true: [] },
  };
  const ways = Object.keys(seconds) as Way[];
  for (let round = 0; round < rounds; round++)
    // Each goes first in turn: what ran before warms or cools the machine.
    for (let i = 0; i < ways.length; i++) {
      const way = ways[(i + round) % ways.length]!;
      seconds[way].push(await cpuSeconds(peer, way));
    }
  const added = (way: Way) =>
    seconds[way].map((all, i) => ((all - seconds.bare[i]!) / commands) * 1e6);
  const ours = added("hooked");
  const load = loadavg()[0]!.toFixed(1);
  console.log(
    `${name}: added CPU µs a command, load ${load}: hooked ${spread(ours)}`,
  );
  for (const way of ["empty", "true"] as const) {
    const usual = added(way);
    const ratio = quantile(usual, 0.5) / quantile(ours, 0.5);
    console.log(
      `  two of ${way.padEnd(5)} ${spread(usual)}, ratio ${ratio.toFixed(1)}`,
    );
  }
}
rmSync(tools, { recursive: true });
