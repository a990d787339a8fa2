/**
 * Job control: inside a wrapped shell as without us, and the wrapped program
 * as a job of the shell around it.
 *
 * A process with threads has stopped for its parent when the last of them has:
 * `set -b` lets the outer shell say so at once, and only then does `fg` go on
 * with a job that it would take for running before.
 */
import { expect, test } from "bun:test";
import { Pty } from "../support/pty.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { needs } from "../support/tools.ts";
import {
  childrenOf,
  gone,
  processState,
  stopped,
  until,
  waiting,
} from "../support/wait.ts";

const OUTER = ["bash", "--norc", "--noprofile"];
/** Typed text never holds what the screen is to show: it has quotes within. */
const OUTER_ENV = { BINARY, PS1: "<> ", fish_greeting: "" };
const SLEEPER = "sh -c 'echo sleeper\"\"=$$.; exec sleep 1000'";

const INNER = [
  ["bash", "--norc", "--noprofile"],
  ["zsh", "-f"],
  ["fish", "--no-config"],
  ["dash", "-i"],
];

for (const argv of INNER)
  test(`in a wrapped ${argv[0]}: Ctrl-Z, bg, fg and Ctrl-C of a program`, async () => {
    if (!needs(argv[0]!)) return;
    using sandbox = new Sandbox();
    const wrapped = [BINARY, "shell", "--quiet", "--", ...argv];
    await using pty = new Pty(sandbox, wrapped, { env: OUTER_ENV });
    pty.line(SLEEPER);
    const sleeper = Number((await pty.expect(/sleeper=(\d+)\./))[1]);
    pty.type("\x1a");
    await stopped(sleeper);
    // Typed before the prompt, so what is said may share a line with it.
    pty.line("echo wi''th-us");
    await pty.expect("with-us");
    // A stopped program within is no stop of the wrapper.
    expect(processState(pty.pid)).not.toBe("T");
    pty.line("bg");
    await until("the program to go on", () => processState(sleeper) === "S");
    pty.line("echo be''side-us");
    await pty.expect("beside-us");
    pty.line("fg");
    await until(
      "the program to have the terminal",
      () => foreground(pty.pid) === sleeper,
    );
    pty.type("\x03");
    await gone(sleeper);
    pty.line("exit 0");
    pty.line("exit 0");
    expect(await pty.ended()).toEqual({ code: 0, signal: null });
  });

/** The foreground process group of a process's terminal. */
function foreground(pid: number): number {
  const stat = Bun.spawnSync(["cat", `/proc/${pid}/stat`]).stdout.toString();
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[5]);
}

/** Starts the outer shell, and a wrapped inner one in it: its pids. */
async function inner(
  pty: Pty,
  argv: string,
  pids: string,
): Promise<{ wrapper: number; shell: number }> {
  await pty.expect("<> ");
  pty.line(`$BINARY shell --quiet -- ${argv}`);
  const wrapper = await until(
    "the wrapper",
    () => childrenOf(pty.pid)[0] ?? null,
  );
  const shell = await until(
    "the inner shell",
    () => childrenOf(wrapper)[0] ?? null,
  );
  pty.line(pids);
  await pty.expect(`inner=${shell}.`);
  return { wrapper, shell };
}

const SUSPENDING = [
  { argv: "bash --norc --noprofile", pids: "echo inn''er=$$." },
  { argv: "fish --no-config", pids: "echo inn''er=$fish_pid." },
  { argv: "zsh -f", pids: "echo inn''er=$$." },
];

for (const { argv, pids } of SUSPENDING)
  test(`suspend in a wrapped ${argv}: the outer shell prompts, fg brings it back`, async () => {
    if (!needs(argv.split(" ")[0]!)) return;
    using sandbox = new Sandbox();
    await using pty = new Pty(sandbox, OUTER, { env: OUTER_ENV });
    const { wrapper, shell } = await inner(pty, argv, pids);
    for (const turn of [1, 2, 3]) {
      pty.line("suspend");
      await pty.expect(/Stopped/);
      await stopped(wrapper);
      pty.line(`echo out''er=$$,${turn}.`);
      await pty.expect(`outer=${pty.pid},${turn}.`);
      pty.line("fg");
      await until(
        "the inner shell to have the terminal",
        () => foreground(pty.pid) === shell,
      );
      pty.line(pids);
      await pty.expect(`inner=${shell}.`);
    }
    // Programs in it are its foreground as before.
    pty.line(SLEEPER);
    const sleeper = Number((await pty.expect(/sleeper=(\d+)\./))[1]);
    pty.type("\x03");
    await gone(sleeper);
    pty.line("exit 3");
    pty.line("echo st''atus=$?.");
    await pty.expect("status=3.");
    pty.line("exit 0");
    expect(await pty.ended()).toEqual({ code: 0, signal: null });
    expect(await sandbox.only()).toMatchObject({
      status: "ended",
      exit_code: 3,
    });
  });

