/** The filter that shells send suspect commands through, and what shows it. */
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { configure, expectFailure } from "../support/host.ts";
import { Pty } from "../support/pty.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { TestServer, startArguments } from "../support/server.ts";

/** What the filter answers, byte by byte. */
async function filtered(sandbox: Sandbox, text: Uint8Array | string) {
  const child = Bun.spawn([BINARY, "redact-text", "1"], {
    env: sandbox.envWith(),
    cwd: sandbox.home,
    stdin: new Blob([text as string]),
    stdout: "pipe",
    stderr: "pipe",
  });
  const out = Buffer.from(await child.stdout.bytes()).toString("latin1");
  return { out, stderr: await child.stderr.text(), code: await child.exited };
}

test("the filter answers the rules that hit and what may be kept, byte by byte", async () => {
  using sandbox = new Sandbox();
  for (const [text, out] of [
    [
      "mysql -phunter2 x",
      "mysql-password\nmysql -p[redacted:mysql-password] x\n.",
    ],
    ["make key\n", "\nmake key\n\n."],
    ["kadmin -w hunter2", "withheld\nkadmin [withheld]\n."],
    ["", "\n\n."],
    [
      Buffer.from("mysql -ph\xfcnter2 \xff", "latin1"),
      "mysql-password\nmysql -p[redacted:mysql-password] \xff\n.",
    ],
  ] as const)
    expect(await filtered(sandbox, text)).toEqual({ out, stderr: "", code: 0 });
});

test("the filter keeps a text longer than what is recorded whole, and withholds one without end", async () => {
  using sandbox = new Sandbox();
  const long = "echo ".padEnd(100_000, "x ");
  const { out } = await filtered(sandbox, `${long}; mysql -phunter2`);
  expect(out.length).toBeGreaterThan(100_000);
  expect(out.includes("hunter2")).toBe(false);
  const endless = await filtered(sandbox, "x".repeat(1_100_000));
  expect(endless.out).toBe("withheld\n\n.");
});

test("a protocol that the filter does not know gets no answer that a shell would take", async () => {
  using sandbox = new Sandbox();
  const done = await sandbox.run(["redact-text", "2"], { stdin: "ls" });
  expect(done).toMatchObject({ exitCode: 64, stdout: "" });
});

test("a configuration adds patterns and switches rules off; where it is wrong, all is withheld", async () => {
  using sandbox = new Sandbox();
  configure(
    sandbox,
    "redaction:\n  patterns: {ticket-key: 'TK-(?<s>[0-9]{4,})'}\n  off: [sshpass]\n",
  );
  const text = "sshpass -e ssh h TK-4711; mysql -phunter2";
  const { out } = await filtered(sandbox, text);
  expect(out).toBe(
    "mysql-password,ticket-key\nsshpass -e ssh h TK-[redacted:ticket-key]; mysql -p[redacted:mysql-password]\n.".replace(
      "mysql-password,ticket-key",
      "ticket-key,mysql-password",
    ),
  );
  configure(sandbox, "redaction: {patterns: {mine: '('}}\n");
  expect((await filtered(sandbox, text)).out).toBe("withheld\n\n.");
  expectFailure(
    await sandbox.run(["redact", "--check"], { stdin: text }),
    5,
    /redaction.patterns.mine is no regular expression: missing \)/,
  );
});

test("--check shows what is kept of standard input, and takes no text from argv", async () => {
  using sandbox = new Sandbox();
  const stdin = "ls\nmysql -phunter2\n";
  const check = await sandbox.run(["redact", "--check"], { stdin });
  expect(check).toMatchObject({
    exitCode: 0,
    stdout: "ls\nmysql -p[redacted:mysql-password]\n",
    stderr: "redacted: mysql-password\n",
  });
  const json = await sandbox.run(["redact", "--check", "--json"], {
    stdin: "ls",
  });
  expect(JSON.parse(json.stdout)).toEqual({
    ...{ text: "ls", rules: [], withheld: false, looked_at: false },
  });
  expectFailure(await sandbox.run(["redact"]), 64, /or --check/);
  expectFailure(
    await sandbox.run(["redact", "--check", "mysql -phunter2"]),
    64,
    /redact/,
  );
  const escape = await sandbox.run(["redact", "--check"], { stdin: "\x1b[2J" });
  expect(escape.stdout).toContain("\\x1b[2J");
});

test("no secret of what is reported to a server reaches its disk, and the event says which rule hit", async () => {
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  const { result } = await server.call(
    "track_session_start",
    startArguments({
      metadata: { api_token: "hunter2", url: "https://bob:hunter3@h/x" },
    }),
  );
  const { session_id } = result as { session_id: string };
  await server.call("track_session_end", {
    session_id,
    timestamp: "2026-02-06T13:00:00Z",
    metadata: { last: "mysql -phunter4" },
  });
  await server.call("track_channel_session", {
    event_id: "e1",
    event_type: "channel_session_start",
    channel_type: "slack",
    channel_id: "C1",
    sender_id: "U1",
    timestamp: "2026-02-06T12:34:56Z",
    message_preview: "sshpass -p hunter5 ssh h",
  });
  const base = { event_version: "1.0", session_id };
  const events = [
    {
      ...{ ...base, event_id: crypto.randomUUID(), event_type: "annotation" },
      ...{ timestamp: "2026-02-06T12:40:00Z" },
      metadata: { note: "curl -u bob:hunter6 x" },
    },
  ];
  const sent_at = new Date().toISOString();
  await server.call("track_events", { sent_at, events });
  const shown = await sandbox.run([
    "show-session",
    session_id,
    "--format",
    "json",
  ]);
  expect(JSON.parse(shown.stdout)).toMatchObject({
    metadata: {
      api_token: "[redacted:assignment]",
      url: "https://bob:[redacted:url-password]@h/x",
      last: "mysql -p[redacted:mysql-password]",
      note: "curl -u bob:[redacted:user-password] x",
    },
  });
  const listed = await server.call("list_events", { session_id });
  const text = JSON.stringify(listed.result);
  expect(text).toContain('"redacted_by":["assignment","url-password"]');
  await server.stop();
  const onDisk = ["grep", "-rlaE", "hunter[2-6]", sandbox.home];
  expect((await sandbox.command(onDisk)).stdout).toBe("");
});

test("patterns of --config hold for the commands of the shell, too", async () => {
  using sandbox = new Sandbox();
  const file = join(sandbox.home, "own.yaml");
  writeFileSync(file, "redaction: {patterns: {mine: 'TK-(?<s>[0-9]+)'}}\n");
  writeFileSync(join(sandbox.home, ".bashrc"), "PS1='READY> '\n");
  const args = ["shell", "--config", "own.yaml", "bash"];
  await using pty = new Pty(sandbox, [BINARY, ...args]);
  await pty.expect("READY> ");
  pty.type(": run TK-4711\n");
  await pty.expect("READY> ");
  pty.type("exit\n");
  await pty.ended();
  const onDisk = (text: string) =>
    sandbox.command(["grep", "-rlaF", text, sandbox.data]);
  expect((await onDisk("TK-[redacted:mine]")).stdout).not.toBe("");
  expect((await onDisk("4711")).stdout).toBe("");
});
