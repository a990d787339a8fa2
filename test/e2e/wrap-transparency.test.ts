/**
 * A wrapped program finds the world as it would without us: the same command
 * script runs twice, once with the wrapper in front, and must see the same.
 */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Pty } from "../support/pty.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { needs } from "../support/tools.ts";

/** Prints what a process gets from its parent, each part under its name. */
const VIEW = `
part() { printf '\\n=== %s\\n' "$1"; }
part argv; cat /proc/$$/cmdline
part environ; cat /proc/$$/environ
part limits; cat /proc/$$/limits
part knobs; cat /proc/$$/oom_score_adj /proc/$$/timerslack_ns /proc/$$/coredump_filter /proc/$$/personality
part nice; cut -d ' ' -f 18,19,41 /proc/$$/stat
part group; [ "$(cut -d ' ' -f 5,6 /proc/$$/stat)" = "$(cut -d ' ' -f 5,6 /proc/$OUTER/stat)" ] && echo the shell\\'s
part cwd; readlink /proc/$$/cwd /proc/$$/root
part fds; for fd in /proc/$$/fd/*; do echo "\${fd##*/} $(readlink "$fd" | sed 's/:\\[[0-9]*\\]//') $(grep flags "/proc/$$/fdinfo/\${fd##*/}")"; done
# In place of the shell: it blocks signals for moments while it starts others.
part status; exec grep -E '^(Umask|Uid|Gid|Groups|Sig(Blk|Ign)|Cap|NoNewPrivs|Seccomp|Speculation|Cpus|THP)' /proc/self/status
`;

/** Set by the shell around, differently for the two runs. */
const VARYING = /^(_|OUTER|SESSION_BUDDY_SESSION_ID|SESSION_BUDDY_WRAPPED)=/;

interface Place {
  terminal: boolean;
  /** Of the script, whose jobs ignore Ctrl-C then. */
  background?: boolean;
}

/** What `sh` sees when the script's `"$@"` puts the wrapper before it, or nothing. */
async function view(
  sandbox: Sandbox,
  setup: string,
  wrapper: string[],
  { terminal, background = false }: Place,
): Promise<Map<string, string>> {
  const file = join(sandbox.home, `view-${wrapper.length}`);
  const script = `export OUTER=$$; ${setup}
"$@" sh -c "$VIEW" sh $'\\xff\\xfe' '' $'two\\nlines' ' blank ' '' > ${file} ${background ? "& wait $!" : ""}
exit $?`;
  const argv = ["bash", "--norc", "-c", script, "bash", ...wrapper];
  const env = { VIEW };
  if (terminal) {
    await using pty = new Pty(sandbox, argv, { env });
    expect(await pty.ended()).toEqual({ code: 0, signal: null });
  } else {
    const done = await sandbox.command(argv, { env });
    expect(done).toMatchObject({ exitCode: 0, stdout: "", stderr: "" });
  }
  const text = readFileSync(file, "latin1").replaceAll(file, "FILE");
  return parts(text.replace(/\/dev\/pts\/\d+/g, "TERMINAL"));
}

function parts(text: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const part of text.split("\n=== ").slice(1)) {
    const at = part.indexOf("\n");
    const name = part.slice(0, at);
    const words = part.slice(at + 1).split("\0");
    const kept = words.filter((word) => !VARYING.test(word));
    found.set(name, kept.join("\0"));
  }
  return found;
}

async function expectSame(setup: string, place: Place): Promise<void> {
  using sandbox = new Sandbox();
  const wrapper = [BINARY, "shell", "--quiet", "--"];
  const bare = await view(sandbox, setup, [], place);
  const wrapped = await view(sandbox, setup, wrapper, place);
  expect([...bare.keys()]).toHaveLength(9);
  for (const [name, text] of bare)
    expect([name, wrapped.get(name)]).toEqual([name, text]);
  expect((await sandbox.only()).status).toBe("ended");
}

