/**
 * An agent asks what failed and why, in two calls: its real client, a real server, and
 * a real shell in which something failed.
 */
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  Client,
  StreamableHTTPClientTransport,
} from "@modelcontextprotocol/client";
import { Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { bashTypist, typeAll, typed } from "../support/typing.ts";

interface Ran {
  session_id: string;
  text: string;
  exit_code: number;
  cwd: string;
}

const TYPED = [
  typed("cd /etc"),
  typed("export REGION=nowhere"),
  typed("ls /no/such/$REGION", 2),
  typed("echo tried"),
  { ...typed("exit"), last: true as const },
];

async function connected(server: TestServer): Promise<Client> {
  const client = new Client(
    { name: "agent", version: "1" },
    { versionNegotiation: { mode: "auto" } },
  );
  await client.connect(new StreamableHTTPClientTransport(new URL(server.url)));
  return client;
}

test("what failed and why is two calls, by tools and by a prompt", async () => {
  using sandbox = new Sandbox();
  writeFileSync(join(sandbox.home, ".bashrc"), "PS1='<\\#>$ '\n");
  await using server = await TestServer.start(sandbox);
  await typeAll(sandbox, bashTypist(), [], TYPED);
  const client = await connected(server);
  const call = async (name: string, args: object) =>
    (await client.callTool({ name, arguments: { ...args } }))
      .structuredContent as Record<string, any>;
  /** What was around the failure: the second call. */
  const why = async ({ session_id }: Ran) => {
    const { commands } = await call("get_session", { session_id });
    return commands.map(({ text, cwd }: Ran) => [text, cwd]);
  };
  const around = [
    ["cd /etc", sandbox.home],
    ["export REGION=nowhere", "/etc"],
    ["ls /no/such/$REGION", "/etc"],
    ["echo tried", "/etc"],
    ["exit", "/etc"],
  ];

  const { commands } = await call("list_commands", {
    ...{ failed: true, after: "yesterday 18:00" },
  });
  expect(commands).toMatchObject([
    { text: "ls /no/such/$REGION", exit_code: 2, cwd: "/etc" },
  ]);
  expect(await why(commands[0])).toEqual(around);

  const { messages } = await client.getPrompt({ name: "what_failed" });
  const [, enclosed] = messages as unknown as {
    content: { resource: { text: string } };
  }[];
  const found = JSON.parse(enclosed!.content.resource.text);
  expect(found.commands).toEqual(commands);
  expect(found.sessions).toMatchObject([
    { session_id: commands[0].session_id, failed_commands: 1 },
  ]);
  expect(await why(found.commands[0])).toEqual(around);
  await client.close();
});
