/**
 * A shell whose spool was moved away says in its new file who writes it, so that what
 * it runs from then on is its own, also after it has begun anew by `exec`.
 */
import { expect, test } from "bun:test";
import {
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { hookedLines } from "../support/hooked.ts";
import { Pty } from "../support/pty.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { needs } from "../support/tools.ts";

interface Shell {
  argv: string[];
  startup: [file: string, text: string];
  /** What puts a shell in its place that is recorded, too. */
  again?: string;
}

const PROMPT = /<\d+>\$ $/;
const SHELLS: Record<string, Shell> = {
  bash: {
    argv: ["bash"],
    startup: [".bashrc", "PS1='<\\#>$ '\n"],
    again: "exec bash",
  },
  zsh: {
    argv: ["zsh"],
    startup: [
      ".zshrc",
      "PROMPT='<$((++n))>$ '\nsetopt promptsubst\nunsetopt promptsp zle\n",
    ],
    again: "exec zsh",
  },
  fish: {
    argv: ["fish"],
    startup: [
      ".config/fish/config.fish",
      'set -g fish_greeting\nset -g n 0\nfunction fish_prompt; set n (math $n + 1); echo -n "<$n>\\$ "; end\n',
    ],
    again: "exec fish",
  },
  python3: {
    argv: ["python3", "-q"],
    startup: ["startup.py", "import os, sys\nsys.ps1 = '<1>$ '\n"],
  },
};

for (const [name, { argv, startup, again }] of Object.entries(SHELLS))
  test(`${name}: a file that is begun because the spool was moved says whose it is`, async () => {
    if (!needs(name)) return;
    using sandbox = new Sandbox();
    let moves = 0;
    const file = join(sandbox.home, startup[0]);
    mkdirSync(dirname(file), { recursive: true });
    // Else fish reads all manual pages meanwhile.
    mkdirSync(join(sandbox.home, ".local/share/fish/generated_completions"), {
      recursive: true,
    });
    writeFileSync(file, startup[1]);
    if (again !== undefined)
      await sandbox.run(["install", "hooks", name, "--write"]);
    const env = {
      TERM: "dumb",
      ...(name === "python3" && { PYTHONSTARTUP: file }),
    };
    const words = [BINARY, "shell", "--quiet", "--", ...argv];
    await using pty = new Pty(sandbox, words, { env });
    await pty.expect(PROMPT);
    const written = async (text: string) =>
      pty.until("its line", () =>
        hookedLines(sandbox).some(({ fields }) => fields.includes(text)),
      );
    const type = async (text: string) => {
      pty.line(text);
      await written(text);
      await pty.expect(PROMPT);
    };
    await type("1+1");
    const [first] = hookedLines(sandbox);
    const { spool } = sandbox;
    const move = () => {
      renameSync(spool, `${sandbox.home}/away-${moves++}`);
      mkdirSync(spool, { mode: 0o700 });
    };
    move();
    await type("1+2");
    const lines = hookedLines(sandbox);
    expect(lines[0]!.fields).toEqual(first!.fields);
    const path = join(spool, lines[0]!.file);
    expect((statSync(path).mode & 0o777).toString(8)).toBe("600");
    if (again === undefined) return;
    move();
    pty.line(again);
    await written(again);
    await pty.expect(PROMPT);
    await type("1+3");
    const kinds = readFileSync(path, "utf8").replace(/^(\w).*\n/gm, "$1");
    // Its own, and that of the shell in its place.
    expect(kinds).toMatch(/^hs(e?)hse?$/);
  });