const SETUPS: Record<string, string> = {
  "as it comes": "",
  "bytes that are no text in the environment":
    "export LATIN=$'caf\\xe9' LINES2=$'a\\nb' EMPTY=",
  "open descriptors":
    "exec 3</etc/passwd 4>/dev/null 7</dev/null 9< <(sleep 0) 200</etc/group",
  "a soft limit of open files": "ulimit -Sn 256",
  "limits of open files": "ulimit -n 256",
  "umask, folder and priority":
    "umask 0137; cd /usr/share; renice -n 3 $$ >/dev/null",
  "a hangup that is ignored": "trap '' HUP",
  "signals that are ignored":
    "trap '' INT QUIT TERM PIPE USR1 USR2 TSTP TTIN TTOU XFSZ",
  "termination that is ignored": "trap '' TERM",
  "faults that are ignored": "trap '' ILL TRAP ABRT BUS FPE SEGV SYS",
  "real-time signals that are ignored": "trap '' 34 40 64",
};

for (const [name, setup] of Object.entries(SETUPS)) {
  test(`a pipeline's program sees the same: ${name}`, () =>
    expectSame(setup, { terminal: false }));
  test(`a program at the terminal sees the same: ${name}`, () =>
    expectSame(setup, { terminal: true }));
}

test("a job in a script's background sees the same", () =>
  expectSame("", { terminal: false, background: true }));
test("a job in the background of a script at the terminal sees the same", () =>
  expectSame("", { terminal: true, background: true }));

test("signals that the parent left blocked stay blocked in the child, and alone", async () => {
  if (!needs("/usr/bin/python3")) return;
  using sandbox = new Sandbox();
  const blocked = `
import signal, subprocess, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [1, 10, 14, 15, 17, 18, 40])
sys.exit(subprocess.call(sys.argv[1:] + ["grep", "^SigBlk", "/proc/self/status"]))`;
  const python = ["/usr/bin/python3", "-c", blocked];
  const bare = await sandbox.command(python);
  const wrapped = await sandbox.command([...python, BINARY, "shell", "--"]);
  expect(bare.stdout).toMatch(/[1-9a-f]/);
  expect(wrapped).toEqual(bare);
});

