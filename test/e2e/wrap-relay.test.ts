/**
 * What somebody sends to the wrapper's pid and means the program by: it gets
 * that and nothing else, and has all the time that it takes.
 */
import { expect, test } from "bun:test";
import { chmodSync, chownSync, copyFileSync } from "node:fs";
import { join } from "node:path";
import { Container } from "../support/container.ts";
import { needsRoot } from "../support/host.ts";
import { Pty } from "../support/pty.ts";
import { BINARY, NO_JIT, Sandbox, WAYS } from "../support/sandbox.ts";
import { needs } from "../support/tools.ts";
import { until } from "../support/wait.ts";

const RUNTIMES = [{}, NO_JIT];

for (const env of RUNTIMES) {
  const how = JSON.stringify(env);

  test(`a program that takes seconds to end on SIGTERM is not hurried: ${how}`, async () => {
    using sandbox = new Sandbox();
    const script =
      "trap 'sleep 3.5; echo tidied; exit 4' TERM; setsid kill -TERM $PPID; while :; do :; done";
    const done = await sandbox.run(["shell", "--", "sh", "-c", script], {
      env,
    });
    expect(done).toMatchObject({ exitCode: 4, stdout: "tidied\n" });
    expect(await sandbox.only()).toMatchObject({
      status: "ended",
      exit_code: 4,
      metadata: { exit_reason: "terminated" },
    });
  });

  test(`a program that ignores SIGTERM is not hung up instead: ${how}`, async () => {
    using sandbox = new Sandbox();
    const script = `trap '' TERM
      trap 'echo told; exit 7' USR1
      trap 'echo hung up; exit 5' HUP
      setsid kill -TERM $PPID
      sleep 3.5
      echo by itself
      exit 6`;
    const done = await sandbox.run(["shell", "--", "sh", "-c", script], {
      env,
    });
    expect(done).toMatchObject({ exitCode: 6, stdout: "by itself\n" });
    expect(await sandbox.only()).toMatchObject({ exit_code: 6 });
  });

  test(`every SIGTERM and SIGHUP is passed on, not the first alone: ${how}`, async () => {
    using sandbox = new Sandbox();
    const script = `
      trap 'echo term; setsid kill -HUP $PPID' TERM
      trap 'n=$((n + 1)); echo hup; [ $n = 2 ] && exit 9; setsid kill -TERM $PPID' HUP
      setsid kill -TERM $PPID
      while :; do :; done`;
    const done = await sandbox.run(["shell", "--", "sh", "-c", script], {
      env,
    });
    const stdout = "term\nhup\nterm\nhup\n";
    expect(done).toMatchObject({ exitCode: 9, stdout });
    expect(await sandbox.only()).toMatchObject({
      exit_code: 9,
      metadata: { exit_reason: "terminated" },
    });
  });
}

test("a program at a terminal that ignores its hangup goes on, and its end is recorded", async () => {
  using sandbox = new Sandbox();
  const file = join(sandbox.home, "went-on");
  const stubborn = `trap '' HUP; echo pid=$$.; read -r line; sleep 3.5; echo > ${file}; exit 3`;
  const argv = [BINARY, "shell", "--quiet", "--", "sh", "-c", stubborn];
  const pty = new Pty(sandbox, argv);
  await pty.expect(/pid=\d+\./);
  pty.hangUp();
  await pty.child.exited;
  expect(await Bun.file(file).exists()).toBe(true);
  expect(await sandbox.only()).toMatchObject({
    status: "ended",
    exit_code: 3,
    metadata: { exit_reason: "hangup" },
  });
});

test.each(WAYS)(
  "another user's program, which we may not tell of a hangup, is told by the kernel$way",
  async ({ recorded }) => {
    if (!needsRoot("setpriv", "script")) return;
    using sandbox = new Sandbox(recorded);
    const program = join(sandbox.home, "setpriv");
    copyFileSync("/usr/bin/setpriv", program);
    chmodSync(program, 0o4755);
    chownSync(sandbox.home, 54321, 54321);
    await using container = new Container(
      sandbox,
      `touch sb; mount --bind ${BINARY} sb; export XDG_CACHE_HOME=$HOME/cache`,
    );
    const user = "setpriv --reuid=54321 --regid=54321 --clear-groups";
    // Root's in every respect then, as what sudo runs; the terminal is script's.
    await container.run(
      `mkfifo keys; exec 9<>keys
    script -qc 'exec ${user} ./sb shell --quiet -- ./setpriv --reuid=0 --regid=0 --clear-groups sleep 1000' /dev/null < keys > /dev/null 2>&1 & echo $! > terminal`,
    );
    const { pid, ppid } = await until("the process event", () =>
      sandbox.spooled().find((event) => event["event_type"] === "process"),
    );
    const status = await container.run(
      `until grep -q '^Uid:.0.0.0' /proc/${pid as number}/status; do :; done
    kill -9 $(cat terminal)
    for one in ${pid as number} ${ppid as number}; do
      while kill -0 $one 2> /dev/null; do :; done
    done
    ${user} ./sb list-sessions > rows; cut -f7 rows`,
    );
    // Nobody was left to see its end, but who had it on a terminal of its own.
    expect(status).toBe(recorded ? "ended" : "lost");
  },
);

