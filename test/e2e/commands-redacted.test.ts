/** What a shell's hook writes of a text that came back redacted: that, byte for byte. */
import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hookedCommands } from "../support/hooked.ts";
import { Pty } from "../support/pty.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { needs } from "../support/tools.ts";

test.each([
  ["bash", ".bashrc", "PS1='READY> '\n"],
  ["zsh", ".zshrc", "PS1='READY> '; unsetopt prompt_cr\n"],
  [
    "fish",
    ".config/fish/config.fish",
    "set -g fish_greeting\nfunction fish_prompt; echo -n 'READY> '; end\n",
  ],
])(
  "%s: a redacted text has no end but its own, in one line or several",
  async (shell, rc, text) => {
    if (!(await needs(shell))) return;
    using sandbox = new Sandbox();
    mkdirSync(join(sandbox.home, ".config/fish"), { recursive: true });
    // Else fish reads all manual pages in the background, into a home that is to go.
    const made = join(sandbox.home, ".local/share/fish/generated_completions");
    mkdirSync(made, { recursive: true });
    writeFileSync(join(sandbox.home, rc), text);
    await using pty = new Pty(sandbox, [BINARY, "shell", shell]);
    await pty.expect("READY> ");
    for (const line of [": mysql -phunter2", ": 'mysql -phunter3\nb'"]) {
      pty.type(`${line}\n`);
      await pty.expect("READY> ");
    }
    pty.type("echo done\\!\n");
    await pty.expect(/^done!/m);
    const texts = hookedCommands(sandbox).map((command) => command.text);
    expect(texts.slice(0, 2)).toEqual([
      ": mysql -p[redacted:mysql-password]",
      ": 'mysql -p[redacted:mysql-password]\nb'",
    ]);
    pty.type("exit\n");
    await pty.ended();
  },
);
