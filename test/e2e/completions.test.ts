/** Tab completes our words, in bash, zsh and fish, by what `install completions` writes. */
import { expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { configure, expectFailure, plant } from "../support/host.ts";
import { hookedCommands } from "../support/hooked.ts";
import { Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { until } from "../support/wait.ts";
import { Tabbed, withCommand } from "../support/tab.ts";
import { needs } from "../support/tools.ts";

interface Shell {
  name: string;
  /** Its startup file, and what a user has in it. */
  rc: string;
  text: string;
  /** Where the completion goes. */
  file: string;
  /** Whether a line in the startup file reads it. */
  line: boolean;
}

const BASH_COMPLETION = "/usr/share/bash-completion/bash_completion";
const SHELLS: Shell[] = [
  {
    name: "bash",
    rc: ".bashrc",
    text: `PS1='ready$ '\n[ -r ${BASH_COMPLETION} ] && . ${BASH_COMPLETION}\n`,
    file: ".local/share/bash-completion/completions/session-buddy",
    line: !existsSync(BASH_COMPLETION),
  },
  {
    name: "zsh",
    rc: ".zshrc",
    text: "PROMPT='ready$ '\nunsetopt promptsp\nautoload -Uz compinit && compinit -u\n",
    file: ".local/share/zsh/site-functions/_session-buddy",
    line: true,
  },
  {
    name: "fish",
    rc: ".config/fish/config.fish",
    text: "function fish_prompt; echo 'ready$ '; end\n",
    file: ".config/fish/completions/session-buddy.fish",
    line: false,
  },
];
const PROMPT = /ready\$ /;

async function prepare(sandbox: Sandbox, shell: Shell) {
  const rc = join(sandbox.home, shell.rc);
  mkdirSync(join(rc, ".."), { recursive: true });
  writeFileSync(rc, shell.text);
  // Else fish reads all manual pages in the background, into a home that is to go.
  const pages = ".local/share/fish/generated_completions";
  mkdirSync(join(sandbox.home, pages), { recursive: true });
  const env = withCommand(sandbox);
  const words = ["install", "completions", shell.name, "--write"];
  const written = await sandbox.run(words);
  expect(written).toMatchObject({ exitCode: 0, stdout: "" });
  return env;
}

/** Keys, and the line after Tab. */
const COMPLETED: [string, string][] = [
  ["list-sess", "list-sessions"],
  ["mcp stat", "mcp status"],
  ["help mcp log", "help mcp logs"],
  ["list-sessions --sta", "list-sessions --status"],
  ["list-sessions --status a", "list-sessions --status active"],
  ["ls --status=lo", "ls --status=lost"],
  ["shell --audit b", "shell --audit best-effort"],
  ["show-session ID", "show-session ID1"],
  ["show HEX", "show HEX8"],
  ["tag ID", "tag ID1"],
  ["ls --component web", "ls --component web_front"],
  ["shell --profile mah", "shell --profile mahavishnu"],
  ["backup some-f", "backup some-file"],
  ["ls --config=some-f", "ls --config=some-file"],
  ["archive-sessions -o some-d", "archive-sessions -o some-dir"],
  ["shell -- ls some-f", "shell -- ls some-file"],
  ["shell --quiet unsha", "shell --quiet unshare"],
  // Nothing is known: nothing changes.
  ["nosuch ", "nosuch"],
  ["list-sessions --nosuch", "list-sessions --nosuch"],
];

for (const shell of SHELLS)
  test(`${shell.name} completes commands, flags, their words, ids, files, and what is wrapped`, async () => {
    if (!needs(shell.name)) return;
    using sandbox = new Sandbox();
    const env = await prepare(sandbox, shell);
    writeFileSync(join(sandbox.home, "some-file"), "");
    mkdirSync(join(sandbox.home, "some-dir"));
    configure(sandbox, "profiles: {mahavishnu: {command: [python3]}}\n");
    const [id] = plant(sandbox, [
      { component: "web_front", at: "2026-02-06T11:34:56.789Z" },
    ]);
    const hex = id!.slice(-8);
    expect(await sandbox.list()).toHaveLength(1);
    await using tab = await Tabbed.at(sandbox, [shell.name], env, PROMPT);
    for (const [keys, wanted] of COMPLETED) {
      const named = (text: string) =>
        text
          .replace("ID1", id!)
          .replace("HEX8", hex)
          .replace("ID", id!.slice(0, 9))
          .replace("HEX", hex.slice(0, 4));
      const line = await tab.line(named(keys));
      // zsh takes the slash of a folder away again.
      expect([keys, line.replace(/\/$/, "")]).toEqual([keys, named(wanted)]);
    }
    const shown = await tab.shown("list-sessions --status ", /ended[^]*lost/);
    expect(shown).toContain("ended");
  });

/** Names of profiles that would do something, were they not text. */
const HOSTILE = [
  "a$(touch ~/done)",
  "b`touch ~/done`",
  "c;touch ~/done;",
  "d with  blanks",
  `e'single"double`,
  "f!!",
  "g*",
  "h\\n",
  "i&touch ~/done&",
  "j~k{1,2}",
  "k:colon=is",
  "l<done>done",
  "m#n",
  "ÄÖ",
];
const UNSHOWN = ["x\u001b]0;title\u0007y", "y\nz", "z\u202ereversed"];

for (const shell of SHELLS)
  test(`${shell.name} takes whatever name as text`, async () => {
    if (!needs(shell.name)) return;
    using sandbox = new Sandbox();
    const env = await prepare(sandbox, shell);
    const names = [...HOSTILE, ...UNSHOWN];
    const profiles = Object.fromEntries(
      names.map((name) => [name, { component: name }]),
    );
    configure(sandbox, JSON.stringify({ profiles }));
    spoolWith(sandbox, [
      "$(touch done)-20260206-113456-1a2b3c4d.ndjson",
      "`touch done`-20260206-113456-1a2b3c4d.ndjson",
      "n\u001b[31m-20260206-113456-1a2b3c4d.ndjson",
    ]);
    await using tab = await Tabbed.at(sandbox, [shell.name], env, PROMPT);
    for (const flag of ["--profile", "--component"])
      for (const name of HOSTILE) {
        const line = await tab.line(`shell ${flag} ${name[0]}`);
        expect(line).toBe(`shell ${flag} ${name}`);
      }
    for (const name of UNSHOWN) {
      const line = await tab.line(`shell --profile ${name[0]}`);
      expect(line).toBe(`shell --profile ${name[0]}`);
    }
    for (const begin of ["n", "'$'", "'`'"]) {
      const line = await tab.line(`show ${begin}`);
      expect(line).not.toContain("2026");
    }
    expect(existsSync(join(sandbox.home, "done"))).toBe(false);
    expect(tab.text()).not.toContain("\u0007y");
  });

function spoolWith(sandbox: Sandbox, names: string[]): void {
  plant(sandbox, []);
  for (const name of names) writeFileSync(join(sandbox.spool, name), "");
}

test("ids come from the spool, from what a command saw last, or from the server; never from the database", async () => {
  using sandbox = new Sandbox();
  const cache = join(sandbox.home, "cache");
  const complete = async (words: string[], env = {}) => {
    const { stdout, stderr, exitCode } = await sandbox.run(
      ["complete", "fish", "--", ...words],
      { env: { XDG_CACHE_HOME: cache, ...env } },
    );
    expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
    return stdout
      .split("\n")
      .slice(1, -1)
      .map((line) => line.split("\t")[0]!);
  };
  for (const component of ["cron", "cron", "web"])
    await sandbox.run(["shell", "--component", component, "--", "true"]);
  const ids = sandbox
    .spooled()
    .filter(({ event_type }) => event_type === "session_start")
    .map(({ session_id }) => String(session_id))
    .sort();
  const shown = async (...words: string[]) => (await complete(words)).sort();
  expect(await shown("show", "")).toEqual(ids);
  expect(await shown("show", "cro")).toEqual(ids.slice(0, 2));
  expect(await shown("show", ids[2]!.slice(-8, -2))).toEqual([
    ids[2]!.slice(-8),
  ]);
  expect(existsSync(cache)).toBe(false);
  const [planted] = plant(sandbox, [{ component: "old" }]);
  // Only the database knows it then, and whoever had that open.
  expect(await sandbox.list()).toHaveLength(4);
  rmSync(sandbox.spool, { recursive: true });
  const held = await holdLock(sandbox);
  try {
    expect(await shown("show", "")).toEqual([...ids, planted!].sort());
    expect(await complete(["show", "old-"])).toEqual([planted!]);
    expect(await complete(["ls", "--component", "o"])).toEqual(["old"]);
  } finally {
    held.kill("SIGKILL");
    await held.exited;
  }
  expect(existsSync(cache)).toBe(false);
  await using server = await TestServer.start(sandbox);
  await server.call("track_session_start", startOf("wired"));
  // A Tab does not wait for a server that has much to do.
  await until("the server answers in time", async () => {
    const found = await complete(["show", "wired"]);
    return found.length === 1;
  });
  await until("the server answers in time", async () => {
    const found = await complete(["ls", "--component", "wi"]);
    return found.join() === "wired";
  });
  // What is known of this host is not what a server elsewhere has.
  const far = { SESSION_BUDDY_MCP_ENDPOINT: "http://192.0.2.1:8678/mcp" };
  expect(await complete(["show", ""], far)).toEqual([]);
});

test("the words of every --format are known, in whatever command", async () => {
  using sandbox = new Sandbox();
  const complete = async (...words: string[]) => {
    const { stdout } = await sandbox.run(["complete", "bash", "--", ...words]);
    return stdout.split("\n").slice(1, -1);
  };
  const names = (await complete("")).filter(
    (name) => !["help", "mcp", "emit", "install"].includes(name),
  );
  expect(names.length).toBeGreaterThan(20);
  let known = 0;
  for (const name of names)
    for (const flag of ["--format", "--status"]) {
      if (!(await complete(name, flag)).includes(flag)) continue;
      const words = await complete(name, flag, "");
      expect([name, flag, words.length > 1]).toEqual([name, flag, true]);
      known++;
    }
  expect(known).toBeGreaterThan(8);
});

/** Another program that has the database. */
async function holdLock(sandbox: Sandbox) {
  const held = Bun.spawn(
    ["flock", join(sandbox.data, "store.lock"), "sh", "-c", "echo held; cat"],
    { stdin: "pipe", stdout: "pipe", env: sandbox.envWith() },
  );
  const { value } = await held.stdout.getReader().read();
  expect(new TextDecoder().decode(value)).toBe("held\n");
  return held;
}

const startOf = (component_name: string) => ({
  ...{ event_version: "1.0", event_id: crypto.randomUUID() },
  ...{ event_type: "session_start", component_name, shell_type: "bash" },
  ...{ timestamp: new Date().toISOString(), pid: 4711, hostname: "host" },
  user: { username: "les", home: "/home/les" },
  environment: { python_version: "3.11", platform: "Linux", cwd: "/" },
});

for (const shell of SHELLS)
  test(`${shell.name}: it is written once, and taken away without a trace`, async () => {
    using sandbox = new Sandbox();
    const { home } = sandbox;
    await prepare(sandbox, shell);
    const read = (name: string) => readFileSync(join(home, name), "utf8");
    const install = (...words: string[]) =>
      sandbox.run(["install", "completions", shell.name, ...words]);
    const printed = await install();
    expect(read(shell.file)).toBe(printed.stdout);
    expect(read(shell.rc) !== shell.text).toBe(shell.line);
    const once = read(shell.rc);
    expect((await install("--write")).stderr).toContain("is there already");
    expect(read(shell.rc)).toBe(once);
    expect(await install("--remove")).toMatchObject({ exitCode: 0 });
    expect(existsSync(join(home, shell.file))).toBe(false);
    expect(read(shell.rc)).toBe(shell.text);
    expect((await install("--remove")).stderr).toContain("there is no");
    writeFileSync(join(home, shell.file), "somebody's\n");
    for (const word of ["--write", "--remove"]) {
      expectFailure(
        await install(word),
        64,
        /is not of session-buddy's making/,
      );
      expect(read(shell.file)).toBe("somebody's\n");
    }
    expectFailure(await install("--write", "--remove"), 64, /both given/);
  });

test("what cannot be installed is said", async () => {
  using sandbox = new Sandbox();
  const words = ["install", "completions"];
  expectFailure(
    await sandbox.run([...words, "csh"]),
    64,
    /no completions for 'csh'/,
  );
  const lost = { HOME: undefined, SHELL: "/bin/zsh" };
  expectFailure(
    await sandbox.run([...words, "--write"], { env: lost }),
    5,
    /HOME is not set/,
  );
});

test("a Tab in a recorded shell is no command", async () => {
  if (!needs("bash")) return;
  using sandbox = new Sandbox();
  const env = await prepare(sandbox, SHELLS[0]!);
  const wrapped = ["session-buddy", "shell", "--quiet", "--", "bash"];
  await using tab = await Tabbed.at(sandbox, wrapped, env, PROMPT);
  expect(await tab.line("list-sess")).toBe("list-sessions");
  await tab.run("echo $((6 * 7)) done", /42 done/);
  expect(hookedCommands(sandbox).map(({ text }) => text)).toEqual([
    "echo -E 4''2 session-buddy list-sessions ",
    "echo $((6 * 7)) done",
  ]);
});
