/**
 * Connections that misbehave: a server whose edge is real, and clients that
 * write what they like, byte by byte.
 */
import { afterEach, describe, expect, test } from "bun:test";
import { once } from "node:events";
import { Client, Edge } from "../support/edge.ts";
import { needsRoot } from "../support/host.ts";
import { until } from "../support/wait.ts";

const MIB = 1024 * 1024;

let edge: Edge;
afterEach(() => edge.kill());

const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;

describe("Content-Length", () => {
  test("one that promises too much is refused, also when it never comes", async () => {
    edge = await Edge.start();
    for (const length of [
      4 * MIB + 1,
      5_000_000_000,
      Number.MAX_SAFE_INTEGER,
    ]) {
      const client = await edge.post(`Content-Length: ${length}`);
      expect(await client.answer()).toMatchObject({
        ...{ status: 413, body: { jsonrpc: "2.0", error: { code: -32600 } } },
      });
      client.end();
    }
  });

  test("the rest of such a body is not kept, and taken for a while only", async () => {
    edge = await Edge.start();
    const before = process.memoryUsage.rss();
    const client = await edge.post(`Content-Length: ${1024 * MIB}`);
    expect((await client.answer()).status).toBe(413);
    const block = "x".repeat(MIB);
    const over = new Promise((resolve) => client.socket.once("close", resolve));
    for (let sent = 0; sent < 1_000 && !client.socket.destroyed; sent++)
      if (!client.socket.write(block))
        await Promise.race([
          once(client.socket, "drain").catch(() => {}),
          over,
        ]);
    await over;
    expect(process.memoryUsage.rss() - before).toBeLessThan(100 * MIB);
  });

  test("one that promises less than comes cuts the body there", async () => {
    edge = await Edge.start();
    const client = await edge.post("Content-Length: 2", '{}{"id":1}');
    expect(await client.answer()).toMatchObject({
      status: 200,
      body: { bytes: 2 },
    });
    client.end();
  });

  test("one that promises more than comes is waited for, not for ever", async () => {
    edge = await Edge.start({ body: { timeout_ms: 100 } });
    for (const length of [100, 100_000]) {
      const client = await edge.post(`Content-Length: ${length}`, "{}");
      expect(await client.answer()).toMatchObject({
        ...{ status: 408, body: { jsonrpc: "2.0", id: null } },
      });
      client.end();
    }
  });

  test("a client that goes away in the middle leaves nothing behind", async () => {
    edge = await Edge.start();
    for (const length of [100, 100_000]) {
      const client = await edge.post(`Content-Length: ${length}`, "{}");
      await until("the body to be read", () => edge.reading === 1);
      client.end();
      await until("its end", () => edge.reading === 0);
    }
    const next = await edge.post("Content-Length: 2", "{}");
    expect((await next.answer()).status).toBe(200);
    next.end();
  });
});

describe("a body without a length", () => {
  test("is taken as it comes", async () => {
    edge = await Edge.start();
    const client = await edge.post(
      "Transfer-Encoding: chunked",
      chunk('{"a":'),
    );
    await until("the body to be read", () => edge.reading === 1);
    client.write(`${chunk('"ä"}'.replace("ä", "a"))}0\r\n\r\n`);
    expect(await client.answer()).toMatchObject({
      status: 200,
      body: { bytes: 9 },
    });
    client.end();
  });

  test("is counted while it comes, and refused where it is too much", async () => {
    edge = await Edge.start();
    const client = await edge.post("Transfer-Encoding: chunked");
    const block = chunk("x".repeat(MIB));
    for (let sent = 0; sent < 5; sent++) client.write(block);
    // Its end never came.
    expect(await client.answer()).toMatchObject({
      ...{ status: 413, body: { jsonrpc: "2.0", error: { code: -32600 } } },
    });
    client.end();
  });

  test("that comes drop by drop is not waited for longer", async () => {
    edge = await Edge.start({ body: { timeout_ms: 200 } });
    const client = await edge.post("Transfer-Encoding: chunked", chunk("{"));
    const drops = setInterval(() => client.write(chunk(" ")), 20);
    expect((await client.answer()).status).toBe(408);
    clearInterval(drops);
    client.end();
  });

  test("both ways of telling the length at once are refused", async () => {
    edge = await Edge.start();
    const both = "Content-Length: 2\r\nTransfer-Encoding: chunked";
    const client = await edge.post(both, `${chunk("{}")}0\r\n\r\n`);
    await until("the connection's end", () => client.socket.closed);
    expect(edge.reading).toBe(0);
  });
});

test("bodies under way are bounded together, and what ends makes room", async () => {
  edge = await Edge.start({ body: { under_way_max_bytes: 2 * MIB } });
  const half = () => edge.post(`Content-Length: ${1.5 * MIB}`, "x".repeat(MIB));
  const clients = await Promise.all([half(), half(), half()]);
  const first = await Promise.race(clients.map((client) => client.answer()));
  expect(first).toMatchObject({ status: 503, body: { jsonrpc: "2.0" } });
  for (const client of clients) client.end();
  await until("their end", () => edge.reading === 0);
  const body = JSON.stringify({ a: "x".repeat(1.9 * MIB) });
  const next = await edge.post(`Content-Length: ${body.length}`, body);
  expect((await next.answer()).status).toBe(200);
  next.end();
});

