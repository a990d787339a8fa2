/**
 * With a terminal between that is recorded: what is typed reaches the program whole, and
 * the terminal around is as it was, however program, recorder and wrapper end.
 */
import { expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Pty } from "../support/pty.ts";
import {
  RECORD,
  begun,
  bytesOf,
  played,
  prepared,
  recorded,
  recordings,
} from "../support/recorded-screen.ts";
import { BINARY, Sandbox, WAYS } from "../support/sandbox.ts";
import { needs } from "../support/tools.ts";
import {
  childOf,
  childrenOf,
  foregroundOf,
  gone,
  processState,
  readsInput,
  recorderOf,
  stopped,
  unlocked,
  until,
  waiting,
} from "../support/wait.ts";

const OUTER = ["bash", "--norc", "--noprofile"];
const ENV = { BINARY, PS1: "<> " };
/** Of the terminal itself, in a line. */
const MODES = "stty -a | grep -oE -- '-?(echo|icanon|isig|opost)\\b' | xargs";
const GOOD = "isig icanon echo opost";
const GOOD_MODES = new RegExp(`^(opost isig icanon echo|${GOOD})\\s`, "m");

/** Every key there is, Ctrl-Z and NUL as well, until there are so many. */
function keys(bytes: number): Buffer {
  return Buffer.from(Array.from({ length: bytes }, (_, i) => (i * 7) % 256));
}

/** The process that records for a wrapper, once it is there. */
const recording = (wrapper: number): Promise<number> =>
  until("its recorder", () => recorderOf(wrapper));

test.each(WAYS)(
  "a megabyte that is pasted into a program comes whole$way",
  async ({ recorded: isRecorded }) => {
    using sandbox = new Sandbox(isRecorded);
    const lines = Array.from(
      { length: 16_384 },
      (_, i) => `${i}`.padStart(63, "x") + "\n",
    );
    // It does not read at first: what is typed waits.
    const script =
      "stty -echo; echo rea''dy; until [ -e go ]; do sleep 0.02; done; cat > pasted; echo pas''ted; exit 3";
    const argv = [BINARY, "shell", "--quiet", "--", "sh", "-c", script];
    await using pty = new Pty(sandbox, argv);
    await pty.expect("ready");
    pty.type(lines.join(""));
    writeFileSync(join(sandbox.home, "go"), "");
    await until("all of it", () => {
      const name = join(sandbox.home, "pasted");
      return readdirSync(sandbox.home).includes("pasted")
        ? readFileSync(name).length === 1024 * 1024
        : null;
    });
    // The end of what is typed, which a terminal has by a key.
    pty.type("\x04");
    await pty.expect("pasted");
    expect((await pty.ended()).code).toBe(3);
    const pasted = readFileSync(join(sandbox.home, "pasted"), "utf8");
    expect(pasted === lines.join("")).toBe(true);
  },
);

test("a program in raw mode gets every key, NUL and eight bits as well", async () => {
  using sandbox = prepared();
  const sent = keys(100_000);
  const script = `stty raw -echo; echo rea''dy; head -c ${sent.length} > got; exit 3`;
  await using pty = new Pty(sandbox, [...RECORD, "sh", "-c", script]);
  await pty.expect("ready");
  pty.type(sent);
  expect((await pty.ended()).code).toBe(3);
  expect(readFileSync(join(sandbox.home, "got")).equals(sent)).toBe(true);
});

test("what is typed before the program is there reaches it", async () => {
  using sandbox = prepared();
  await using pty = new Pty(sandbox, [...RECORD, "bash"]);
  pty.line("echo a''head; exit 5");
  await pty.expect("ahead");
  expect((await pty.ended()).code).toBe(5);
});

/** The kernel lets programs type: root's, and all where it is as it was before Linux 6.2. */
const TYPES = (() => {
  const path = "/proc/sys/dev/tty/legacy_tiocsti";
  const asBefore = !existsSync(path) || readFileSync(path, "utf8") === "1\n";
  return asBefore || process.getuid!() === 0;
})();

