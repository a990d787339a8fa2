/**
 * A user whose processes have reached their limit, as under a fork bomb: no
 * process and no thread is to be had any more. Root has no such limit, so the
 * wrapper runs as another user.
 */
import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { needsRoot, privately, runPrivately } from "../support/host.ts";
import { Pty } from "../support/pty.ts";
import {
  BINARY,
  type Finished,
  NO_JIT,
  Sandbox,
  type SessionJson,
} from "../support/sandbox.ts";
import { gone, stopped } from "../support/wait.ts";

/** Nobody else's: the limit counts all processes of a user. */
const UID = 300_000 + process.pid;
const AS_USER = `setpriv --reuid=${UID} --regid=${UID} --clear-groups`;
const PYTHON = "/usr/bin/python3";

/** Runs a script where `as_user` runs a command as that user; $SB is the executable. */
function limited(sandbox: Sandbox, script: string): Promise<Finished> {
  return runPrivately(sandbox, prelude(sandbox) + script);
}

const prelude = ({ home }: Sandbox) =>
  `chown -R ${UID}:${UID} ${home}; cd ${home}; touch sb
    mount --bind ${BINARY} sb
    export SB=${home}/sb XDG_CACHE_HOME=${home}/cache
    as_user() { ${AS_USER} "$@"; }
  `;

/** What a script that ends with the listing says before it, and the only session. */
function outcomeOf({ stdout }: Finished): { said: string; row: SessionJson } {
  const at = stdout.lastIndexOf("\n[") + 1;
  const [row] = JSON.parse(stdout.slice(at)) as [SessionJson];
  return { said: stdout.slice(0, at).trim(), row };
}
const LIST = "as_user $SB list-sessions --json";

test("no process before the start: the program runs in our place, active while it does, lost after", async () => {
  if (!needsRoot("prlimit", "setpriv")) return;
  using sandbox = new Sandbox();
  const done = await limited(
    sandbox,
    `mkfifo go
    prlimit --nproc=1:1 ${AS_USER} \\
      $SB shell -- sh -c 'read line < go; echo "$SESSION_BUDDY_WRAPPED $1"; exit 4' sh 'a b' &
    until ${LIST} | grep -q '"status": *"active"'; do :; done
    echo > go; wait $! || echo "status $?"
    ${LIST}`,
  );
  expect(done.stderr).toBe("");
  const { said, row } = outcomeOf(done);
  expect(said).toBe("1 a b\nstatus 4");
  expect(row).toMatchObject({ status: "lost", end_source: "recovered" });
});

test("no process before the start: strict refuses in words", async () => {
  if (!needsRoot("prlimit", "setpriv")) return;
  using sandbox = new Sandbox();
  const done = await limited(
    sandbox,
    `prlimit --nproc=1:1 ${AS_USER} \\
      $SB shell --audit strict -- echo ran || echo "status $?"
    ${LIST}`,
  );
  expect(done.stderr).toBe(
    'session-buddy: cannot run "echo": no more processes are allowed (end some that are not needed, or have the limit raised (ulimit -u))\n',
  );
  const { said, row } = outcomeOf(done);
  expect(said).toBe("status 125");
  expect(row).toMatchObject({ status: "ended", end_source: "observed" });
});

function each(count: number, line: (n: number) => string): string {
  return Array.from({ length: count }, (_, n) => line(n)).join("");
}

/** With each of these a start runs so much that the engine compiles it. */
const LABORIOUS: {
  what: string;
  options?: string;
  words?: number;
  config?: string;
  /** What the user's shell does before the start. */
  before?: string;
}[] = [
  { what: "20,000 words", words: 20_000 },
  { what: "500 --meta", options: each(500, (n) => `--meta k${n}=${n} `) },
  { what: "500 --tag", options: each(500, (n) => `--tag t${n} `) },
  {
    what: "300 profiles",
    config: `profiles:\n${each(300, (n) => `  p${n}: {component: c, metadata: {a: ${n}}}\n`)}`,
  },
  { what: "300 unknown keys", config: each(300, (n) => `unknown${n}: 1\n`) },
  {
    what: "200 inherited descriptors",
    before: `for i in {20..220}; do eval "exec $i</dev/null"; done`,
  },
  {
    what: "a deep data folder",
    before: `export SESSION_BUDDY_DATA_DIR=$PWD${each(80, () => "/d")}`,
  },
];