for (const { argv, pids } of SUSPENDING)
  test(`bg of a suspended ${argv} does not take the terminal from the outer shell`, async () => {
    if (!needs(argv.split(" ")[0]!)) return;
    using sandbox = new Sandbox();
    await using pty = new Pty(sandbox, OUTER, { env: OUTER_ENV });
    const { wrapper, shell } = await inner(pty, argv, pids);
    pty.line("suspend");
    await pty.expect(/Stopped/);
    await stopped(wrapper);
    const before = pty.text().length;
    pty.line("set -b; bg");
    await pty.expect(/\[1\]\+ .*&/);
    for (const turn of [1, 2, 3]) {
      pty.line(`echo out''er=$$,${turn}.`);
      await pty.expect(`outer=${pty.pid},${turn}.`);
      expect(foreground(pty.pid)).toBe(pty.pid);
    }
    // It waits for the terminal, as any job that wants it.
    await pty.until("the outer shell to say so", () =>
      pty.text().slice(before).includes("Stopped"),
    );
    pty.line("fg");
    await until(
      "the inner shell to have the terminal",
      () => foreground(pty.pid) === shell,
    );
    pty.line(pids);
    await pty.expect(`inner=${shell}.`);
    pty.line("exit 0");
    pty.line("exit 0");
    await pty.ended();
  });

test("suspend at once after fg stops a shell in a shell, too, every time", async () => {
  using sandbox = new Sandbox();
  await using pty = new Pty(sandbox, OUTER, { env: OUTER_ENV });
  await pty.expect("<> ");
  const wrapper = "$BINARY shell --quiet -- ";
  pty.line(
    `PS1='IN''NER> ' ${wrapper}${wrapper}${wrapper}bash --norc --noprofile`,
  );
  await pty.expect("INNER> ");
  for (let turn = 0; turn < 40; turn++) {
    pty.line("suspend");
    await pty.expect("<> ");
    pty.line("fg");
    await pty.expect("INNER> ");
  }
  pty.line("exit 5");
  await pty.expect("<> ");
  pty.line("exit");
  expect(await pty.ended()).toEqual({ code: 5, signal: null });
});

test("suspend without anybody who could continue us does not hang", async () => {
  using sandbox = new Sandbox();
  for (const argv of [
    ["bash", "--norc", "--noprofile"],
    ["fish", "--no-config"],
  ]) {
    if (!needs(argv[0]!)) continue;
    const wrapped = [BINARY, "shell", "--quiet", "--", ...argv];
    await using pty = new Pty(sandbox, wrapped, { env: OUTER_ENV });
    pty.line("echo read''y");
    await pty.expect("ready");
    pty.line("suspend");
    pty.line("echo al''ive");
    await pty.expect("alive");
    pty.line("exit 5");
    expect(await pty.ended()).toEqual({ code: 5, signal: null });
  }
});

test("Ctrl-Z stops a wrapped program, fg goes on with it, Ctrl-C ends it", async () => {
  using sandbox = new Sandbox();
  await using pty = new Pty(sandbox, OUTER, { env: OUTER_ENV });
  await pty.expect("<> ");
  pty.line(`$BINARY shell --quiet -- ${SLEEPER}`);
  const sleeper = Number((await pty.expect(/sleeper=(\d+)\./))[1]);
  for (const turn of [1, 2, 3]) {
    pty.type("\x1a");
    await pty.expect(/Stopped/);
    await stopped(sleeper);
    pty.line(`echo out''er=${turn}.`);
    await pty.expect(`outer=${turn}.`);
    pty.line("fg");
    await until("it to go on", () => processState(sleeper) === "S");
  }
  pty.type("\x1a");
  await pty.expect(/Stopped/);
  pty.line("bg; echo back''ground");
  await pty.expect("background");
  await until("it to go on", () => processState(sleeper) === "S");
  pty.line("fg");
  await until("it to have the terminal", () => foreground(pty.pid) !== pty.pid);
  pty.type("\x03");
  await gone(sleeper);
  pty.line("echo st''atus=$?.; exit 0");
  await pty.expect("status=130.");
  await pty.ended();
  expect(await sandbox.only()).toMatchObject({
    status: "ended",
    signal: "SIGINT",
  });
});