test.each(WAYS)(
  "what is typed ahead of a program's end reaches the shell around$way",
  async ({ recorded: isRecorded }) => {
    if (!TYPES) return;
    using sandbox = new Sandbox(isRecorded);
    await using pty = new Pty(sandbox, OUTER, { env: ENV });
    await pty.expect("<> ");
    const script =
      "echo up''now; until [ -e go ]; do sleep 0.02; done; echo sl''ept; exit 3";
    pty.line(`$BINARY shell --quiet -- sh -c "${script}"`);
    await pty.expect("upnow");
    const wrapper = await childOf(pty.pid);
    pty.line("echo st''atus=$?; echo n\u00e4chs''tes");
    pty.type("echo a lin''e that is no");
    await pty.expect("that is no");
    await waiting(wrapper);
    writeFileSync(join(sandbox.home, "go"), "");
    await pty.expect("slept");
    await pty.expect(/status=3\s+n\u00e4chstes/);
    await gone(wrapper);
    pty.line("t over");
    await pty.expect("a line that is not over");
  },
);

test.each(WAYS)(
  "Ctrl-C ends a wrapped program, and the script around it$way",
  async ({ recorded: isRecorded }) => {
    using sandbox = new Sandbox(isRecorded);
    const script =
      '"$0" shell --quiet -- sh -c "echo up\\"\\"now; exec sleep 1000"; echo after; exit 3';
    await using pty = new Pty(sandbox, ["dash", "-c", script, BINARY]);
    await pty.expect("upnow");
    const wrapper = await childOf(pty.pid);
    const program = await childOf(wrapper);
    await waiting(program);
    pty.type("\x03");
    expect(await pty.ended()).toEqual({ code: null, signal: "SIGINT" });
    expect(pty.text()).not.toContain("after");
  },
);

test("a program goes on in the background, and shows what it has to; a size that changed is seen", async () => {
  using sandbox = prepared();
  await using pty = new Pty(sandbox, OUTER, { env: ENV });
  await pty.expect("<> ");
  await sandbox.command(["mkfifo", "go"]);
  const script =
    "echo up''now; cat go; echo went''on; read -r x; stty size; echo got=\\$x.";
  pty.line(`$BINARY shell --quiet --record -- sh -c "${script}"`);
  await pty.expect("upnow");
  const wrapper = await childOf(pty.pid);
  const program = await childOf(wrapper);
  await waiting(await childOf(program));
  pty.type("\x1a");
  await pty.expect("Stopped");
  await stopped(wrapper);
  pty.line(MODES);
  await pty.expect(GOOD_MODES);
  pty.resize(77, 33);
  pty.line("bg");
  await sandbox.command(["sh", "-c", ": > go"]);
  await pty.expect("wenton");
  // The keys are those of the shell around, and it has its terminal.
  pty.line(`echo out''er; ${MODES}`);
  await pty.expect("outer");
  await pty.expect(GOOD_MODES);
  pty.line("fg");
  await until("the foreground", () => foregroundOf(pty.pid) === wrapper);
  pty.line("words");
  await pty.expect("33 77");
  await pty.expect("got=words.");
  await gone(wrapper);
  pty.line("exit");
  await pty.ended();
  expect(`${bytesOf(recorded(sandbox).entries, "r")}`).toBe("77x33");
});

test("a wrapper that somebody stops has its terminal again once it goes on", async () => {
  using sandbox = prepared();
  await using pty = new Pty(sandbox, OUTER, { env: ENV });
  await pty.expect("<> ");
  pty.line("$BINARY shell --quiet --record -- bash");
  await pty.expect(/<1>\$ $/);
  const wrapper = await childOf(pty.pid);
  process.kill(wrapper, "SIGSTOP");
  await pty.expect("Stopped");
  pty.line(MODES);
  await pty.expect(GOOD_MODES);
  pty.line("fg");
  await until("the foreground", () => foregroundOf(pty.pid) === wrapper);
  pty.line("echo in''ner");
  await pty.expect(/^inner\s+<2>\$ $/m);
  // Raw by now: else it would be shown twice.
  pty.line("echo fur''ther");
  await pty.expect(/^further\s/m);
  expect(pty.text().split("echo fur''ther").length).toBe(2);
  pty.line("exit");
  await gone(wrapper);
  pty.line("exit");
  await pty.ended();
});

