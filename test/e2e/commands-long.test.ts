/**
 * In each shell: of a text of 100 KB the beginning is kept, and how much was cut is
 * told; what ran when the shell was killed is recorded, without an end.
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
  expectRecorded,
  typeAll,
  typed,
} from "../support/typing.ts";

const KEPT_BYTES = 65_536;
/** A terminal takes no line of 100 KB; of equal ones python's history has one. */
const X = Array.from(
  { length: 50 },
  (_, i) => (i % 2 ? "x" : "y") + "z".repeat(2_046),
);

interface Shell {
  typist: Typist;
  file: string;
  rc: string;
  /** What brings the long text about, and what it is then. */
  before?: Typed;
  keys: string[];
  text: string;
  kill: string;
}

const QUOTED = [": start '", ...X, "end'"];
const STATEMENT = ["x = '''", ...X, "end'''"];

const SHELLS: Record<string, Shell> = {
  bash: {
    typist: bashTypist(),
    file: ".bashrc",
    rc: "PS1='<\\#>$ '\n",
    keys: QUOTED,
    text: QUOTED.join("\n"),
    kill: "kill -9 $$",
  },
  zsh: {
    typist: { argv: ["zsh"], ...NUMBERED },
    file: ".zshrc",
    rc: "PROMPT='<$((++n))>$ '\nPROMPT2='> '\nsetopt promptsubst\nunsetopt promptsp zle\n",
    keys: QUOTED,
    text: QUOTED.join("\n"),
    kill: "kill -9 $$",
  },
  fish: {
    typist: {
      argv: ["fish"],
      ...NUMBERED,
      counts: true,
      env: { TERM: "dumb" },
    },
    file: ".config/fish/config.fish",
    rc: `set -g fish_greeting
set -g fish_autosuggestion_enabled 0
set -g n 0
function fish_prompt; set n (math $n + 1); echo -n "<$n>\\$ "; end
bind \\cg 'commandline -r -- $pasted'
`,
    before: typed("set pasted ': start '(string repeat -n 102400 x)"),
    keys: ["\x07"],
    text: `: start ${"x".repeat(102_400)}`,
    kill: "kill -9 $fish_pid",
  },
  python3: {
    typist: { argv: ["python3", "-q"], prompt: />>> $/, continued: /\.\.\. $/ },
    file: ".none",
    rc: "",
    keys: STATEMENT,
    text: STATEMENT.join("\n"),
    kill: "import os; os.kill(os.getpid(), 9)",
  },
  ipython3: {
    typist: {
      argv: [
        Bun.which("ipython3") ?? "ipython3",
        ...["--simple-prompt", "--no-banner"],
      ],
      prompt: /In \[\d+\]: $/,
      continued: /\.\.\.: $/,
    },
    file: ".none",
    rc: "",
    keys: STATEMENT,
    text: STATEMENT.join("\n"),
    kill: "import os; os.kill(os.getpid(), 9)",
  },
};

for (const [name, shell] of Object.entries(SHELLS))
  test(`${name}: of a long text the first 64 KiB are kept, and a killed shell's last command has no end`, async () => {
    if (!needs(name)) return;
    const { typist, before, keys, text, kill } = shell;
    using sandbox = prepared(shell);
    const commands: Typed[] = [
      ...(before ? [before] : []),
      { keys },
      { keys: [kill], text: kill, ended: false, last: true },
    ];
    await typeAll(sandbox, typist, [], commands);
    expectRecorded(sandbox, commands);
    const { session_id, status } = await sandbox.only();
    expect(status).toBe("ended");
    const run = await sandbox.run(["list-events", "--json", session_id]);
    const listed = JSON.parse(run.stdout) as {
      event: { text?: string; truncated_bytes?: number };
    }[];
    const long = listed
      .map(({ event }) => event)
      .find((event) => event.truncated_bytes);
    expect([long?.text?.length, long?.truncated_bytes]).toEqual([
      KEPT_BYTES,
      text.length - KEPT_BYTES,
    ]);
    expect(text).toStartWith(long!.text!);
  }, 400_000);

function prepared({ file, rc }: Shell): Sandbox {
  const sandbox = new Sandbox();
  for (const [path, content] of [
    // Else fish reads all manual pages, into a home that is to go.
    [".local/share/fish/generated_completions/none", ""],
    [file, rc],
  ] as const) {
    mkdirSync(dirname(join(sandbox.home, path)), { recursive: true });
    writeFileSync(join(sandbox.home, path), content);
  }
  return sandbox;
}
