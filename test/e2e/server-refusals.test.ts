/**
 * Who is turned away, and with which words: each its own refusal, by a real
 * server, and nothing of it stored.
 */
import { expect, test } from "bun:test";
import { SignJWT, UnsecuredJWT } from "jose";
import { expectFailure, needsRoot } from "../support/host.ts";
import { Sandbox } from "../support/sandbox.ts";
import { TestServer, startArguments } from "../support/server.ts";
import { needs } from "../support/tools.ts";
import { until } from "../support/wait.ts";

const SECRET = "a secret of more than thirty-two characters";
const withSecret = { env: { SESSION_BUDDY_SECRET: SECRET } };

const LIST = {
  ...{ jsonrpc: "2.0", id: 5, method: "tools/call" },
  params: { name: "list_sessions", arguments: {} },
};

interface TokenChange {
  secret?: string;
  aud?: string;
  iss?: string;
  exp?: string | number | null;
  scope?: string;
}

const token = ({
  secret = SECRET,
  aud = "session-buddy",
  iss = "mahavishnu",
  exp = "1h",
  scope,
}: TokenChange = {}) => {
  const jwt = new SignJWT(scope === undefined ? {} : { scope })
    .setProtectedHeader({ alg: "HS256" })
    .setSubject("les")
    .setAudience(aud)
    .setIssuer(iss)
    .setIssuedAt();
  if (exp !== null) jwt.setExpirationTime(exp);
  return jwt.sign(new TextEncoder().encode(secret));
};

const bearer = (jwt: string) => ({ authorization: `Bearer ${jwt}` });

async function said(response: Response): Promise<string> {
  expect(response.headers.get("content-type")).toContain("application/json");
  const body = (await response.json()) as { error: { message: string } };
  return body.error.message;
}

test("a foreign Host is refused on every route", async () => {
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  for (const path of ["/health", "/healthz", "/readyz", "/metrics", "/mcp"])
    for (const host of ["evil.example", `evil.example:${server.port}`]) {
      const response = await fetch(`${server.origin}${path}`, {
        headers: { host },
      });
      expect([path, response.status]).toEqual([path, 403]);
      expect(await said(response)).toContain("server.allowed_hosts");
    }
});

test("a browser page's Origin is refused on every route, an allowed one is not", async () => {
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  for (const origin of ["https://evil.example", "null", "http://localhost:1"]) {
    for (const path of ["/health", "/metrics"]) {
      const headers = { origin };
      const response = await fetch(`${server.origin}${path}`, { headers });
      expect([path, response.status]).toEqual([path, 403]);
    }
    const response = await server.post(LIST, { origin });
    expect([origin, response.status]).toEqual([origin, 403]);
    expect(await said(response)).toContain("server.allowed_origins");
  }
  const own = await server.post(LIST, { origin: server.origin });
  expect(own.status).toBe(200);
});

test("too large a body, a batch, plain text, no JSON, an unknown path: JSON each, and its own", async () => {
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  const refusal = async (response: Promise<Response>) => {
    const { status } = await response;
    return [status, await said(await response)] as const;
  };
  const large = await refusal(
    server.post({ ...LIST, params: { pad: "x".repeat(5 * 1024 * 1024) } }),
  );
  expect(large).toEqual([413, expect.stringContaining("larger than")]);
  const batch = await refusal(server.post([LIST, LIST]));
  expect(batch).toEqual([400, expect.stringMatching(/batch|array/i)]);
  const text = await refusal(
    server.post(LIST, { "content-type": "text/plain" }),
  );
  expect(text).toEqual([415, expect.stringContaining("application/json")]);
  const broken = await refusal(server.post("{"));
  expect(broken).toEqual([400, expect.stringMatching(/JSON/)]);
  const nowhere = await refusal(fetch(`${server.origin}/admin`));
  expect(nowhere).toEqual([404, expect.stringContaining("/mcp")]);
  for (const method of ["GET", "DELETE"]) {
    const response = await fetch(server.url, { method });
    expect([method, response.status]).toEqual([method, 405]);
    expect(response.headers.get("allow")).toContain("POST");
  }
});

