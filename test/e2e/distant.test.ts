/**
 * A server on another host: the wrapper records into its own spool and never
 * waits, what it recorded is delivered beside it, and the commands ask there.
 */
import { expect, test } from "bun:test";
import type { StoredEvent } from "../../src/model/store.ts";
import { spoolBacklog } from "../../src/spool/folder.ts";
import { drainsOver } from "../crash/drains.ts";
import { expectFailure } from "../support/host.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { until } from "../support/wait.ts";

const SECRET = "a secret of more than thirty-two characters";

/** A server of one host, and another host that sends its sessions there. */
async function hosts() {
  const far = new Sandbox();
  const server = await TestServer.start(far, {
    env: { SESSION_BUDDY_SECRET: SECRET },
  });
  const near = new Sandbox();
  const { stdout } = await far.run(["token", "--subject", "near"], {
    env: { SESSION_BUDDY_SECRET: SECRET },
  });
  near.env["SESSION_BUDDY_MCP_ENDPOINT"] = server.url;
  near.env["SESSION_BUDDY_TOKEN"] = stdout.trim();
  return { far, server, near };
}

test("a wrapped shell's session is delivered without anybody asking", async () => {
  const { far, server, near } = await hosts();
  const { exitCode, stderr } = await near.run([
    ...["shell", "--component", "near", "--", "sh", "-c", "exit 3"],
  ]);
  expect([exitCode, stderr]).toEqual([3, ""]);
  const session = await until("the session's end to arrive", async () =>
    (await far.list("--component", "near", "--status", "ended")).at(0),
  );
  expect(session).toMatchObject({ exit_code: 3, end_source: "observed" });
  const events = await server.call(
    "list_events",
    { session_id: session.session_id },
    { authorization: `Bearer ${near.env["SESSION_BUDDY_TOKEN"]}` },
  );
  const kinds = (events.result["events"] as StoredEvent[])
    .map(({ event }) => event.event_type)
    // What it measures comes alone where that takes long.
    .filter((kind) => kind !== "annotation");
  expect(kinds).toEqual(["session_start", "process", "session_end"]);
  for (const { provenance } of events.result["events"] as StoredEvent[])
    expect(provenance).toMatchObject({ via: "tcp", subject: "near" });
  await server.stop();
  near[Symbol.dispose]();
  far[Symbol.dispose]();
});

test("a shell that goes on is there while it does, and its signs of life arrive", async () => {
  const { far, server, near } = await hosts();
  await Bun.write(
    `${near.home}/.config/session-buddy/config.yaml`,
    "session: {heartbeat: 200ms}\n",
  );
  const shell = Bun.spawn(
    [BINARY, "shell", "--component", "near", "--", "cat"],
    { env: near.env, cwd: near.home, stdin: "pipe", stdout: "ignore" },
  );
  const first = await until("the session to arrive", async () =>
    (await far.list("--component", "near")).at(0),
  );
  expect(first.status).toBe("active");
  await until("a later sign of life", async () => {
    const [session] = await far.list("--component", "near");
    return session!.last_seen > first.last_seen;
  });
  shell.stdin.end();
  expect(await shell.exited).toBe(0);
  await until("the session's end to arrive", async () => {
    const [session] = await far.list("--component", "near");
    return session!.status === "ended";
  });
  await server.stop();
  near[Symbol.dispose]();
  far[Symbol.dispose]();
});

test("the commands ask the server on the other host, and deliver first", async () => {
  const { far, server, near } = await hosts();
  await near.run(["shell", "--", "true"], {
    env: { SESSION_BUDDY_MCP_ENDPOINT: undefined },
  });
  const session = await near.only();
  expect(session.status).toBe("ended");
  expect(await far.only()).toEqual(session);
  const shown = await near.run(["show-session", "--json"]);
  expect(JSON.parse(shown.stdout)).toEqual({ ...session, commands: [] });
  // Nothing is kept beside it.
  expect(await Bun.file(near.database).exists()).toBe(false);
  await server.stop();
  near[Symbol.dispose]();
  far[Symbol.dispose]();
});

test("while the server is away nothing is lost and no shell waits; then it is delivered", async () => {
  const { far, server, near } = await hosts();
  const { port } = server;
  await server.stop();
  const { exitCode, stderr } = await near.run(["shell", "--", "true"]);
  expect([exitCode, stderr]).toEqual([0, ""]);
  // The wrapper's own goes on trying for a while: who asks meanwhile may meet it.
  await drainsOver(near.home);
  const asked = await near.run(["list-sessions"]);
  const [waits, ...rest] = asked.stderr.split(/(?<=\n)/);
  expect(waits).toMatch(
    /undelivered spool files: 1, since .*cannot be reached/,
  );
  const failure = { ...asked, stderr: rest.join("") };
  expectFailure(failure, 2, /cannot be reached.*events wait in the spool/);
  const again = await TestServer.start(far, {
    flags: ["--port", `${port}`],
    env: { SESSION_BUDDY_SECRET: SECRET },
  });
  expect(await near.list()).toHaveLength(1);
  expect(await near.list()).toEqual(await far.list());
  await again.stop();
  near[Symbol.dispose]();
  far[Symbol.dispose]();
});

test("a token that the server refuses is said to be the cause", async () => {
  const { far, server, near } = await hosts();
  const refused = await near.run(["list-sessions"], {
    env: { SESSION_BUDDY_TOKEN: "abc" },
  });
  expectFailure(refused, 6, /invalid or expired token.*session-buddy token/);
  await server.stop();
  near[Symbol.dispose]();
  far[Symbol.dispose]();
});

test("a token does not go over plain http to another host", async () => {
  using near = new Sandbox();
  const result = await near.run(["list-sessions"], {
    env: {
      SESSION_BUDDY_MCP_ENDPOINT: "http://192.0.2.1:8678/mcp",
      SESSION_BUDDY_TOKEN: "abc",
    },
  });
  expectFailure(result, 5, /plain http.*https/);
});

/** Something that listens and is no server of ours. */
function stranger(result: object) {
  return Bun.serve({
    port: 0,
    fetch: () => Response.json({ jsonrpc: "2.0", id: 1, result }),
  });
}

test("what a stranger's answer does not confirm event by event stays in the spool", async () => {
  using near = new Sandbox();
  await near.run(["shell", "--", "true"]);
  for (const results of [[], [{ event_id: "x", status: "stored" }], null]) {
    const far = stranger({ content: [], structuredContent: { results } });
    const asked = await near.run(["drain"], {
      env: { SESSION_BUDDY_MCP_ENDPOINT: `http://127.0.0.1:${far.port}/mcp` },
    });
    expectFailure(asked, 1, /understands \(not every event has its result\)/);
    await far.stop(true);
  }
  expect(spoolBacklog(near.data).files).toBe(1);
  expect(await near.list()).toHaveLength(1);
});

test("a proxy is not asked for what goes over plain http, nor shown the token", async () => {
  const { far, server, near } = await hosts();
  let seen = 0;
  const proxy = Bun.serve({
    port: 0,
    fetch: () => (seen++, new Response("no", { status: 502 })),
  });
  near.env["HTTP_PROXY"] = `http://127.0.0.1:${proxy.port}`;
  near.env["http_proxy"] = near.env["HTTP_PROXY"];
  const { exitCode, stderr } = await near.run(["list-sessions"]);
  expect([exitCode, stderr, seen]).toEqual([0, "", 0]);
  await proxy.stop(true);
  await server.stop();
  near[Symbol.dispose]();
  far[Symbol.dispose]();
});