test("vim alone, which stops itself, cannot under a terminal of its own, and goes on", async () => {
  if (!needs("vim.tiny")) return;
  using sandbox = prepared();
  await using pty = new Pty(sandbox, OUTER, { env: ENV });
  await pty.expect("<> ");
  pty.line("$BINARY shell --quiet --record -- vim.tiny -u NONE note.txt");
  await pty.expect(/"note.txt"/);
  const wrapper = await childOf(pty.pid);
  const vim = await childOf(wrapper);
  await waiting(vim);
  pty.type("ifirst\x1b\x1a");
  await waiting(vim);
  pty.type(":wq\r");
  await gone(wrapper);
  expect(processState(vim)).toBeNull();
  pty.line(`echo st''atus=$?; ${MODES}`);
  await pty.expect("status=0");
  await pty.expect(GOOD_MODES);
  expect(readFileSync(join(sandbox.home, "note.txt"), "utf8")).toBe("first\n");
});

/** A script that has no modes of its own to go back to. */
const AROUND = `trap '' HUP; "$0" shell --record -- bash; echo "status=$?."; ${MODES}; read -r x; echo "got=$x."`;

/** Of AROUND when its wrapper was killed: the terminal gives lines again. */
async function expectGivenBack(pty: Pty): Promise<void> {
  await pty.expect("status=137.");
  pty.line("words");
  await pty.expect("got=words.");
}

test("kill -9 of the program: the terminal around is as it is without us", async () => {
  using sandbox = prepared();
  const script =
    '"$0" shell --quiet --record -- sh -c "stty -echo; kill -9 \\$\\$"; stty -a | grep -oE -- "-?echo\\b"; echo do""ne';
  await using pty = new Pty(sandbox, ["sh", "-c", script, BINARY]);
  await pty.expect(/^-echo\s+done/m);
});

test("kill -9 of the recorder: the shell goes on, and it is told at the end", async () => {
  using sandbox = prepared();
  await using pty = new Pty(sandbox, ["sh", "-c", AROUND, BINARY]);
  await pty.expect(/<1>\$ $/);
  process.kill(await recording(await childOf(pty.pid)), "SIGKILL");
  pty.line("seq 30000 | tail -1");
  await pty.expect(/^30000\s+<2>\$ $/m);
  pty.line("exit 7");
  await pty.expect(
    "not fully recorded: the process that writes its recording was ended",
  );
  await pty.expect("status=7.");
  await pty.expect(GOOD_MODES);
  pty.line("words");
  await pty.expect("got=words.");
});

test("kill -9 of the wrapper: the shell is hung up, and the terminal is given back", async () => {
  using sandbox = prepared();
  await using pty = new Pty(sandbox, ["sh", "-c", AROUND, BINARY]);
  await pty.expect(/<1>\$ $/);
  await until("a recording", () => begun(sandbox));
  const wrapper = await childOf(pty.pid);
  const shell = await childOf(wrapper);
  await until("the shell's pid on record", () =>
    sandbox.spooled().some((event) => event["pid"] === shell),
  );
  const recorder = await recording(wrapper);
  const { session_id } = sandbox.spooled()[0]!;
  process.kill(wrapper, "SIGKILL");
  await gone(shell);
  await gone(recorder);
  await unlocked(join(sandbox.spool, `${session_id}.ndjson`));
  await expectGivenBack(pty);
  // Line by line again, and shown as it is typed.
  expect(pty.text()).toContain("\nwords\r\n");
  expect(await sandbox.only()).toMatchObject({
    ...{ status: "lost", end_source: "recovered" },
  });
});

test("kill -9 of the wrapper while its recorder begins: the terminal is given back, too", async () => {
  using sandbox = prepared();
  await using pty = new Pty(sandbox, ["sh", "-c", AROUND, BINARY]);
  const wrapper = await childOf(pty.pid);
  const recorder = await recording(wrapper);
  process.kill(recorder, "SIGSTOP");
  await pty.expect(/<1>\$ $/);
  const shell = await childOf(wrapper);
  process.kill(wrapper, "SIGKILL");
  await gone(shell);
  process.kill(recorder, "SIGCONT");
  await gone(recorder);
  await expectGivenBack(pty);
});

test("kill -9 of the wrapper whose recorder could not begin: the terminal is given back, too", async () => {
  using sandbox = prepared();
  mkdirSync(sandbox.data, { recursive: true });
  // In the place of its folder.
  writeFileSync(join(sandbox.data, "recordings"), "");
  await using pty = new Pty(sandbox, ["sh", "-c", AROUND, BINARY]);
  await pty.expect(/<1>\$ $/);
  const wrapper = await childOf(pty.pid);
  const shell = await childOf(wrapper);
  const recorder = await recording(wrapper);
  await until("it to have said so", () => readsInput(recorder));
  process.kill(wrapper, "SIGKILL");
  await gone(shell);
  await gone(recorder);
  await expectGivenBack(pty);
});

