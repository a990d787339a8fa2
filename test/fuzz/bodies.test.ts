/**
 * Requests to a real server that are not what a client should send: it answers
 * each with JSON and a status of 2xx or 4xx, in time, and goes on to serve.
 */
import { expect, test } from "bun:test";
import type { Json } from "../../src/model/event.ts";
import { at, command, end, start } from "../support/events.ts";
import { Random } from "../support/random.ts";
import { Sandbox } from "../support/sandbox.ts";
import { TestServer, startArguments } from "../support/server.ts";
import { CASES, mutatedBytes, mutatedJson } from "./mutate.ts";

const CLIENTS = 4;
const ANSWER_MS = 60_000;
const GOOD_EVERY = 200;

const calling = (name: string, args: object) => ({
  jsonrpc: "2.0",
  id: 7,
  method: "tools/call",
  params: { name, arguments: args },
});

/** A right message of any kind. */
function message(random: Random): object {
  const session_id = `wire-20260206-123456-${random.hex(8)}`;
  const of = { session_id, event_id: random.uuid() };
  const channel = {
    ...{ event_id: random.uuid(), timestamp: at(random.int(0, 99)) },
    event_type: random.pick([
      "channel_session_start",
      "channel_session_end",
      "channel_heartbeat",
    ]),
    ...{ event_version: "2.0", channel_type: "slack", channel_id: "ops" },
    ...{
      sender_id: "les",
      session_scope: random.pick(["conversation", "thread", "day"]),
    },
    ...{
      thread_id: "t",
      workspace: "w",
      platform: "p",
      message_preview: "hi 🐚",
    },
    ...{ component_name: "nanobot", message_count: 3, metadata: { a: [1] } },
  };
  const events = [
    start(of),
    command(1, { ...of, event_id: random.uuid(7) }),
    end(2, { ...of, event_id: random.uuid(7) }),
  ];
  const meta = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": { name: "fuzz", version: "1" },
    "io.modelcontextprotocol/clientCapabilities": {},
  };
  return random.pick<() => object>([
    () =>
      calling(
        "track_session_start",
        startArguments({ event_id: random.uuid() }),
      ),
    () =>
      calling("track_session_end", {
        session_id,
        timestamp: at(3),
        metadata: { code: 0 },
      }),
    () => calling("track_events", { sent_at: at(9), events }),
    () => calling("track_channel_session", channel),
    () => calling("get_channel_sessions", { channel_type: "slack", limit: 5 }),
    () =>
      calling("list_sessions", {
        type: "admin_shell",
        status: "active",
        limit: 3,
      }),
    () => calling("get_session", { session_id }),
    () => calling("list_events", { session_id, limit: 3 }),
    () => calling("session_stats", { component: "wire" }),
    () => calling("health_check", {}),
    () => ({
      jsonrpc: "2.0",
      id: 1,
      method: "initialize",
      params: {
        protocolVersion: random.pick(["2025-11-25", "2026-07-28"]),
        capabilities: {},
        clientInfo: { name: "fuzz", version: "1" },
      },
    }),
    () => ({
      jsonrpc: "2.0",
      id: "x",
      method: "tools/list",
      params: { _meta: meta },
    }),
    () => ({
      jsonrpc: "2.0",
      id: 2,
      method: "resources/read",
      params: { uri: `session://${session_id}` },
    }),
    () => ({
      jsonrpc: "2.0",
      id: 3,
      method: "completion/complete",
      params: {
        ref: { type: "ref/resource", uri: "session://{session_id}" },
        argument: { name: "session_id", value: "w" },
      },
    }),
    () => ({
      jsonrpc: "2.0",
      method: "notifications/cancelled",
      params: { requestId: 7 },
    }),
    () => ({ jsonrpc: "2.0", id: 4, method: "ping" }),
  ])();
}