test.each(LABORIOUS)(
  "no process before the start, $what: the program runs in our place",
  async ({ options = "", words = 1, config = "{}\n", before = "" }) => {
    if (!needsRoot("prlimit", "setpriv")) return;
    using sandbox = new Sandbox();
    writeFileSync(join(sandbox.home, "settings.yaml"), config);
    const script = `${before}
      ulimit -u 1
      exec $SB shell --config settings.yaml ${options} -- sh -c 'echo "$SESSION_BUDDY_WRAPPED $#"; exit 4' sh {1..${words}}`;
    writeFileSync(join(sandbox.home, "start.sh"), script);
    const done = await limited(
      sandbox,
      `as_user bash start.sh || echo "status $?"`,
    );
    expect(done).toMatchObject({
      stdout: `1 ${words === 1 ? 1 : words}\nstatus 4\n`,
      stderr: "",
    });
  },
);

test("no process before the start, and no compiling: the program runs in our place, its signals as they were", async () => {
  if (!needsRoot("prlimit", "setpriv")) return;
  using sandbox = new Sandbox();
  // No process for it either: all is the shell's own.
  const program = `while read -r what mask; do
      if [ "$what" = SigIgn: ]; then echo "$mask"; fi
    done </proc/self/status
    echo "$SESSION_BUDDY_WRAPPED $0 $1"; exit 4`;
  writeFileSync(join(sandbox.home, "program.sh"), program);
  const { stdout, stderr } = await limited(
    sandbox,
    `SESSION_BUDDY_WRAPPED=1 as_user bash program.sh 'a b' || echo "status $?"
    ${Object.entries(NO_JIT)[0]!.join("=")} prlimit --nproc=1:1 ${AS_USER} \\
      $SB shell -- bash program.sh 'a b' || echo "status $?"`,
  );
  expect(stderr).toBe("");
  const half = stdout.length / 2;
  expect(stdout.slice(half)).toBe(stdout.slice(0, half));
  expect(stdout).toEndWith("1 program.sh a b\nstatus 4\n");
});

test("no process before the start, a misspelt key, a terminal: it is said, and the program runs", async () => {
  if (!needsRoot("prlimit", "setpriv")) return;
  using sandbox = new Sandbox();
  const file = join(sandbox.home, "settings.yaml");
  writeFileSync(file, "session: {hartbeat: 5s}\n");
  const script = `${prelude(sandbox)}
    exec prlimit --nproc=1:1 ${AS_USER} $SB shell --config settings.yaml -- sh -c 'echo ran; exit 4'`;
  await using pty = new Pty(sandbox, privately(script));
  await pty.expect("session.hartbeat is not a setting");
  await pty.expect("ran");
  expect(await pty.ended()).toEqual({ code: 4, signal: null });
});

test("no process and no thread once a shell is up: suspend and fg work as often as one likes", async () => {
  if (!needsRoot("prlimit", "setpriv")) return;
  using sandbox = new Sandbox();
  const script = `${prelude(sandbox)}
    exec env PS1="<> " ${AS_USER} bash --norc --noprofile`;
  await using pty = new Pty(sandbox, privately(script));
  await pty.expect("<> ");
  pty.line("$SB shell --quiet -- bash --norc --noprofile");
  await pty.expect("<> ");
  pty.line("prlimit --pid $PPID --nproc=1:1 && echo lim''ited=$PPID.");
  const wrapper = Number((await pty.expect(/limited=(\d+)\./))[1]);
  for (let turn = 0; turn < 20; turn++) {
    pty.line("suspend");
    await pty.expect(/Stopped/);
    await stopped(wrapper);
    pty.line("fg");
    pty.line(`echo in''ner=${turn}.`);
    await pty.expect(`inner=${turn}.`);
  }
  pty.line("exit 7");
  await gone(wrapper);
  pty.line("echo st''atus=$?.");
  await pty.expect("status=7.");
});

