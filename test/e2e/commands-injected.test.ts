/**
 * Terminals that bring a shell integration of their own by other startup files,
 * as VS Code does, lose none of its marks where our line stands in the user's, and
 * every command is in the record. The integrations are condensed to how they get in.
 */
import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Sandbox } from "../support/sandbox.ts";
import { needs } from "../support/tools.ts";
import {
  NUMBERED,
  type Typed,
  type Typist,
  bashTypist,
  bashVersion,
  expectRecorded,
  typeAll,
  typed,
} from "../support/typing.ts";

/** By --init-file; it reads the user's file, then sets what hears of commands. */
const BASH = `
. ~/.bashrc
it_waits=
it_prompt() { it_status=$?; it_eval "$it_theirs"; echo "[done $it_status]"; it_waits=1; }
it_eval() { eval "\${1-}"; }
it_command() {
  if [[ -n $it_waits ]]; then it_waits=; echo "[runs $(HISTTIMEFORMAT= builtin history 1 | sed 's/^ *[0-9]* *//')]"; fi
}
trap 'it_command "$_"' DEBUG
it_theirs=\${PROMPT_COMMAND-}
PROMPT_COMMAND=it_prompt
`;

/** By ZDOTDIR, which it gives back after the user's file. */
const ZSH = `
ZDOTDIR=$HOME
. $HOME/.zshrc
autoload -Uz add-zsh-hook
it_prompt() { echo "[done $?]"; }
it_command() { echo "[runs $1]"; }
add-zsh-hook precmd it_prompt
add-zsh-hook preexec it_command
`;

/** By --init-command, after the user's file. */
const FISH = `
function it_prompt --on-event fish_prompt; echo "[done $status]"; end
function it_command --on-event fish_preexec; echo "[runs $argv]"; end
`;

const COMMANDS: Typed[] = [
  typed("echo one"),
  typed("sh -c 'exit 3'", 3),
  typed("echo two"),
  { keys: ["exit"], text: "exit" },
];
const exit: Typed = { keys: ["exit"], text: "exit", last: true };

/** What starts it, and is recorded itself. */
const OUTER: Typist = { argv: ["bash"], ...NUMBERED };

interface Injected {
  /** As the terminal starts it. */
  command: string;
  startup: string;
  text: string;
  place: string;
  integration: string;
}

const SHELLS: Record<string, Injected> = {
  bash: {
    command: `${bashTypist().argv[0]!} --init-file ~/it/init`,
    startup: ".bashrc",
    text: "PS1='<\\#>$ '\n",
    place: "it/init",
    integration: BASH,
  },
  zsh: {
    command: "ZDOTDIR=~/it zsh",
    startup: ".zshrc",
    text: "PROMPT='<$((++n))>$ '\nsetopt promptsubst\nunsetopt promptsp zle\n",
    place: "it/.zshrc",
    integration: ZSH,
  },
  fish: {
    command: "TERM=dumb fish --init-command 'source ~/it/init'",
    startup: ".config/fish/config.fish",
    text: `set -g fish_greeting
set -g fish_autosuggestion_enabled 0
set -g n 100
function fish_prompt; set n (math $n + 1); echo -n "<$n>\\$ "; end
`,
    place: "it/init",
    integration: FISH,
  },
};

for (const [name, shell] of Object.entries(SHELLS))
  test(`${name}: an integration that a terminal brings hears of every command, and so do we`, async () => {
    if (!needs(name)) return;
    using plain = prepared(shell);
    using sandbox = prepared(shell);
    await sandbox.run(["install", "hooks", name, "--write"]);
    const outer: Typist = name === "fish" ? { ...OUTER, counts: true } : OUTER;
    const commands = [{ keys: [shell.command] }, ...COMMANDS, exit];
    const marks = async (each: Sandbox, wrapped: [] | null) =>
      Bun.stripANSI(await typeAll(each, outer, wrapped, commands)).match(
        /\[(runs|done) [^\]]*\]/g,
      );
    expect(await marks(sandbox, [])).toEqual(await marks(plain, null));
    // Whole seconds tell no order between shells.
    if (bashVersion() >= 500 || name !== "bash")
      expectRecorded(sandbox, commands);
  });

test("zsh: one that comes by ZDOTDIR hears of every command, and our hooks come without a line", async () => {
  if (!needs("zsh")) return;
  const shell = SHELLS["zsh"]!;
  using plain = prepared(shell);
  using sandbox = prepared(shell);
  const commands = [...COMMANDS.slice(0, -1), exit];
  const marks = async (each: Sandbox, wrapped: [] | null) => {
    const env = { ZDOTDIR: join(each.home, "it") };
    const typist: Typist = { argv: ["zsh"], ...NUMBERED, env };
    const screen = await typeAll(each, typist, wrapped, commands);
    return Bun.stripANSI(screen).match(/\[(runs|done) [^\]]*\]/g);
  };
  const told = await marks(plain, null);
  expect(told).toContain("[runs echo two]");
  expect(await marks(sandbox, [])).toEqual(told);
  expectRecorded(sandbox, commands);
});

function prepared({ startup, text, place, integration }: Injected): Sandbox {
  const sandbox = new Sandbox();
  for (const [file, content] of [
    // Else fish reads all manual pages, into a home that is to go.
    [".local/share/fish/generated_completions/none", ""],
    [".bashrc", "PS1='<\\#>$ '\n"],
    [startup, text],
    [place, integration],
  ] as const) {
    mkdirSync(dirname(join(sandbox.home, file)), { recursive: true });
    writeFileSync(join(sandbox.home, file), content);
  }
  return sandbox;
}
