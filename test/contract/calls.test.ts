/**
 * Calls of the tools beside MCP, and what becomes of one for which there is no
 * room, whichever way it came.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { Failure } from "../../src/model/failure.ts";
import { McpEndpoint, ToolHost, shellStart } from "../support/mcp.ts";

let host: ToolHost;
beforeAll(async () => void (host = await ToolHost.start()));
afterAll(() => host[Symbol.asyncDispose]());

test("a page calls the same tools", async () => {
  const call = (tool: string, args: Record<string, unknown> = {}) =>
    host.tools.call(tool, args, host.caller);
  const { session_id } = (await call("track_session_start", shellStart())) as {
    session_id: string;
  };
  expect(await call("list_sessions")).toMatchObject({
    sessions: [{ session_id }],
  });
  await expect(call("constructor")).rejects.toMatchObject({
    code: "not_found",
  });
});

test("the log hears of a failed call once, and of one that is no failure never", async () => {
  host.errors.length = 0;
  await host.call("get_session", { session_id: "nobody" });
  await host.call("track_session_start", shellStart({ pid: 0 }));
  await host.call("track_session_start", shellStart());
  await host.call("list_sessions", { limit: "many" });
  expect(host.errors.map((error) => (error as Failure).code)).toEqual([
    "not_found",
    "refused",
  ]);
});

const STATS = { name: "session_stats", arguments: {} };
const MODERN = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientInfo": { name: "test", version: "1" },
  "io.modelcontextprotocol/clientCapabilities": {},
};

for (const [way, method, params, headers] of [
  ["a plain call", "tools/call", STATS, {}],
  [
    "a call through the SDK",
    "tools/call",
    { ...STATS, _meta: { progressToken: "p" } },
    {},
  ],
  [
    "a call of the current revision",
    "tools/call",
    { ...STATS, _meta: MODERN },
    {
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": "tools/call",
      "mcp-name": "session_stats",
    },
  ],
  ["a resource", "resources/read", { uri: "session://a" }, {}],
] as const)
  test(`${way} for which there is no room is to come again`, async () => {
    let called = 0;
    const endpoint = new McpEndpoint(
      {
        call: () => {
          called++;
          throw new Failure("overloaded", "the queue is full", "try again");
        },
      },
      { readOnly: false, version: "0" },
    );
    const response = await endpoint.handle(
      new Request("http://localhost/mcp", {
        method: "POST",
        headers: {
          "content-type": "application/json",
          accept: "application/json, text/event-stream",
          ...headers,
        },
      }),
      { jsonrpc: "2.0", id: "c", method, params },
      host.caller,
    );
    expect(called).toBe(1);
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toBe("1");
    expect(await response.json()).toEqual({
      jsonrpc: "2.0",
      id: "c",
      error: { code: -32000, message: "the queue is full (try again)" },
    });
  });