/** Closes the limit as soon as it is up, then waits for heartbeats. */
const CLOSING = `
import os, pathlib, resource, signal, sys, time
wrapper = os.getppid()
# What a member of the wrapper's group sends is not passed on.
os.setpgid(0, 0)
for pid in (wrapper, os.getpid()):
    resource.prlimit(pid, resource.RLIMIT_NPROC, (1, 1))
try:
    os.fork()
    sys.exit("the limit does not hold")
except BlockingIOError:
    pass
name = os.environ["SESSION_BUDDY_SESSION_ID"]
data = pathlib.Path(os.environ["HOME"], ".local/share/session-buddy/spool")
[file] = data.glob(f"*/{name}.ndjson")
def most_threads(beats):
    seen, most, last = 0, 0, 0
    deadline = time.monotonic() + 300
    while seen < beats:
        assert time.monotonic() < deadline, f"{seen} heartbeats"
        now = file.stat().st_mtime_ns
        seen, last = seen + (now != last), now
        most = max(most, len(os.listdir(f"/proc/{wrapper}/task")))
    return most
`;

const AFTERWARDS = [
  {
    what: "goes on for four hundred heartbeats",
    python: "print('threads', most_threads(400)); sys.exit(7)",
    said: "threads 1\nstatus 7",
    row: { exit_code: 7, signal: null },
  },
  {
    what: "goes on for as many, each of which wants a drain for a server elsewhere",
    env: "SESSION_BUDDY_MCP_ENDPOINT=http://127.0.0.1:9/mcp",
    python: "print('threads', most_threads(400)); sys.exit(7)",
    said: "threads 1\nstatus 7",
    row: { exit_code: 7, signal: null },
  },
  {
    what: "is sent 300 signals by way of the wrapper",
    python: `
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
for _ in range(300):
    os.kill(wrapper, signal.SIGUSR1)
    signal.sigwait([signal.SIGUSR1])
print('threads', most_threads(2)); sys.exit(7)`,
    said: "threads 1\nstatus 7",
    row: { exit_code: 7, signal: null },
  },
  {
    what: "has its spool folder removed 100 times",
    python: `
import shutil
for _ in range(100):
    deadline = time.monotonic() + 300
    while True:
        try:
            shutil.rmtree(file.parent)
            break
        except OSError:
            # Its file was made anew while the folder was being removed.
            assert time.monotonic() < deadline
    while not file.exists():
        assert time.monotonic() < deadline
print('threads', most_threads(2)); sys.exit(7)`,
    said: "threads 1\nstatus 7",
    row: { exit_code: 7, signal: null },
  },
  {
    what: "dies by a signal",
    python: "os.kill(os.getpid(), signal.SIGUSR2)",
    said: "status 140",
    row: { exit_code: null, signal: "SIGUSR2" },
  },
  {
    what: "is told to go by way of the wrapper",
    // Blocked, so that it is not lost when it comes before it is waited for.
    python: `
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
os.kill(wrapper, signal.SIGTERM)
signal.sigwait([signal.SIGTERM]); sys.exit(most_threads(2))`,
    said: "status 1",
    row: { exit_code: 1, signal: null },
  },
];

test.each(AFTERWARDS)(
  "no process and no thread once the program is up: it $what, and all is recorded",
  async ({ python, said, row, env = "" }) => {
    if (!needsRoot("prlimit", "setpriv", PYTHON)) return;
    using sandbox = new Sandbox();
    const at = (name: string) => join(sandbox.home, name);
    writeFileSync(at("often.yaml"), "session: {heartbeat: 5ms}\n");
    writeFileSync(at("closing.py"), `${CLOSING}${python}\n`);
    const done = await limited(
      sandbox,
      `${env} as_user $SB shell --config often.yaml -- ${PYTHON} closing.py || echo "status $?"
      ${LIST}`,
    );
    // Bash tells of a signal; of us and of the runtime nothing is to be read.
    expect(done.stderr.replace(/^.*User defined signal 2.*\n/, "")).toBe("");
    const outcome = outcomeOf(done);
    expect(outcome.said).toBe(said);
    expect(outcome.row).toMatchObject({ status: "ended", ...row });
  },
);

