/** A session in a session, and variables that only look like one. */
import { expect, test } from "bun:test";
import { appendFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { Pty } from "../support/pty.ts";
import { BINARY, Sandbox, type SessionJson } from "../support/sandbox.ts";
import { until } from "../support/wait.ts";

const NESTED = ["shell", "--component", "outer", "--", "sh", "-c"];

const named = (sessions: SessionJson[], component: string) =>
  sessions.find((session) => session.component_name === component)!;

/** The start event of a session that is still in the spool, or was moved aside. */
function startOf(sandbox: Sandbox, component: string): Record<string, unknown> {
  return sandbox
    .spooled()
    .find(
      (event) =>
        event["event_type"] === "session_start" &&
        event["component_name"] === component,
    )!;
}

test("a nested session names its parent, through other processes too", async () => {
  using sandbox = new Sandbox();
  const script = `"$0" shell --component direct -- true; bash -c 'sh -c "\\"$0\\" shell --component deep -- true; true"; true' "$0"; true`;
  const done = await sandbox.run([...NESTED, script.replaceAll("$0", BINARY)]);
  expect(done).toMatchObject({ exitCode: 0, stderr: "" });
  const sessions = await sandbox.list();
  const { session_id, parent_session_id } = named(sessions, "outer");
  expect(parent_session_id).toBeNull();
  expect(named(sessions, "direct").parent_session_id).toBe(session_id);
  expect(named(sessions, "deep").parent_session_id).toBe(session_id);
});

test("the child of a session within a session names the inner one", async () => {
  using sandbox = new Sandbox();
  const middle = `"$BINARY" shell --component inner -- true; true`;
  const script = `"$BINARY" shell --component middle -- sh -c '${middle}'; true`;
  await sandbox.run([...NESTED, script], { env: { BINARY } });
  const sessions = await sandbox.list();
  const ids = ["outer", "middle"].map(
    (name) => named(sessions, name).session_id,
  );
  expect(named(sessions, "middle").parent_session_id).toBe(ids[0]!);
  expect(named(sessions, "inner").parent_session_id).toBe(ids[1]!);
});

test("a stale variable is no parent: it is kept as what was inherited", async () => {
  using sandbox = new Sandbox();
  await sandbox.run(["shell", "--component", "first", "--", "true"]);
  const id = startOf(sandbox, "first")["session_id"] as string;
  const env = { SESSION_BUDDY_SESSION_ID: id };
  await sandbox.run(["shell", "--component", "second", "--", "true"], { env });
  expect(startOf(sandbox, "second")).toMatchObject({
    inherited_session_id: id,
  });
  expect(named(await sandbox.list(), "second").parent_session_id).toBeNull();
});

test("a live session that is no ancestor is no parent", async () => {
  using sandbox = new Sandbox();
  await using pty = new Pty(sandbox, [
    BINARY,
    "shell",
    "--quiet",
    "--component",
    "live",
    "--",
    "cat",
  ]);
  const id = await until("the session", () => {
    try {
      return (startOf(sandbox, "live")["session_id"] as string) ?? null;
    } catch {
      return null;
    }
  });
  const env = { SESSION_BUDDY_SESSION_ID: id };
  await sandbox.run(["shell", "--component", "other", "--", "true"], { env });
  expect(startOf(sandbox, "other")).toMatchObject({ inherited_session_id: id });
  expect(named(await sandbox.list(), "other").parent_session_id).toBeNull();
  pty.type("\x04");
  await pty.ended();
});

const MALICIOUS = {
  "a path": "../../etc/passwd",
  "a path with an id's end": "../../../etc/passwd-20260101-000000-12345678",
  "escape sequences": "\x1b]0;title\x07-20260101-000000-12345678",
  "a second line": "a-20260101-000000-12345678\nb",
  "another's alphabet": "ä-20260101-000000-12345678",
  "a very long one": `${"a".repeat(5000)}-20260101-000000-12345678`,
  nothing: "",
};

for (const [name, value] of Object.entries(MALICIOUS))
  test(`a session variable that is ${name} is ignored, and replaced for the child`, async () => {
    using sandbox = new Sandbox();
    const env = { SESSION_BUDDY_SESSION_ID: value };
    const print =
      'printf "%s" "$SESSION_BUDDY_SESSION_ID"; grep -zc ^SESSION_BUDDY_SESSION_ID= /proc/$$/environ >&2';
    const done = await sandbox.run(["shell", "--", "sh", "-c", print], { env });
    const start = startOf(sandbox, "sh");
    expect(start).not.toHaveProperty("parent_session_id");
    expect(start).not.toHaveProperty("inherited_session_id");
    const { session_id } = await sandbox.only();
    expect(done).toMatchObject({
      stdout: session_id,
      stderr: "1\n",
      exitCode: 0,
    });
  });

test("a torn line in the parent's file does not end the recording of a nested session", async () => {
  using sandbox = new Sandbox();
  await using pty = new Pty(
    sandbox,
    [
      BINARY,
      "shell",
      "--quiet",
      "--component",
      "outer",
      "--",
      "bash",
      "--norc",
    ],
    { env: { BINARY } },
  );
  pty.line("echo read''y");
  await pty.expect("ready");
  const file = await until("the parent's file", () => {
    const name = readdirSync(sandbox.spool).find((entry) =>
      entry.startsWith("outer-"),
    );
    return name ? join(sandbox.spool, name) : null;
  });
  appendFileSync(file, '{"event_type":"process","pid":12\n');
  pty.line("$BINARY shell --component nested -- echo wit''hin");
  await pty.expect("Session Tracking: ✓ Enabled");
  await pty.expect("within");
  pty.line("exit 0");
  await pty.ended();
  const sessions = await sandbox.list();
  expect(named(sessions, "nested")).toMatchObject({
    status: "ended",
    parent_session_id: named(sessions, "outer").session_id,
  });
});
