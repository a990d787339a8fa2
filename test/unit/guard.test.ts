/**
 * The edge, check by check: what it lets pass, what it refuses, and in which
 * words. Host and Origin are in host.test.ts, connections that misbehave in
 * edge.test.ts.
 */
import { describe, expect, test } from "bun:test";
import { Failure } from "../../src/model/failure.ts";
import {
  errorResponse,
  unknownPath,
} from "../../src/server/http/error-response.ts";
import {
  RECORDING,
  ROUTES,
  ROUTE_FACTS,
  type Route,
  routeOf,
} from "../../src/server/http/routes.ts";
import { type Message, idOf, toolOf } from "../../src/server/mcp/json-rpc.ts";
import {
  type Body,
  HOST,
  JSON_HEADERS,
  NOBODY,
  OURS,
  SOCKET,
  STRANGER,
  get,
  guard,
  post,
  refused,
  statusOf,
} from "../support/guard.ts";

test("routes are paths, letter by letter", async () => {
  const route = (path: string) => routeOf(path);
  for (const path of ROUTES) expect(route(path)).toBe(path);
  expect(route("/mcp?x=/health")).toBe("/mcp");
  expect(route("/recordings/any-id.cast?follow")).toBe(RECORDING);
  for (const path of [
    "",
    "/mcp/",
    "/web",
    "/main.js/",
    "/MCP",
    "/mcp/x",
    "/%6dcp",
    "//mcp",
    "/health/x",
    "/recordings/",
    "/recordings/.cast",
    "/recordings/a/b.cast",
    "/recordings/a.rec",
  ])
    expect(route(path)).toBe("other");
  expect(await refused(unknownPath(), "other")).toMatchObject({
    ...{ status: 404, code: "not_found" },
  });
});

