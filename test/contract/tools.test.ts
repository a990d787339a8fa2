/**
 * The tools as real clients see them: the current revision and the older ones,
 * what is listed, what is refused, and the resource beside them.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  Client,
  StreamableHTTPClientTransport,
} from "@modelcontextprotocol/client";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as OldTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ListToolsResultSchema } from "@modelcontextprotocol/sdk/types.js";
import type { Caller } from "../../src/server/tools/tool.ts";
import { CATALOG } from "../../src/server/tools/catalog.ts";
import type { ToolBackend } from "../../src/server/tools/tools.ts";
import { Failure } from "../../src/model/failure.ts";
import { command } from "../support/events.ts";
import {
  McpEndpoint,
  SHELL_ID,
  ToolHost,
  shellEnd,
  shellStart,
} from "../support/mcp.ts";

let host: ToolHost;
beforeAll(async () => void (host = await ToolHost.start()));
afterAll(() => host[Symbol.asyncDispose]());

const RECORDING = [
  "track_session_start",
  "track_session_end",
  "track_events",
  "track_channel_session",
  "annotate_session",
];

interface AnyClient {
  callTool(call: { name: string; arguments?: object }): Promise<any>;
  listTools(): Promise<any>;
  listResourceTemplates(): Promise<any>;
  listResources(): Promise<any>;
  listPrompts(): Promise<any>;
  readResource(params: { uri: string }): Promise<any>;
  complete(params: object): Promise<any>;
  close(): Promise<void>;
}

const info = { name: "test", version: "1" };
const CLIENTS: Record<string, (url: string) => Promise<AnyClient>> = {
  "a client of 2026-07-28": async (url) => {
    const client = new Client(info, { versionNegotiation: { mode: "auto" } });
    await client.connect(new StreamableHTTPClientTransport(new URL(url)));
    expect(client.getNegotiatedProtocolVersion()).toBe("2026-07-28");
    return client as unknown as AnyClient;
  },
  "a client of 2025-11-25": async (url) => {
    const client = new Client(info);
    await client.connect(new StreamableHTTPClientTransport(new URL(url)));
    return client as unknown as AnyClient;
  },
  "a client of the first SDK": async (url) => {
    const client = new OldClient(info);
    await client.connect(new OldTransport(new URL(url)) as never);
    return client as unknown as AnyClient;
  },
};

for (const [name, connect] of Object.entries(CLIENTS))
  describe(name, () => {
    let client: AnyClient;
    beforeAll(async () => void (client = await connect(host.url)));
    afterAll(() => client.close());

    test("finds every tool with title, hints and both schemas", async () => {
      const { tools } = await client.listTools();
      expect(tools.map((tool: { name: string }) => tool.name)).toEqual(
        Object.keys(CATALOG),
      );
      for (const tool of tools) {
        expect(tool.title).toBeString();
        expect(tool.description.length).toBeGreaterThan(40);
        expect(tool.annotations).toEqual({
          readOnlyHint: !RECORDING.includes(tool.name),
          destructiveHint: false,
          idempotentHint: tool.name !== "annotate_session",
          openWorldHint: false,
        });
        expect(tool.inputSchema).toMatchObject({
          type: "object",
          additionalProperties: false,
        });
        expect(tool.outputSchema).toMatchObject({ type: "object" });
      }
    });

    // Clients check results against the tool's output schema and throw.
    test("takes every tool's results for what they say they are", async () => {
      const call = async (tool: string, args: object = {}) => {
        const result = await client.callTool({ name: tool, arguments: args });
        expect(result.isError ?? false).toBe(false);
        expect(result.content).toEqual([
          { type: "text", text: JSON.stringify(result.structuredContent) },
        ]);
        return result.structuredContent;
      };
      await client.listTools();
      expect(await call("health_check")).toEqual({
        status: "healthy",
        service: "session-buddy",
        version: expect.any(String),
        uptime_seconds: expect.any(Number),
        checks: { database: "ok" },
      });
      const start = await call("track_session_start", shellStart());
      expect(start).toEqual({
        session_id: SHELL_ID,
        status: "tracked",
        error: null,
      });
      await call("track_session_start", shellStart({ pid: 0 }));
      await call("track_events", {
        sent_at: new Date().toISOString(),
        events: [command(0, { session_id: SHELL_ID }), {}],
      });
      const end = await call("track_session_end", shellEnd());
      expect(end).toMatchObject({ status: "ended" });
      const { sessions } = await call("list_sessions", { limit: 1 });
      expect(sessions).toHaveLength(1);
      const session = await call("get_session", { session_id: SHELL_ID });
      expect(session).toMatchObject({ component: "mahavishnu" });
      expect(session.commands.length).toBeGreaterThan(0);
      await call("list_events");
      expect((await call("list_commands")).commands.length).toBeGreaterThan(0);
      await call("session_stats");
      await call("track_channel_session", {
        event_id: crypto.randomUUID(),
        event_type: "channel_session_start",
        channel_type: "slack",
        channel_id: "C",
        sender_id: "U",
        timestamp: "2026-02-06T12:00:00Z",
      });
      expect((await call("get_channel_sessions")).sessions).not.toEqual([]);
    });

    test("is told what does not fit", async () => {
      const { isError, content } = await client.callTool({
        name: "track_session_start",
        arguments: shellStart({ colour: "red" }),
      });
      expect(isError).toBe(true);
      expect(content[0].text).toContain("colour");
    });

    test("asks in vain for a tool that there is not", async () => {
      for (const name of ["no_such_tool", "constructor", "__proto__"])
        await expect(client.callTool({ name })).rejects.toMatchObject({
          code: -32602,
        });
    });

    test("reads a session as a resource, by its whole id alone", async () => {
      await client.callTool({
        name: "track_session_start",
        arguments: shellStart(),
      });
      const { resourceTemplates } = await client.listResourceTemplates();
      expect(resourceTemplates).toMatchObject([
        { uriTemplate: "session://{session_id}", mimeType: "application/json" },
      ]);
      // Everybody may list resources; sessions are not for everybody.
      expect((await client.listResources()).resources).toEqual([]);
      const uri = `session://${SHELL_ID}`;
      const { contents } = await client.readResource({ uri });
      expect(contents).toMatchObject([{ uri, mimeType: "application/json" }]);
      expect(JSON.parse(contents[0].text)).toMatchObject({
        session_id: SHELL_ID,
        commands: expect.any(Array),
      });
      for (const other of [SHELL_ID.slice(0, -1), "550e8400", "nobody", "%00"])
        await expect(
          client.readResource({ uri: `session://${other}` }),
        ).rejects.toMatchObject({ code: -32602 });
    });

    test("completes a session's id", async () => {
      const complete = async (value: string) =>
        (
          await client.complete({
            ref: { type: "ref/resource", uri: "session://{session_id}" },
            argument: { name: "session_id", value },
          })
        ).completion.values;
      expect(await complete("mahavishnu-2026")).toEqual([SHELL_ID]);
      expect(await complete("")).toContain(SHELL_ID);
      expect(await complete("nothing")).toEqual([]);
    });
  });

test("what does not fit is said in words, each field by its name", async () => {
  const said = async (tool: string, args: object) => {
    const { isError, text } = await host.call(tool, args);
    expect(isError).toBe(true);
    return text;
  };
  const none = await said("track_session_start", {});
  expect(none).toContain("event_version is required; event_id is required; ");
  expect(none).not.toContain("undefined");
  expect(
    await said("track_session_end", { session_id: 7, timestamp: null }),
  ).toContain(
    "session_id must be a string, not a number; timestamp must be a string, not null",
  );
  expect(await said("list_sessions", { limit: 1.5, statuz: "x" })).toMatch(
    /limit must be a whole number, not a fraction.*there is no 'statuz' here/,
  );
  expect(await said("list_sessions", { limit: 0, status: "asleep" })).toMatch(
    /status must be 'active' or 'ended' or 'lost'.*limit must be at least 1/,
  );
  expect(await said("track_events", { sent_at: "x", events: [7] })).toContain(
    "events.0 must be an object, not a number",
  );
});

test("a number as text, and null for what may be left out, are taken", async () => {
  for (const args of [
    { limit: "5" },
    { limit: "5.0", component: null, incomplete: "True", after: null },
    { limit: null },
    null,
  ])
    expect(
      (await host.call("list_sessions", args as object)).result,
    ).toHaveProperty("sessions");
  const { result } = await host.call("list_events", {
    ...{ after_seq: "0", kinds: null, cursor: null, session_id: null },
  });
  expect(result).toHaveProperty("events");
});

test("what the library would answer with a dump is said in words", async () => {
  const asked = async (method: string, params: unknown, id: unknown = 1) => {
    const response = await host.post({ jsonrpc: "2.0", id, method, params });
    const { error } = (await response.json()) as {
      error: { code: number; message: string };
    };
    return [response.status, error.code, error.message];
  };
  expect(await asked("resources/read", {})).toEqual([
    200,
    -32602,
    "params.uri is required",
  ]);
  expect(await asked("completion/complete", null)).toEqual([
    ...[200, -32602, "params.ref is required; params.argument is required"],
  ]);
  expect(await asked("initialize", { protocolVersion: 7 })).toEqual([
    ...[200, -32602],
    "params.protocolVersion must be a string, not a number; params.capabilities is required; params.clientInfo is required",
  ]);
  expect(await asked("tools/call", {})).toEqual([
    200,
    -32602,
    "params.name is required",
  ]);
  expect(await asked("tools/list", [])).toEqual([
    200,
    -32602,
    "params must be an object",
  ]);
  expect(await asked("ping", {}, null)).toEqual([
    ...[400, -32600, "id must be a string or a whole number"],
  ]);
});

test("the tools' schemas are as they were when clients were written for them", async () => {
  const response = await host.post({
    jsonrpc: "2.0",
    id: 1,
    method: "tools/list",
  });
  const { result } = (await response.json()) as { result: object };
  expect(ListToolsResultSchema.parse(result).tools).toMatchSnapshot();
});

test("a schema gives each field one type, and null only where it has a meaning", async () => {
  const response = await host.post({
    jsonrpc: "2.0",
    id: 1,
    method: "tools/list",
  });
  const { result } = (await response.json()) as {
    result: { tools: { name: string; inputSchema: { properties?: object } }[] };
  };
  for (const { name, inputSchema } of result.tools)
    for (const [field, schema] of Object.entries(
      inputSchema.properties ?? {},
    )) {
      const { type, description } = schema as {
        type: unknown;
        description?: string;
      };
      const nullable = field === "metadata" || field === "token";
      expect(`${name}.${field}: ${typeof type}`).toBe(
        `${name}.${field}: ${nullable ? "object" : "string"}`,
      );
      expect(description ?? field).not.toBe("");
    }
});

test("a read-only server has no tool that records", async () => {
  await using other = await ToolHost.start({ readOnly: true });
  const response = await other.post({
    jsonrpc: "2.0",
    id: 1,
    method: "tools/list",
  });
  const { result } = (await response.json()) as {
    result: { tools: { name: string }[] };
  };
  expect(result.tools.map(({ name }) => name)).toEqual(
    Object.keys(CATALOG).filter((name) => !RECORDING.includes(name)),
  );
  const { error } = await other.call("track_session_start", shellStart());
  expect(error?.code).toBe(-32602);
  expect((await other.call("list_sessions")).result["sessions"]).toEqual([]);
});

describe("one POST", () => {
  const list = { jsonrpc: "2.0", id: 7, method: "tools/list" };

  test("of any Accept gets one JSON reply", async () => {
    for (const accept of [
      "*/*",
      "application/json",
      "text/html",
      "text/event-stream",
    ]) {
      const response = await host.post(list, { accept });
      expect(response.status).toBe(200);
      expect(response.headers.get("content-type")).toStartWith(
        "application/json",
      );
      expect(await response.json()).toMatchObject({ id: 7 });
    }
  });

  test("without an id is taken and answered with nothing", async () => {
    const { id: _, ...notification } = list;
    for (const message of [
      notification,
      { jsonrpc: "2.0", method: "notifications/initialized" },
      {
        jsonrpc: "2.0",
        method: "notifications/cancelled",
        params: { requestId: 7 },
      },
      { jsonrpc: "2.0", id: 7, result: {} },
    ]) {
      const response = await host.post(message);
      expect(response.status).toBe(202);
      expect(await response.text()).toBe("");
    }
  });

  test("of what is no message, or no method, is an error in JSON", async () => {
    for (const [message, code] of [
      [{}, -32600],
      [{ jsonrpc: "1.0", id: 1, method: "ping" }, -32600],
      [{ ...list, id: null }, -32600],
      [{ ...list, id: { a: 1 } }, -32600],
      [{ ...list, method: "tools/none" }, -32601],
      [{ ...list, method: "tools/call" }, -32602],
      [{ ...list, method: "tools/call", params: { name: 5 } }, -32602],
    ] as const) {
      const response = await host.post(message);
      const body = (await response.json()) as { error: { code: number } };
      expect(body.error?.code).toBe(code);
    }
  });

  test("of an unknown revision names those that are served", async () => {
    const response = await host.post(list, {
      "mcp-protocol-version": "1999-01-01",
    });
    expect(response.status).toBe(400);
    expect(await response.text()).toContain("2025-11-25");
  });

  test("ignores an older session's header", async () => {
    const response = await host.post(list, { "mcp-session-id": "gone" });
    expect(response.status).toBe(200);
    expect(response.headers.get("mcp-session-id")).toBeNull();
  });
});

