/** When recording cannot be had as it should, the shell does not suffer. */
import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Pty } from "../support/pty.ts";
import { BINARY, NO_JIT, Sandbox } from "../support/sandbox.ts";
import { needs } from "../support/tools.ts";
import { gone, processState, stopped, until } from "../support/wait.ts";

const OUTER_ENV = { BINARY, PS1: "<> " };

test("without a JIT the shell runs, is recorded without a lock, and ends", async () => {
  using sandbox = new Sandbox();
  const stdin = "echo out; echo err >&2; exit 7\n";
  const done = await sandbox.run(["shell", "--", "sh"], { env: NO_JIT, stdin });
  expect(done).toMatchObject({ exitCode: 7, stdout: "out\n", stderr: "err\n" });
  expect(sandbox.spooled()[0]).toMatchObject({
    event_type: "session_start",
    lock: "none",
  });
  expect(await sandbox.only()).toMatchObject({ status: "ended", exit_code: 7 });
});

test("without a JIT statuses, signals and missing programs are told", async () => {
  using sandbox = new Sandbox();
  const env = NO_JIT;
  const run = (...words: string[]) =>
    sandbox.run(["shell", "--", ...words], { env });
  expect((await run("sh", "-c", "exit 255")).exitCode).toBe(255);
  expect((await run("sh", "-c", "kill -9 $$")).signal).toBe("SIGKILL");
  expect((await run("/nonexistent")).exitCode).toBe(127);
  expect((await run("/etc/passwd")).exitCode).toBe(126);
  const sessions = await sandbox.list();
  expect(sessions.map((session) => session.status)).toEqual(
    Array(4).fill("ended"),
  );
});

test("without a JIT a shell at the terminal works, and a live session is not closed", async () => {
  using sandbox = new Sandbox();
  const env = { ...NO_JIT, PS1: "<> " };
  await using pty = new Pty(
    sandbox,
    [BINARY, "shell", "--", "bash", "--norc"],
    { env },
  );
  await pty.expect("Session Tracking: ✓ Enabled");
  await pty.expect("<> ");
  expect((await sandbox.only()).status).toBe("active");
  pty.line("sh -c 'echo run\"\"ning; exec sleep 1000'");
  await pty.expect("running");
  pty.type("\x03");
  await pty.expect("<> ");
  pty.line("exit 4");
  expect(await pty.ended()).toEqual({ code: 4, signal: null });
  expect(await sandbox.only()).toMatchObject({ status: "ended", exit_code: 4 });
});

test("without a JIT Ctrl-Z stops a wrapped program, and fg goes on with it", async () => {
  using sandbox = new Sandbox();
  const env = { ...OUTER_ENV, ...NO_JIT };
  await using pty = new Pty(sandbox, ["bash", "--norc", "--noprofile"], {
    env,
  });
  await pty.expect("<> ");
  pty.line(
    "$BINARY shell --quiet -- sh -c 'echo sleeper\"\"=$$.; exec sleep 1000'",
  );
  const sleeper = Number((await pty.expect(/sleeper=(\d+)\./))[1]);
  pty.type("\x1a");
  await stopped(sleeper);
  await pty.expect("Stopped");
  pty.line("fg");
  await until("it to go on", () => processState(sleeper) === "S");
  pty.type("\x03");
  await gone(sleeper);
  await pty.expect("<> ");
  pty.line("exit 0");
  await pty.ended();
});

for (const blocks of [0, 1, 2])
  test(`a file size limit of ${blocks} blocks does not disturb the shell`, async () => {
    using sandbox = new Sandbox();
    // A block is 512 bytes for sh; the start line alone is longer than one.
    const script = `ulimit -f ${blocks}; "$0" shell -- sh -c 'echo out; echo err >&2; exit 9'; echo $?`;
    const done = await sandbox.command(["sh", "-c", script, BINARY]);
    expect(done).toMatchObject({
      exitCode: 0,
      stdout: "out\n9\n",
      stderr: "err\n",
    });
    // What was written is read by the next reader without trouble.
    await sandbox.run(["shell", "--component", "next", "--", "true"]);
    const components = (await sandbox.list()).map((s) => s.component_name);
    expect(components).toContain("next");
  });

test("a file size limit still ends the child that exceeds it by SIGXFSZ", async () => {
  using sandbox = new Sandbox();
  const script = `ulimit -f 8; "$0" shell -- dd if=/dev/zero of=big bs=1024 count=64 2>/dev/null; echo $?`;
  const { stdout } = await sandbox.command(["sh", "-c", script, BINARY]);
  expect(stdout).toBe("153\n");
  expect(await sandbox.only()).toMatchObject({ signal: "SIGXFSZ" });
});

