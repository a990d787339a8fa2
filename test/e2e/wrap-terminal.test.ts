/** The terminal under a wrapped program: its size, its modes, its full screen. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Pty } from "../support/pty.ts";
import { BINARY, Sandbox, WAYS } from "../support/sandbox.ts";
import { needs } from "../support/tools.ts";
import { childOf, childrenOf, until, waiting } from "../support/wait.ts";

const OUTER = ["bash", "--norc", "--noprofile"];
const ENV = { BINARY, PS1: "<> " };
const WRAPPED = [BINARY, "shell", "--quiet", "--"];

test.each(WAYS)(
  "a resize is seen by the program: its size, and the signal$way",
  async ({ recorded }) => {
    using sandbox = new Sandbox(recorded);
    const script =
      'trap \'echo win""ched; stty size\' WINCH; echo rea""dy; stty size; while :; do sleep 0.05; done';
    await using pty = new Pty(sandbox, [...WRAPPED, "bash", "-c", script]);
    await pty.expect("ready");
    await pty.expect("50 200");
    pty.resize(77, 33);
    await pty.expect("winched");
    await pty.expect("33 77");
  },
);

test.each(WAYS)(
  "vim edits a file inside a wrapped shell$way",
  async ({ recorded }) => {
    if (!needs("vim.tiny")) return;
    using sandbox = new Sandbox(recorded);
    await using pty = new Pty(sandbox, [...WRAPPED, ...OUTER], { env: ENV });
    await pty.expect("<> ");
    pty.line("vim.tiny -u NONE note.txt");
    // In quotes it is vim's word, not the echo of the line: it reads keys as keys.
    await pty.expect('"note.txt"');
    const shell = await childOf(pty.pid);
    await waiting(await until("vim", () => childrenOf(shell)[0] ?? null));
    pty.type("ihello from vim\x1b");
    pty.type("\x1a");
    await pty.expect("Stopped");
    pty.line("fg");
    await pty.expect("hello from vim");
    pty.type(":wq\r");
    await pty.expect("<> ");
    pty.line("cat note.txt; echo do''ne");
    await pty.expect("done");
    expect(readFileSync(join(sandbox.home, "note.txt"), "utf8")).toBe(
      "hello from vim\n",
    );
    pty.line("exit 0");
    expect(await pty.ended()).toEqual({ code: 0, signal: null });
  },
);

test("vim alone under the wrapper stops on Ctrl-Z and comes back", async () => {
  if (!needs("vim.tiny")) return;
  // Recorded it does not, see record-jobs.test.ts.
  using sandbox = new Sandbox(false);
  await using pty = new Pty(sandbox, OUTER, { env: ENV });
  await pty.expect("<> ");
  pty.line(
    "$BINARY shell --quiet -- vim.tiny -u NONE note.txt; echo st''atus=$?.",
  );
  await pty.expect(/"note.txt"/);
  const wrapper = await childOf(pty.pid);
  const vim = await childOf(wrapper);
  await waiting(vim);
  pty.type("ifirst\x1b\x1a");
  await pty.expect("Stopped");
  pty.line("stty -a | tr ' ;' '\\n\\n' | grep -x icanon; echo che''cked");
  await pty.expect(/^icanon/m);
  await pty.expect("checked");
  pty.line("fg");
  // It draws what it holds to be lost, which need not be the line of text.
  await pty.expect("~");
  await waiting(vim);
  pty.type(":wq\r");
  await until("the file", () => readNote(sandbox) === "first\n");
  pty.line("exit 0");
  await pty.ended();
  expect(await sandbox.only()).toMatchObject({ status: "ended", exit_code: 0 });
});

function readNote(sandbox: Sandbox): string | null {
  try {
    return readFileSync(join(sandbox.home, "note.txt"), "utf8");
  } catch {
    return null;
  }
}

test.each(WAYS)(
  "less pages and quits inside a wrapped shell$way",
  async ({ recorded }) => {
    if (!needs("less")) return;
    using sandbox = new Sandbox(recorded);
    await Bun.write(
      join(sandbox.home, "long"),
      Array.from({ length: 500 }, (_, i) => `line ${i}.`).join("\n"),
    );
    await using pty = new Pty(sandbox, [...WRAPPED, ...OUTER], { env: ENV });
    await pty.expect("<> ");
    pty.line("less long");
    await pty.expect("line 40.");
    pty.type("G");
    await pty.expect("line 499.");
    pty.type("q");
    pty.line("echo ba''ck");
    await pty.expect("back");
    pty.line("exit 0");
    expect(await pty.ended()).toEqual({ code: 0, signal: null });
  },
);

for (const flags of [["bash", "--norc", "--noprofile"], ["sh"]])
  test.each(WAYS)(
    `stty -echo inside ${flags[0]} sticks after the wrapper ends$way`,
    async ({ recorded }) => {
      using sandbox = new Sandbox(recorded);
      // The shell around is no interactive one: it would set its own modes.
      const script =
        '"$@"; stty -a | tr " ;" "\\n\\n" | grep -xE -e "-?(echo|ixon)"; echo do""ne';
      await using pty = new Pty(
        sandbox,
        ["sh", "-c", script, "sh", ...WRAPPED, ...flags],
        { env: ENV },
      );
      await pty.expect(/<> /);
      pty.line("stty -echo -ixon; exit 0");
      await pty.expect(/^-ixon\s+-echo\s+done/m);
    },
  );

test.each(WAYS)(
  "modes set by a child without a prompt stick after the wrapper ends$way",
  async ({ recorded }) => {
    using sandbox = new Sandbox(recorded);
    const script =
      '"$@"; stty -a | tr " ;" "\\n\\n" | grep -xE -e "-?(echo|ixon)"; echo do""ne';
    for (const child of [
      ["stty", "-echo", "-ixon"],
      ["sh", "-c", "stty -echo -ixon; exit 3"],
      ["sh", "-c", "stty -echo -ixon; kill -9 $$"],
    ]) {
      await using pty = new Pty(sandbox, [
        "sh",
        "-c",
        script,
        "sh",
        ...WRAPPED,
        ...child,
      ]);
      await pty.expect(/^-ixon\s+-echo\s+done/m);
    }
  },
);

test.each(WAYS)(
  "a wrapper that ends in the background leaves the foreground's modes alone$way",
  async ({ recorded }) => {
    using sandbox = new Sandbox(recorded);
    const script = `"$@" sh -c 'while [ ! -e go ]; do sleep 0.05; done' & stty -echo -ixon
touch go; wait $!; stty -a | tr " ;" "\\n\\n" | grep -xE -e "-?(echo|ixon)"; echo do""ne`;
    await using pty = new Pty(sandbox, [
      "bash",
      "-c",
      script,
      "bash",
      ...WRAPPED,
    ]);
    await pty.expect(/^-ixon\s+-echo\s+done/m);
  },
);

test.each(WAYS)(
  "a program with a hidden password prompt reads it and echoes nothing$way",
  async ({ recorded }) => {
    using sandbox = new Sandbox(recorded);
    const script = "read -rsp 'Pass''word: ' p; echo; echo \"le''ngth=${#p}.\"";
    await using pty = new Pty(sandbox, [...WRAPPED, "bash", "-c", script]);
    const child = await until(
      "the child",
      () => childrenOf(pty.pid)[0] ?? null,
    );
    await pty.expect("Password: ");
    await waiting(child);
    pty.line("secret");
    await pty.expect("ngth=6.");
    expect(pty.text()).not.toContain("secret");
  },
);

test.each(WAYS)(
  "tmux runs inside a wrapped shell: keys, its size, detached and back$way",
  async ({ recorded }) => {
    if (!needs("tmux")) return;
    using sandbox = new Sandbox(recorded);
    await using pty = new Pty(sandbox, [...WRAPPED, ...OUTER], { env: ENV });
    await pty.expect("<> ");
    const socket = join(sandbox.home, "tmux");
    const tmux = `tmux -S ${socket} -f /dev/null`;
    pty.line(`${tmux} new-session 'PS1="i""n> " bash --norc --noprofile'`);
    await pty.expect("in> ");
    pty.line("echo fir''st");
    await pty.expect("first");
    pty.resize(100, 30);
    pty.line(
      "until [ $(tput cols) = 100 ]; do sleep 0.02; done; echo nar''row",
    );
    await pty.expect("narrow");
    pty.type("\x02d");
    await pty.expect(/detached/);
    pty.line(`${tmux} attach`);
    await pty.expect("narrow");
    pty.line("exit");
    await pty.expect(/exited/);
    pty.line("exit 4");
    expect(await pty.ended()).toEqual({ code: 4, signal: null });
    // Its server ends by itself, once nobody is left in it.
    await until("the end of tmux", () => {
      const ls = Bun.spawnSync(["tmux", "-S", socket, "ls"]);
      return ls.exitCode === 1;
    });
  },
);