/** An endpoint in front of a backend that does as the test says. */
function answering(call: ToolBackend["call"]) {
  const errors: unknown[] = [];
  const endpoint = new McpEndpoint(
    { call },
    {
      readOnly: false,
      version: "0",
      onError: (error) => void errors.push(error),
    },
  );
  const caller = { ...host.caller, request_id: "r-1" } as Caller;
  const stats = {
    method: "tools/call",
    params: { name: "session_stats", arguments: {} },
  };
  const ask = (signal?: AbortSignal, question: object = stats) =>
    endpoint.handle(
      new Request("http://localhost/mcp", {
        method: "POST",
        headers: { "content-type": "application/json" },
        ...(signal && { signal }),
      }),
      { jsonrpc: "2.0", id: 3, ...question },
      caller,
    );
  return { ask, errors };
}

describe("a tool that fails", () => {
  test("says why and what to do, when that is known", async () => {
    const failure = new Failure(
      "storage",
      "the disk is full",
      "free some space",
    );
    const { ask, errors } = answering(() => Promise.reject(failure));
    expect(await (await ask()).json()).toMatchObject({
      result: {
        isError: true,
        content: [{ text: "the disk is full (free some space)" }],
      },
    });
    expect(errors).toEqual([failure]);
  });

  test("within says nothing of the inside, and where to look", async () => {
    const { ask, errors } = answering(() =>
      Promise.reject(new TypeError("/secret/path is undefined")),
    );
    const read = { method: "resources/read", params: { uri: "session://a" } };
    for (const question of [undefined, read]) {
      const text = await (await ask(undefined, question)).text();
      expect(text).toContain("request r-1");
      expect(text).not.toContain("secret");
    }
    expect(errors).toHaveLength(2);
  });

  test("for want of room is to be called again in a moment", async () => {
    const { ask } = answering(() =>
      Promise.reject(
        new Failure("overloaded", "the queue is full", "try again"),
      ),
    );
    const response = await ask();
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toBe("1");
    expect(await response.json()).toMatchObject({
      id: 3,
      error: { message: "the queue is full (try again)" },
    });
  });

  test("to answer while its client goes away holds nobody up", async () => {
    const gone = new AbortController();
    const { ask } = answering(() => {
      gone.abort();
      return new Promise(() => {});
    });
    expect((await ask(gone.signal)).status).toBe(499);
    expect((await ask(AbortSignal.abort())).status).toBe(499);
  });
});
