/**
 * How long a person waits for the next prompt: from Enter to the prompt, with our
 * hooks and without them, in turns command by command, so that whatever else the
 * machine does falls on both. `bun test/bench/prompt.ts 1000 bash`
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { quantile } from "./figures.ts";

const commands = Number(process.argv[2] ?? 1_000);
const only = process.argv[3];
const BINARY = join(import.meta.dir, "../../dist/session-buddy");
const WARM = 20;

/** What a person types, none of it with a secret. */
const LINES = ["cd .", "true a b c", "true -la src", "true 'x y' # a comment"];

const STARTUP: Record<string, [file: string, text: string]> = {
  bash: [".bashrc", "PS1='> '\n"],
  zsh: [".zshrc", "PROMPT='> '\nunsetopt zle promptsp\n"],
  fish: [
    ".config/fish/config.fish",
    "set -g fish_greeting\nfunction fish_prompt; echo -n '> '; end\n",
  ],
};

class Typist {
  private readonly home = mkdtempSync(join(tmpdir(), "session-buddy-bench-"));
  private readonly child: Bun.Subprocess;
  private screen = "";
  private wake = () => {};

  constructor(shell: string, flags: string[]) {
    const [file, text] = STARTUP[shell]!;
    mkdirSync(dirname(join(this.home, file)), { recursive: true });
    // Else fish reads all manual pages meanwhile.
    mkdirSync(join(this.home, ".local/share/fish/generated_completions"), {
      recursive: true,
    });
    writeFileSync(join(this.home, file), text);
    const argv = [BINARY, "shell", "--quiet", ...flags, "--", shell];
    this.child = Bun.spawn(argv, {
      env: {
        ...{ HOME: this.home, PATH: "/usr/bin:/bin" },
        ...{ TERM: "dumb", LANG: "C.UTF-8" },
      },
      cwd: this.home,
      terminal: {
        cols: 80,
        rows: 24,
        data: (_, bytes) => {
          this.screen += new TextDecoder().decode(bytes);
          this.wake();
        },
      },
    });
  }

  async prompt(): Promise<void> {
    while (!this.screen.endsWith("> "))
      await new Promise<void>((resolve) => (this.wake = resolve));
  }

  /** Types a line; once it is shown, Enter. @returns ms until the prompt */
  async line(text: string): Promise<number> {
    this.screen = "";
    this.child.terminal!.write(text);
    while (!this.screen.includes(text))
      await new Promise<void>((resolve) => (this.wake = resolve));
    this.screen = "";
    const began = performance.now();
    this.child.terminal!.write("\r");
    await this.prompt();
    return performance.now() - began;
  }

  async end(): Promise<void> {
    this.child.terminal!.write("exit\r");
    await this.child.exited;
    this.child.terminal!.close();
    rmSync(this.home, { recursive: true });
  }
}

for (const shell of Object.keys(STARTUP)) {
  if (only !== undefined && only !== shell) continue;
  const bare = new Typist(shell, ["--no-commands"]);
  const hooked = new Typist(shell, []);
  const waits: { bare: number[]; hooked: number[] } = { bare: [], hooked: [] };
  await Promise.all([bare.prompt(), hooked.prompt()]);
  for (let i = 0; i < commands + WARM; i++) {
    const line = LINES[i % LINES.length]!;
    // Each goes first in turn.
    const turns = [["bare", bare] as const, ["hooked", hooked] as const];
    if (i % 2 === 1) turns.reverse();
    for (const [way, typist] of turns) {
      const ms = await typist.line(line);
      if (i >= WARM) waits[way].push(ms);
    }
  }
  await Promise.all([bare.end(), hooked.end()]);
  const at = (q: number) => {
    const [without, with_] = [waits.bare, waits.hooked].map((all) =>
      quantile(all, q),
    ) as [number, number];
    const more = (with_ - without).toFixed(2);
    return `${without.toFixed(2)} → ${with_.toFixed(2)} (+${more})`;
  };
  console.log(
    `${shell}: ms to the prompt, p50 ${at(0.5)}, p99 ${at(0.99)}; load ${loadavg()[0]!.toFixed(1)}`,
  );
}
