/**
 * The edge, check by check: what it lets pass, what it refuses, and in which
 * words. Connections that misbehave are in edge.test.ts.
 */
import { describe, expect, test } from "bun:test";
import {
  Guard,
  type GuardOptions,
  idOf,
  toolOf,
} from "../../src/server/guard.ts";
import { Failure } from "../../src/model/failure.ts";
import {
  ROUTES,
  type Route,
  refusal,
  routeOf,
  unknownPath,
} from "../../src/server/refusal.ts";
import type { Message } from "../../src/server/body.ts";
import type { Peer } from "../../src/os/peer.ts";

const PORT = 8678;
const OWNER = 1000;
const OURS: Peer = {
  via: "tcp",
  uid: OWNER,
  address: "127.0.0.1",
  loopback: true,
};
const STRANGER: Peer = { ...OURS, uid: 1001 };
const NOBODY: Peer = { ...OURS, uid: null };
const SOCKET: Peer = {
  via: "socket",
  uid: null,
  address: null,
  loopback: true,
};

const guard = (options: Partial<GuardOptions> = {}) =>
  new Guard({
    bound: { host: "127.0.0.1", port: PORT },
    ...{ tls: false, allowed_hosts: [], allowed_origins: [] },
    ...{ uid: OWNER, secret: false },
    ...options,
  });

const HOST = `127.0.0.1:${PORT}`;
const JSON_HEADERS = { host: HOST, "content-type": "application/json" };

function post(body: Body, headers: Record<string, string> = {}) {
  return new Request("http://localhost/mcp", {
    ...{ method: "POST", body, headers: { ...JSON_HEADERS, ...headers } },
  });
}

const get = (headers: Record<string, string>, path = "/health") =>
  new Request(`http://localhost${path}`, { headers });

type Body = string | Uint8Array<ArrayBuffer> | null;

/** The status, and that the answer is one of ours: JSON, kept nowhere, and of the route's shape. */
async function refused(response: Response | null, route: Route = "/mcp") {
  expect(response).not.toBeNull();
  const { status, headers } = response!;
  expect(headers.get("content-type")).toStartWith("application/json");
  expect(headers.get("cache-control")).toBe("no-store");
  expect(headers.get("x-content-type-options")).toBe("nosniff");
  const body = (await response!.json()) as {
    id: unknown;
    error: { code: unknown; message: string };
  };
  const { code, message } = body.error;
  if (route === "/mcp")
    expect(body as object).toEqual({
      ...{
        jsonrpc: "2.0",
        id: body.id,
        error: { code: expect.any(Number), message },
      },
    });
  else
    expect(body as object).toEqual({
      error: { code: expect.any(String), message },
    });
  return { status, id: body.id, code, message, headers };
}

async function statusOf(
  response: Response | null,
  route?: Route,
): Promise<number> {
  return response ? (await refused(response, route)).status : 200;
}