test("what a process gave us as it became us, of which no shell around tells, reaches the child", async () => {
  if (!needs("/usr/bin/python3")) return;
  using sandbox = new Sandbox();
  const given = `
import ctypes, os, resource, select, signal, sys
for s in [2, 3, 4, 5, 6, 7, 8, 10, 11, 13, 15, 25, 30, 31, 34, 64]:
    signal.signal(s, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [1, 14, 30, 40])
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (93, hard))
libc = ctypes.CDLL(None)
events = [libc.eventfd(0, 0), libc.epoll_create(1), libc.eventfd(0, 0)]
for fd in events: os.set_inheritable(fd, True)
for to in [3, 20, 21, 63]: os.dup2(events[to % 2], to, True)
os.execv(sys.argv[1], sys.argv[1:])`;
  const view = `
import os, resource
fds = []
for fd in range(3, 93):
    try: fds.append((fd, os.readlink(f"/proc/self/fd/{fd}")))
    except OSError: pass
print([line for line in open("/proc/self/status") if line.startswith("Sig") and line[3:6] in ("Ign", "Blk")])
print(fds, resource.getrlimit(resource.RLIMIT_NOFILE))`;
  const program = ["/usr/bin/python3", "-Ic", view];
  const becoming = ["/usr/bin/python3", "-Ic", given];
  const bare = await sandbox.command([...becoming, ...program]);
  expect(bare).toMatchObject({ exitCode: 0, stderr: "" });
  expect(bare.stdout).toMatch(/eventfd.*eventpoll.*\(93, /);
  const wrapper = [BINARY, "shell", "--"];
  expect(await sandbox.command([...becoming, ...wrapper, ...program])).toEqual(
    bare,
  );
  expect((await sandbox.only()).status).toBe("ended");
});

test("variables of the allocator are the program's: the runtime says nothing", async () => {
  using sandbox = new Sandbox();
  const env = { MIMALLOC_VERBOSE: "1", MIMALLOC_SHOW_STATS: "1" };
  const show = ["printenv", ...Object.keys(env)];
  const done = await sandbox.run(["shell", "--", ...show], { env });
  expect(done).toMatchObject({ exitCode: 0, stdout: "1\n1\n", stderr: "" });
});

test("a broken pipe ends the child of an interactive shell without a word", async () => {
  if (!needs("fish", "zsh")) return;
  for (const shell of [
    ["fish", "--no-config", "-i"],
    ["zsh", "-fi"],
    ["bash", "--norc", "-i"],
  ]) {
    using sandbox = new Sandbox();
    await using pty = new Pty(sandbox, shell, { env: { BINARY } });
    pty.line("env $BINARY shell --quiet -- yes | head -n 1; echo over''.");
    await pty.expect("over.");
    expect(pty.text()).not.toContain("Broken pipe");
    pty.line("exit");
    await pty.ended();
    expect((await sandbox.only()).signal).toBe("SIGPIPE");
  }
});

test("process substitution reads and writes through the wrapper", async () => {
  using sandbox = new Sandbox();
  const script = `"$@" shell -- cat <(echo from-one) <(echo from-two)
"$@" shell -- tee >(tr a-z A-Z >&2) <<< to-one >/dev/null; wait $!`;
  const argv = ["bash", "--norc", "-c", script, "bash", BINARY];
  expect(await sandbox.command(argv)).toMatchObject({
    exitCode: 0,
    stdout: "from-one\nfrom-two\n",
    stderr: "TO-ONE\n",
  });
});

test("a reader sees the end when the child closes a descriptor: we hold none", async () => {
  using sandbox = new Sandbox();
  // The child closes 5 and waits for what the reader of 5 does at its end.
  const script = `mkfifo done
exec 5> >(cat >/dev/null; echo closed > done)
"$1" shell -- sh -c 'exec 5>&-; read -r line < done; echo "$line"' 5>&5 &
exec 5>&-; wait $!`;
  const argv = ["bash", "--norc", "-c", script, "bash", BINARY];
  expect(await sandbox.command(argv)).toMatchObject({
    exitCode: 0,
    stdout: "closed\n",
  });
});

test("five megabytes of any bytes pass both ways, and stderr stays its own", async () => {
  using sandbox = new Sandbox();
  const bytes = new Uint8Array(5 * 1024 * 1024);
  for (let at = 0; at < bytes.length; at += 65536)
    crypto.getRandomValues(bytes.subarray(at, at + 65536));
  const script = "cat; echo only-this >&2";
  const child = Bun.spawn([BINARY, "shell", "--", "sh", "-c", script], {
    env: sandbox.env,
    cwd: sandbox.home,
    stdin: bytes,
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([
    child.stdout.bytes(),
    child.stderr.text(),
    child.exited,
  ]);
  expect(out.length).toBe(bytes.length);
  expect(Bun.hash(out)).toBe(Bun.hash(bytes));
  expect(err).toBe("only-this\n");
  expect(child.exitCode).toBe(0);
});

test("a script without a first line runs, as from any shell", async () => {
  using sandbox = new Sandbox();
  await Bun.write(join(sandbox.home, "bin/plain"), 'echo "plain $0 $*"\n');
  await sandbox.command(["chmod", "+x", "bin/plain"]);
  const env = { PATH: `${sandbox.home}/bin:${sandbox.env["PATH"]}` };
  for (const file of ["./bin/plain", "plain"]) {
    const bare = await sandbox.command(["env", file, "a", "b c"], { env });
    const wrapped = await sandbox.run(["shell", "--", file, "a", "b c"], {
      env,
    });
    expect(bare.stdout).toContain("bin/plain a b c");
    expect(wrapped).toEqual(bare);
  }
});
