/** A wrapped program's end is the wrapper's end, and the session says so. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { readUntil } from "../support/server.ts";
import { needs } from "../support/tools.ts";
import { gone, stopped, waiting } from "../support/wait.ts";

test.each([0, 64, 128, 192])(
  "every exit status from 0 to 255 is passed on, the 64 from %d",
  async (first) => {
    using sandbox = new Sandbox();
    const env = { SESSION_BUDDY_SESSION_ENABLED: "false" };
    const script = `for n in $(seq ${first} ${first + 63}); do "$1" shell -- sh -c "exit $n"; echo $?; done`;
    const argv = ["sh", "-c", script, "sh", BINARY];
    const { stdout } = await sandbox.command(argv, { env });
    expect(stdout.trim().split("\n").map(Number)).toEqual(
      Array.from({ length: 64 }, (_, n) => first + n),
    );
  },
  400_000,
);

test("while nothing is recorded the wrapper waits for its program, asleep", async () => {
  using sandbox = new Sandbox();
  const wrapper = Bun.spawn(
    [BINARY, "shell", "--", "sh", "-c", "echo up; read status; exit $status"],
    {
      env: sandbox.envWith({ SESSION_BUDDY_SESSION_ENABLED: "false" }),
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
    },
  );
  await readUntil(wrapper.stdout, /up\n/);
  await waiting(wrapper.pid);
  wrapper.stdin.write("7\n");
  await wrapper.stdin.end();
  expect(await wrapper.exited).toBe(7);
  expect(await wrapper.stderr.text()).toBe("");
});

for (const status of [0, 1, 125, 126, 127, 128, 130, 255])
  test(`exit status ${status} is recorded`, async () => {
    using sandbox = new Sandbox();
    const done = await sandbox.run([
      "shell",
      "--",
      "sh",
      "-c",
      `exit ${status}`,
    ]);
    expect(done.exitCode).toBe(status);
    expect(await sandbox.only()).toMatchObject({
      status: "ended",
      exit_code: status,
      signal: null,
      end_source: "observed",
      metadata: { exit_reason: "exited" },
    });
  });

const SIGNALS = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGABRT: 6,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGPIPE: 13,
  SIGTERM: 15,
  SIGXFSZ: 25,
  SIG40: 40,
  SIG64: 64,
};

for (const [name, number] of Object.entries(SIGNALS))
  test(`death by ${name} is passed on, without a core file, and recorded`, async () => {
    using sandbox = new Sandbox();
    const script = `ulimit -c unlimited; "$1" shell -- sh -c 'ulimit -c 0; kill -${number} $$'; echo $?; ls`;
    const done = await sandbox.command(["sh", "-c", script, "sh", BINARY]);
    expect(done.stdout).toBe(`${128 + number}\n`);
    expect(await sandbox.only()).toMatchObject({
      status: "ended",
      exit_code: null,
      signal: name,
      metadata: { exit_reason: "signaled", signal: name },
    });
  });

const UNSTARTED = [
  {
    file: "/nonexistent",
    status: 127,
    reason: "not_found",
    says: "no such program",
  },
  {
    file: "no-such-program-anywhere",
    status: 127,
    reason: "not_found",
    says: "no such program",
  },
  { file: "", status: 127, reason: "not_found", says: "no such program" },
  {
    file: "/etc/passwd",
    status: 126,
    reason: "cannot_run",
    says: "not executable",
  },
  { file: "/etc", status: 126, reason: "cannot_run", says: "not executable" },
  {
    file: "/etc/passwd/x",
    status: 126,
    reason: "cannot_run",
    says: "not a folder",
  },
];

for (const { file, status, reason, says } of UNSTARTED)
  test(`'${file}' cannot be started: ${status}, and an ended session`, async () => {
    using sandbox = new Sandbox();
    const done = await sandbox.run(["shell", "--", file, "x"]);
    expect(done).toMatchObject({ exitCode: status, stdout: "" });
    expect(done.stderr).toStartWith(
      `session-buddy: cannot run ${JSON.stringify(file)}: `,
    );
    expect(done.stderr).toContain(says);
    expect(await sandbox.only()).toMatchObject({
      status: "ended",
      exit_code: status,
      metadata: { exit_reason: reason },
    });
  });

test("what cannot be started and has control characters is named escaped", async () => {
  using sandbox = new Sandbox();
  const { stderr } = await sandbox.run([
    "shell",
    "--",
    "/no\x1b]0;title\x07\x9b\u202e",
  ]);
  // oxlint-disable-next-line no-control-regex
  expect(stderr.trimEnd()).not.toMatch(/[\x00-\x1f\x7f-\x9f\u202e]/);
});

test("all after the first -- is the command's, --help too", async () => {
  using sandbox = new Sandbox();
  const bare = await sandbox.command(["bash", "--help"]);
  expect(await sandbox.run(["shell", "--", "bash", "--help"])).toEqual(bare);
  const echo = ["shell", "--", "echo", "--", "--help", "-l", "--quiet"];
  expect((await sandbox.run(echo)).stdout).toBe("-- --help -l --quiet\n");
});

test("the first bare word starts the command too, and flags after it are the command's", async () => {
  using sandbox = new Sandbox();
  const { stdout } = await sandbox.run([
    "shell",
    "--quiet",
    "echo",
    "--component",
    "x",
    "--",
  ]);
  expect(stdout).toBe("--component x --\n");
  expect((await sandbox.only()).component_name).toBe("echo");
});

test("without a command $SHELL runs, with -l as a login shell", async () => {
  if (!needs("zsh", "fish")) return;
  using sandbox = new Sandbox();
  await Bun.write(join(sandbox.home, ".profile"), "echo from-profile\n");
  const stdin = 'echo "$0"; exit 5\n';
  const plain = await sandbox.run(["shell"], { stdin });
  expect(plain).toMatchObject({ exitCode: 5, stdout: "/bin/bash\n" });
  for (const flag of ["-l", "--login"]) {
    const login = await sandbox.run(["shell", flag], { stdin });
    expect(login).toMatchObject({
      exitCode: 5,
      stdout: "from-profile\n-bash\n",
    });
  }
  const zsh = await sandbox.run(["shell", "-l"], {
    env: { SHELL: "/usr/bin/zsh" },
    stdin: "[[ -o login ]] && echo login; exit 3\n",
  });
  expect(zsh).toMatchObject({ exitCode: 3, stdout: "login\n" });
  const fish = await sandbox.run(["shell", "-l"], {
    env: { SHELL: "/usr/bin/fish" },
    stdin: "status is-login; and echo login; exit 3\n",
  });
  expect(fish).toMatchObject({ exitCode: 3, stdout: "login\n" });
  const shells = (await sandbox.list()).map((session) => session.shell_type);
  expect(shells.sort()).toEqual(["bash", "bash", "bash", "fish", "zsh"]);
});

test("without SHELL the passwd entry's shell runs", async () => {
  using sandbox = new Sandbox();
  const entry = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"))
    .find((fields) => fields[2] === String(process.geteuid!()));
  const { stdout } = await sandbox.run(["shell"], {
    env: { SHELL: undefined },
    stdin: "echo $0\n",
  });
  expect(stdout.trim()).toBe(entry?.[6] || "/bin/sh");
});

test("what is run without a terminal adds nothing to any stream", async () => {
  using sandbox = new Sandbox();
  const done = await sandbox.run(["shell", "--", "true"]);
  expect(done).toEqual({ exitCode: 0, signal: null, stdout: "", stderr: "" });
});

test("a signal that waits while the program dies does not end us instead", async () => {
  using sandbox = new Sandbox();
  const argv = ["shell", "--", "sh", "-c", "echo $$; exec sleep 1000"];
  await using wrapper = Bun.spawn([BINARY, ...argv], {
    env: sandbox.envWith({ SESSION_BUDDY_SESSION_ENABLED: "false" }),
    stdout: "pipe",
  });
  const program = Number(await readUntil(wrapper.stdout, /\d+\n/));
  wrapper.kill("SIGSTOP");
  await stopped(wrapper.pid);
  await sandbox.command(["kill", "-40", String(wrapper.pid)]);
  process.kill(program, "SIGKILL");
  await gone(program);
  wrapper.kill("SIGCONT");
  await wrapper.exited;
  expect(wrapper.signalCode).toBe("SIGKILL");
});
