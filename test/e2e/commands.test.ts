/** Commands are recorded where they are wanted, by hooks that nobody else can change. */
import { expect, test } from "bun:test";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { hookedCommands, hookedLines } from "../support/hooked.ts";
import { Pty } from "../support/pty.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { needs } from "../support/tools.ts";
import {
  type Typed,
  type Typist,
  comparable,
  expectRecorded,
  typeAll,
  typed,
} from "../support/typing.ts";
import { until } from "../support/wait.ts";

const BASH: Typist = {
  argv: ["bash"],
  prompt: /<\d+>\$ $/,
  continued: /> $/,
};

/** Gone, or a zombie that nobody has waited for. */
function isOver(pid: string): boolean {
  try {
    return /\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return true;
  }
}

const FISH_LOGIN = `status is-login; and set -g came profile
set -g fish_greeting
set -g fish_autosuggestion_enabled 0
set -g n 0
function fish_prompt; set n (math $n + 1); echo -n "<$n>\\$ "; end
`;

function prepared(): Sandbox {
  const sandbox = new Sandbox();
  const { home } = sandbox;
  writeFileSync(join(home, ".bashrc"), "PS1='<\\#>$ '\n");
  writeFileSync(join(home, ".bash_profile"), "came=profile; . ~/.bashrc\n");
  writeFileSync(
    join(home, ".zshrc"),
    "PROMPT='<$((++n))>$ '\nsetopt promptsubst\nunsetopt promptsp zle\n",
  );
  return sandbox;
}

const exit: Typed = { keys: ["exit"], text: "exit", last: true };

test("a session's commands are recorded, and the banner says so once more at the first", async () => {
  using sandbox = prepared();
  for (const first of [true, false]) {
    await using pty = new Pty(sandbox, [BINARY, "shell", "--", "bash"]);
    await pty.expect(/<1>\$ $/);
    expect(pty.text()).toContain("Commands: recorded ");
    expect(pty.text().includes("are recorded from this version on")).toBe(
      first,
    );
    pty.line("exit");
    await pty.ended();
  }
  const [session] = await sandbox.list();
  expect(session!.metadata["cli_preprocessing_enabled"]).toBe(true);
});

