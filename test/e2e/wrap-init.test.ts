/**
 * The wrapper as the first process of a container: the kernel gives it every
 * orphan, and keeps all signals from it that it does not handle.
 */
import { expect, test } from "bun:test";
import { needsRoot } from "../support/host.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { childrenOf, until } from "../support/wait.ts";

const CONTAINER = [
  "unshare",
  "--pid",
  "--fork",
  "--mount-proc",
  "--kill-child",
];

test("orphans are reaped, the program's own end is ours, and what it leaves goes with it", async () => {
  if (!needsRoot()) return;
  using sandbox = new Sandbox();
  // Each is a child of a child that is gone; a zombie would keep its folder in /proc.
  const script = `[ $PPID = 1 ] || exit 90
    orphans=
    for n in 1 2 3 4 5 6 7 8 9; do orphans="$orphans $( (true > /dev/null & echo $!) )"; done
    for pid in $orphans; do while [ -e /proc/$pid ]; do :; done; done
    exit 7`;
  const argv = [...CONTAINER, BINARY, "shell", "--", "bash", "-c", script];
  const done = await sandbox.command(argv);
  expect(done).toMatchObject({ exitCode: 7, stdout: "", stderr: "" });
  expect(await sandbox.only()).toMatchObject({ status: "ended", exit_code: 7 });
});

test("a program that dies by a signal has us exit with 128 and its number", async () => {
  if (!needsRoot()) return;
  using sandbox = new Sandbox();
  const argv = ["shell", "--", "sh", "-c", "kill -9 $$"];
  const done = await sandbox.command([...CONTAINER, BINARY, ...argv]);
  expect(done.exitCode).toBe(137);
  expect(await sandbox.only()).toMatchObject({ signal: "SIGKILL" });
});

const SIGNALS = [
  { signal: "SIGTERM", from: "outside" },
  { signal: "SIGINT", from: "outside" },
  { signal: "SIGHUP", from: "outside" },
  { signal: "SIGQUIT", from: "outside" },
  { signal: "SIGUSR1", from: "outside" },
  { signal: "SIGTERM", from: "inside" },
  { signal: "SIGINT", from: "inside" },
] as const;

test.each(SIGNALS)(
  "$signal from $from reaches the program",
  async ({ signal, from }) => {
    if (!needsRoot()) return;
    using sandbox = new Sandbox();
    const name = signal.slice(3);
    const inside = from === "inside" ? `kill -${name} 1` : ":";
    const script = `trap 'echo told; exit 6' ${name}; echo up; ${inside}; while :; do :; done`;
    const argv = [...CONTAINER, BINARY, "shell", "--", "bash", "-c", script];
    await using child = Bun.spawn(argv, {
      env: sandbox.env,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "inherit",
      timeout: 100_000,
      killSignal: "SIGKILL",
    });
    const reader = child.stdout.getReader();
    let said = new TextDecoder().decode((await reader.read()).value);
    expect(said).toStartWith("up\n");
    if (from === "outside") {
      const init = await until(
        "the first process",
        () => childrenOf(child.pid)[0],
      );
      process.kill(init, signal);
    }
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      said += new TextDecoder().decode(value);
    }
    expect(said).toBe("up\ntold\n");
    expect(await child.exited).toBe(6);
    expect(await sandbox.only()).toMatchObject({
      status: "ended",
      exit_code: 6,
    });
  },
);