describe("method", () => {
  test.each(["GET", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS"])(
    "%s is not served on /mcp",
    async (method) => {
      const request = new Request("http://localhost/mcp", {
        ...{ method, headers: JSON_HEADERS },
      });
      const { status, headers } = await refused(
        guard().edge(request, "/mcp", OURS),
      );
      expect(status).toBe(405);
      expect(headers.get("allow")).toBe("POST");
    },
  );

  test("what is read takes GET and HEAD alone", async () => {
    for (const route of ["/health", "/healthz", "/readyz", "/metrics"] as const)
      for (const [method, expected] of Object.entries({
        GET: 200,
        HEAD: 200,
        POST: 405,
      })) {
        const request = new Request(`http://localhost${route}`, {
          ...{ method, headers: { host: HOST } },
        });
        const status = await statusOf(
          guard().edge(request, route, OURS),
          route,
        );
        expect({ route, method, status }).toEqual({
          route,
          method,
          status: expected,
        });
      }
  });
});

describe("Content-Type", () => {
  const status = (type: string | null, more: Record<string, string> = {}) => {
    const request = post("{}", more);
    if (type === null) request.headers.delete("content-type");
    else request.headers.set("content-type", type);
    return statusOf(guard().edge(request, "/mcp", OURS));
  };
  test.each([
    ...[
      "application/json",
      "Application/JSON",
      "application/json; charset=utf-8",
    ],
    ...[
      'application/json;charset="UTF-8"',
      "application/json ; x=y",
      "application/json;",
    ],
  ])("%s", async (type) => expect(await status(type)).toBe(200));
  test.each([
    ...[
      "text/plain",
      "",
      "application/jsonp",
      "application/json-seq",
      "text/json",
    ],
    ...["application/json, text/plain", "application/x-www-form-urlencoded"],
    ...[
      "application/json; charset=latin1",
      "application/json;  charset = utf-16",
    ],
    ...["multipart/form-data; boundary=application/json"],
  ])("'%s' is refused", async (type) => expect(await status(type)).toBe(415));
  test("none is refused", async () => expect(await status(null)).toBe(415));
  test("compressed JSON is refused", async () =>
    expect(
      await status("application/json", { "content-encoding": "gzip" }),
    ).toBe(415));
  test("the unix socket asks for it too", async () => {
    const request = post("{}", { "content-type": "text/plain" });
    expect(await statusOf(guard().edge(request, "/mcp", SOCKET))).toBe(415);
  });
});

describe("body", () => {
  const take = (body: Body, peer = OURS) =>
    guard().body(post(body), peer, guard().standing(peer, false));
  const fails = async (body: Body, peer = OURS) => {
    const result = await take(body, peer);
    return refused(result instanceof Response ? result : null);
  };

  test("an object is taken as it is", async () => {
    const text = '{"jsonrpc":"2.0","id":1,"method":"ping","__proto__":{"a":1}}';
    const result = await take(text);
    expect(result).toEqual({
      message: JSON.parse(text) as Message,
      bytes: text.length,
    });
    expect(({} as { a?: number }).a).toBeUndefined();
  });

  test.each(["", "{", "nonsense", "{}{}", '{"a":1,}', "\u{feff}x", "NaN"])(
    "'%s' is no JSON",
    async (text) =>
      expect(await fails(text)).toMatchObject({
        status: 400,
        code: -32700,
        id: null,
      }),
  );

  test("no body at all is no JSON", async () =>
    expect(await fails(null)).toMatchObject({ status: 400, code: -32700 }));

  test("what is not UTF-8 is no JSON", async () =>
    expect(await fails(new Uint8Array([0x22, 0xff, 0x22]))).toMatchObject({
      ...{ status: 400, code: -32700 },
    }));

  test.each(["[]", '[{"jsonrpc":"2.0","id":1,"method":"ping"}]'])(
    "a batch, %s, is refused with the mend",
    async (text) => {
      const { status, code, message } = await fails(text);
      expect({ status, code }).toEqual({ status: 400, code: -32600 });
      expect(message).toContain("each message in a POST of its own");
    },
  );

  test.each(["null", "1", '"{}"', "true"])("%s is no message", async (text) =>
    expect(await fails(text)).toMatchObject({ status: 400, code: -32600 }),
  );

  const nested = (levels: number) =>
    `${'{"a":['.repeat(levels / 2)}${"]}".repeat(levels / 2)}`;
  test("a hundred levels are taken, more are refused, however many", async () => {
    expect(await take(nested(100))).toHaveProperty("message");
    expect(await fails(nested(102))).toMatchObject({
      status: 400,
      code: -32600,
    });
    expect(await fails(nested(500_000))).toMatchObject({
      status: 400,
      code: -32600,
    });
    const array = `{"a":${"[".repeat(1_000_000)}${"]".repeat(1_000_000)}}`;
    expect(await fails(array)).toMatchObject({ status: 400, code: -32600 });
  });

  /** JSON of exactly so many bytes. */
  const sized = (bytes: number, message: Record<string, unknown> = {}) => {
    const frame = JSON.stringify({ ...message, x: "" }).length;
    return JSON.stringify({ ...message, x: "a".repeat(bytes - frame) });
  };
  const MIB = 1024 * 1024;
  const call = (name: string) => ({
    id: 7,
    method: "tools/call",
    params: { name },
  });

  test("four MiB are taken, a byte more is not", async () => {
    expect(await take(sized(4 * MIB))).toHaveProperty("bytes", 4 * MIB);
    expect(await fails(sized(4 * MIB + 1))).toMatchObject({
      ...{ status: 413, code: -32600, id: null },
    });
  });

  test("of track_events one MiB", async () => {
    expect(await take(sized(MIB, call("track_events")))).toHaveProperty(
      "bytes",
      MIB,
    );
    expect(await fails(sized(MIB + 1, call("track_events")))).toMatchObject({
      ...{ status: 413, code: -32600, id: 7 },
    });
    expect(await take(sized(MIB + 1, call("get_session")))).toHaveProperty(
      "message",
    );
  });

  test("from a stranger 64 KiB, and then he hears that he is one", async () => {
    expect(await take(sized(65_536), STRANGER)).toHaveProperty("message");
    const { status, message } = await fails(sized(65_537), STRANGER);
    expect(status).toBe(403);
    expect(message).toContain("another user");
    expect(
      await guard({ secret: true }).body(
        post(sized(65_537)),
        STRANGER,
        "proven",
      ),
    ).toHaveProperty("message");
  });
});

describe("who asks", () => {
  const call = (name: string) => ({
    ...{ jsonrpc: "2.0", id: "a", method: "tools/call", params: { name } },
  });
  const LIST = call("list_sessions");
  const route = (route: Route, peer = STRANGER, secret = false) =>
    guard({ secret }).headers(
      ...([get({}, route), route, ROUTE_FACTS[route].access] as const),
      ...([peer, null] as const),
    );

  test("may use a route, by uid alone", async () => {
    for (const peer of [OURS, { ...OURS, uid: 0 }, SOCKET])
      expect(route("/metrics", peer)).toBeNull();
    for (const open of ["/health", "/healthz"] as const)
      expect(route(open)).toBeNull();
    for (const closed of ["/readyz", "/metrics", RECORDING, "other"] as const)
      expect(await statusOf(route(closed), closed)).toBe(403);
    expect(route("/health", NOBODY)).toBeNull();
    for (const closed of ["/readyz", "other"] as const)
      expect(route(closed, STRANGER, true)).toBeNull();
    for (const closed of ["/metrics", RECORDING] as const)
      expect(await statusOf(route(closed, OURS, true), closed)).toBe(401);
  });

  test("may send a message, and hears how else", async () => {
    const ask = (message: Message, peer = STRANGER) =>
      guard().message(message, peer, null);
    for (const peer of [OURS, { ...OURS, uid: 0 }, SOCKET])
      expect(ask(LIST, peer)).toBeNull();
    expect(ask(call("health_check"))).toBeNull();
    const { status, id, message } = await refused(ask(LIST));
    expect({ status, id }).toEqual({ status: 403, id: "a" });
    expect(message).toContain("uid 1000, you are 1001");
    expect(message).toContain("SESSION_BUDDY_SECRET");
    for (const other of [
      { id: 1, method: "health_check" },
      { id: 1, method: "initialize", params: { name: "health_check" } },
      { ...call("health_check "), id: 1 },
      { method: "tools/call", params: { name: ["health_check"] } },
      { method: "tools/call" },
    ])
      expect(await statusOf(ask(other))).toBe(403);
  });

  test("may send a message with a token; a tool that records says so itself", async () => {
    const ask = (message: Message) =>
      guard({ secret: true }).message(message, STRANGER, null);
    for (const open of [
      { id: 1, method: "initialize" },
      { method: "notifications/initialized" },
      { id: 1, method: "tools/list" },
      call("health_check"),
      call("track_session_start"),
      call("track_events"),
    ])
      expect(ask(open)).toBeNull();
    for (const closed of [
      LIST,
      call("no_tool"),
      call("constructor"),
      { id: 1, method: "tools/call" },
      { id: 1, method: "resources/read" },
    ])
      expect(await statusOf(ask(closed))).toBe(401);
    expect((await refused(ask(LIST))).headers.get("www-authenticate")).toBe(
      'Bearer realm="session-buddy"',
    );
  });
});

test("a failure comes with its status, its code and what a client needs to go on", async () => {
  const of = async (failure: Failure, route: Route) =>
    refused(errorResponse(failure, route, { id: 5 }), route);
  const busy = new Failure("overloaded", "the queue is full", "try again");
  const { status, code, id, headers, message } = await of(busy, "/mcp");
  expect({ status, code, id, message }).toEqual({
    ...{
      status: 503,
      code: -32000,
      id: 5,
      message: "the queue is full (try again)",
    },
  });
  expect(headers.get("retry-after")).toBe("1");
  expect(await of(busy, "/metrics")).toMatchObject({
    ...{ status: 503, code: "overloaded", id: undefined },
  });
  const unknown = await of(new Failure("unauthorized", "who are you"), "/mcp");
  expect(unknown.status).toBe(401);
  expect(unknown.headers.get("www-authenticate")).toBe(
    'Bearer realm="session-buddy"',
  );
  const missing = await of(new Failure("not_found", "no session 'x'"), "/mcp");
  expect(missing).toMatchObject({ status: 404, code: -32602 });
});

test("what a message says of itself is taken from the right place alone", () => {
  for (const id of [0, 1.5, "", "x"]) expect(idOf({ id })).toBe(id);
  for (const id of [null, undefined, true, {}, [], NaN])
    expect(idOf({ id })).toBeNull();
  expect(toolOf({ method: "tools/call", params: { name: "x" } })).toBe("x");
  for (const params of [null, 1, "name", [], { name: 1 }, {}])
    expect(toolOf({ method: "tools/call", params })).toBeNull();
});