test("a client that sends all before it reads is told that its body is too large", async () => {
  if (!needs("python3")) return;
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  const script = `import sys, urllib.request, urllib.error
request = urllib.request.Request(sys.argv[1], b"x" * 5 * 1024 * 1024, {"Content-Type": "application/json"})
try: urllib.request.urlopen(request, timeout=90)
except urllib.error.HTTPError as error: print(error.code, error.read().decode())`;
  const { stdout, stderr } = await sandbox.command([
    ...["python3", "-c", script, server.url],
  ]);
  expect(stderr).toBe("");
  expect(stdout).toMatch(/^413 \{.*larger than/);
});

test("with a secret: no token, alg none, another audience, issuer or secret, expired: 401 each", async () => {
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox, withSecret);
  expect(server.said).toContain("Authentication: on");
  const refused = async (headers: Record<string, string>) => {
    const response = await server.post(LIST, headers);
    expect(response.status).toBe(401);
    expect(response.headers.get("www-authenticate")).toStartWith("Bearer");
    return said(response);
  };
  expect(await refused({})).toBe(
    "Authentication failed: Token required (SESSION_BUDDY_SECRET is set)",
  );
  const none = new UnsecuredJWT({})
    .setAudience("session-buddy")
    .setIssuer("mahavishnu")
    .setIssuedAt()
    .setExpirationTime("1h")
    .encode();
  const bad = [
    none,
    await token({ aud: "another" }),
    await token({ iss: "another" }),
    await token({ secret: `${SECRET}!` }),
    await token({ exp: Math.floor(Date.now() / 1000) - 1 }),
    await token({ exp: null }),
    "garbage",
  ];
  for (const jwt of bad)
    expect(await refused(bearer(jwt))).toBe(
      "Authentication failed: invalid or expired token",
    );
  const good = await server.post(LIST, bearer(await token()));
  expect(good.status).toBe(200);
});

test("a bad header is 401 also where no token is needed; lists and health need none", async () => {
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox, withSecret);
  const ask = (method: string, headers = {}) =>
    server.post({ jsonrpc: "2.0", id: 1, method }, headers);
  for (const method of ["ping", "tools/list", "resources/list"]) {
    expect((await ask(method)).status).toBe(200);
    expect((await ask(method, bearer("garbage"))).status).toBe(401);
  }
  expect((await server.call("health_check")).result["status"]).toBe("healthy");
  expect((await fetch(`${server.origin}/health`)).status).toBe(200);
  expect((await fetch(`${server.origin}/metrics`)).status).toBe(401);
  const metrics = await fetch(`${server.origin}/metrics`, {
    headers: bearer(await token({ scope: "read" })),
  });
  expect(metrics.status).toBe(200);
});

test("a tool that records takes the header or its argument, and says in its own result what is wrong", async () => {
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox, withSecret);
  const track = (change: object, headers = {}) =>
    server.call("track_session_start", startArguments({ ...change }), headers);
  const none = await track({});
  expect(none).toMatchObject({
    status: 200,
    isError: false,
    result: {
      ...{ session_id: null, status: "error" },
      error:
        "❌ Authentication failed: Token required (SESSION_BUDDY_SECRET is set)",
    },
  });
  const invalid = "❌ Authentication failed: invalid or expired token";
  expect((await track({ token: "garbage" })).result["error"]).toBe(invalid);
  const read = await token({ scope: "read" });
  expect((await track({ token: read })).result["status"]).toBe("error");
  expect((await track({}, bearer(read))).result["status"]).toBe("error");
  const good = await token();
  expect((await track({ token: good })).result["status"]).toBe("tracked");
  expect((await track({}, bearer(good))).result["status"]).toBe("tracked");
  expect(await server.stop()).toBe(0);
  // Neither store nor log keeps a token.
  const { stdout } = await sandbox.command([
    ...["grep", "-rla", "-e", good.slice(0, 60), "-e", SECRET, sandbox.home],
  ]);
  expect(stdout).toBe("");
});

test("a short or well-known secret, and an open address without one, stop the start", async () => {
  using sandbox = new Sandbox();
  const start = (env: Record<string, string>, ...flags: string[]) =>
    sandbox.run(["mcp", "start", "--port", "auto", ...flags], { env });
  const short = await start({ SESSION_BUDDY_SECRET: "x".repeat(31) });
  expect(short.exitCode).toBe(5);
  expect(short.stderr).toContain(
    "Secret for 'session-buddy' is too short (31 chars). Minimum 32 characters required.",
  );
  for (const secret of ["changeme", "test-secret", "null"])
    expect((await start({ SESSION_BUDDY_SECRET: secret })).exitCode).toBe(5);
  const open = await start({}, "--host", "0.0.0.0");
  expectFailure(open, 5, /other hosts.*SESSION_BUDDY_SECRET/);
});

test("another user of this host can neither read nor forge, and nobody else's socket either", async () => {
  if (!needsRoot("setpriv", "curl")) return;
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  const stranger = async (message: object, ...where: string[]) => {
    const { stdout } = await sandbox.command(
      [
        ...["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"],
        ...["curl", "-sS", "-w", "\n%{http_code}", ...where],
        ...["-H", "Content-Type: application/json"],
        ...["-d", JSON.stringify(message)],
      ],
      { cwd: "/" },
    );
    const at = stdout.lastIndexOf("\n");
    return { status: stdout.slice(at + 1), body: stdout.slice(0, at) };
  };
  const tool = (name: string, args: object) => ({
    ...{ jsonrpc: "2.0", id: 1, method: "tools/call" },
    params: { name, arguments: args },
  });
  await server.call("track_session_start", startArguments());
  const read = await stranger(LIST, server.url);
  expect(read.status).toBe("403");
  expect(read.body).toContain("SESSION_BUDDY_SECRET");
  const forged = tool("track_session_start", startArguments());
  expect((await stranger(forged, server.url)).status).toBe("403");
  const health = await stranger(tool("health_check", {}), server.url);
  expect(health.status).toBe("200");
  const { socket } = JSON.parse(
    await Bun.file(`${sandbox.data}/store.lock`).text(),
  ) as { socket: string };
  const through = await stranger(
    LIST,
    ...["--unix-socket", socket, "http://localhost/mcp"],
  );
  expect(through.status).toBe("000");
  expect(await sandbox.list()).toHaveLength(1);
});