const HEADERS: Record<string, readonly string[]> = {
  "content-type": [
    "text/plain",
    "application/json; charset=utf-16",
    "",
    "application/json;;;",
    "multipart/form-data",
  ],
  accept: ["text/html", "*/*", "application/json;q=0", "text/event-stream"],
  "mcp-protocol-version": [
    "1",
    "2026-07-28",
    "2025-03-26",
    "ÿ",
    "2026-07-28, 2025-06-18",
  ],
  "mcp-session-id": ["x", "0".repeat(5_000)],
  "mcp-method": ["tools/list", "nothing", "tools/call"],
  "mcp-name": ["health_check", "=?base64?AAA?=", "x"],
  "content-encoding": ["gzip", "br", "identity"],
  authorization: ["Bearer x", "Basic eDp4", "Bearer ", "bearer a.b.c"],
  origin: ["http://evil.example", "null", "http://localhost:1"],
  host: ["evil.example", "localhost", "[::1]:99999"],
  "last-event-id": ["9"],
};

function headers(random: Random): Record<string, string> {
  const out: Record<string, string> = { "content-type": "application/json" };
  while (random.chance(0.25)) {
    const name = random.pick(Object.keys(HEADERS));
    out[name] = random.pick(HEADERS[name]!);
  }
  return out;
}

function body(random: Random): Uint8Array | string {
  const right = message(random);
  const text = random.chance(0.7)
    ? mutatedJson(random, right as Json)
    : JSON.stringify(right);
  const bytes = random.chance(0.4)
    ? mutatedBytes(random, Buffer.from(text))
    : text;
  return random.chance(0.02) ? `[${text}]` : bytes;
}

test(`${CASES} requests that are wrong somewhere are answered, and the server goes on`, async () => {
  const random = Random.seeded("mutated bodies");
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  const statuses: Record<number, number> = {};
  let left = CASES;
  const client = async () => {
    for (let number = left--; number > 0; number = left--) {
      const [sent, with_] = [body(random), headers(random)];
      await answered(server, sent, with_, statuses);
      if (number % GOOD_EVERY === 0) await serves(server);
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  await serves(server);
  console.log(`${CASES} requests: ${JSON.stringify(statuses)}`);
  expect(statuses[200]).toBeGreaterThan(CASES / 10);
  expect(await server.stop()).toBe(0);
  // Whatever was taken can be read.
  for (const session of await sandbox.list())
    expect(session.session_id).not.toBe("");
}, 1_200_000);

async function answered(
  server: TestServer,
  sent: Uint8Array | string,
  headers: Record<string, string>,
  statuses: Record<number, number>,
): Promise<void> {
  const shown =
    typeof sent === "string" ? sent : Buffer.from(sent).toString("latin1");
  const what = `${JSON.stringify(headers)} ${shown.slice(0, 1_500)}`;
  try {
    const response = await fetch(server.url, {
      method: "POST",
      headers,
      body: sent as Bun.BodyInit,
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    const { status } = response;
    statuses[status] = (statuses[status] ?? 0) + 1;
    const text = await response.text();
    expect(
      status >= 200 && status < 500,
      `${status} ${text.slice(0, 500)}`,
    ).toBeTrue();
    // A notification gets no answer.
    if (status === 202) return expect(text).toBe("");
    const type = response.headers.get("content-type") ?? "";
    const json = type.startsWith("text/event-stream")
      ? (/^data: (.*)$/m.exec(text)?.[1] ?? "")
      : text;
    JSON.parse(json);
    expect(json).not.toMatch(/internal error|\\n\s+at |TypeError|RangeError/i);
  } catch (error) {
    throw new Error(
      `${error instanceof Error ? error.message : error}\nfor ${what}`,
      { cause: error },
    );
  }
}

/** A right call is answered right. */
async function serves(server: TestServer): Promise<void> {
  const health = await fetch(`${server.origin}/health`);
  expect(health.status).toBe(200);
  const event_id = crypto.randomUUID();
  const { result } = await server.call(
    "track_session_start",
    startArguments({ event_id }),
  );
  expect(result).toMatchObject({ status: "tracked", error: null });
}
