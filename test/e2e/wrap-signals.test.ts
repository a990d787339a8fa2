/**
 * Signals: those of the terminal reach the program and not us; those sent to
 * us end it; its own death is ours.
 */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { Pty } from "../support/pty.ts";
import { BINARY, NO_JIT, Sandbox } from "../support/sandbox.ts";
import { needs } from "../support/tools.ts";
import {
  childrenOf,
  gone,
  processState,
  unlocked,
  until,
  waiting,
} from "../support/wait.ts";

const OUTER = ["bash", "--norc", "--noprofile"];
/** The screen shows `<>`; what was typed shows quotes. */
const OUTER_ENV = { BINARY, PS1: "<> " };

interface Shell {
  argv: string[];
  /** Says `alive`, which what was typed does not hold. */
  prints: string;
  prompt: RegExp;
}

const SHELLS: Shell[] = [
  ["bash", "--norc", "--noprofile"],
  ["zsh", "-f"],
  ["dash", "-i"],
  ["fish", "--no-config"],
].map((argv) => ({ argv, prints: "echo al''ive", prompt: /<> |# / }));
const PYTHON: Shell = {
  argv: ["/usr/bin/python3", "-q"],
  prints: "print('al' 'ive')",
  prompt: />>> /,
};

for (const { argv, prints, prompt } of [...SHELLS, PYTHON])
  test(`${argv[0]} handles Ctrl-C and Ctrl-\\ at its prompt as without us`, async () => {
    if (!needs(argv[0]!)) return;
    using sandbox = new Sandbox();
    const wrapped = [BINARY, "shell", "--quiet", "--", ...argv];
    await using pty = new Pty(sandbox, wrapped, { env: OUTER_ENV });
    const shell = await until(
      "the shell",
      () => childrenOf(pty.pid)[0] ?? null,
    );
    // A key that comes while the prompt is made may be the terminal's, not the shell's.
    const shows = async (pattern: RegExp | string) => {
      await pty.expect(pattern);
      await waiting(shell);
    };
    await shows(prompt);
    for (let turn = 0; turn < 3; turn++) {
      pty.type("half a li");
      await shows("half a li");
      pty.type("\x03");
      await shows(prompt);
      // What was typed is dropped: the next line is one of its own.
      pty.line(prints);
      await pty.expect("alive");
      await shows(prompt);
    }
    if (argv !== PYTHON.argv) {
      pty.type("\x1c");
      pty.line(prints);
      await pty.expect("alive");
    }
    pty.line(argv === PYTHON.argv ? "raise SystemExit(4)" : "exit 4");
    expect(await pty.ended()).toEqual({ code: 4, signal: null });
    expect(await sandbox.only()).toMatchObject({
      status: "ended",
      exit_code: 4,
    });
  });

for (const { argv, prints } of SHELLS)
  test(`Ctrl-C in ${argv[0]} ends its foreground program alone`, async () => {
    if (!needs(argv[0]!)) return;
    using sandbox = new Sandbox();
    await using pty = new Pty(sandbox, [BINARY, "shell", "--", ...argv]);
    pty.line("sh -c 'echo run\"\"ning; exec sleep 1000'");
    await pty.expect("running");
    pty.type("\x03");
    pty.line(prints);
    await pty.expect("alive");
    pty.line("sh -c 'echo run\"\"ning; exec sleep 1000'");
    await pty.expect("running");
    pty.type("\x1c");
    pty.line(prints);
    await pty.expect("alive");
    pty.line("exit 0");
    expect(await pty.ended()).toEqual({ code: 0, signal: null });
  });

test("Ctrl-C is an exception in python, and Ctrl-\\ ends it by SIGQUIT", async () => {
  if (!needs("/usr/bin/python3")) return;
  using sandbox = new Sandbox();
  const argv = [BINARY, "shell", "--", "/usr/bin/python3", "-q"];
  await using pty = new Pty(sandbox, argv);
  pty.line('exec(\'print("bu" + "sy")\\nwhile True: pass\')');
  await pty.expect("busy");
  pty.type("\x03");
  await pty.expect("KeyboardInterrupt");
  pty.line("print('al' 'ive')");
  await pty.expect("alive");
  pty.type("\x1c");
  expect(await pty.ended()).toEqual({ code: null, signal: "SIGQUIT" });
  expect(await sandbox.only()).toMatchObject({
    exit_code: null,
    signal: "SIGQUIT",
  });
});

test("Ctrl-C in a wrapped program stops the loop around it", async () => {
  using sandbox = new Sandbox();
  await using pty = new Pty(sandbox, OUTER, { env: OUTER_ENV });
  pty.line(
    "while :; do $BINARY shell --quiet -- sh -c 'echo run\"\"ning; exec sleep 1000'; done; echo status=$?.",
  );
  await pty.expect("running");
  pty.type("\x03");
  await pty.expect("<> ");
  pty.line("echo pro''mpt; exit 0");
  await pty.expect("prompt");
  await pty.ended();
  expect(pty.text().split("running")).toHaveLength(2);
  expect(await sandbox.only()).toMatchObject({
    signal: "SIGINT",
    status: "ended",
  });
});

test("Ctrl-C that the wrapped program handles does not stop the loop", async () => {
  using sandbox = new Sandbox();
  await using pty = new Pty(sandbox, OUTER, { env: OUTER_ENV });
  pty.line(
    "for i in 1 2; do $BINARY shell --quiet -- sh -c 'trap \"echo caught; exit 3\" INT; echo run\"\"ning$0; while :; do :; done' $i; echo st''atus=$?; done",
  );
  for (const turn of [1, 2]) {
    await pty.expect(`running${turn}`);
    pty.type("\x03");
    await pty.expect("status=3");
  }
  pty.line("exit 0");
  expect(await pty.ended()).toEqual({ code: 0, signal: null });
});

for (const [name, number] of [
  ["SIGTERM", 15],
  ["SIGHUP", 1],
] as const)
  test(`${name} to the wrapper ends its shell and the session`, async () => {
    using sandbox = new Sandbox();
    const argv = [BINARY, "shell", "--", "bash", "--norc"];
    await using pty = new Pty(sandbox, argv);
    pty.line("echo pid=$$.");
    const shell = Number((await pty.expect(/pid=(\d+)\./))[1]);
    process.kill(pty.pid, number);
    // An interactive bash ignores TERM and dies by HUP.
    expect(await pty.ended()).toEqual({ code: null, signal: "SIGHUP" });
    await gone(shell);
    expect(await sandbox.only()).toMatchObject({
      status: "ended",
      signal: "SIGHUP",
      end_source: "observed",
      metadata: { exit_reason: name === "SIGTERM" ? "terminated" : "hangup" },
    });
  });

test("SIGTERM to the wrapper ends a program without a terminal", async () => {
  using sandbox = new Sandbox();
  const child = Bun.spawn(
    [BINARY, "shell", "--", "sh", "-c", "echo $$; exec sleep 1000"],
    {
      env: sandbox.env,
      stdout: "pipe",
      detached: true,
    },
  );
  const reader = child.stdout.getReader();
  const pid = Number(new TextDecoder().decode((await reader.read()).value));
  expect(pid).toBeGreaterThan(1);
  child.kill("SIGTERM");
  await child.exited;
  expect(child.signalCode).toBe("SIGTERM");
  await gone(pid);
  expect(await sandbox.only()).toMatchObject({
    signal: "SIGTERM",
    metadata: { exit_reason: "terminated" },
  });
});

for (const env of [{}, NO_JIT])
  test(`SIGTERM to the wrapper lets a program that handles it end in its own way: ${JSON.stringify(env)}`, async () => {
    using sandbox = new Sandbox();
    const script =
      "trap 'echo tidied; exit 4' TERM; setsid kill -TERM $PPID; while :; do :; done";
    const argv = ["shell", "--", "sh", "-c", script];
    const done = await sandbox.run(argv, { env });
    expect(done).toMatchObject({ exitCode: 4, stdout: "tidied\n" });
    expect(await sandbox.only()).toMatchObject({
      exit_code: 4,
      metadata: { exit_reason: "terminated" },
    });
  });

test("kill -9 of the shell: recorded, 137 outside, and the terminal is good", async () => {
  using sandbox = new Sandbox();
  await using pty = new Pty(sandbox, OUTER, { env: OUTER_ENV });
  await pty.expect("<> ");
  pty.line('PS1="in""ner> " $BINARY shell --quiet -- bash --norc');
  await pty.expect("inner> ");
  pty.line("kill -9 $$");
  await pty.expect("<> ");
  pty.line("echo st''atus=$?");
  await pty.expect("status=137");
  // Editing works, echo is on, and Ctrl-C reaches a foreground program.
  pty.line(
    "stty -a | grep -oE -- '-?(echo|icanon|isig)\\b' | tr '\\n' ' '; echo; sh -c 'echo run\"\"ning; exec sleep 1000'",
  );
  await pty.expect(/isig icanon echo /);
  await pty.expect("running");
  pty.type("\x03");
  pty.line("exit 0");
  await pty.ended();
  expect(await sandbox.only()).toMatchObject({
    status: "ended",
    signal: "SIGKILL",
    exit_code: null,
  });
});

test("kill -9 of the shell by a script: the next line of the script has the terminal", async () => {
  using sandbox = new Sandbox();
  const script =
    '"$0" shell --quiet -- bash --norc -i; echo "status=$?."; read -r line; echo "got=$line."';
  await using pty = new Pty(sandbox, ["sh", "-c", script, BINARY], {
    env: { PS1: "<> " },
  });
  await pty.expect("<> ");
  pty.line("kill -9 $$");
  await pty.expect("status=137.");
  pty.line("words");
  await pty.expect("got=words.");
  expect(await pty.ended()).toEqual({ code: 0, signal: null });
});

test("kill -9 of the wrapper: the shell lives on, active, and is lost after it", async () => {
  using sandbox = new Sandbox(false);
  await using pty = new Pty(sandbox, OUTER, { env: OUTER_ENV });
  await pty.expect("<> ");
  pty.line(
    "$BINARY shell --quiet -- sh -c 'echo pids=$PPID,$$.; exec sleep 1000'",
  );
  const [, wrapper, shell] = (await pty.expect(/pids=(\d+),(\d+)\./)).map(
    Number,
  );
  const { session_id } = (await until("the child's pid on record", () =>
    sandbox.spooled().find((event) => event["pid"] === shell),
  )) as { session_id: string };
  process.kill(wrapper!, "SIGKILL");
  await unlocked(join(sandbox.spool, `${session_id}.ndjson`));
  await pty.expect("<> ");
  try {
    expect(processState(shell!)).not.toBeNull();
    expect(await sandbox.only()).toMatchObject({
      status: "active",
      pid: shell!,
      end_source: null,
    });
  } finally {
    process.kill(shell!, "SIGKILL");
  }
  await gone(shell!);
  expect(await sandbox.only()).toMatchObject({
    status: "lost",
    end_source: "recovered",
  });
});