/** Those that a process cannot live through without a word, or that stop and continue it, have tests of their own. */
const PASSED_ON = [
  ...[1, 2, 3, 10, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28, 29],
  ...Array.from({ length: 31 }, (_, n) => 34 + n),
];

test("every signal to the wrapper reaches the program: timers, limits, real-time signals", async () => {
  if (!needs("/usr/bin/python3")) return;
  using sandbox = new Sandbox();
  const script = `
import os, signal, sys
signals = [int(word) for word in sys.argv[1:]]
os.setpgid(0, 0)
signal.pthread_sigmask(signal.SIG_BLOCK, signals)
for sent in signals:
    os.kill(os.getppid(), sent)
    print(signal.sigwait(signals), flush=True)
sys.exit(8)`;
  const words = PASSED_ON.map(String);
  const argv = ["shell", "--", "/usr/bin/python3", "-c", script, ...words];
  const done = await sandbox.run(argv);
  expect(done.stdout.split("\n").slice(0, -1)).toEqual(words);
  expect(done.exitCode).toBe(8);
});

for (const name of ["SIGABRT", "SIGSEGV", "SIGINT", "SIGQUIT", "SIGALRM"])
  test(`${name} to the wrapper ends the program, and us as it ended`, async () => {
    using sandbox = new Sandbox();
    const script = `setsid kill -${name.slice(3)} $PPID; exec sleep 1000`;
    const done = await sandbox.run(["shell", "--", "sh", "-c", script]);
    expect(done).toMatchObject({ signal: name, stderr: "" });
    expect(await sandbox.only()).toMatchObject({
      status: "ended",
      signal: name,
    });
  });

test("a timer that was set before us ends the program: alarm, then exec", async () => {
  if (!needs("perl")) return;
  for (let seconds = 5, isUp = false; !isUp; seconds *= 2) {
    using sandbox = new Sandbox();
    const set = `alarm ${seconds}; exec @ARGV`;
    const argv = ["perl", "-e", set, BINARY, "shell", "--", "sleep", "1000"];
    const done = await sandbox.command(argv);
    expect(done).toMatchObject({ signal: "SIGALRM", stderr: "" });
    // On a slow machine it may go off before the program is there: once more.
    isUp =
      seconds > 60 ||
      sandbox.spooled().some((event) => event["event_type"] === "process");
    if (isUp) expect(await sandbox.only()).toMatchObject({ signal: "SIGALRM" });
  }
});

test("a limit of file size that our own writes meet is no affair of the program's", async () => {
  using sandbox = new Sandbox();
  const script = `trap 'echo told; exit 9' XFSZ
    trap 'exit 3' 40
    setsid kill -40 $PPID
    while :; do :; done`;
  const limited = `ulimit -f 0; exec "$0" shell -- bash -c "$1"`;
  const done = await sandbox.command(["bash", "-c", limited, BINARY, script]);
  expect(done).toMatchObject({ exitCode: 3, stdout: "" });
});

test("a program that signals its whole group gets that once, in a wrapper in a wrapper, too", async () => {
  if (!needs("/usr/bin/python3")) return;
  using sandbox = new Sandbox();
  // Of a real-time signal each one counts. What is relayed comes before the last.
  const script = `
import os, signal, subprocess
signal.pthread_sigmask(signal.SIG_BLOCK, [40, 41])
os.kill(0, 40)
here, there = os.pipe()
child = os.fork()
if child == 0:
    os.kill(0, 40)
    os.write(there, b"1")
    signal.pause()
os.read(here, 1)
subprocess.run(["setsid", "kill", "-41", str(os.getppid())])
while (got := signal.sigwait([40, 41])) == 40:
    print(got)
os.kill(child, 9)`;
  const argv = ["shell", "--", "/usr/bin/python3", "-c", script];
  for (const inner of [argv, ["shell", "--", BINARY, ...argv]]) {
    const done = await sandbox.command(["setsid", "-w", BINARY, ...inner]);
    expect(done).toMatchObject({ exitCode: 0, stdout: "40\n40\n" });
  }
});

test("kill of a script's wrapped program by the script is relayed", async () => {
  using sandbox = new Sandbox();
  const script = `mkfifo up
    "$0" shell -- sh -c 'trap "exit 6" TERM; echo > up; while :; do :; done' &
    read -r _ < up; kill $!; wait $!`;
  const done = await sandbox.command(["sh", "-c", script, BINARY]);
  expect(done.exitCode).toBe(6);
});
