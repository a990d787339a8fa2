/**
 * Real MCP clients against the real server: the SDK's 1.x and its successor, in
 * both revisions, over HTTP and over stdio.
 */
import { expect, test } from "bun:test";
import {
  Client,
  StreamableHTTPClientTransport,
} from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as OldStdio } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport as OldHttp } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { TestServer, startArguments } from "../support/server.ts";
import { until } from "../support/wait.ts";

const TOOLS = [
  ...["analytics", "annotate_session"],
  ...["get_channel_sessions", "get_session", "health_check"],
  ...[
    "list_alerts",
    "list_commands",
    "list_events",
    "list_sessions",
    "query_sessions",
    "search",
    "session_stats",
    "track_channel_session",
  ],
  ...["track_events", "track_session_end", "track_session_start", "who_at"],
];

interface Result {
  isError?: boolean;
  structuredContent?: Record<string, unknown>;
  content: { type: string; text?: string }[];
}

/** What the clients have in common, as far as it is used here. */
interface AnyClient {
  listTools(): Promise<{ tools: { name: string }[] }>;
  callTool(call: { name: string; arguments: object }): Promise<unknown>;
  readResource(resource: { uri: string }): Promise<unknown>;
  getPrompt(prompt: { name: string; arguments: object }): Promise<unknown>;
  complete(question: object): Promise<{ completion: { values: string[] } }>;
  close(): Promise<void>;
}

const NAME = { name: "test", version: "1.0.0" };
const modern = () =>
  new Client(NAME, { versionNegotiation: { mode: { pin: "2026-07-28" } } });
const stdioParameters = (sandbox: Sandbox) => ({
  command: BINARY,
  args: ["mcp", "stdio"],
  env: sandbox.env,
  cwd: sandbox.home,
  stderr: "pipe" as const,
});

const CLIENTS: [string, (s: Sandbox, url: string) => Promise<AnyClient>][] = [
  [
    "SDK 1.x over HTTP",
    async (_, url) => {
      const client = new OldClient(NAME);
      await client.connect(new OldHttp(new URL(url)) as never);
      return client as unknown as AnyClient;
    },
  ],
  [
    "SDK 2.x over HTTP, revision of 2025",
    async (_, url) => {
      const client = new Client(NAME);
      await client.connect(new StreamableHTTPClientTransport(new URL(url)));
      return client as unknown as AnyClient;
    },
  ],
  [
    "SDK 2.x over HTTP, revision 2026-07-28",
    async (_, url) => {
      const client = modern();
      await client.connect(new StreamableHTTPClientTransport(new URL(url)));
      return client as unknown as AnyClient;
    },
  ],
  [
    "SDK 1.x over stdio",
    async (sandbox) => {
      const client = new OldClient(NAME);
      await client.connect(new OldStdio(stdioParameters(sandbox)));
      return client as unknown as AnyClient;
    },
  ],
  [
    "SDK 2.x over stdio, revision 2026-07-28",
    async (sandbox) => {
      const client = modern();
      await client.connect(new StdioClientTransport(stdioParameters(sandbox)));
      return client as unknown as AnyClient;
    },
  ],
];