test("a start makes no thread, whatever is configured and however long PATH is", async () => {
  using sandbox = new Sandbox();
  const deep = join(sandbox.home, "a/b/c/d/e/f/g");
  mkdirSync(deep, { recursive: true });
  const file = join(deep, "settings.yaml");
  writeFileSync(
    file,
    "session: {heartbeat: 1h, banner: line}\nserver: {port: 9000, allowed_hosts: [a, b]}\nprofiles: {p: {component: c, metadata: {a: 1}}}\n",
  );
  const folders = Array.from(
    { length: 60 },
    (_, n) => `/usr/lib/../bin/.${"/".repeat(n)}`,
  );
  const env = { PATH: ["/usr/bin", "/bin", ...folders].join(":") };
  // It has had its start, and all that comes of it, once it has annotated.
  const script = `while ! grep -q '"event_type":"annotation"' "$HOME"/.local/share/session-buddy/spool/*/$SESSION_BUDDY_SESSION_ID.ndjson; do :; done
    cat /proc/$PPID/task/*/comm`;
  const args = [
    "shell",
    "--config",
    file,
    "--profile",
    "p",
    "--",
    "bash",
    "-c",
    script,
  ];
  const nested = [
    BINARY,
    ...["shell", "--", BINARY],
    ...["shell", "--", BINARY],
    ...args,
  ];
  const done = await sandbox.command(nested, { env });
  expect(done).toMatchObject({
    exitCode: 0,
    stdout: "session-buddy\n",
    stderr: "",
  });
});

test("what kills the wrapper shows no command line", async () => {
  using sandbox = new Sandbox();
  const script = "setsid kill -ABRT $PPID; exec sleep 1000";
  const done = await sandbox.run(["shell", "--", "sh", "-c", script, "s3cret"]);
  expect(done).toMatchObject({ signal: "SIGABRT", stdout: "", stderr: "" });
});

test("the runtime's report of its own crash shows no command line", async () => {
  using sandbox = new Sandbox();
  const script = 'ulimit -v 300000; exec "$0" shell -- echo ran s3cret';
  const early = await sandbox.command(["bash", "-c", script, BINARY]);
  const kill = ["shell", "--", "sh", "-c", "kill -SEGV $PPID; cat", "s3cret"];
  const env = NO_JIT;
  const later = await sandbox.run(kill, { env });
  expect([early.signal, later.signal]).toEqual(["SIGABRT", "SIGSEGV"]);
  for (const { stdout, stderr } of [early, later]) {
    expect(stdout).toBe("");
    // It is the report, and not that there was none.
    expect(stderr).toContain("\nArgs: \n");
    expect(stderr).not.toContain("s3cret");
  }
});

test("memory that is enough for the runtime, but not for its compiled code: the program runs, recorded", async () => {
  using sandbox = new Sandbox();
  const script = `ulimit -v 700000; "$0" shell -- sh -c 'echo "$1"; exit 4' sh 'a b'`;
  const done = await sandbox.command(["bash", "-c", script, BINARY]);
  expect(done).toMatchObject({ exitCode: 4, stdout: "a b\n", stderr: "" });
  expect(sandbox.spooled()[0]).toMatchObject({ lock: "none" });
  const row = await sandbox.only();
  expect(row).toMatchObject({ status: "ended", exit_code: 4 });
});

test("no descriptor before the start: the program runs in our place", async () => {
  using sandbox = new Sandbox();
  const script = `ulimit -n 6; "$0" shell -- sh -c 'echo "$SESSION_BUDDY_WRAPPED"; exit 4'`;
  const done = await sandbox.command(["bash", "-c", script, BINARY]);
  expect(done).toMatchObject({ exitCode: 4, stdout: "1\n", stderr: "" });
});

test("descriptors that are taken away while it runs: the end is seen and recorded", async () => {
  using sandbox = new Sandbox();
  const script = `mkfifo go; exec 9<>go
    "$0" shell -- sh -c 'echo up; read line; exit 4' <&9 >out & wrapper=$!
    until grep -q up out; do :; done
    prlimit --pid $wrapper --nofile=0:20
    echo >&9; wait $wrapper`;
  const done = await sandbox.command(["bash", "-c", script, BINARY]);
  expect(done).toMatchObject({ exitCode: 4, stdout: "" });
  const row = await sandbox.only();
  expect(row).toMatchObject({ status: "ended", exit_code: 4 });
});
