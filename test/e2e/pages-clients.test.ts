/**
 * What docs/agents.md gives to other programs, taken out of it and used: the
 * configuration of each agent by a real MCP client, the lines for the Python
 * shells by a real interpreter.
 */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { Client } from "@modelcontextprotocol/client";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { withExecutable } from "../support/newcomer.ts";
import { BLOCKS, type Block } from "../support/pages.ts";
import { Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { needs } from "../support/tools.ts";
import { until } from "../support/wait.ts";

const SECRET = "a secret of more than thirty-two characters";
const INFO = { name: "pages", version: "1" };

/** One server as an agent's configuration names it, in any of their forms. */
interface Named {
  type?: string;
  url?: string;
  headers?: Record<string, string>;
  bearer_token_env_var?: string;
  command?: string;
  args?: string[];
}

interface Configuration {
  inputs?: { id: string; password: boolean }[];
  mcpServers?: Record<string, Named>;
  servers?: Record<string, Named>;
  mcp_servers?: Record<string, Named>;
}

const snippets = BLOCKS.filter(({ language }) =>
  /^(json|toml)$/.test(language),
);

function read({ language, text }: Block): Configuration {
  const parse = language === "json" ? JSON.parse : Bun.TOML.parse;
  return parse(text) as Configuration;
}

/** The one server that a snippet names, whatever its agent calls the place. */
function serverOf(configuration: Configuration): Named {
  const { mcpServers, servers, mcp_servers } = configuration;
  const named = mcpServers ?? servers ?? mcp_servers ?? {};
  expect(Object.keys(named)).toEqual(["session-buddy"]);
  // VS Code alone wants it said.
  if (servers) expect(servers["session-buddy"]!.type).toBe("http");
  return named["session-buddy"]!;
}

/** The headers that an agent sends, its own variables filled in. */
function headersOf(configuration: Configuration, token: string) {
  const { headers = {}, bearer_token_env_var } = serverOf(configuration);
  if (bearer_token_env_var !== undefined) {
    expect(bearer_token_env_var).toBe("SESSION_BUDDY_TOKEN");
    return { Authorization: `Bearer ${token}` };
  }
  const fill = (_: string, place: string) => {
    const input = /^input:(.+)$/.exec(place)?.[1];
    const known = configuration.inputs?.find(({ id }) => id === input);
    expect([place, known?.password ?? true]).toEqual([place, true]);
    if (!known) expect(place).toBe("env:SESSION_BUDDY_TOKEN");
    return token;
  };
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      value.replace(/\$\{(.+?)\}/g, fill),
    ]),
  );
}

/** What an agent does first, and then a question. */
async function asked(
  sandbox: Sandbox,
  { url, command, args = [] }: Named,
  headers: Record<string, string>,
  port: number,
): Promise<unknown> {
  if (command !== undefined) {
    const client = new OldClient(INFO);
    const PATH = withExecutable(sandbox);
    // Agents hand little of their environment on.
    const env = { HOME: sandbox.home, PATH };
    await client.connect(new StdioClientTransport({ command, args, env }));
    return question(client as unknown as Client);
  }
  const client = new Client(INFO, { versionNegotiation: { mode: "auto" } });
  const there = new URL(url!.replace("8678", `${port}`));
  await client.connect(
    new StreamableHTTPClientTransport(there, { requestInit: { headers } }),
  );
  return question(client);
}

async function question(client: Client): Promise<unknown> {
  try {
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toContain("track_session_start");
    const call = { name: "list_sessions", arguments: {} };
    const { structuredContent } = await client.callTool(call);
    return structuredContent;
  } finally {
    await client.close();
  }
}

test("each agent's snippet leads to the server, and with a secret set, only with the token", async () => {
  using sandbox = new Sandbox();
  const guarded = { env: { SESSION_BUDDY_SECRET: SECRET } };
  const token = (await sandbox.run(["token"], guarded)).stdout.trim();
  const none = { sessions: [], count: 0, next_cursor: null };
  const seen = { open: 0, guarded: 0 };
  for (const kind of ["open", "guarded"] as const) {
    await using server = await TestServer.start(
      sandbox,
      kind === "guarded" ? guarded : {},
    );
    for (const snippet of snippets) {
      const configuration = read(snippet);
      const named = serverOf(configuration);
      const headers = headersOf(configuration, token);
      if (Object.keys(headers).length > 0 !== (kind === "guarded")) continue;
      expect(await asked(sandbox, named, headers, server.port)).toEqual(none);
      seen[kind]++;
      if (kind === "open") continue;
      const without = asked(sandbox, named, {}, server.port);
      await expect(without).rejects.toThrow("Token required");
    }
  }
  expect(seen).toEqual({ open: 3, guarded: 3 });
}, 400_000);

const lines = BLOCKS.find(({ language }) => language === "python")!.text;

