/** What of a command line is recorded, and where the rest of it is not. */
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { configure } from "../support/host.ts";
import { block } from "../support/pages.ts";
import { Pty } from "../support/pty.ts";
import { BINARY, NO_JIT, Sandbox } from "../support/sandbox.ts";

const SECRET = "pass-4711-word";
/** Looks into every process's command line while the wrapper's are there. */
const PROGRAM = `while ! grep -qs annotation "$HOME"/.local/share/session-buddy/spool/*/*.ndjson; do :; done`;

test("of a command line the program alone is recorded where that is asked for, and no other word is on the disk", async () => {
  using sandbox = new Sandbox();
  configure(sandbox, "session: {argv: program}\n");
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
  await line.expect(/command line: recorded in full[;)]/);
  await line.ended();
});

test("by default the command line is recorded, and the secrets in it are not", async () => {
  using sandbox = new Sandbox();
  const script = "true mysql -p'hunter2 x'; exit 3";
  const args = ["shell", "--reason", "curl -u bob:hunter3 x"];
  args.push("--meta", "db_password=hunter4", "--meta", "ticket=4711");
  args.push("--name", "kadmin -w hunter5", "--", "sh", "-c", script, "-l");
  await using pty = new Pty(sandbox, [BINARY, ...args]);
  await pty.expect("Command line: recorded without secrets");
  expect(await pty.ended()).toEqual({ code: 3, signal: null });
  expect(sandbox.spooled()[0]).toMatchObject({
    command: [
      "sh",
      "-c",
      "true mysql -p[redacted:mysql-password]; exit 3",
      "-l",
    ],
    reason: "curl -u bob:[redacted:user-password] x",
    name: "kadmin [withheld]",
    metadata: { db_password: "[redacted:assignment]", ticket: 4711 },
    redacted_by: [
      ...["withheld", "user-password", "assignment", "mysql-password"],
    ],
  });
  expect((await sandbox.only()).reason).toContain("[redacted:");
  const onDisk = ["grep", "-rlaE", "hunter[2-5]", sandbox.home, sandbox.data];
  expect((await sandbox.command(onDisk)).stdout).toBe("");
});

test("where redaction is configured wrongly, it is said, and the program alone is kept", async () => {
  using sandbox = new Sandbox();
  const file = join(sandbox.home, "wrong.yaml");
  writeFileSync(file, "redaction: {patterns: {mine: '(a+)+bcd'}}\n");
  const args = ["shell", "--config", file, "--", "sh", "-c", "exit 3", SECRET];
  await using pty = new Pty(sandbox, [BINARY, ...args]);
  await pty.expect(
    "wrong.yaml:1: redaction.patterns.mine repeats a group in which something varies",
  );
  expect(await pty.ended()).toEqual({ code: 3, signal: null });
  expect(sandbox.spooled()[0]).toMatchObject({ command: ["sh", "[withheld]"] });
});

/** The lines that docs/recording.md gives for an rc file. */
const RC = block("bash", "# the end of ~/.bashrc\n").text;

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
