/** A server of an older version: what it has is shown, and what it lacks is said once. */
import { expect, test } from "bun:test";
import { Relay, forward, http } from "../support/relay.ts";
import { expectFailure } from "../support/host.ts";
import { Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";

/** What 0.1.0 did not have yet. */
const LACKED_COLUMNS = ["failed_commands", "last_command"];

const LACKED_FILTERS =
  "host tag cwd exit failed failed_commands active at during duration_greater duration_less ran reverse offset".split(
    " ",
  );

const error = (message: string) =>
  http(
    200,
    JSON.stringify({ jsonrpc: "2.0", id: 1, error: { code: -32602, message } }),
  );

/** Answers as 0.1.0 did, with the sessions of a server. */
function older(url: string): Relay {
  return new Relay(async (request, socket) => {
    const { tool, body } = request;
    if (tool === "list_commands") return error(`Tool ${tool} not found`);
    const named = LACKED_FILTERS.filter((name) => body.includes(`"${name}":`));
    if (named.length > 0)
      return refusal(
        `Input validation error: Invalid arguments for tool list_sessions: Unrecognized key${named.length > 1 ? "s" : ""}: ${named.map((name) => `"${name}"`).join(", ")}`,
      );
    const answer = await forward(url)(request, socket);
    const [head, json] = String(answer).split("\r\n\r\n");
    expect(head).toStartWith("HTTP/1.1 200");
    const message = JSON.parse(json!) as {
      result: { structuredContent: { sessions?: Record<string, unknown>[] } };
    };
    for (const row of message.result.structuredContent.sessions ?? [])
      for (const name of LACKED_COLUMNS) delete row[name];
    return http(200, JSON.stringify(message));
  });
}

const refusal = (text: string) =>
  http(
    200,
    JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      result: { isError: true, content: [{ type: "text", text }] },
    }),
  );

test("a session is shown without what its server does not know", async () => {
  using sandbox = new Sandbox();
  await sandbox.run(["shell", "--", "true"]);
  await using server = await TestServer.start(sandbox);
  using relay = older(server.url);
  using near = new Sandbox();
  near.env["SESSION_BUDDY_MCP_ENDPOINT"] = relay.url;
  const shown = await near.run(["show-session"]);
  expect(shown.exitCode).toBe(0);
  expect(shown.stdout).toMatch(/^last_command: +-$/m);
  expect(shown.stderr).toBe(
    `session-buddy: without commands: the server at ${relay.url} is older than this session-buddy and does not know 'list_commands' (bring it up to this version on its host)\n`,
  );
  const quiet = await near.run(["show-session", "--no-commands", "--json"]);
  expect([quiet.exitCode, quiet.stderr]).toEqual([0, ""]);
  expect(JSON.parse(quiet.stdout)).toMatchObject({ failed_commands: null });
  // Never a list that is not what was asked for.
  for (const [flags, lacks] of [
    [["--ran", "x"], "ran"],
    [["--at", "now"], "at"],
    [["--during", "today.."], "during"],
    [["--last", "2h"], "during"],
    [["--tag", "a", "--failed", "--reverse"], "tag"],
    [["--exit", "0", "--json"], "exit"],
    [["--failed-commands"], "failed_commands"],
    [["--duration-less", "5m"], "duration_less"],
    [["--reverse"], "reverse"],
    [["--offset", "3"], "offset"],
    [["--here"], "host"],
  ] as const)
    expectFailure(
      await near.run(["list-sessions", ...flags]),
      1,
      new RegExp(
        `is older than this session-buddy and does not know '${lacks}'`,
      ),
    );
  // What it knows it is asked as ever.
  for (const flags of [
    ["--limit", "1"],
    ["--status", "ended"],
  ])
    expect(await near.run(["list-sessions", ...flags])).toMatchObject({
      ...{ exitCode: 0, stderr: "" },
    });
});
