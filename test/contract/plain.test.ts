/**
 * Calls that skip the SDK: nobody can tell. Each is made twice, plain and with
 * a progress token, which the SDK has to see.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { plainCall } from "../../src/server/mcp/fast-call.ts";
import { SHELL_ID, ToolHost, shellEnd, shellStart } from "../support/mcp.ts";

let host: ToolHost;
let readOnly: ToolHost;
beforeAll(async () => {
  host = await ToolHost.start();
  readOnly = await ToolHost.start({ readOnly: true });
});
afterAll(async () => {
  await host[Symbol.asyncDispose]();
  await readOnly[Symbol.asyncDispose]();
});

const call = (name: string, args: unknown, more: object = {}) => ({
  jsonrpc: "2.0",
  id: "call-1",
  method: "tools/call",
  params: { name, arguments: args, ...more },
});
const SDK = { _meta: { progressToken: "p" } };
const request = (headers: Record<string, string> = {}) =>
  new Request("http://localhost/mcp", { method: "POST", headers });

/** Status, type and body of an answer, whenever it was given. */
async function answer(to: ToolHost, message: object) {
  const response = await to.post(message);
  const type = response.headers.get("content-type");
  const text = await response.text();
  const body = text.replace(/("uptime_seconds\\?":)\d+/g, "$10");
  return [response.status, type, JSON.parse(body)];
}

describe("the same answer as the SDK's:", () => {
  for (const [what, name, args] of [
    ["health", "health_check", {}],
    ["a start", "track_session_start", shellStart()],
    ["its end", "track_session_end", shellEnd()],
    [
      "a start that breaks a rule",
      "track_session_start",
      shellStart({ pid: 0 }),
    ],
    ["a list", "list_sessions", { limit: 1 }],
    ["a session", "get_session", { session_id: SHELL_ID }],
    ["no such session", "get_session", { session_id: "none" }],
    ["an argument of a wrong type", "list_sessions", { limit: "x" }],
    ["an argument that is not there", "get_session", {}],
    ["an unknown argument", "list_sessions", { nobody: 1 }],
    ["no arguments", "list_sessions", undefined],
    ["an unknown tool", "no_tool", {}],
    ["a name of every object", "constructor", {}],
  ] as const)
    test(what, async () => {
      const sdk = await answer(host, call(name, args, SDK));
      expect(await answer(host, call(name, args))).toEqual(sdk);
    });

  test("a tool that a read-only server leaves out", async () => {
    const args = shellStart();
    const sdk = await answer(readOnly, call("track_session_start", args, SDK));
    const plain = await answer(readOnly, call("track_session_start", args));
    expect(plain).toEqual(sdk);
    expect(JSON.stringify(plain)).toContain("track_session_start");
  });
});

describe("left to the SDK:", () => {
  const plain = call("health_check", {});
  test("nothing that is plain", async () => {
    expect(await plainCall(request(), plain, false)).toEqual({
      id: "call-1",
      tool: "health_check",
      args: {},
    });
  });

  for (const [what, message] of [
    ["a call without an id", { ...plain, id: undefined }],
    ["an id that is no whole number", { ...plain, id: 1.5 }],
    ["another version of JSON-RPC", { ...plain, jsonrpc: "1.0" }],
    ["another field", { ...plain, more: 1 }],
    ["another method", { ...plain, method: "tools/list" }],
    ["no parameters", { ...plain, params: null }],
    ["what the current revision adds", call("health_check", {}, SDK)],
  ] as const)
    test(what, async () => {
      expect(await plainCall(request(), message, false)).toBeNull();
    });

  for (const [name, value] of [
    ["mcp-protocol-version", "2026-07-28"],
    ["mcp-protocol-version", "1999-01-01"],
    ["mcp-method", "tools/call"],
    ["mcp-name", "health_check"],
  ] as const)
    test(`${name}: ${value}`, async () => {
      const headed = request({ [name]: value });
      expect(await plainCall(headed, plain, false)).toBeNull();
    });
});
