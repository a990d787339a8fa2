/** The terminal goes away under a session, and nobody stays behind. */
import { expect, test } from "bun:test";
import { Pty } from "../support/pty.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { needs } from "../support/tools.ts";
import { childrenOf, gone, until } from "../support/wait.ts";

const OUTER = ["bash", "--norc", "--noprofile"];
const OUTER_ENV = { BINARY, PS1: "<> " };

for (const argv of [
  ["bash", "--norc"],
  ["zsh", "-f"],
  ["fish", "--no-config"],
  ["dash", "-i"],
  ["/usr/bin/python3", "-q"],
  ["cat"],
])
  test(`the terminal goes away under ${argv[0]}: hangup, and nobody is left behind`, async () => {
    if (!needs(argv[0]!)) return;
    using sandbox = new Sandbox();
    const pty = new Pty(sandbox, [BINARY, "shell", "--quiet", "--", ...argv]);
    const child = await until(
      "the child",
      () => childrenOf(pty.pid)[0] ?? null,
    );
    // Not before it has made itself at home.
    const proof =
      { cat: "al", "/usr/bin/python3": "print('al' 'ive')" }[argv[0]!] ??
      "echo al''ive";
    pty.line(proof);
    await pty.expect(argv[0] === "cat" ? /al\s+al/ : "alive");
    pty.hangUp();
    await pty.child.exited;
    await gone(child);
    expect(await sandbox.only()).toMatchObject({
      status: "ended",
      end_source: "observed",
      metadata: { exit_reason: "hangup" },
    });
  });

test("the terminal goes away under a shell in a shell: all end", async () => {
  using sandbox = new Sandbox();
  const pty = new Pty(sandbox, OUTER, { env: OUTER_ENV });
  await pty.expect("<> ");
  pty.line('PS1="in""ner> " $BINARY shell --quiet -- bash --norc');
  await pty.expect("inner> ");
  pty.line("echo pids=$PPID,$$.");
  const [, wrapper, shell] = (await pty.expect(/pids=(\d+),(\d+)\./)).map(
    Number,
  );
  pty.line("sh -c 'echo sleeper=$$.; exec sleep 1000'");
  const sleeper = Number((await pty.expect(/sleeper=(\d+)\./))[1]);
  pty.hangUp();
  await pty.child.exited;
  for (const pid of [wrapper!, shell!, sleeper]) await gone(pid);
  expect(await sandbox.only()).toMatchObject({
    status: "ended",
    metadata: { exit_reason: "hangup" },
  });
});

test("under nohup a hangup does not end the program", async () => {
  using sandbox = new Sandbox();
  const script =
    "nohup \"$0\" shell -- sh -c 'echo $PPID $$ > pids; setsid kill -HUP $PPID $$; setsid kill -HUP $PPID $$; echo still-here'";
  const done = await sandbox.command(["sh", "-c", script, BINARY]);
  expect(done).toMatchObject({ exitCode: 0, stdout: "still-here\n" });
  expect(await sandbox.only()).toMatchObject({
    exit_code: 0,
    metadata: { exit_reason: "exited" },
  });
});

test("under nohup a program that handles a hangup all the same gets it", async () => {
  if (!needs("/usr/bin/python3")) return;
  using sandbox = new Sandbox();
  const program = `
import os, signal, subprocess
got = []
signal.signal(signal.SIGHUP, lambda *_: got.append("reload"))
subprocess.run(["setsid", "kill", "-HUP", str(os.getppid())])
while not got: pass
print(got)`;
  const argv = ["shell", "--", "/usr/bin/python3", "-c", program];
  const done = await sandbox.command(["nohup", BINARY, ...argv]);
  expect(done).toMatchObject({ exitCode: 0, stdout: "['reload']\n" });
});
