/** What of a command line is recorded, and where the rest of it is not. */
import { expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Pty } from "../support/pty.ts";
import { BINARY, NO_JIT, Sandbox } from "../support/sandbox.ts";

const SECRET = "pass-4711-word";
/** Looks into every process's command line while the wrapper's are there. */
const PROGRAM = `while ! grep -qs annotation "$HOME"/.local/share/session-buddy/spool/*/*.ndjson; do :; done`;

test("of a command line the program alone is recorded, and no other word is on the disk", async () => {
  using sandbox = new Sandbox();
  const args = ["shell", "--", "/bin/bash", "-c", PROGRAM, SECRET, "--", "-l"];
  const done = await sandbox.run(args);
  expect(done).toMatchObject({ exitCode: 0, stdout: "", stderr: "" });
  const [start] = sandbox.spooled();
  expect(start).toMatchObject({
    event_type: "session_start",
    component_name: "bash",
    command: ["/bin/bash"],
  });
  const onDisk = () =>
    sandbox.command(["grep", "-rla", SECRET, sandbox.home, sandbox.data]);
  expect((await onDisk()).stdout).toBe("");
  expect((await sandbox.only()).component_name).toBe("bash");
  const shown = await sandbox.run(["show-session"]);
  expect(shown.stdout).not.toContain(SECRET);
  expect((await onDisk()).stdout).toBe("");
});

test("every word is recorded when session.argv asks for it, and the banner says which", async () => {
  using sandbox = new Sandbox();
  const file = join(sandbox.home, "full.yaml");
  writeFileSync(file, "session: {argv: full}\n");
  const args = ["shell", "--config", file, "--", "sh", "-c", "exit 3", SECRET];
  await using pty = new Pty(sandbox, [BINARY, ...args]);
  await pty.expect("Command line: recorded in full");
  expect(await pty.ended()).toEqual({ code: 3, signal: null });
  expect(sandbox.spooled()[0]).toMatchObject({
    command: ["sh", "-c", "exit 3", SECRET],
  });
  writeFileSync(file, "session: {argv: full, banner: line}\n");
  await using line = new Pty(sandbox, [BINARY, ...args]);
  await line.expect("command line: recorded in full)");
  await line.ended();
});

test("redacted is refused in words, and records the program alone", async () => {
  using sandbox = new Sandbox();
  const file = join(sandbox.home, "redacted.yaml");
  writeFileSync(file, "session: {argv: redacted}\n");
  const args = ["shell", "--config", file, "--", "sh", "-c", "exit 3", SECRET];
  await using pty = new Pty(sandbox, [BINARY, ...args]);
  await pty.expect(
    'redacted.yaml:1: session.argv takes program or full (redacted is not there yet) (not "redacted")',
  );
  await pty.expect("Command line: the program alone");
  expect(await pty.ended()).toEqual({ code: 3, signal: null });
  expect(sandbox.spooled()[0]).toMatchObject({ command: ["sh"] });
});

/** The lines that the README gives for an rc file. */
const RC = /```bash\n(# the end of ~\/\.bashrc\n[^`]*)```/.exec(
  readFileSync(join(import.meta.dir, "../../README.md"), "utf8"),
)![1]!;

const STATES = [
  { what: "is recorded", env: {} },
  { what: "is turned off", env: { SESSION_BUDDY_SESSION_ENABLED: "false" } },
  { what: "has no folder", env: { SESSION_BUDDY_DATA_DIR: "/proc/nowhere" } },
  { what: "has no lock", env: NO_JIT },
];

test.each(STATES)(
  "an rc file that wraps does so once where a session $what",
  async ({ env }) => {
    using sandbox = new Sandbox();
    const PATH = `${join(BINARY, "..")}:${sandbox.env["PATH"]}`;
    writeFileSync(join(sandbox.home, ".bashrc"), `PS1='<> '\n${RC}`);
    await using pty = new Pty(sandbox, ["bash"], { env: { ...env, PATH } });
    await pty.expect("<> ");
    pty.line('echo "wr""apped $SESSION_BUDDY_WRAPPED at $SHLVL."; exit 5');
    await pty.expect(/wrapped 1 at \d\./);
    expect(await pty.ended()).toEqual({ code: 5, signal: null });
    expect(pty.text().match(/Session Tracking/g)).toHaveLength(1);
  },
);

test("doctor finds an rc file that may wrap for ever", async () => {
  using sandbox = new Sandbox();
  const rc = join(sandbox.home, ".bashrc");
  const finding = async () => {
    const { stdout } = await sandbox.run(["doctor", "--json"]);
    const { phases } = JSON.parse(stdout) as {
      phases: Record<string, { tests: { name: string; status: string }[] }>;
    };
    const tests = Object.values(phases).flatMap((phase) => phase.tests);
    return tests.find(({ name }) => name === "rc_files");
  };
  writeFileSync(rc, RC);
  expect(await finding()).toMatchObject({ status: "pass" });
  writeFileSync(
    rc,
    '[ -n "$SESSION_BUDDY_SESSION_ID" ] || exec session-buddy shell\n',
  );
  expect(await finding()).toMatchObject({ status: "fail" });
});
