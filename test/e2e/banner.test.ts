import { expect, test } from "bun:test";
import { Pty } from "../support/pty.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";

test("a person sees the banner, then the shell, then its exit status", async () => {
  using sandbox = new Sandbox();
  await using pty = new Pty(sandbox, [BINARY, "shell", "--", "bash", "--norc"]);
  await pty.expect(/Session-Buddy v\d+\.\d+\.\d+ - Admin Shell/);
  await pty.expect("Component: bash   Shell: bash");
  await pty.expect("Session Tracking: ✓ Enabled");
  const id = (await pty.expect(/Session ID: (\S+)/))[1]!;
  await pty.expect(
    "Commands: not recorded   Command line: recorded without secrets",
  );
  await pty.expect("$ ");
  pty.line("echo id=$SESSION_BUDDY_SESSION_ID; exit 7");
  await pty.expect(`id=${id}`);
  expect(await pty.ended()).toEqual({ code: 7, signal: null });
  const session = await sandbox.only();
  expect(session).toMatchObject({
    session_id: id,
    status: "ended",
    exit_code: 7,
  });
});

test("the banner says why tracking is off, and the shell starts all the same", async () => {
  using sandbox = new Sandbox();
  const env = { SESSION_BUDDY_SESSION_ENABLED: "false" };
  await using pty = new Pty(sandbox, [BINARY, "shell", "--", "true"], { env });
  await pty.expect(
    /Session Tracking: ✗ Disabled - SESSION_BUDDY_SESSION_ENABLED turns it off \(unset it to record\)/,
  );
  expect(await pty.ended()).toEqual({ code: 0, signal: null });
  expect(await sandbox.list()).toEqual([]);
});