describe("Host", () => {
  const ours = [
    ...[HOST, `localhost:${PORT}`, `LOCALHOST:${PORT}`, `127.0.0.5:${PORT}`],
    ...[`[::1]:${PORT}`, `[0:0:0:0:0:0:0:1]:${PORT}`],
  ];
  const others = [
    ...["evil.example", `evil.example:${PORT}`, "127.0.0.1", "localhost"],
    ...["localhost:8679", "127.0.0.1:80", `localhost.evil.example:${PORT}`],
    ...[
      `127.0.0.1.evil.example:${PORT}`,
      `127.1:${PORT}`,
      `2130706433:${PORT}`,
    ],
    ...[
      `0.0.0.0:${PORT}`,
      `192.0.2.1:${PORT}`,
      `[::2]:${PORT}`,
      `localhost.:${PORT}`,
    ],
  ];
  const malformed = [
    ...[
      "",
      " ",
      `localhost:${PORT}, evil.example`,
      `evil.example@localhost:${PORT}`,
    ],
    ...[
      `localhost:${PORT}/`,
      "localhost:",
      `localhost:${PORT}#`,
      "[::1",
      "::1",
    ],
    ...[
      "localhost:http",
      `localhost:0${PORT}0`,
      "[localhost]:8678",
      "ä.example",
    ],
  ];
  for (const host of ours)
    test(`${host} is ours`, () =>
      expect(guard().edge(get({ host }), "/health", OURS)).toBeNull());
  for (const host of others)
    test(`${host} is another's`, async () =>
      expect(
        await statusOf(guard().edge(get({ host }), "/health", OURS), "/health"),
      ).toBe(403));
  for (const host of malformed)
    test(`'${host}' is none`, async () =>
      expect(
        await statusOf(guard().edge(get({ host }), "/health", OURS), "/health"),
      ).toBe(400));

  test("without one nothing is served", async () => {
    const request = new Request("http://localhost/health");
    expect(request.headers.has("host")).toBe(false);
    expect(
      await statusOf(guard().edge(request, "/health", OURS), "/health"),
    ).toBe(400);
  });

  test("names that the settings allow, with any port or with theirs", async () => {
    const allowing = guard({
      allowed_hosts: ["Buddy.example", "b.example:443", "::7"],
    });
    const status = (host: string) =>
      statusOf(allowing.edge(get({ host }), "/health", OURS), "/health");
    for (const host of [
      "buddy.example",
      "BUDDY.example:9",
      "b.example:443",
      "[::7]:1",
    ])
      expect({ host, status: await status(host) }).toEqual({
        host,
        status: 200,
      });
    for (const host of [
      "b.example",
      "b.example:80",
      "a.buddy.example",
      "buddy.example.x",
    ])
      expect({ host, status: await status(host) }).toEqual({
        host,
        status: 403,
      });
  });

  test("the standard ports need not be named", () => {
    const bound = { host: "127.0.0.1", port: 443 };
    const request = get({ host: "localhost" });
    expect(
      guard({ bound, tls: true }).edge(request, "/health", OURS),
    ).toBeNull();
    expect(
      guard({ bound, tls: false }).edge(request, "/health", OURS),
    ).not.toBeNull();
    const plain = { host: "127.0.0.1", port: 80 };
    expect(guard({ bound: plain }).edge(request, "/health", OURS)).toBeNull();
  });

  test("bound to every address, each of the host's is ours, a name is not", async () => {
    const open = guard({
      bound: { host: "0.0.0.0", port: PORT },
      secret: true,
    });
    const status = (host: string) =>
      statusOf(open.edge(get({ host }), "/health", OURS), "/health");
    expect(await status(`127.0.0.9:${PORT}`)).toBe(200);
    expect(await status(`192.0.2.1:${PORT}`)).toBe(403);
    expect(await status(`myhost:${PORT}`)).toBe(403);
  });

  test("says what to do", async () => {
    const request = get({ host: "buddy.example" });
    const { message } = await refused(guard().edge(request, "/mcp", OURS));
    expect(message).toContain("server.allowed_hosts");
  });
});

describe("Origin", () => {
  const ours = [
    ...[`http://localhost:${PORT}`, `https://localhost:${PORT}`],
    ...[`http://127.0.0.1:${PORT}`, `http://[::1]:${PORT}`],
  ];
  const others = [
    ...[
      "null",
      "",
      "http://localhost",
      "http://localhost:3000",
      "https://evil.example",
    ],
    ...[`http://evil.example:${PORT}`, `http://127.0.0.2:${PORT}`, "file://"],
    ...[
      `ftp://localhost:${PORT}`,
      `http://localhost:${PORT}, http://evil.example`,
    ],
    ...[`http://localhost:${PORT}@evil.example`, `http://localhost:${PORT}/x`],
    ...["chrome-extension://abc", `//localhost:${PORT}`],
  ];
  const status = (origin: string, options: Partial<GuardOptions> = {}) =>
    statusOf(
      guard(options).edge(get({ host: HOST, origin }), "/health", OURS),
      "/health",
    );
  for (const origin of ours)
    test(`${origin} is our own`, async () =>
      expect(await status(origin)).toBe(200));
  for (const origin of others)
    test(`'${origin}' is another's`, async () =>
      expect(await status(origin)).toBe(403));

  test("those that the settings allow, letter by letter", async () => {
    const allowed_origins = [
      "https://App.example/",
      "chrome-extension://abc",
      "null",
    ];
    const allowing = (origin: string) => status(origin, { allowed_origins });
    expect(await allowing("https://app.example")).toBe(200);
    expect(await allowing("chrome-extension://abc")).toBe(200);
    expect(await allowing("https://app.example:8443")).toBe(403);
    expect(await allowing("http://app.example")).toBe(403);
    expect(await allowing("https://x.app.example")).toBe(403);
    expect(await allowing("null")).toBe(403);
  });

  test("one of which a page was answered can read the answer, no other", () => {
    const allowing = guard({ allowed_origins: ["https://app.example"] });
    const answer = (origin: string | null) =>
      allowing.finish(
        get({ host: HOST, ...(origin === null ? {} : { origin }) }),
        Response.json({}),
      ).headers;
    const name = "access-control-allow-origin";
    expect(answer("https://app.example").get(name)).toBe("https://app.example");
    expect(answer("https://app.example").get("vary")).toBe("origin");
    expect(answer("https://evil.example").has(name)).toBe(false);
    expect(answer(null).has(name)).toBe(false);
    expect(answer(null).get("cache-control")).toBe("no-store");
    expect(answer(null).get("x-content-type-options")).toBe("nosniff");
  });

  test("a browser that asks first is told yes for an allowed one alone", async () => {
    const allowing = guard({ allowed_origins: ["https://app.example"] });
    const ask = (origin: string) =>
      allowing.edge(
        new Request("http://localhost/mcp", {
          method: "OPTIONS",
          headers: {
            ...{ host: HOST, origin, "access-control-request-method": "POST" },
            "access-control-request-headers": "content-type,authorization",
          },
        }),
        ...(["/mcp", OURS] as const),
      );
    const yes = ask("https://app.example")!;
    expect(yes.status).toBe(204);
    expect(yes.headers.get("access-control-allow-headers")).toBe(
      "content-type,authorization",
    );
    expect(await statusOf(ask("https://evil.example"))).toBe(403);
    expect(await statusOf(ask(`http://localhost:${PORT}`))).toBe(405);
  });
});

