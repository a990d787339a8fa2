/**
 * PostgreSQL goes down and comes back: its server says so and asks everybody to come
 * again, what is recorded meanwhile waits on its host, and all of it arrives once.
 */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { drainsOver } from "../crash/drains.ts";
import { Node, needsPostgres } from "../crash/postgres/node.ts";
import { parseMetrics } from "../support/prometheus.ts";
import { Sandbox } from "../support/sandbox.ts";
import { TestServer, startArguments } from "../support/server.ts";
import { until } from "../support/wait.ts";

async function database(): Promise<Node> {
  const node = await Node.copy(false);
  await node.start();
  return node;
}

const urlOf = ({ port }: Node) =>
  `postgres://postgres@127.0.0.1:${port}/session_buddy`;

function logOf(sandbox: Sandbox): string {
  const [file] = new Bun.Glob(".local/state/*/*/logs/*.log").scanSync({
    ...{ cwd: sandbox.home, dot: true, absolute: true },
  });
  return readFileSync(file!, "utf8");
}

/** The ids of all events that are stored, as its server lists them. */
async function stored(server: TestServer): Promise<string[]> {
  const { result } = await server.call("list_events", { limit: 1_000 });
  const { events } = result as { events?: { event: { event_id: string } }[] };
  // None while it is away.
  return (events ?? []).map(({ event }) => event.event_id);
}

test("while the database is down callers come again and shells go on; all arrives once", async () => {
  if (!needsPostgres()) return;
  await using node = await database();
  using host = new Sandbox();
  host.env["SESSION_BUDDY_STORE_URL"] = urlOf(node);
  await using server = await TestServer.start(host);
  using near = new Sandbox();
  near.env["SESSION_BUDDY_MCP_ENDPOINT"] = server.url;
  await host.run(["shell", "--", "sh", "-c", "exit 3"]);
  expect(await host.only()).toMatchObject({ exit_code: 3 });
  const { length } = logOf(host);
  await node.stop("immediate");

  const start = startArguments({ timestamp: new Date().toISOString() });
  const call = (tool: string, args: object) => {
    const params = { name: tool, arguments: args };
    return server.post({ jsonrpc: "2.0", id: 1, method: "tools/call", params });
  };
  for (const [tool, args] of [
    ["track_session_start", start],
    ["list_sessions", {}],
  ] as const) {
    const refused = await call(tool, args);
    expect(refused.status).toBe(503);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    const { error } = (await refused.json()) as { error: { message: string } };
    expect(error.message).toMatch(/^PostgreSQL database .* is away/);
  }
  const health = await fetch(`${server.origin}/health`);
  expect(health.status).toBe(503);
  expect(await health.json()).toMatchObject({
    ...{
      status: "degraded",
      checks: { database: expect.not.stringMatching(/^ok$/) },
    },
  });
  const metrics = await fetch(`${server.origin}/metrics`);
  expect(metrics.status).toBe(200);
  const families = parseMetrics(await metrics.text());
  expect(families.get("session_buddy_database_up")!.samples).toMatchObject([
    { value: 0 },
  ]);
  const doctor = await host.run(["doctor"]);
  expect(doctor.exitCode).toBe(4);
  expect(doctor.stdout).toMatch(
    /server_health: it says that these fail: database/,
  );
  expect(doctor.stdout).toMatch(/database_opens: .* is away/);

  // Nobody who works waits for it, there or elsewhere.
  for (const sandbox of [host, near]) {
    const shell = await sandbox.run([
      "shell",
      "--",
      "sh",
      "-c",
      "echo on; exit 5",
    ]);
    expect(shell).toMatchObject({ exitCode: 5, stdout: "on\n" });
  }
  // Who meets another drain at work says nothing, or who is in the way.
  for (const { home } of [host, near]) await drainsOver(home);
  for (const [sandbox, command] of [
    [near, "drain"],
    [host, "list-sessions"],
  ] as const) {
    const refused = await until(`${command} to be refused`, async () => {
      const done = await sandbox.run([command]);
      return done.stderr !== "" && done;
    });
    expect(refused.stderr).toMatch(
      /^session-buddy: PostgreSQL database .* is away: [^(]* \(try again in a moment\)$/m,
    );
    expect({ ...refused, stderr: "" }).toMatchObject({
      exitCode: 7,
      stdout: "",
    });
  }
  const kept = [...host.spooled(), ...near.spooled()];
  expect(
    kept.filter(({ event_type }) => event_type === "session_end"),
  ).toHaveLength(2);

  await node.start();
  await until("the server to have it back", async () =>
    (await fetch(`${server.origin}/health`)).ok ? true : null,
  );
  const log = logOf(host).slice(length);
  const { session_id } = (await server.call("track_session_start", start))
    .result;
  // One that meets another leaves it to that one.
  await until("all of it to be brought", async () => {
    expect((await near.run(["drain"])).exitCode).toBe(0);
    return near.spooled().length === 0;
  });
  const sessions = await host.list();
  expect(sessions.map(({ exit_code }) => exit_code).sort()).toEqual([
    3,
    5,
    5,
    null,
  ]);
  expect(
    sessions.find((session) => session.session_id === session_id),
  ).toMatchObject({
    status: "active",
  });
  const ids = await stored(server);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids).toEqual(
    expect.arrayContaining(kept.map(({ event_id }) => event_id)),
  );
  for (const event of ["database_away", "database_back"])
    expect(log.split(`"${event}"`)).toHaveLength(2);
}, 400_000);

test("what a database has lost that had acknowledged it comes back, where it is kept", async () => {
  if (!needsPostgres()) return;
  await using node = await database();
  // As after a failover to a standby that lagged behind.
  await using behind = await database();
  using host = new Sandbox();
  host.env["SESSION_BUDDY_STORE_URL"] = urlOf(node);
  host.env["SESSION_BUDDY_CONFIG"] = `${host.home}/config.yaml`;
  await Bun.write(`${host.home}/config.yaml`, "store: {keep_done: 15m}\n");
  {
    // It has its tables, and nothing in them.
    using other = new Sandbox();
    other.env["SESSION_BUDDY_STORE_URL"] = urlOf(behind);
    expect(await other.list()).toEqual([]);
  }
  // A busy machine may be taken for a host that has gone silent: it knows of one alone.
  await using first = await TestServer.start(host);
  await host.run(["shell", "--", "sh", "-c", "exit 3"]);
  const [session] = await host.list();
  const before = await stored(first);
  await first.stop();
  host.env["SESSION_BUDDY_STORE_URL"] =
    `postgres://postgres@127.0.0.1:${node.port},127.0.0.1:${behind.port}/session_buddy`;
  await using server = await TestServer.start(host);
  await until("it to have all of it", async () => {
    return (await stored(server)).length === before.length;
  });
  await node.stop("immediate");
  const after = await until("all of it to be back", async () => {
    const ids = await stored(server);
    return ids.length === before.length ? ids : null;
  });
  expect(after.toSorted()).toEqual(before.toSorted());
  expect(await host.only()).toEqual(session!);
}, 400_000);
