/**
 * A server on another host that behaves as none should: no shell notices, what
 * waits is told of, and when the server is well again everything arrives, once.
 */
import { expect, test } from "bun:test";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import {
  type DeliveryState,
  readDelivery,
} from "../../src/spool/circuit-breaker.ts";
import { spoolBacklog } from "../../src/spool/folder.ts";
import { spoolFolder } from "../../src/spool/write.ts";
import { drainsOver } from "../crash/drains.ts";
import { configure, expectFailure } from "../support/host.ts";
import { Live } from "../support/live.ts";
import {
  type Behaviour,
  Relay,
  forward,
  http,
  rejecting,
} from "../support/relay.ts";
import { type Finished, Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { id, leave, life, lines } from "../support/spool.ts";
import { until } from "../support/wait.ts";

/** A host that sends its sessions through a relay to a server on another one. */
class Hosts implements AsyncDisposable {
  readonly far = new Sandbox();
  readonly near = new Sandbox();
  readonly relay: Relay;

  private constructor(
    behave: Behaviour | null,
    public server: TestServer,
  ) {
    this.relay = new Relay(behave ?? forward(server.url));
    this.near.env["SESSION_BUDDY_MCP_ENDPOINT"] = this.relay.url;
  }

  static async start(behave: Behaviour | null): Promise<Hosts> {
    const far = new Sandbox();
    const hosts = new Hosts(behave, await TestServer.start(far));
    hosts.far[Symbol.dispose]();
    Object.assign(hosts, { far });
    return hosts;
  }

  mend(): void {
    this.relay.behave = forward(this.server.url);
    this.relay.cut();
  }

  get state(): DeliveryState {
    return readDelivery(spoolFolder(this.near.data));
  }

  /** Until a drain that nobody asked for has failed. */
  failure(): Promise<unknown> {
    return until("a delivery to fail", () => this.state.failures > 0);
  }

  /** A listing, once no drain in the background has the spool: of that it says nothing else. */
  asked(): Promise<Finished> {
    return until("a listing to tell of the spool", async () => {
      const asked = await this.near.run(["list-sessions"]);
      return asked.stderr.includes("undelivered spool files") && asked;
    });
  }

  /** Until nothing waits on the near host. */
  async delivered(): Promise<void> {
    await until("all to be delivered", async () => {
      await this.near.run(["drain"]);
      return spoolBacklog(this.near.data).files === 0;
    });
  }

  /** How often the server keeps each event. */
  async kept(): Promise<number[]> {
    const { result } = await this.server.call("list_events", { limit: 1000 });
    const rows = result["events"] as { event: { event_id: string } }[];
    const counts = new Map<string, number>();
    for (const { event } of rows)
      counts.set(event.event_id, (counts.get(event.event_id) ?? 0) + 1);
    return [...counts.values()];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.stop();
    this.relay[Symbol.dispose]();
    this.near[Symbol.dispose]();
    this.far[Symbol.dispose]();
  }
}

const rpcError = (status: number, code: number, message: string) =>
  http(
    status,
    JSON.stringify({ jsonrpc: "2.0", id: 1, error: { code, message } }),
  );

/** Zeros, as fast as they are taken. */
const endless: Behaviour = async (_, socket) => {
  socket.write("HTTP/1.1 200 OK\r\n\r\n");
  const block = Buffer.alloc(1 << 20);
  while (socket.readyState > 0) {
    socket.write(block);
    await Bun.sleep(0);
  }
};

const BEHAVIOURS: [string, Behaviour, status: number, said: RegExp][] = [
  ["401", () => rpcError(401, -32000, "no"), 6, /wants another token: no/],
  ["403", () => rpcError(403, -32000, "not you"), 6, /not you/],
  [
    "429 with a Retry-After longer than anybody waits",
    () => http(429, "{}", { "Retry-After": "3600" }),
    7,
    /too much to do/,
  ],
  ["503", () => http(503, "{}"), 7, /too much to do/],
  ["502 of a proxy", () => http(502, "<html>"), 2, /cannot be reached.*502/],
  ["a reset", (_, socket) => socket.terminate(), 2, /cannot be reached/],
  ["garbage", () => "\0\x01\x02garbage\r\n\r\n", 2, /cannot be reached/],
  ["HTML", () => http(200, "<html>Welcome"), 1, /nothing that session-buddy/],
  ["nothing in it", () => http(200, ""), 1, /nothing that session-buddy/],
  [
    "half an answer",
    () => http(200, '{"jsonrpc":', { "Content-Length": "1000" }),
    2,
    /cannot be reached/,
  ],
  ["an answer without an end", endless, 2, /larger than \d+ bytes/],
  [
    "a redirect",
    () => http(302, "", { Location: "http://127.0.0.1:1/" }),
    2,
    /cannot be reached/,
  ],
  [
    "an older server without our tools",
    ({ tool }) => rpcError(200, -32602, `Tool ${tool} not found`),
    1,
    /is older than this session-buddy and does not know /,
  ],
  [
    "valid JSON of another protocol",
    () => http(200, "[null]"),
    1,
    /nothing that session-buddy/,
  ],
];

for (const [name, behave, status, said] of BEHAVIOURS)
  test(`a server that answers with ${name}: no shell notices, all arrives later, once`, async () => {
    await using hosts = await Hosts.start(behave);
    const { near, far } = hosts;
    const script = "echo out; echo err >&2; exit 3";
    const shell = await near.run(["shell", "--", "sh", "-c", script]);
    expect(shell).toMatchObject({ exitCode: 3, stdout: "out\n" });
    expect(shell.stderr).toBe("err\n");
    await hosts.failure();
    expect(hosts.state.last_error).toMatch(said);
    const asked = await hosts.asked();
    expect(asked).toMatchObject({ exitCode: status, stdout: "" });
    const [waits, failure] = asked.stderr.trimEnd().split("\n");
    expect(waits).toMatch(
      /^session-buddy: undelivered spool files: 1, since 20\S+Z: /,
    );
    expect(waits).toMatch(said);
    expect(failure).toMatch(said);
    expect(spoolBacklog(near.data).files).toBe(1);
    hosts.mend();
    await hosts.delivered();
    expect(await far.only()).toMatchObject({ status: "ended", exit_code: 3 });
    expect(new Set(await hosts.kept())).toEqual(new Set([1]));
    expect(hosts.state).toMatchObject({ failures: 0, last_error: null });
  });

test("a server that never answers: the shell has long ended, and a retry delivers", async () => {
  const hole: Behaviour = () => {};
  await using hosts = await Hosts.start(hole);
  const { near, far, relay } = hosts;
  const shell = await near.run(["shell", "--", "true"]);
  expect([shell.exitCode, shell.stderr]).toEqual([0, ""]);
  await until("a request to wait", () => relay.received.length > 0);
  expect([relay.received.length, relay.waiting]).toEqual([1, 1]);
  // Nobody asks: the drain that was cut off tries again by itself.
  hosts.mend();
  await until("the session to arrive", async () =>
    (await far.list("--status", "ended")).at(0),
  );
  expect(new Set(await hosts.kept())).toEqual(new Set([1]));
});

test("what comes while a drain waits long for its answer is delivered by that drain", async () => {
  await using hosts = await Hosts.start(null);
  const { near, far, relay, server } = hosts;
  const answered = Promise.withResolvers<void>();
  relay.behave = async (request, socket) => {
    await answered.promise;
    return forward(server.url)(request, socket);
  };
  leave(near, `${id(1)}.ndjson`, lines(life(1)));
  const first = near.run(["drain", "--auto"]);
  await until("a request to wait", () => relay.waiting > 0);
  leave(near, `${id(2)}.ndjson`, lines(life(2)));
  // Who asked for it hears that it is not delivered.
  const second = await near.run(["drain"]);
  expectFailure(second, 7, /the spool was not drained: pid \d+ holds/);
  answered.resolve();
  expect(await first).toMatchObject({ exitCode: 0, stdout: "", stderr: "" });
  expect(await far.list()).toHaveLength(2);
});

test("a server that stored all but whose answer was lost: nothing is kept twice", async () => {
  await using hosts = await Hosts.start(null);
  const { near, far, relay, server } = hosts;
  relay.behave = async (request, socket) => {
    await forward(server.url)(request, socket);
    socket.terminate();
  };
  await near.run(["shell", "--", "sh", "-c", "exit 4"]);
  await hosts.failure();
  hosts.mend();
  await hosts.delivered();
  expect(await far.only()).toMatchObject({ status: "ended", exit_code: 4 });
  expect(new Set(await hosts.kept())).toEqual(new Set([1]));
});

test("a server that is absent at the start, killed in the middle, back at the end", async () => {
  await using hosts = await Hosts.start(null);
  const { near, far } = hosts;
  const flags = ["--port", `${hosts.server.port}`];
  near.env["SESSION_BUDDY_MCP_ENDPOINT"] = hosts.server.url;
  await hosts.server.stop();
  const live = await Live.begin(near);
  await live.quiet();
  await hosts.failure();
  hosts.server = await TestServer.start(far, { flags });
  // Nor has another the spool then.
  await drainsOver(near.home);
  expect((await near.run(["drain"])).exitCode).toBe(0);
  expect(await far.only()).toMatchObject({ status: "active" });
  await hosts.server.stop("SIGKILL");
  await live.end(5);
  const asked = await hosts.asked();
  expect(asked.exitCode).toBe(2);
  expect(asked.stderr).toMatch(/undelivered spool files: 1, since/);
  hosts.server = await TestServer.start(far, { flags });
  await hosts.delivered();
  expect(await far.only()).toMatchObject({
    ...{ session_id: live.session_id, status: "ended", exit_code: 5 },
    end_source: "observed",
  });
  expect(new Set(await hosts.kept())).toEqual(new Set([1]));
});

test("an event that an older server rejects is put aside, told of, and not sent again", async () => {
  await using hosts = await Hosts.start(null);
  const { near, far, relay, server } = hosts;
  // Neither events nor drains but ours, however long it lives.
  configure(near, "session: {heartbeat: 1h}\n");
  near.env["SESSION_BUDDY_MCP_ENDPOINT"] = "";
  const live = await Live.begin(near);
  await live.quiet();
  near.env["SESSION_BUDDY_MCP_ENDPOINT"] = relay.url;
  relay.behave = rejecting(server.url, "annotation");
  const drained = await near.run(["drain"]);
  expect(drained.exitCode).toBe(0);
  expect(drained.stderr).toMatch(
    /^session-buddy: the server rejects an event \(unknown event_type 'annotation'\), which is kept in '.+'\n$/,
  );
  const folder = join(near.spool, "quarantine");
  const [kept] = readdirSync(folder);
  const line = live.lines.find((text) => text.includes('"annotation"'))!;
  const text = readFileSync(join(folder, kept!), "utf8");
  const [event, reason] = text.split("\n");
  expect(JSON.parse(event!)).toEqual(JSON.parse(line));
  expect(reason).toBe("# rejected: unknown event_type 'annotation'");
  // Its neighbours are there, and it is no more than told of.
  expect(await far.only()).toMatchObject({ status: "active" });
  const sent = relay.received.length;
  const again = await near.run(["drain"]);
  expect(again.exitCode).toBe(0);
  expect(again.stderr).toMatch(
    /^session-buddy: events that a server has rejected, kept in '.+': 1 \(.*drain --retry\)\n$/,
  );
  await live.end(6);
  await hosts.delivered();
  expect(await far.only()).toMatchObject({ status: "ended", exit_code: 6 });
  const later = relay.received.slice(sent).flatMap(({ events }) => events);
  expect(later.map((event) => event["event_type"])).not.toContain("annotation");
  expect(readdirSync(folder)).toEqual([kept!]);
  expect(await hosts.kept()).toEqual(Array(3).fill(1));
});

test("a server that is away costs all shells of the host one attempt; who asks tries at once", async () => {
  // It asks to be left alone for longer than any machine needs for this.
  await using hosts = await Hosts.start(() =>
    http(429, "{}", { "Retry-After": "3600" }),
  );
  const { near, relay } = hosts;
  await near.run(["shell", "--", "true"]);
  await hosts.failure();
  await Promise.all(
    Array.from({ length: 5 }, () => near.run(["shell", "--", "true"])),
  );
  await drainsOver(near.home);
  const auto = await near.run(["drain", "--auto"]);
  expect(auto.exitCode).toBe(2);
  expect(auto.stderr).toMatch(/not delivered before 20\S+Z: .*\(.*drain\)\n$/);
  expect(relay.received).toHaveLength(1);
  expect((await near.run(["drain"])).exitCode).toBe(7);
  expect(relay.received).toHaveLength(2);
  expect(hosts.state.failures).toBe(1);
});

test("a server that asks for a pause gets it, and then the events", async () => {
  await using hosts = await Hosts.start(() =>
    http(429, "{}", { "Retry-After": "1" }),
  );
  const { near, far, relay } = hosts;
  let asked_ms = 0;
  let pause_ms = 0;
  relay.behave = (request, socket) => {
    if (asked_ms === 0) {
      asked_ms = performance.now();
      return http(429, "{}", { "Retry-After": "1" });
    }
    pause_ms ||= performance.now() - asked_ms;
    return forward(hosts.server.url)(request, socket);
  };
  await near.run(["shell", "--", "sh", "-c", "exit 7"]);
  await until("the session to arrive", async () =>
    (await far.list("--status", "ended")).at(0),
  );
  expect(pause_ms).toBeGreaterThanOrEqual(1_000);
});

test("doctor says what waits, since when and why, and when all is well again", async () => {
  await using hosts = await Hosts.start(() => rpcError(401, -32000, "no"));
  const { near } = hosts;
  const check = async () => {
    const { stdout } = await near.run(["doctor", "--json"]);
    const report = JSON.parse(stdout) as {
      phases: { database_verification: { tests: { name: string }[] } };
    };
    const { tests } = report.phases.database_verification;
    return tests.find(({ name }) => name === "delivery");
  };
  await near.run(["shell", "--", "true"]);
  await hosts.failure();
  expect(await check()).toMatchObject({
    status: "fail",
    detail: expect.stringMatching(
      /^undelivered spool files: 1, since 20\S+Z: the server at .* wants another token: no$/,
    ),
    fix: expect.stringContaining("SESSION_BUDDY_TOKEN"),
  });
  hosts.mend();
  expect(await check()).toMatchObject({
    status: "pass",
    detail: expect.stringContaining("events are delivered"),
  });
  near.env["SESSION_BUDDY_MCP_ENDPOINT"] = "";
  expect(await check()).toBeUndefined();
});

test("no token is written down with what failed", async () => {
  await using hosts = await Hosts.start(() => rpcError(401, -32000, "no"));
  const { near } = hosts;
  near.env["SESSION_BUDDY_TOKEN"] = "the-very-token";
  await near.run(["shell", "--", "true"]);
  await hosts.failure();
  const file = join(near.spool, "delivery.json");
  expect(existsSync(file)).toBe(true);
  expect(readFileSync(file, "utf8")).not.toContain("the-very-token");
});
