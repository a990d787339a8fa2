/**
 * Requests one behind the other on a connection, and what comes behind them
 * that is none: each is answered, in their order, and one that asks without
 * end is cut off.
 */
import { afterEach, describe, expect, test } from "bun:test";
import { Client, Edge } from "../support/edge.ts";
import { until } from "../support/wait.ts";

let edge: Edge;
afterEach(() => edge.kill());

const head = () =>
  `POST /mcp HTTP/1.1\r\nHost: localhost:${edge.port}\r\nContent-Type: application/json\r\n`;
const whole = () => `${head()}Content-Length: 2\r\n\r\n{}`;
/** A body whose second chunk cannot be one. */
const broken = () =>
  `${head()}Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\nZZ\r\nhello\r\n`;

/** The status of each answer, in their order. */
const statuses = ({ text }: Client) =>
  [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status));

/** What comes for some bytes, until the connection is closed. */
async function allFor(text: string): Promise<Client> {
  const client = new Client(edge.port);
  client.write(text);
  await until("the connection's end", () => client.socket.closed);
  return client;
}

describe("behind a request whose answer is not there yet", () => {
  const cases: [what: string, text: () => string, status: number][] = [
    ["no HTTP", () => "garbage\r\n\r\n", 400],
    ["CONNECT", () => "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 400],
    ["another version", () => "GET / HTTP/3.0\r\nHost: x\r\n\r\n", 505],
    ["a malformed body", broken, 400],
  ];
  test.each(cases)("%s is answered after it", async (_what, text, status) => {
    edge = await Edge.start();
    const { promise, resolve } = Promise.withResolvers<void>();
    edge.held = promise;
    const client = new Client(edge.port);
    client.write(whole() + whole() + text());
    await until(
      "the first request",
      () => edge.reading === 1 || edge.came === 1,
    );
    // A second connection is served: what is behind the first has come, too.
    expect((await allFor("garbage\r\n\r\n")).text).toStartWith("HTTP/1.1 400");
    expect(client.text).toBe("");
    resolve();
    await until("the connection's end", () => client.socket.closed);
    expect(statuses(client)).toEqual([200, 200, status]);
    expect(client.text.match(/\{"bytes":2\}/g)).toHaveLength(2);
    expect(client.text).toMatch(/\{"error":\{"code":"refused",[^}]*\}\}$/);
  });
});

test("a malformed body is refused in words, and once", async () => {
  edge = await Edge.start();
  const client = await allFor(broken());
  expect(statuses(client)).toEqual([400]);
  expect(client.text).toContain("not an HTTP request that can be read");
  // This one has its answer before its body is there.
  expect(statuses(await allFor(broken().replace("/mcp", "/health")))).toEqual([
    405,
  ]);
});

test("whoever says that he has said all gets his answer", async () => {
  edge = await Edge.start();
  const { promise, resolve } = Promise.withResolvers<void>();
  edge.held = promise;
  const client = new Client(edge.port);
  client.socket.end(whole());
  await until("his request", () => edge.came === 1);
  // By the end of another connection the server has heard of that of his.
  await allFor("garbage\r\n\r\n");
  resolve();
  await until("the connection's end", () => client.socket.closed);
  expect(client.text).toMatch(/^HTTP\/1\.1 200 .*\{"bytes":2\}$/s);
});

test("whoever has not said all is told so", async () => {
  edge = await Edge.start();
  const client = new Client(edge.port);
  client.socket.end(whole().slice(0, -1));
  await until("the connection's end", () => client.socket.closed);
  expect(statuses(client)).toEqual([400]);
});

test("an expectation and a coding that are not ours are refused in JSON", async () => {
  edge = await Edge.start();
  const cases: [header: string, body: string, status: number][] = [
    ["Expect: foo\r\nContent-Length: 2", "{}", 417],
    ["Transfer-Encoding: gzip, chunked", "2\r\n{}\r\n0\r\n\r\n", 501],
  ];
  for (const [header, body, status] of cases) {
    const client = await edge.post(header, body);
    const answer = await client.answer();
    expect([header, answer]).toMatchObject([
      header,
      { status, body: { error: { code: "refused" } } },
    ]);
    await until("the connection's end", () => client.socket.closed);
  }
});

test("one of many requests is served at a time, and too many end the connection", async () => {
  edge = await Edge.start();
  const { promise, resolve } = Promise.withResolvers<void>();
  edge.held = promise;
  const many = new Client(edge.port);
  many.write(whole().repeat(17));
  await until("the first request", () => edge.came === 1);
  const tooMany = await allFor(whole().repeat(18));
  expect(tooMany.text).toBe("");
  expect(edge.came).toBe(2);
  resolve();
  await until("all answers", () => statuses(many).length === 17);
  expect(new Set(statuses(many))).toEqual(new Set([200]));
  // It goes on as before.
  many.write(whole());
  await until("one more", () => statuses(many).length === 18);
  many.end();
});

test("what could be answered at once is answered one a turn, and too many end the connection, too", async () => {
  edge = await Edge.start();
  const quick = `GET /nowhere HTTP/1.1\r\nHost: localhost:${edge.port}\r\n\r\n`;
  const few = new Client(edge.port);
  few.write(quick.repeat(17));
  await until("all answers", () => statuses(few).length === 17);
  few.end();
  const { text } = await allFor(quick.repeat(1_000));
  expect(text.match(/HTTP/g)?.length ?? 0).toBeLessThan(18);
});
