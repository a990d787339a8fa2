/**
 * Job control: inside a wrapped shell as without us, and the wrapped program
 * as a job of the shell around it; also with a terminal between that is recorded.
 *
 * A process with threads has stopped for its parent when the last of them has:
 * `set -b` lets the outer shell say so at once, and only then does `fg` go on
 * with a job that it would take for running before.
 */
import { expect, test } from "bun:test";
import { Pty } from "../support/pty.ts";
import { BINARY, Sandbox, WAYS } from "../support/sandbox.ts";
import { needs } from "../support/tools.ts";
import {
  childOf,
  childrenOf,
  foregroundOf,
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
  { argv: ["bash", "--norc", "--noprofile"] },
  { argv: ["zsh", "-f"] },
  { argv: ["fish", "--no-config"] },
  { argv: ["dash", "-i"] },
];
const bothWays = <T extends object>(cases: readonly T[]) =>
  cases.flatMap((one) => WAYS.map((way) => ({ ...one, ...way })));

for (const { argv, recorded, way } of bothWays(INNER))
  test(`in a wrapped ${argv[0]}${way}: Ctrl-Z, bg, fg and Ctrl-C of a program`, async () => {
    if (!needs(argv[0]!)) return;
    using sandbox = new Sandbox(recorded);
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
      () => foregroundOf(sleeper) === sleeper,
    );
    pty.type("\x03");
    await gone(sleeper);
    pty.line("exit 0");
    pty.line("exit 0");
    expect(await pty.ended()).toEqual({ code: 0, signal: null });
  });

/** Until a shell has the terminal; with another one between, its wrapper has ours. */
const inFront = (sandbox: Sandbox, wrapper: number, shell: number) =>
  until("the inner shell to have the terminal", () => {
    const who = sandbox.recorded ? wrapper : shell;
    return foregroundOf(who) === who;
  });

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

/** zsh suspends itself by SIGTSTP, which the kernel keeps from who leads a terminal. */
const isZshAlone = ({ argv, recorded }: { argv: string; recorded: boolean }) =>
  recorded && argv.startsWith("zsh");
const SUSPENDING = [
  { argv: "bash --norc --noprofile", pids: "echo inn''er=$$." },
  { argv: "fish --no-config", pids: "echo inn''er=$fish_pid." },
  { argv: "zsh -f", pids: "echo inn''er=$$." },
];
const suspending = bothWays(SUSPENDING).filter((one) => !isZshAlone(one));

test("suspend in a wrapped zsh, recorded, does nothing, as over ssh", async () => {
  if (!needs("zsh")) return;
  using sandbox = new Sandbox(true);
  await using pty = new Pty(sandbox, OUTER, { env: OUTER_ENV });
  const { wrapper, shell } = await inner(pty, "zsh -f", "echo inn''er=$$.");
  pty.line("suspend; echo st''ill=$$.");
  await pty.expect(`still=${shell}.`);
  pty.line("exit 4");
  await gone(wrapper);
  pty.line("exit");
  expect(await pty.ended()).toEqual({ code: 4, signal: null });
});

for (const { argv, pids, recorded, way } of suspending)
  test(`suspend in a wrapped ${argv}${way}: the outer shell prompts, fg brings it back`, async () => {
    if (!needs(argv.split(" ")[0]!)) return;
    using sandbox = new Sandbox(recorded);
    await using pty = new Pty(sandbox, OUTER, { env: OUTER_ENV });
    const { wrapper, shell } = await inner(pty, argv, pids);
    for (const turn of [1, 2, 3]) {
      pty.line("suspend");
      await pty.expect(/Stopped/);
      await stopped(wrapper);
      pty.line(`echo out''er=$$,${turn}.`);
      await pty.expect(`outer=${pty.pid},${turn}.`);
      pty.line("fg");
      await inFront(sandbox, wrapper, shell);
      pty.line(pids);
      await pty.expect(`inner=${shell}.`);
    }
    // Programs in it are its foreground as before.
    pty.line(SLEEPER);
    const sleeper = Number((await pty.expect(/sleeper=(\d+)\./))[1]);
    pty.type("\x03");
    await gone(sleeper);
    pty.line("exit 3");
    await gone(wrapper);
    pty.line("echo st''atus=$?.");
    await pty.expect("status=3.");
    pty.line("exit 0");
    expect(await pty.ended()).toEqual({ code: 0, signal: null });
    expect(await sandbox.only()).toMatchObject({
      status: "ended",
      exit_code: 3,
    });
  });

for (const { argv, pids, recorded, way } of suspending)
  test(`bg of a suspended ${argv}${way} does not take the terminal from the outer shell`, async () => {
    if (!needs(argv.split(" ")[0]!)) return;
    using sandbox = new Sandbox(recorded);
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
      expect(foregroundOf(pty.pid)).toBe(pty.pid);
    }
    // It waits for the terminal, as any job that wants it.
    await pty.until("the outer shell to say so", () =>
      pty.text().slice(before).includes("Stopped"),
    );
    pty.line("fg");
    await inFront(sandbox, wrapper, shell);
    pty.line(pids);
    await pty.expect(`inner=${shell}.`);
    pty.line("exit 0");
    await gone(wrapper);
    pty.line("exit 0");
    await pty.ended();
  });