test("a terminal that takes nothing keeps no signal from the program", async () => {
  using sandbox = prepared();
  // Nobody reads the terminal that script(1) gives it, once that is stopped.
  const inner = `${RECORD.join(" ")} sh -c 'echo up; exec yes'`;
  const script = Bun.spawn(["script", "-qc", inner, "/dev/null"], {
    env: sandbox.envWith({}),
    cwd: sandbox.home,
    stdio: ["ignore", "ignore", "ignore"],
  });
  const wrapper = await until("the wrapper", () => {
    const of = childrenOf(script.pid)[0];
    return of && childrenOf(of).length > 0 && wrapperIn(of);
  });
  const program = await childOf(wrapper);
  script.kill("SIGSTOP");
  await stopped(script.pid);
  // All that is between is full by then.
  await waiting(wrapper);
  process.kill(wrapper, "SIGTERM");
  await gone(program);
  await gone(wrapper);
  script.kill("SIGKILL");
  await script.exited;
  expect(await sandbox.only()).toMatchObject({ signal: "SIGTERM" });
});

/** script(1) has a shell between, or has become the wrapper's parent itself. */
const wrapperIn = (pid: number): number | null => {
  const words = readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0");
  return words[1] === "shell" ? pid : (childrenOf(pid)[0] ?? null);
};

test("what a shell leaves running and shows for ever does not keep the wrapper", async () => {
  using sandbox = prepared();
  await using pty = new Pty(sandbox, [...RECORD, "bash"]);
  await pty.expect(/<1>\$ $/);
  pty.line("(trap '' HUP; yes) & exit 6");
  expect((await pty.ended()).code).toBe(6);
});

test("a program that no signal tells is hung up with its terminal all the same", async () => {
  using sandbox = prepared();
  const inner = "echo up''now; cat; echo over > over";
  const script = `trap '' HUP; ${RECORD.join(" ")} sh -c "${inner}"`;
  const pty = new Pty(sandbox, ["sh", "-c", script]);
  await pty.expect("upnow");
  const wrapper = await childOf(pty.pid);
  pty.hangUp();
  await gone(wrapper);
  await pty.child.exited;
  // Its terminal is at its end, as ours is.
  expect(readdirSync(sandbox.home)).toContain("over");
});

test("a recorded shell within a recorded shell: each has its own recording", async () => {
  using sandbox = prepared();
  await using pty = new Pty(sandbox, [...RECORD, "bash"]);
  await pty.expect(/<1>\$ $/);
  pty.line(RECORD.join(" ").concat(" bash"));
  await pty.expect(/<1>\$ $/);
  pty.line("echo in''side; suspend");
  await pty.expect("inside");
  await pty.expect(/Stopped/);
  pty.line("fg");
  pty.line("exit 3");
  await pty.expect(/<3>\$ $/);
  pty.line("echo st''atus=$?; exit 4");
  await pty.expect("status=3");
  expect((await pty.ended()).code).toBe(4);
  const all = recordings(sandbox.data).map((name) =>
    played(join(sandbox.data, "recordings", name)).shown.toString(),
  );
  expect(all.length).toBe(2);
  for (const shown of all) expect(shown).toContain("inside\r\n");
  const sessions = await sandbox.list();
  expect(sessions.map((s) => s.exit_code).sort()).toEqual([3, 4]);
  expect(sessions.filter((s) => s.parent_session_id !== null).length).toBe(1);
});

test("descriptors that a program is given are its own, and ours are not among them", async () => {
  using sandbox = prepared();
  const inner = "ls /proc/self/fd | sort -n | xargs; cat /proc/self/fd/70";
  writeFileSync(join(sandbox.home, "given"), "what is given\n");
  const script = `exec 70<given; exec ${RECORD.join(" ")} sh -c '${inner}'`;
  await using pty = new Pty(sandbox, ["bash", "-c", script]);
  await pty.expect(/^0 1 2 3 70\s/m);
  await pty.expect("what is given");
  expect((await pty.ended()).code).toBe(0);
});