test("none are with --no-commands, by the configuration, or where no shell asks for them", async () => {
  using sandbox = prepared();
  const variables = "env | grep -c SESSION_BUDDY_HOOKS";
  const commands = [typed(variables), exit];
  expect(await typeAll(sandbox, BASH, ["--no-commands"], commands)).toMatch(
    /^0\r$/m,
  );
  const folder = join(sandbox.home, ".config/session-buddy");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const config = join(folder, "config.yaml");
  writeFileSync(config, "session: {commands: false}\n", { mode: 0o600 });
  expect(await typeAll(sandbox, BASH, [], commands)).toMatch(/^0\r$/m);
  writeFileSync(config, "", { mode: 0o600 });
  const quiet = { ...BASH, argv: ["bash", "--norc"], prompt: /[$#] $/ };
  expect(await typeAll(sandbox, quiet, [], commands)).toMatch(/^0\r$/m);
  const piped = await sandbox.run(["shell", "--", "bash", "-i"], {
    stdin: "echo $SESSION_BUDDY_HOOKS.\n",
  });
  expect(piped.stdout).toContain(".\n");
  expect(hookedLines(sandbox)).toEqual([]);
});

test("a login shell has read its own files, and nothing of ours is left in it", async () => {
  using sandbox = prepared();
  const typist = { ...BASH, argv: ["bash", "-l"] };
  const commands: Typed[] = [
    typed("echo $came; shopt login_shell; shopt -o posix", 1),
    typed("echo ${ENV-none} ${POSIXLY_CORRECT-none}; echo $0"),
    { keys: ["logout"], text: "logout", last: true },
  ];
  const alone = await typeAll(sandbox, typist, null, commands);
  expect(await typeAll(sandbox, typist, [], commands)).toBe(alone);
  expect(alone).toContain("none none");
  expectRecorded(sandbox, commands);
});

test("pause keeps all shells of the session from recording, until resume", async () => {
  using sandbox = prepared();
  await sandbox.run(["install", "hooks", "bash", "--write"]);
  const self = BINARY;
  await typeAll(
    sandbox,
    BASH,
    [],
    [
      typed("echo before"),
      typed(`${self} pause`),
      typed("echo unseen"),
      { keys: ["bash"] },
      typed("echo unseen within"),
      { keys: ["exit"] },
      typed(`${self} resume`),
      typed("echo after"),
      exit,
    ],
  );
  const found = hookedCommands(sandbox);
  expect(found.map(({ text, status }) => [text, status])).toEqual([
    ["echo before", 0],
    [`${self} pause`, 0],
    ["echo after", 0],
    ["exit", undefined],
  ]);
  // Paused at its end, the session leaves no pause behind.
  await typeAll(sandbox, BASH, [], [typed(`${self} pause`), exit]);
  expect(readdirSync(sandbox.spool).join(" ")).not.toContain("paused");
  const outside = await sandbox.run(["pause"]);
  expect([outside.exitCode, outside.stderr]).toEqual([
    1,
    "session-buddy: no commands are recorded here (call it in a shell that session-buddy shell started)\n",
  ]);
});

test("a shell within the session is recorded under its own pid by the installed line", async () => {
  if (!needs("zsh")) return;
  using sandbox = prepared();
  const rc = join(sandbox.home, ".zshrc");
  const old = readFileSync(rc, "utf8");
  const printed = await sandbox.run(["install", "hooks", "zsh"]);
  for (let times = 0; times < 2; times++)
    await sandbox.run(["install", "hooks", "zsh", "--write"]);
  expect(readFileSync(rc, "utf8")).toBe(old + printed.stdout);
  await typeAll(
    sandbox,
    BASH,
    [],
    [{ keys: ["zsh"] }, typed("echo within"), { keys: ["exit"] }, exit],
  );
  const found = hookedCommands(sandbox);
  expect(found.map(({ text }) => text)).toEqual([
    ...["zsh", "echo within", "exit", "exit"],
  ]);
  expect(new Set(found.map(({ pid }) => pid)).size).toBe(2);
  await sandbox.run(["install", "hooks", "zsh", "--remove"]);
  expect(readFileSync(rc, "utf8")).toBe(old);
});

test("of each shell within the session it is told how deep it stands", async () => {
  if (!needs("zsh")) return;
  using sandbox = prepared();
  for (const shell of ["bash", "zsh"])
    await sandbox.run(["install", "hooks", shell, "--write"]);
  // An outer session's depth is not this one's.
  const typist = { ...BASH, env: { SESSION_BUDDY_DEPTH: "7 1" } };
  await typeAll(sandbox, typist, null, [
    { keys: [`${BINARY} shell --quiet -- bash`] },
    { keys: ["zsh"] },
    { keys: ["python3 -q"], then: { shown: />>> $/, keys: "exit()\r" } },
    { keys: ["bash"] },
    // It takes the place of the one before: no deeper.
    { keys: ["exec bash"] },
    { keys: ["exec zsh"] },
    { keys: ["exit"] },
    { keys: ["exit"] },
    { keys: ["bash"] },
    { keys: ["exit"] },
    { keys: ["exit"] },
    { keys: ["exit"], last: true },
  ]);
  const headers = hookedLines(sandbox)
    .map(({ fields }) => fields)
    .filter(([kind]) => kind === "h")
    .sort((a, b) => Number(a[7]) - Number(b[7]));
  expect(headers.map((fields) => [fields[2], fields[8]])).toEqual([
    ["bash", "0"],
    ["zsh", "1"],
    ["bash", "2"],
    ["bash", "2"],
    ["zsh", "2"],
    ["bash", "1"],
  ]);
});

test("what could be a secret is in no file", async () => {
  using sandbox = prepared();
  const secret = ["hunter2", "Tr0ub4dor"].join("-");
  await typeAll(
    sandbox,
    BASH,
    [],
    [
      { keys: [`export DB_PASSWORD=${secret}`] },
      { keys: [`mysql -uroot -p${secret} 2>/dev/null`] },
      typed("HISTCONTROL=ignorespace HISTFILE=/dev/null"),
      { keys: [` echo ${secret}`], text: "", mark: "private" },
      { keys: ["unset HISTFILE"] },
      exit,
    ],
  );
  // What a shell keeps to itself is on the screen all the same.
  const shown = sandbox.recorded ? ["--exclude-dir=recordings"] : [];
  const { stdout } = await sandbox.command([
    ...["grep", "-rl", ...shown, secret, sandbox.home],
  ]);
  expect(stdout).toBe("");
  const found = hookedCommands(sandbox);
  expect(found.length).toBe(6);
  expect(found[1]!.text).toStartWith("mysql -uroot -p[redacted:");
});

test("a shell looks for what the user's own patterns hold, too", async () => {
  using sandbox = prepared();
  const folder = join(sandbox.home, ".config/session-buddy");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const config = "redaction: {patterns: {badge: 'qxz(?<s>[0-9]+)'}}\n";
  writeFileSync(join(folder, "config.yaml"), config, { mode: 0o600 });
  await typeAll(
    sandbox,
    BASH,
    [],
    [{ keys: ["echo qxz4711"], text: "" }, exit],
  );
  const [command] = hookedCommands(sandbox);
  expect([command!.text, command!.mark]).toEqual([
    "echo qxz[redacted:badge]",
    "badge",
  ]);
});

test("the hooks are private, written once, and anew when they are not ours to the byte", async () => {
  using sandbox = prepared();
  const run = () => typeAll(sandbox, BASH, [], [typed("echo one"), exit]);
  await run();
  const parent = join(sandbox.data, "hooks");
  const [name] = readdirSync(parent);
  const folder = join(parent, name!);
  const rc = join(folder, "rc.bash");
  const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);
  expect([mode(folder), mode(rc)]).toEqual(["700", "600"]);
  const { ino } = statSync(rc);
  await run();
  expect(statSync(rc).ino).toBe(ino);
  appendFileSync(rc, "echo planted\n");
  expect(await run()).not.toContain("planted");
  expect(readFileSync(rc, "utf8")).not.toContain("planted");
  chmodSync(rc, 0o666);
  await run();
  expect(mode(rc)).toBe("600");
});

test("what a killed wrapper left in memory goes when its session is closed", async () => {
  using sandbox = prepared();
  await using pty = new Pty(sandbox, [BINARY, "shell", "--", "bash"]);
  await pty.expect(/<1>\$ $/);
  pty.line("echo $SESSION_BUDDY_SHM.");
  const [, folder] = await pty.expect(/(\/dev\/shm\/\S+)\.\r/);
  const [line] = hookedLines(sandbox);
  // A hang-up just before it waits for a key bash hears at the next key.
  await pty.expect(/<2>\$ $/);
  await pty.asleep();
  pty.child.kill("SIGKILL");
  await pty.child.exited;
  expect(existsSync(folder!)).toBe(true);
  // With it the terminal goes, and the shell hears of that.
  await pty.until("its end", () => isOver(line!.pid));
  // A process that it was starting keeps its lock for a moment.
  await until(
    "it to be lost",
    async () => (await sandbox.only()).status === "lost",
  );
  expect(existsSync(folder!)).toBe(false);
});

for (const [shell, file, text] of [
  ["zsh", ".zprofile", "came=profile\n"],
  ["fish", ".config/fish/config.fish", FISH_LOGIN],
] as const)
  test(`a login ${shell} has read its own files, and is recorded`, async () => {
    if (!needs(shell)) return;
    using plain = prepared();
    using sandbox = prepared();
    for (const { home } of [plain, sandbox]) {
      mkdirSync(dirname(join(home, file)), { recursive: true });
      mkdirSync(join(home, ".local/share/fish/generated_completions"), {
        recursive: true,
      });
      writeFileSync(join(home, file), text);
    }
    const env = { TERM: "dumb" };
    const typist: Typist = {
      ...BASH,
      argv: [shell, "-l"],
      counts: true,
      env,
    };
    const commands: Typed[] = [
      typed("echo came by $came"),
      typed("echo $ZDOTDIR none"),
      { keys: ["exit"], text: "exit", last: true },
    ];
    const alone = await typeAll(plain, typist, null, commands);
    const shown = await typeAll(sandbox, typist, [], commands);
    expect(comparable(shown, sandbox)).toBe(comparable(alone, plain));
    expect(alone).toContain("came by profile");
    expectRecorded(sandbox, commands);
  });

test("hooks of another version stay while a session uses them, and go then", async () => {
  using sandbox = prepared();
  await using old = new Pty(sandbox, [BINARY, "shell", "--", "bash"]);
  await old.expect(/<1>\$ $/);
  const parent = join(sandbox.data, "hooks");
  const folder = join(parent, readdirSync(parent)[0]!);
  const other = join(parent, "0.0.1-of-before");
  renameSync(folder, other);
  await typeAll(sandbox, BASH, [], [exit]);
  expect(existsSync(join(other, "rc.bash"))).toBe(true);
  old.line("exit");
  await old.ended();
  writeFileSync(join(folder, "rc.bash"), "");
  await typeAll(sandbox, BASH, [], [exit]);
  expect(readdirSync(parent)).toEqual([folder.slice(parent.length + 1)]);
});
