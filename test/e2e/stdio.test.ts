/**
 * MCP over standard input and output ends with its client, whatever that leaves
 * behind: a process that stayed would keep the database.
 */
import { expect, test } from "bun:test";
import { BINARY, Sandbox } from "../support/sandbox.ts";

const message = (id: number | undefined, method: string, params: object) =>
  `${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`;

const HELLO = message(1, "initialize", {
  protocolVersion: "2025-06-18",
  capabilities: {},
  clientInfo: { name: "test", version: "1" },
});
const LIST = message(2, "tools/call", { name: "list_sessions", arguments: {} });

function start(sandbox: Sandbox) {
  return Bun.spawn([BINARY, "mcp", "stdio"], {
    env: sandbox.env,
    cwd: sandbox.home,
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
}

test("what was asked before the end of the input is answered", async () => {
  using sandbox = new Sandbox();
  const stdio = start(sandbox);
  stdio.stdin.write(HELLO + LIST);
  stdio.stdin.end();
  const answers = (await new Response(stdio.stdout).text()).trim().split("\n");
  expect(answers.map((line) => JSON.parse(line).id)).toEqual([1, 2]);
  expect(await stdio.exited).toBe(0);
});

test("a call that is taken back is not waited for", async () => {
  using sandbox = new Sandbox();
  const stdio = start(sandbox);
  const cancel = message(undefined, "notifications/cancelled", {
    requestId: 2,
  });
  stdio.stdin.write(HELLO + LIST + cancel);
  stdio.stdin.end();
  expect(await stdio.exited).toBe(0);
});

test("a client that reads no more is not waited for", async () => {
  using sandbox = new Sandbox();
  const gone = Bun.spawn(
    [
      "bash",
      "-c",
      `${BINARY} mcp stdio | head -c 1 >/dev/null; exit $PIPESTATUS`,
    ],
    { env: sandbox.env, cwd: sandbox.home, stdin: "pipe" },
  );
  gone.stdin.write(HELLO);
  await gone.stdin.flush();
  gone.stdin.write(LIST.repeat(3));
  gone.stdin.end();
  expect(await gone.exited).toBe(0);
});

test("a line that never ends is given up", async () => {
  using sandbox = new Sandbox();
  const script = `head -c 32M /dev/zero | tr '\\0' x | ${BINARY} mcp stdio`;
  expect((await sandbox.command(["bash", "-c", script])).exitCode).toBe(0);
});