/** A session's whole life by one client. */
async function life(client: AnyClient): Promise<string> {
  const { tools } = await client.listTools();
  expect(tools.map(({ name }) => name).sort()).toEqual(TOOLS);
  const call = async (name: string, args: object) => {
    const result = (await client.callTool({
      name,
      arguments: args,
    })) as Result;
    expect([result.isError ?? false, result.content]).toEqual([
      false,
      [{ type: "text", text: JSON.stringify(result.structuredContent) }],
    ]);
    return result.structuredContent!;
  };
  expect(await call("health_check", {})).toMatchObject({ status: "healthy" });
  const started = await call("track_session_start", startArguments());
  const session_id = started["session_id"] as string;
  expect(started["status"]).toBe("tracked");
  const completed = await client.complete({
    ref: { type: "ref/resource", uri: "session://{session_id}" },
    argument: { name: "session_id", value: session_id.slice(0, 12) },
  });
  expect(completed.completion.values).toContain(session_id);
  const timestamp = "2026-02-06T12:44:56.789Z";
  await call("track_session_end", { session_id, timestamp });
  const row = await call("get_session", { session_id });
  expect(row).toMatchObject({ status: "ended", duration_seconds: 600 });
  const read = (await client.readResource({
    uri: `session://${session_id}`,
  })) as { contents: { text: string }[] };
  expect(JSON.parse(read.contents[0]!.text)).toEqual(row);
  const { messages } = (await client.getPrompt({
    ...{ name: "what_happened", arguments: { session_id } },
  })) as { messages: [object, { content: { resource: { text: string } } }] };
  expect(JSON.parse(messages[1].content.resource.text)).toEqual(row);
  const { sessions } = (await call("list_sessions", { limit: 1 })) as {
    sessions: { session_id: string }[];
  };
  expect(sessions).toHaveLength(1);
  const stats = await call("session_stats", {});
  expect(stats["sessions"]).toBeGreaterThan(0);
  const unknown = (await client.callTool({
    name: "get_session",
    arguments: { session_id: "nobody" },
  })) as Result;
  expect(unknown.isError).toBe(true);
  expect(unknown.content[0]!.text).toContain("list_sessions");
  expect(
    await client
      .readResource({ uri: "session://nobody-20260206-123456-00000000" })
      .then(
        () => "read",
        ({ code }: { code: number }) => code,
      ),
  ).toBe(-32602);
  return session_id;
}

for (const [name, connect] of CLIENTS) {
  test(`${name}: a session's life, with a server running`, async () => {
    using sandbox = new Sandbox();
    await using server = await TestServer.start(sandbox);
    const client = await connect(sandbox, server.url);
    const session_id = await life(client);
    await client.close();
    expect((await sandbox.only()).session_id).toBe(session_id);
    // The server answered: nobody else had the database.
    expect(server.child.exitCode).toBeNull();
  });
  if (name.includes("stdio"))
    test(`${name}: a session's life, without a server`, async () => {
      using sandbox = new Sandbox();
      const client = await connect(sandbox, "");
      const session_id = await life(client);
      // Our own commands are answered meanwhile.
      expect((await sandbox.only()).session_id).toBe(session_id);
      await client.close();
      await until("the database to be free", async () => {
        const { exitCode } = await sandbox.run(["mcp", "status"]);
        return exitCode === 2;
      });
      expect((await sandbox.only()).session_id).toBe(session_id);
    });
}

test("stdio: the server may start, be killed and start again under a client", async () => {
  using sandbox = new Sandbox();
  const first = await TestServer.start(sandbox);
  const client = new OldClient(NAME);
  await client.connect(new OldStdio(stdioParameters(sandbox)));
  const track = () =>
    client.callTool({
      name: "track_session_start",
      arguments: startArguments(),
    });
  expect(await track()).toMatchObject({
    structuredContent: { status: "tracked" },
  });
  await first.stop("SIGKILL");
  expect(await track()).toMatchObject({
    structuredContent: { status: "tracked" },
  });
  await client.close();
  await until("the client's process to let the database go", async () => {
    const { exitCode } = await sandbox.run(["mcp", "status"]);
    return exitCode === 2;
  });
  expect(await sandbox.list()).toHaveLength(2);
});

test("stdio: a message that is piped in is answered before the end", async () => {
  using sandbox = new Sandbox();
  const message = {
    ...{ jsonrpc: "2.0", id: 7, method: "tools/call" },
    params: { name: "list_sessions", arguments: {} },
  };
  const { stdout, stderr, exitCode } = await sandbox.run(
    ["mcp", "start", "--transport", "stdio"],
    { stdin: `${JSON.stringify(message)}\n` },
  );
  expect([exitCode, stderr]).toEqual([0, ""]);
  const lines = stdout.trimEnd().split("\n");
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0]!)).toMatchObject({
    id: 7,
    result: { structuredContent: { sessions: [] } },
  });
});
