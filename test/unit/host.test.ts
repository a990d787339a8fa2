/** Whom a request was meant for, and whose page sent it. */
import { describe, expect, test } from "bun:test";
import type { GuardOptions } from "../../src/server/http/guard.ts";
import {
  ROUTES,
  ROUTE_FACTS,
  type Route,
} from "../../src/server/http/routes.ts";
import {
  HOST,
  OURS,
  PORT,
  SOCKET,
  get,
  guard,
  refused,
  statusOf,
} from "../support/guard.ts";

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
    if (route !== "other" && !ROUTE_FACTS[route].methods.includes("GET"))
      continue;
    expect(guard().edge(evil, route, SOCKET)).toBeNull();
    expect(guard().edge(page, route, SOCKET)).toBeNull();
  }
});