test("at the terminal a session that is not fully recorded is told at its end", async () => {
  using sandbox = new Sandbox();
  // Room for the start and not for the end.
  const filler = { env: { ...OUTER_ENV } };
  const script = `ulimit -f 4; "$BINARY" shell --reason ${"x".repeat(1000)} -- sh -c 'exit 3'; echo "status=$?."`;
  await using pty = new Pty(sandbox, ["sh", "-c", script], filler);
  await pty.expect("Session Tracking: ✓ Enabled");
  await pty.expect(/not fully recorded: a limit on the size of files stops/);
  await pty.expect("status=3.");
  await pty.ended();
});

test("a data folder that cannot be made: told at the terminal, silent elsewhere", async () => {
  using sandbox = new Sandbox();
  mkdirSync(join(sandbox.home, ".local"));
  writeFileSync(join(sandbox.home, ".local/share"), "a file in the way");
  const done = await sandbox.run(["shell", "--", "sh", "-c", "exit 6"]);
  expect(done).toMatchObject({ exitCode: 6, stdout: "", stderr: "" });
  await using pty = new Pty(sandbox, [
    BINARY,
    "shell",
    "--",
    "sh",
    "-c",
    "exit 6",
  ]);
  await pty.expect("Session Tracking: ✗ Disabled");
  expect(await pty.ended()).toEqual({ code: 6, signal: null });
  const strict = await sandbox.run([
    "shell",
    "--audit",
    "strict",
    "--",
    "echo",
    "ran",
  ]);
  expect(strict).toMatchObject({ exitCode: 125, stdout: "" });
});

test("a profile that a broken configuration has lost keeps nobody from a shell, unless the audit is strict", async () => {
  for (const yaml of [
    "profiles: {ops: \n",
    "profiles: {ops: {component: my ops}}\n",
  ]) {
    using sandbox = new Sandbox();
    const config = join(sandbox.home, "broken.yaml");
    writeFileSync(config, yaml);
    const argv = ["shell", "--config", config, "--profile", "ops"];
    const done = await sandbox.run([...argv, "--", "echo", "ran"]);
    expect(done).toMatchObject({ exitCode: 0, stdout: "ran\n" });
    expect(await sandbox.only()).toMatchObject({ component_name: "echo" });
    writeFileSync(config, "profiles: {}\n");
    expect((await sandbox.run([...argv, "--", "true"])).exitCode).toBe(64);
    writeFileSync(config, "profiles: {ops: \n");
    const strict = await sandbox.run([
      ...argv,
      "--audit",
      "strict",
      "--",
      "true",
    ]);
    expect(strict.exitCode).toBe(64);
  }
});

const CLONE3 = 435;
const STATX = process.arch === "arm64" ? 291 : 332;
const [EPERM, ENOMEM, EINVAL] = [1, 12, 22];

/** Runs a program under a filter that has a system call fail. */
function failing(call: number, errno: number): string[] {
  const filter = `
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
code = [(0x20, 0, 0, 0), (0x15, 0, 1, ${call}), (6, 0, 0, ${0x50000 + errno}), (6, 0, 0, 0x7fff0000)]
text = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in code))
program = struct.pack("HxxxxxxP", len(code), ctypes.addressof(text))
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program, 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])`;
  return ["/usr/bin/python3", "-Ic", filter];
}

for (const errno of [EPERM, ENOMEM, EINVAL])
  test(`a clone3 that fails with errno ${errno}, by a filter or for want, keeps nobody from a program`, async () => {
    if (!needs("/usr/bin/python3")) return;
    using sandbox = new Sandbox();
    const filtered = [...failing(CLONE3, errno), BINARY, "shell", "--"];
    const run = (...argv: string[]) => sandbox.command([...filtered, ...argv]);
    expect(await run("sh", "-c", "echo ran; exit 3")).toMatchObject({
      ...{ exitCode: 3, stdout: "ran\n", stderr: "" },
    });
    expect(await sandbox.only()).toMatchObject({ status: "lost" });
    expect((await run("no-such-program")).exitCode).toBe(127);
  });

test("a filter that forbids statx keeps nobody from a shell, nor its session from the record", async () => {
  if (!needs("/usr/bin/python3")) return;
  using sandbox = new Sandbox();
  const config = join(sandbox.home, "settings.yaml");
  writeFileSync(config, "session: {banner: line}\n");
  const argv = ["shell", "--config", config, "--", "sh", "-c", "exit 3"];
  const filtered = [...failing(STATX, EPERM), BINARY, ...argv];
  const done = await sandbox.command(filtered);
  expect(done).toMatchObject({ exitCode: 3, stdout: "", stderr: "" });
  expect(await sandbox.only()).toMatchObject({ status: "ended", exit_code: 3 });
});

test("without the JIT, too, an ignored SIGCHLD does not hide the program's end", async () => {
  if (!needs("perl")) return;
  using sandbox = new Sandbox();
  const set = '$SIG{CHLD} = "IGNORE"; exec @ARGV';
  const argv = ["shell", "--", "sh", "-c", "exit 4"];
  const done = await sandbox.command(["perl", "-e", set, BINARY, ...argv], {
    env: NO_JIT,
  });
  expect(done).toMatchObject({ exitCode: 4, stderr: "" });
});