test("every route asks for Host and Origin; the unix socket for neither", async () => {
  for (const route of [...ROUTES, "other"] as Route[]) {
    const evil = get({ host: `evil.example:${PORT}` }, route);
    expect(await statusOf(guard().edge(evil, route, OURS), route)).toBe(403);
    const page = get({ host: HOST, origin: "https://evil.example" }, route);
    expect(await statusOf(guard().edge(page, route, OURS), route)).toBe(403);
    if (route === "/mcp") continue;
    expect(guard().edge(evil, route, SOCKET)).toBeNull();
    expect(guard().edge(page, route, SOCKET)).toBeNull();
  }
});

test("routes are paths, letter by letter", async () => {
  const route = (path: string) =>
    routeOf(new Request(`http://localhost${path}`));
  for (const path of ROUTES) expect(route(path)).toBe(path);
  expect(route("/mcp?x=/health")).toBe("/mcp");
  for (const path of [
    "/",
    "/mcp/",
    "/MCP",
    "/mcp/x",
    "/%6dcp",
    "//mcp",
    "/health/x",
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
  const take = (body: Body, peer = OURS) => guard().body(post(body), peer);
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
      await guard({ secret: true }).body(post(sized(65_537)), STRANGER),
    ).toHaveProperty("message");
  });
});

describe("reader", () => {
  const call = (name: string) => ({
    ...{ jsonrpc: "2.0", id: "a", method: "tools/call", params: { name } },
  });
  const LIST = call("list_sessions");

  test("our user and root may ask everything, whoever enters the unix socket too", () => {
    for (const peer of [OURS, { ...OURS, uid: 0 }, SOCKET]) {
      expect(guard().reader(LIST, "/mcp", peer)).toBeNull();
      expect(guard().reader(null, "/metrics", peer)).toBeNull();
    }
  });

  test("another user of the host gets the server's health, and how to get more", async () => {
    const ask = (message: Record<string, unknown> | null, route: Route) =>
      guard().reader(message, route, STRANGER);
    for (const route of ["/health", "/healthz"] as const)
      expect(ask(null, route)).toBeNull();
    expect(ask(call("health_check"), "/mcp")).toBeNull();
    for (const route of ["/readyz", "/metrics", "other"] as const)
      expect(await statusOf(ask(null, route), route)).toBe(403);
    const { status, id, message } = await refused(ask(LIST, "/mcp"));
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
      expect(await statusOf(ask(other, "/mcp"))).toBe(403);
  });

  test("one whom nobody can name is a stranger, and hears that a secret is needed", async () => {
    const { status, message } = await refused(
      guard().reader(LIST, "/mcp", NOBODY),
    );
    expect(status).toBe(403);
    expect(message).toContain("SESSION_BUDDY_SECRET");
    expect(guard().reader(null, "/health", NOBODY)).toBeNull();
  });

  test("with a secret, its tokens decide", () => {
    for (const peer of [STRANGER, NOBODY])
      expect(guard({ secret: true }).reader(LIST, "/mcp", peer)).toBeNull();
  });

  test("a server of root's is root's alone", async () => {
    const root = guard({ uid: 0 });
    expect(root.reader(LIST, "/mcp", { ...OURS, uid: 0 })).toBeNull();
    expect(await statusOf(root.reader(LIST, "/mcp", OURS))).toBe(403);
  });
});

test("a failure comes with its status, its code and what a client needs to go on", async () => {
  const of = async (failure: Failure, route: Route) =>
    refused(refusal(failure, route, { id: 5 }), route);
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
  expect(unknown.headers.get("www-authenticate")).toBe("Bearer");
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