test.each(WAYS)(
  "suspend at once after fg stops a shell in a shell, too, every time$way",
  async ({ recorded }) => {
    using sandbox = new Sandbox(recorded);
    await using pty = new Pty(sandbox, OUTER, { env: OUTER_ENV });
    await pty.expect("<> ");
    const wrapper = "$BINARY shell --quiet -- ";
    pty.line(
      `PS1='IN''NER> ' ${wrapper}${wrapper}${wrapper}bash --norc --noprofile`,
    );
    await pty.expect("INNER> ");
    for (let turn = 0; turn < 40; turn++) {
      pty.line("suspend");
      // Nobody could continue a wrapper that another one has on a terminal of its own.
      if (!recorded) {
        await pty.expect("<> ");
        pty.line("fg");
      }
      await pty.expect("INNER> ");
    }
    pty.line("exit 5");
    await until("its end", () => foregroundOf(pty.pid) === pty.pid);
    pty.line("exit");
    expect(await pty.ended()).toEqual({ code: 5, signal: null });
  },
);

test.each(WAYS)(
  "suspend without anybody who could continue us does not hang$way",
  async ({ recorded }) => {
    using sandbox = new Sandbox(recorded);
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
  },
);

test.each(WAYS)(
  "Ctrl-Z stops a wrapped program, fg goes on with it, Ctrl-C ends it$way",
  async ({ recorded }) => {
    using sandbox = new Sandbox(recorded);
    await using pty = new Pty(sandbox, OUTER, { env: OUTER_ENV });
    await pty.expect("<> ");
    pty.line(`$BINARY shell --quiet -- ${SLEEPER}`);
    const sleeper = Number((await pty.expect(/sleeper=(\d+)\./))[1]);
    for (const turn of [1, 2, 3]) {
      pty.type("\x1a");
      // The key is shown first, as without us.
      await pty.expect(/\^Z\s+\[1\]\+\s+Stopped/);
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
    await until(
      "it to have the terminal",
      () => foregroundOf(pty.pid) !== pty.pid,
    );
    pty.type("\x03");
    await gone(sleeper);
    pty.line("echo st''atus=$?.; exit 0");
    await pty.expect("status=130.");
    await pty.ended();
    expect(await sandbox.only()).toMatchObject({
      status: "ended",
      signal: "SIGINT",
    });
  },
);

test.each(WAYS)(
  "kill of a stopped job ends the program and the session$way",
  async ({ recorded }) => {
    using sandbox = new Sandbox(recorded);
    await using pty = new Pty(sandbox, OUTER, { env: OUTER_ENV });
    await pty.expect("<> ");
    pty.line(`$BINARY shell --quiet -- ${SLEEPER}`);
    const sleeper = Number((await pty.expect(/sleeper=(\d+)\./))[1]);
    pty.type("\x1a");
    await pty.expect(/Stopped/);
    await stopped(sleeper);
    const wrapper = await childOf(pty.pid);
    pty.line("kill %1");
    await gone(sleeper);
    await gone(wrapper);
    pty.line("exit 0");
    await pty.ended();
    expect(await sandbox.only()).toMatchObject({
      status: "ended",
      signal: "SIGTERM",
    });
  },
);

test.each(WAYS)(
  "a shell that is wrapped in the background waits for fg$way",
  async ({ recorded }) => {
    using sandbox = new Sandbox(recorded);
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
    await inFront(sandbox, wrapper, shell);
    pty.line("echo inn''er=$$.");
    await pty.expect(`inner=${shell}.`);
    pty.line("exit 0");
    await gone(wrapper);
    pty.line("exit 0");
    await pty.ended();
    expect((await sandbox.only()).status).toBe("ended");
  },
);

test.each(WAYS)(
  "a program in the background that reads the terminal stops, and goes on by fg$way",
  async ({ recorded }) => {
    using sandbox = new Sandbox(recorded);
    await using pty = new Pty(sandbox, OUTER, { env: OUTER_ENV });
    await pty.expect("<> ");
    pty.line(
      "set -b; $BINARY shell --quiet -- sh -c 'read -r line; echo got\"\"=$line.' &",
    );
    // With a terminal of its own it waits there, and runs for the shell around.
    if (recorded) await childOf(pty.pid);
    else await pty.expect("Stopped");
    pty.line("fg");
    await until(
      "it to have the terminal",
      () => foregroundOf(pty.pid) !== pty.pid,
    );
    pty.line("words");
    await pty.expect("got=words.");
    await until("its end", () => foregroundOf(pty.pid) === pty.pid);
    pty.line("exit 0");
    await pty.ended();
  },
);

test.each(WAYS)(
  "Ctrl-Z reaches a script's wrapped program: script and program stop and go on$way",
  async ({ recorded }) => {
    using sandbox = new Sandbox(recorded);
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
  },
);

test.each(WAYS)(
  "a program that is stopped by its pid stays so, and goes on by its pid$way",
  async ({ recorded }) => {
    using sandbox = new Sandbox(recorded);
    const script = "echo sleeper=$$.; read -r _; echo went-on; exit 3";
    const argv = [BINARY, "shell", "--quiet", "--", "sh", "-c", script];
    // A script that waits for it, then nobody who could continue it.
    for (const around of [["sh", "-c", '"$@"; exit $?', "sh"], []]) {
      await using pty = new Pty(sandbox, [...around, ...argv]);
      const sleeper = Number((await pty.expect(/sleeper=(\d+)\./))[1]);
      process.kill(sleeper, "SIGSTOP");
      await stopped(sleeper);
      const wrapper = around.length === 0 ? pty.pid : await childOf(pty.pid);
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
  },
);