test("over TLS it serves, and plain http is no way in", async () => {
  using sandbox = new Sandbox();
  const made = await sandbox.command([
    ...["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes"],
    ...["-days", "1", "-subj", "/CN=localhost"],
    ...["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
    ...["-keyout", "key.pem", "-out", "cert.pem"],
  ]);
  expect(made.exitCode).toBe(0);
  const config = `${sandbox.home}/config.yaml`;
  await Bun.write(
    config,
    `server: {tls: {cert: ${sandbox.home}/cert.pem, key: ${sandbox.home}/key.pem}}\n`,
  );
  await using server = await TestServer.start(sandbox, {
    flags: ["--config", config],
  });
  expect(server.url).toStartWith("https://127.0.0.1:");
  const ca = await Bun.file(`${sandbox.home}/cert.pem`).text();
  const response = await fetch(`${server.origin}/health`, { tls: { ca } });
  expect(response.status).toBe(200);
  const plain = fetch(`${server.origin.replace("https", "http")}/health`);
  expect(
    await plain.then(
      ({ status }) => status >= 400,
      () => true,
    ),
  ).toBe(true);
});

test("/metrics needs no token where server.metrics_public says so; all else still does", async () => {
  using sandbox = new Sandbox();
  const config = `${sandbox.home}/config.yaml`;
  await Bun.write(config, "server: {metrics_public: true}\n");
  await using server = await TestServer.start(sandbox, {
    ...withSecret,
    flags: ["--config", config],
  });
  const metrics = await fetch(`${server.origin}/metrics`);
  expect(metrics.status).toBe(200);
  expect(await metrics.text()).toContain("session_buddy_build_info{");
  expect((await fetch(`${server.origin}/readyz`)).status).toBe(200);
  expect((await server.post(LIST)).status).toBe(401);
});

test("more requests than server.max_connections are told when to come again; /health says so", async () => {
  using sandbox = new Sandbox();
  const config = `${sandbox.home}/config.yaml`;
  await Bun.write(config, "server: {max_connections: 1}\n");
  await using server = await TestServer.start(sandbox, {
    flags: ["--config", config],
  });
  // One whose body never ends is under way.
  const held = await Bun.connect({
    ...{ hostname: "127.0.0.1", port: server.port },
    socket: { data() {} },
  });
  held.write(
    `POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{`,
  );
  const refused = await until("a refusal", async () => {
    const response = await server.post(LIST);
    return response.status === 429 && response;
  });
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
  expect(await said(refused)).toContain("under way already");
  // It is answered at once, and says what is so.
  const health = await fetch(`${server.origin}/health`);
  expect(health.status).toBe(503);
  expect(await health.json()).toMatchObject({
    ...{ status: "degraded", checks: { requests: "failed", database: "ok" } },
  });
  held.end();
  await until(
    "an answer",
    async () => (await server.post(LIST)).status === 200,
  );
});

/** What comes back for some bytes, as far as a pattern, which must come. */
async function answerTo(
  server: TestServer,
  bytes: string,
  wanted: RegExp,
): Promise<string> {
  let text = "";
  const client = await Bun.connect({
    ...{ hostname: "127.0.0.1", port: server.port },
    socket: { data: (_, chunk) => void (text += chunk.toString()) },
  });
  client.write(bytes);
  await until(`${wanted}`, () => wanted.test(text));
  client.end();
  return text;
}

const head = (server: TestServer, length: number, more = "") =>
  `POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\n${more}Content-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`;

test("a bad token in the header is refused before the body is there", async () => {
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox, withSecret);
  const request = head(server, 1_000, "Authorization: Bearer x.y.z\r\n");
  const text = await answerTo(server, request, /expired token/);
  expect(text).toStartWith("HTTP/1.1 401 ");
  expect(text.toLowerCase()).toContain("www-authenticate: bearer");
});

test("two calls one behind the other are both answered", async () => {
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  const calls = [1, 2].map((id) => {
    const params = { name: "track_session_start", arguments: startArguments() };
    const body = JSON.stringify({ ...LIST, id, params });
    return head(server, Buffer.byteLength(body)) + body;
  });
  const text = await answerTo(server, calls.join(""), /"id":2,/);
  expect([...text.matchAll(/"id":(\d),"result"/g)].map(([, id]) => id)).toEqual(
    ["1", "2"],
  );
  expect(text.match(/\\"status\\":\\"tracked\\"/g)).toHaveLength(2);
});
