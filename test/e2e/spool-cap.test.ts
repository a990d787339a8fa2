/**
 * A spool that nobody empties: it is told of in time, and at its limit no
 * session is recorded, until its events are brought away.
 */
import { expect, test } from "bun:test";
import { readUsage } from "../../src/spool/quota.ts";
import { spoolFolder } from "../../src/spool/write.ts";
import { configure, plant } from "../support/host.ts";
import { Live } from "../support/live.ts";
import { Pty } from "../support/pty.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { until } from "../support/wait.ts";

const MAX_BYTES = 1024 * 1024;
const NOWHERE = "http://127.0.0.1:1/mcp";

/** A host that cannot deliver, with so much waiting. */
async function waiting(bytes: number): Promise<Sandbox> {
  const sandbox = new Sandbox();
  configure(sandbox, `spool: {max_bytes: ${MAX_BYTES}}\n`);
  const metadata = { text: "x".repeat(30_000) };
  const sessions = Math.ceil(bytes / 30_700);
  plant(sandbox, Array(sessions).fill({ metadata }));
  sandbox.env["SESSION_BUDDY_MCP_ENDPOINT"] = NOWHERE;
  const drained = await sandbox.run(["drain"]);
  expect(drained.exitCode).toBe(2);
  return sandbox;
}

test("at the limit shells run unrecorded and say why, strict ones do not; a drain makes room", async () => {
  using sandbox = await waiting(MAX_BYTES * 1.05);
  const recorded = () => sandbox.spooled().length;
  const before = recorded();
  const quiet = await sandbox.run(["shell", "--", "sh", "-c", "exit 3"]);
  expect(quiet).toMatchObject({ exitCode: 3, stdout: "", stderr: "" });
  await using pty = new Pty(sandbox, [BINARY, "shell", "--", "true"]);
  await pty.expect(
    /Session Tracking: ✗ Disabled - the spool is full: 1 files wait with 1\.\d MiB of the 1\.0 MiB that spool\.max_bytes allows \(run: session-buddy drain\)/,
  );
  expect(await pty.ended()).toEqual({ code: 0, signal: null });
  const strict = ["shell", "--audit", "strict", "--", "echo", "ran"];
  const refused = await sandbox.run(strict);
  expect(refused).toMatchObject({ exitCode: 125, stdout: "" });
  expect(refused.stderr).toContain("the spool is full");
  expect(recorded()).toBe(before);
  using far = new Sandbox();
  await using server = await TestServer.start(far);
  sandbox.env["SESSION_BUDDY_MCP_ENDPOINT"] = server.url;
  expect((await sandbox.run(["drain"])).exitCode).toBe(0);
  expect((await sandbox.run(strict)).stdout).toBe("ran\n");
  await server.stop();
});

test("at the limit a shell that is not recorded has the events delivered all the same", async () => {
  using sandbox = await waiting(MAX_BYTES * 1.05);
  using far = new Sandbox();
  await using server = await TestServer.start(far);
  sandbox.env["SESSION_BUDDY_MCP_ENDPOINT"] = server.url;
  // As after the interval in which a server is left alone.
  await Bun.file(`${sandbox.spool}/delivery.json`).delete();
  await sandbox.run(["shell", "--", "true"]);
  await until("the spool to be empty", () => {
    return readUsage(spoolFolder(sandbox.data))?.files === 0;
  });
  await server.stop();
});

test("before the limit it is told by every command that reads, by doctor, and to who starts a shell", async () => {
  using sandbox = await waiting(MAX_BYTES * 0.85);
  const warning =
    /the spool is nearly full: 1 files wait with 0\.\d MiB of the 1\.0 MiB that spool\.max_bytes allows; then no session is recorded/;
  expect((await sandbox.run(["list-sessions"])).stderr).toMatch(warning);
  const { stdout } = await sandbox.run(["doctor", "--json"]);
  const { phases } = JSON.parse(stdout) as {
    phases: { database_verification: { tests: object[] } };
  };
  expect(phases.database_verification.tests).toContainEqual({
    ...{ name: "spool_backlog", status: "fail", fixed: false },
    detail: expect.stringMatching(warning),
    fix: expect.stringContaining("spool.max_bytes"),
  });
  await using pty = new Pty(sandbox, [BINARY, "shell", "--", "true"]);
  await pty.expect("Session Tracking: ✓ Enabled");
  await pty.expect(warning);
  await pty.ended();
  const quiet = await sandbox.run(["shell", "--", "true"]);
  expect(quiet.stderr).toBe("");
});

test("where nobody ever reads, wrappers count", async () => {
  using sandbox = new Sandbox();
  configure(sandbox, `spool: {max_bytes: ${MAX_BYTES}}\n`);
  const text = "x".repeat(MAX_BYTES / 30);
  plant(sandbox, Array(31).fill({ metadata: { text } }));
  await using live = await Live.begin(sandbox);
  await until("it to be counted", () => readUsage(sandbox.spool) !== null);
  expect(readUsage(sandbox.spool)).toMatchObject({ files: 2 });
  const recorded = () => new Set(sandbox.spooled().map((e) => e["session_id"]));
  const before = recorded();
  await sandbox.run(["shell", "--", "true"]);
  expect(recorded()).toEqual(before);
  await live.end();
});