test("kill of a stopped job ends the program and the session", async () => {
  using sandbox = new Sandbox();
  await using pty = new Pty(sandbox, OUTER, { env: OUTER_ENV });
  await pty.expect("<> ");
  pty.line(`$BINARY shell --quiet -- ${SLEEPER}`);
  const sleeper = Number((await pty.expect(/sleeper=(\d+)\./))[1]);
  pty.type("\x1a");
  await pty.expect(/Stopped/);
  await stopped(sleeper);
  const [wrapper] = childrenOf(pty.pid);
  pty.line("kill %1");
  await gone(sleeper);
  await gone(wrapper!);
  pty.line("exit 0");
  await pty.ended();
  expect(await sandbox.only()).toMatchObject({
    status: "ended",
    signal: "SIGTERM",
  });
});

test("a shell that is wrapped in the background waits for fg", async () => {
  using sandbox = new Sandbox();
  await using pty = new Pty(sandbox, OUTER, { env: OUTER_ENV });
  await pty.expect("<> ");
  pty.line("set -b; $BINARY shell --quiet -- bash --norc --noprofile &");
  const wrapper = await until(
    "the wrapper",
    () => childrenOf(pty.pid)[0] ?? null,
  );
  await pty.expect("Stopped");
  pty.line("echo out''er=$$.");
  await pty.expect(`outer=${pty.pid}.`);
  pty.line("fg");
  const shell = await until(
    "the inner shell",
    () => childrenOf(wrapper)[0] ?? null,
  );
  await until(
    "the inner shell to have the terminal",
    () => foreground(pty.pid) === shell,
  );
  pty.line("echo inn''er=$$.");
  await pty.expect(`inner=${shell}.`);
  pty.line("exit 0");
  pty.line("exit 0");
  await pty.ended();
  expect((await sandbox.only()).status).toBe("ended");
});

test("a program in the background that reads the terminal stops, and goes on by fg", async () => {
  using sandbox = new Sandbox();
  await using pty = new Pty(sandbox, OUTER, { env: OUTER_ENV });
  await pty.expect("<> ");
  pty.line(
    "set -b; $BINARY shell --quiet -- sh -c 'read -r line; echo got\"\"=$line.' &",
  );
  await pty.expect("Stopped");
  pty.line("fg");
  await until("it to have the terminal", () => foreground(pty.pid) !== pty.pid);
  pty.line("words");
  await pty.expect("got=words.");
  pty.line("exit 0");
  await pty.ended();
});

test("Ctrl-Z reaches a script's wrapped program: script and program stop and go on", async () => {
  using sandbox = new Sandbox();
  await using pty = new Pty(sandbox, OUTER, { env: OUTER_ENV });
  await pty.expect("<> ");
  pty.line(
    `sh -c '$BINARY shell --quiet -- sh -c "echo sleeper''=\\$\\$.; exec sleep 1000"; echo aft""er'`,
  );
  const sleeper = Number((await pty.expect(/sleeper=(\d+)\./))[1]);
  pty.type("\x1a");
  await pty.expect(/Stopped/);
  await stopped(sleeper);
  pty.line("fg");
  await until("it to go on", () => processState(sleeper) === "S");
  process.kill(sleeper, "SIGKILL");
  await pty.expect("after");
  pty.line("exit 0");
  await pty.ended();
});

test("a program that is stopped by its pid stays so, and goes on by its pid", async () => {
  using sandbox = new Sandbox();
  const script = "echo sleeper=$$.; read -r _; echo went-on; exit 3";
  const argv = [BINARY, "shell", "--quiet", "--", "sh", "-c", script];
  // A script that waits for it, then nobody who could continue it.
  for (const around of [["sh", "-c", '"$@"; exit $?', "sh"], []]) {
    await using pty = new Pty(sandbox, [...around, ...argv]);
    const sleeper = Number((await pty.expect(/sleeper=(\d+)\./))[1]);
    process.kill(sleeper, "SIGSTOP");
    await stopped(sleeper);
    const wrapper = around.length === 0 ? pty.pid : childrenOf(pty.pid)[0]!;
    await waiting(wrapper);
    // It has seen that by the time it has relayed this.
    process.kill(wrapper, "SIGWINCH");
    await waiting(wrapper);
    expect(processState(sleeper)).toBe("T");
    expect(processState(wrapper)).toBe("S");
    process.kill(sleeper, "SIGCONT");
    pty.line("");
    await pty.expect("went-on");
    expect(await pty.ended()).toEqual({ code: 3, signal: null });
  }
});