/** A shell of the family, started after the page's lines. */
const SHELL = `
class MahavishnuShell(AdminShell):
    def _get_component_name(self):
        return "mahavishnu"

    def _get_component_version(self):
        return "0.9.1"

    def _get_adapters_info(self):
        return ["prefect", "agno"]

MahavishnuShell().start()
`;

/** Only the emitter, with no metadata at all. */
const EMITTER = `
async def report():
    emitter = SessionEventEmitter("oneiric")
    session_id = await emitter.emit_session_start("OneiricShell")
    print("session:", session_id, flush=True)
    input()
    print("ended:", bool(session_id) and await emitter.emit_session_end(session_id))

asyncio.run(report())
`;

interface Report {
  /** What the emitter took for the id. */
  session: string;
  shown: string;
  log: string;
}

/**
 * Runs the page's lines and a shell behind them.
 * @param meanwhile while the shell is at its prompt
 */
async function python(
  sandbox: Sandbox,
  program: string,
  port: number,
  env: Record<string, string>,
  meanwhile: () => Promise<void> = async () => {},
): Promise<Report> {
  const file = join(sandbox.home, "shell.py");
  // A server of a busy machine may take longer than a page lets anybody wait.
  expect(lines).toContain("timeout=5");
  const ours = lines
    .replaceAll("8678", `${port}`)
    .replaceAll("timeout=5", "timeout=60");
  await Bun.write(file, ours + program);
  const child = Bun.spawn(["python3", file], {
    env: sandbox.envWith({
      PYTHONPATH: join(import.meta.dir, "../support/python"),
      PYTHONDONTWRITEBYTECODE: "1",
      // A token is for the server alone, and a proxy cannot reach it.
      http_proxy: "http://127.0.0.1:1",
      ...env,
    }),
    cwd: sandbox.home,
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
    timeout: 380_000,
  });
  const shown = child.stdout.text();
  const log = child.stderr.text();
  await meanwhile();
  child.stdin.write("\n");
  await child.stdin.end();
  expect([await child.exited, await log]).toEqual([0, await log]);
  const session = /^session: (.*)$/m.exec(await shown)![1]!;
  return { session, shown: await shown, log: await log };
}

test("the Python lines record a family shell's life: start, metadata, duration", async () => {
  if (!needs("python3")) return;
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  const { session, log } = await python(sandbox, SHELL, server.port, {}, () =>
    until("the start", async () => (await sandbox.list())[0]).then(
      ({ status, end_time }) =>
        expect({ status, end_time }).toEqual({
          status: "active",
          end_time: null,
        }),
    ),
  );
  expect(log).toBe("");
  const ended = await sandbox.only();
  // The whole answer was sent back as the id of the end.
  expect(JSON.parse(session)).toMatchObject({
    session_id: ended.session_id,
    status: "tracked",
  });
  expect(ended).toMatchObject({
    ...{ component_name: "mahavishnu", shell_type: "MahavishnuShell" },
    ...{ status: "ended", end_source: "observed" },
    metadata: { version: "0.9.1", adapters: ["prefect", "agno"] },
  });
  expect(ended.duration_seconds).toBeGreaterThan(0);
});

test("the Python lines send the token where a secret is set", async () => {
  if (!needs("python3")) return;
  using sandbox = new Sandbox();
  const guarded = { env: { SESSION_BUDDY_SECRET: SECRET } };
  await using server = await TestServer.start(sandbox, guarded);
  const token = (await sandbox.run(["token"], guarded)).stdout.trim();
  const env = {
    SESSION_BUDDY_MCP_ENDPOINT: server.url,
    SESSION_BUDDY_TOKEN: token,
  };
  const shell = await python(sandbox, SHELL, 1, env);
  expect(shell.log).toBe("");
  const emitter = await python(sandbox, EMITTER, 1, env);
  expect(emitter).toMatchObject({ log: "" });
  expect(emitter.shown).toContain("ended: True");
  expect(await sandbox.list()).toMatchObject([
    { component_name: "oneiric", status: "ended", end_source: "observed" },
    { component_name: "mahavishnu", status: "ended", end_source: "observed" },
  ]);
});

test("what the server refuses, and one that is not there, the emitter hears of, and the shell goes on", async () => {
  if (!needs("python3")) return;
  using sandbox = new Sandbox();
  const guarded = { env: { SESSION_BUDDY_SECRET: SECRET } };
  await using server = await TestServer.start(sandbox, guarded);
  const cases: [Record<string, string>, RegExp][] = [
    [{}, /track_session_start failed: .*Token required/],
    [{ SESSION_BUDDY_TOKEN: "a.b.c" }, /failed: .*invalid or expired token/],
    [{ SESSION_BUDDY_MCP_ENDPOINT: "http://127.0.0.1:1/mcp" }, /refused/],
  ];
  for (const [env, wanted] of cases) {
    const { session, log } = await python(sandbox, SHELL, server.port, env);
    expect(session).toBe("None");
    expect(log).toMatch(wanted);
  }
  expect(await sandbox.list()).toEqual([]);
});