describe("what the parser refuses", () => {
  const cases: [what: string, text: string, status: number][] = [
    ["no HTTP", "garbage\r\n\r\n", 400],
    ["another version", "GET / HTTP/3.0\r\nHost: x\r\n\r\n", 505],
    ["long headers", `GET / HTTP/1.1\r\nX: ${"a".repeat(40_000)}\r\n\r\n`, 431],
    [
      "a length that is none",
      "POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
      400,
    ],
    ["CONNECT", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 400],
  ];
  test.each(cases)("%s", async (_what, text, status) => {
    edge = await Edge.start();
    const client = new Client(edge.port);
    client.write(text);
    const answer = await client.answer();
    expect(answer).toMatchObject({
      ...{ status, body: { error: { code: "refused" } } },
    });
    await until("the connection's end", () => client.socket.closed);
  });
});

test.each(["", "POST /mcp HTTP/1.1\r\nHost: localhost\r\n"])(
  "a connection that says '%s' and no more is ended",
  async (text) => {
    edge = await Edge.start({ headers_ms: 100 });
    const client = new Client(edge.port);
    if (text) client.write(text);
    await until("its end", () => client.socket.closed);
    expect(client.text).toMatch(/^HTTP\/1\.1 408 .*not there in time/s);
  },
);

test("requests one behind the other are answered in their order", async () => {
  edge = await Edge.start();
  const head = `POST /mcp HTTP/1.1\r\nHost: localhost:${edge.port}\r\nContent-Type: application/json\r\n`;
  const client = new Client(edge.port);
  client.write(
    [2, 9, 4]
      .map((n) => `${head}Content-Length: ${n}\r\n\r\n${"{}".padEnd(n)}`)
      .join(""),
  );
  const answers = await until("three answers", () => {
    const found = [...client.text.matchAll(/\{"bytes":(\d+)\}/g)];
    return found.length === 3 && found.map(([, bytes]) => Number(bytes));
  });
  expect(answers).toEqual([2, 9, 4]);
  client.end();
});

test("a body that was refused unread does not become the next request", async () => {
  edge = await Edge.start();
  const within = `GET /health HTTP/1.1\r\nHost: localhost:${edge.port}\r\n\r\n`;
  const client = await edge.post(
    `Origin: http://evil.example\r\nContent-Length: ${within.length}`,
  );
  expect((await client.answer()).status).toBe(403);
  client.write(
    `${within}GET /mcp HTTP/1.1\r\nHost: localhost:${edge.port}\r\n\r\n`,
  );
  await until("the next answer", () => client.text.includes("HTTP/1.1 405"));
  expect(client.text.match(/HTTP\/1.1 /g)).toHaveLength(2);
  client.end();
});

test("no Host, two hosts, and a Host that is a path", async () => {
  edge = await Edge.start();
  const ask = async (head: string) => {
    const client = new Client(edge.port);
    client.write(`${head}\r\nContent-Length: 0\r\n\r\n`);
    const { status } = await client.answer();
    client.end();
    return status;
  };
  const host = `Host: localhost:${edge.port}`;
  expect(await ask("GET /health HTTP/1.0")).toBe(400);
  expect(await ask(`GET /health HTTP/1.1\r\n${host}\r\n${host}`)).toBe(400);
  expect(await ask(`GET /mcp HTTP/1.1\r\n${host}/health?`)).toBe(400);
  expect(await ask("GET /mcp HTTP/1.1\r\nHost: [::")).toBe(400);
  expect(
    await ask(`GET http://evil.example/mcp HTTP/1.1\r\nHost: evil.example`),
  ).toBe(403);
  expect(await ask(`GET http://evil.example/mcp HTTP/1.1\r\n${host}`)).toBe(
    405,
  );
});

test("another user's program is refused, his health_check is not", async () => {
  if (!needsRoot("setpriv", "bash")) return;
  edge = await Edge.start();
  const asStranger = async (tool: string) => {
    const body = JSON.stringify({
      id: 1,
      method: "tools/call",
      params: { name: tool },
    });
    const head = [
      ...[
        "POST /mcp HTTP/1.1",
        `Host: localhost:${edge.port}`,
        "Connection: close",
      ],
      ...[
        "Content-Type: application/json",
        `Content-Length: ${body.length}`,
        "",
        body,
      ],
    ].join("\\r\\n");
    const script = `exec 3<>/dev/tcp/127.0.0.1/${edge.port}; printf '${head}' >&3; cat <&3`;
    const child = Bun.spawn(
      ["setpriv", "--reuid=54321", "--clear-groups", "bash", "-c", script],
      { stdout: "pipe" },
    );
    return new Response(child.stdout).text();
  };
  const refused = await asStranger("list_sessions");
  expect(refused).toStartWith("HTTP/1.1 403 ");
  expect(refused).toContain("you are 54321");
  expect(await asStranger("health_check")).toStartWith("HTTP/1.1 200 ");
});
