/**
 * MCP over standard input and output ends with its client, whatever that leaves
 * behind: a process that stayed would keep the database.
 */
import { expect, test } from "bun:test";
import { readUntil } from "../support/server.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { gone } from "../support/wait.ts";

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

/** The answers to some lines, each sent alone. */
async function answersTo(
  sandbox: Sandbox,
  lines: readonly string[],
): Promise<Record<string, any>[][]> {
  return Promise.all(
    lines.map(async (line) => {
      const { stdout, exitCode } = await sandbox.run(["mcp", "stdio"], {
        stdin: HELLO + line,
      });
      expect(exitCode).toBe(0);
      const all = stdout
        .trim()
        .split("\n")
        .map((text) => JSON.parse(text));
      const isHello = ({ result }: { result?: object }) =>
        result !== undefined && "protocolVersion" in result;
      expect(all.filter(isHello)).toHaveLength(1);
      return all.filter((answer) => !isHello(answer));
    }),
  );
}

test("each line with an id is answered, whatever is wrong with it", async () => {
  using sandbox = new Sandbox();
  const ping = (id: string) => `{"jsonrpc":"2.0","id":${id},"method":"ping"}`;
  const wrong: [line: string, id: unknown, code: number, said: string][] = [
    [ping("1.5"), 1.5, -32600, "whole number"],
    [ping("null"), null, -32600, "id must be"],
    [ping("true"), null, -32600, "id must be"],
    [`[${ping("3")}]`, null, -32600, "batches are not served"],
    ["{", null, -32700, "not JSON"],
    ["7", null, -32600, "not a JSON object"],
    ['{"id":4,"method":"ping"}', 4, -32600, "jsonrpc must be"],
    ['{"jsonrpc":"2.0","id":5}', 5, -32600, "method is required"],
    ['{"jsonrpc":"2.0","id":6,"method":7}', 6, -32600, "must be a string"],
    [
      '{"jsonrpc":"2.0","id":8,"method":"ping","params":[]}',
      ...([8, -32602, "params must be an object"] as const),
    ],
    [`{"x":"${"y".repeat(5_000_000)}"}`, null, -32600, "longer than"],
  ];
  const answers = await answersTo(
    sandbox,
    wrong.map(([line]) => `${line}\n`),
  );
  for (const [n, [line, id, code, said]] of wrong.entries())
    expect([line.slice(0, 80), answers[n]]).toEqual([
      line.slice(0, 80),
      [
        {
          ...{ jsonrpc: "2.0", id },
          error: { code, message: expect.stringContaining(said) },
        },
      ],
    ]);
  const well = [
    ping('"p"'),
    `\u{feff}${ping("2")}\n`,
    `${ping("9")}\r\n`,
    '{"jsonrpc":"2.0","id":10,"method":"ping","params":null,"x":1}\n',
  ];
  expect(await answersTo(sandbox, well)).toEqual(
    ["p", 2, 9, 10].map((id) => [{ jsonrpc: "2.0", id, result: {} }]),
  );
  expect(
    await answersTo(sandbox, [
      '\n{"jsonrpc":"2.0","method":"x"}\n{"jsonrpc":"2.0","id":1,"result":{}}\n',
    ]),
  ).toEqual([[]]);
});

test("it ends when its parent is gone, though another program holds its input open", async () => {
  using sandbox = new Sandbox();
  const script = `mkfifo in; sleep 600 > in & sibling=$!
    ${BINARY} mcp stdio < in > out & echo $! $sibling; wait`;
  const parent = Bun.spawn(["bash", "-c", script], {
    ...{ env: sandbox.env, cwd: sandbox.home, stdout: "pipe" },
  });
  const said = await readUntil(parent.stdout, /\n/);
  const [server, sibling] = said.trim().split(" ").map(Number);
  try {
    // Asked once, it keeps the database, which its end must let go.
    const hello = await sandbox.command([
      "bash",
      "-c",
      `echo '${LIST.trim()}' > in; until grep -q next_cursor out; do read -t 0.05 <> <(:); done; cat out`,
    ]);
    expect(hello.stdout).toContain('"id":2');
    parent.kill("SIGKILL");
    await gone(server!);
    expect((await sandbox.run(["list-sessions"])).exitCode).toBe(0);
  } finally {
    process.kill(sibling!, "SIGKILL");
  }
});
