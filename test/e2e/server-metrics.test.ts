/** What a server counts of the shells that are wrapped on its host, and what it says when it is told to end. */
import { expect, test } from "bun:test";
import { parseMetrics } from "../support/prometheus.ts";
import { readUntil } from "../support/server.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { until } from "../support/wait.ts";

const COUNTED = [
  "session_start_total",
  "session_end_total",
  "session_duration_seconds_count",
];

/** The samples of a component, by name. */
async function counts(
  server: TestServer,
  component: string,
): Promise<Record<string, number>> {
  const text = await (await fetch(`${server.origin}/metrics`)).text();
  const lines = text
    .split("\n")
    .filter((line) => line.includes(`component_name="${component}"`));
  return Object.fromEntries(
    COUNTED.flatMap((name) => {
      const line = lines.find((text) => text.startsWith(`${name}{`));
      return line ? [[name, Number(line.split(" ").at(-1))]] : [];
    }),
  );
}

test("wrapped sessions count, once each, and not again after a restart", async () => {
  using sandbox = new Sandbox();
  const wrapped = (n: number) =>
    sandbox.run(["shell", "--component", "ops", "--", "sh", "-c", `exit ${n}`]);
  const after = async (server: TestServer, sessions: number) => {
    // A listing takes the spool in.
    await until("all to have ended", async () => {
      const all = await sandbox.list();
      return all.length === sessions && all.every((s) => s.status === "ended");
    });
    return counts(server, "ops");
  };
  {
    await using server = await TestServer.start(sandbox);
    await Promise.all([wrapped(0), wrapped(1), wrapped(2)]);
    expect(await after(server, 3)).toEqual({
      session_start_total: 3,
      session_end_total: 3,
      session_duration_seconds_count: 3,
    });
    // Files that are read again bring nothing new.
    await wrapped(0);
    expect((await after(server, 4))["session_start_total"]).toBe(4);
    expect(await server.stop()).toBe(0);
  }
  await using again = await TestServer.start(sandbox);
  expect(await after(again, 4)).toEqual({});
  await wrapped(0);
  expect(await after(again, 5)).toEqual({
    session_start_total: 1,
    session_end_total: 1,
    session_duration_seconds_count: 1,
  });
});

test("reads are timed by tool and by the command that asked", async () => {
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  await sandbox.run(["list-sessions"]);
  await sandbox.run(["ls"]);
  await sandbox.run(["last"]);
  await sandbox.run(["search", "word"]);
  // Over TCP anybody may call himself what he likes.
  const claimed = { "x-session-buddy-command": "last" };
  await server.call("list_sessions", {}, claimed);
  await server.call("health_check");
  const text = await (await fetch(`${server.origin}/metrics`)).text();
  const name = "session_buddy_read_duration_seconds";
  const counts = parseMetrics(text)
    .get(name)!
    .samples.filter((sample) => sample.name === `${name}_count`)
    .map(({ labels, value }) => [labels["tool"], labels["command"], value]);
  expect(counts.sort()).toEqual([
    ["list_sessions", "last", 1],
    ["list_sessions", "list-sessions", 2],
    ["list_sessions", "mcp", 1],
    ["search", "search", 1],
  ]);
});

test.each(["SIGINT", "SIGTERM"] as const)(
  "a server that %s ends says so",
  async (signal) => {
    using sandbox = new Sandbox();
    const child = Bun.spawn([BINARY, "mcp", "start", "--port", "auto"], {
      ...{ env: sandbox.env, cwd: sandbox.home, stderr: "pipe" },
    });
    const [stderr, copy] = child.stderr.tee();
    await readUntil(copy, /ready \(pid \d+\)\n/);
    child.kill(signal);
    const said = await new Response(stderr).text();
    expect(await child.exited).toBe(0);
    expect(said.trimEnd().split("\n").slice(-2)).toEqual([
      `session-buddy: stopping (${signal}): what was acknowledged is written`,
      "session-buddy: stopped",
    ]);
  },
);
