/**
 * A server's life: it says where it is, one at a time has the database, and
 * whoever stops it, kills it or starts it again loses nothing.
 */
import { expect, test } from "bun:test";
import { statSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import {
  BINARY,
  NO_JIT,
  Sandbox,
  withoutProgress,
} from "../support/sandbox.ts";
import { expectFailure, plant } from "../support/host.ts";
import { Pty } from "../support/pty.ts";
import { TestServer, endServer, startArguments } from "../support/server.ts";
import { needs } from "../support/tools.ts";
import { gone, until } from "../support/wait.ts";

test("it says where it listens, that tracking is on, whether tokens are needed, and ready", async () => {
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  expect(server.said).toMatch(/http:\/\/127\.0\.0\.1:\d+\/mcp/);
  expect(server.said).toContain("Session Tracking: ✓ Enabled");
  expect(server.said).toContain("Authentication: off");
  expect(server.said).toMatch(/ready \(pid \d+\)\n$/);
  const health = await fetch(`${server.origin}/health`);
  expect(health.status).toBe(200);
  expect(await health.json()).toMatchObject({
    status: "ok",
    service: "session-buddy",
    checks: {
      ...{ database: "ok", disk: "ok", queue: "ok", spool: "ok" },
      ...{ requests: "ok", descriptors: "ok" },
    },
  });
});

test("in the foreground a person at a terminal is told all of it, until Ctrl-C", async () => {
  using sandbox = new Sandbox();
  const words = ["mcp", "start", "--port", "auto"];
  await using pty = new Pty(sandbox, [BINARY, ...words]);
  await pty.expect(/ • MCP server \S+ at http:/);
  await pty.expect("  • Session Tracking: ✓ Enabled");
  await pty.expect(/ • ready \(pid \d+\)/);
  pty.type("\x03");
  await pty.expect("  • stopping (SIGINT)");
  await pty.expect("  • stopped");
  expect(await pty.ended()).toEqual({ code: 0, signal: null });
});

test("status and health tell a running server from none, also as JSON", async () => {
  using sandbox = new Sandbox();
  for (const command of ["status", "health", "stop"]) {
    const { exitCode, stderr } = await sandbox.run(["mcp", command]);
    expect(stderr).toContain("the server is not running");
    expect(exitCode).toBe(2);
  }
  const none = await sandbox.run(["mcp", "status", "--json"]);
  expect(none.exitCode).toBe(2);
  expect(JSON.parse(none.stdout)).toMatchObject({ running: false, pid: null });
  await using server = await TestServer.start(sandbox);
  const status = await sandbox.run(["mcp", "status", "--json"]);
  expect(status.exitCode).toBe(0);
  expect(JSON.parse(status.stdout)).toMatchObject({
    running: true,
    pid: server.child.pid,
    url: server.url,
    state: "ready",
  });
  const words = await sandbox.run(["mcp", "status"]);
  expect(words.stdout).toContain(`running: ${server.url}`);
  const health = await sandbox.run(["mcp", "health"]);
  expect([health.exitCode, health.stderr]).toEqual([0, ""]);
  expect(health.stdout).toMatch(/^healthy\n {2}database: +ok\n/);
  expect(health.stdout).toContain("\n  descriptors: ok\n");
});

test("a second server is refused and names the first", async () => {
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  const second = await sandbox.run(["mcp", "start", "--port", "auto"]);
  expectFailure(second, 3, /serves already, at http.* \(pid \d+\)/);
  expect(second.stderr).toContain(`${server.child.pid}`);
});

test("a port that another program has is named with its holder and the way out", async () => {
  using sandbox = new Sandbox();
  const other = createServer().listen(0, "127.0.0.1");
  await until("the port", () => other.listening);
  const { port } = other.address() as { port: number };
  const result = await sandbox.run(["mcp", "start", "--port", `${port}`]);
  other.close();
  expectFailure(
    result,
    1,
    new RegExp(`port ${port} .*pid ${process.pid}.*--port auto`),
  );
  // The database is free again.
  await sandbox.list();
});

test("a port that the server of another database has is not shared with it", async () => {
  using sandbox = new Sandbox();
  await using first = await TestServer.start(sandbox);
  const second = await sandbox.run(
    ["mcp", "start", "--port", `${first.port}`],
    {
      env: { SESSION_BUDDY_DATA_DIR: join(sandbox.home, "other") },
    },
  );
  const { pid } = first.child;
  expectFailure(second, 1, new RegExp(`port ${first.port} .*pid ${pid}`));
});

test("a start right after a kill waits for the old one, and takes the port over", async () => {
  using sandbox = new Sandbox();
  const first = await TestServer.start(sandbox);
  const script = `kill ${first.child.pid}; exec ${BINARY} mcp start --detach --port ${first.port} --json`;
  const { stdout, stderr, exitCode } = await sandbox.command([
    "sh",
    "-c",
    script,
  ]);
  expect([exitCode, stderr]).toEqual([0, ""]);
  const { pid, url } = JSON.parse(stdout) as { pid: number; url: string };
  expect(url).toBe(first.url);
  expect(pid).not.toBe(first.child.pid);
  await endServer(sandbox);
});

test("detached, it outlives who started it; restart keeps its flags; stop ends it", async () => {
  using sandbox = new Sandbox();
  const started = await sandbox.run([
    ...["mcp", "start", "--detach", "--port", "auto", "--read-only"],
  ]);
  expect([started.exitCode, started.stderr]).toEqual([0, ""]);
  expect(started.stdout).toMatch(
    /^serving: http:\/\/127\.0\.0\.1:\d+\/mcp \(pid \d+\)\n$/,
  );
  const before = Number(/pid (\d+)/.exec(started.stdout)![1]);
  const restarted = await sandbox.run(["mcp", "restart", "--json"]);
  expect([restarted.exitCode, restarted.stderr]).toEqual([0, ""]);
  const { pid, url } = JSON.parse(restarted.stdout) as {
    pid: number;
    url: string;
  };
  await gone(before);
  const tools = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" }),
  });
  const { result } = (await tools.json()) as {
    result: { tools: { name: string }[] };
  };
  const names = result.tools.map(({ name }) => name);
  expect(names).toContain("list_sessions");
  expect(names).not.toContain("track_session_start");
  const stopped = await sandbox.run(["mcp", "stop"]);
  expect([stopped.exitCode, stopped.stdout]).toEqual([
    0,
    `stopped (pid ${pid})\n`,
  ]);
  await gone(pid);
});

test("of two that are started at once one serves, and the other names it", async () => {
  using sandbox = new Sandbox();
  const detach = ["mcp", "start", "--detach", "--port", "auto"];
  const both = await Promise.all([sandbox.run(detach), sandbox.run(detach)]);
  const [winner, loser] = both.sort((a, b) => a.exitCode! - b.exitCode!);
  expect(winner).toMatchObject({ exitCode: 0, stderr: "" });
  const [pid] = /pid \d+/.exec(winner!.stdout)!;
  expectFailure(loser!, 3, new RegExp(`serves already, .*\\(${pid}\\)`));
  await endServer(sandbox);
});

test("a server that can take no lock, without the JIT, is found all the same", async () => {
  using sandbox = new Sandbox();
  const env = NO_JIT;
  const detach = ["mcp", "start", "--detach", "--port", "auto"];
  expect((await sandbox.run(detach, { env })).exitCode).toBe(0);
  for (const options of [{}, { env }]) {
    const status = await sandbox.run(["mcp", "status"], options);
    expect(status.stdout).toMatch(/^running: http/);
    const list = await sandbox.run(["list-sessions"], options);
    expect([list.exitCode, list.stderr]).toEqual([0, ""]);
    const second = await sandbox.run(detach, options);
    expectFailure(second, 3, /serves already, at http/);
  }
  expect((await sandbox.run(["mcp", "stop"])).exitCode).toBe(0);
  const status = await sandbox.run(["mcp", "status"]);
  expect(status.exitCode).toBe(2);
});

test("a graceful end keeps what was acknowledged and ends with 0", async () => {
  using sandbox = new Sandbox();
  const server = await TestServer.start(sandbox);
  const { result } = await server.call("track_session_start", startArguments());
  expect(result["status"]).toBe("tracked");
  expect(await server.stop("SIGTERM")).toBe(0);
  expect((await sandbox.only()).session_id).toBe(
    result["session_id"] as string,
  );
});

test("a server killed with -9 loses nothing that it acknowledged", async () => {
  using sandbox = new Sandbox();
  const server = await TestServer.start(sandbox);
  const { result } = await server.call("track_session_start", startArguments());
  await server.stop("SIGKILL");
  expect((await sandbox.only()).session_id).toBe(
    result["session_id"] as string,
  );
  const status = await sandbox.run(["mcp", "status"]);
  expect(status.exitCode).toBe(2);
});

test("with a server running, commands ask it, and never open the database", async () => {
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  await sandbox.run(["shell", "--", "sh", "-c", "exit 3"]);
  const session = await sandbox.only();
  expect(session).toMatchObject({ exit_code: 3, status: "ended" });
  const shown = await sandbox.run(["show-session", "--format", "json"]);
  expect(JSON.parse(shown.stdout)).toEqual({ ...session, commands: [] });
  const strace = ["strace", "-f", "-e", "trace=openat", "-o", "trace"];
  if (needs("strace")) {
    await sandbox.command([...strace, BINARY, "list-sessions"]);
    const trace = await Bun.file(join(sandbox.home, "trace")).text();
    expect(trace).toContain("store.lock");
    expect(trace).not.toContain("sessions.duckdb");
  }
  expect(server.child.exitCode).toBeNull();
});

test("a server that is killed under a listing changes nothing for who reads it", async () => {
  using sandbox = new Sandbox();
  const ids = plant(
    sandbox,
    Array.from({ length: 20_000 }, (_, n) => ({
      at: new Date(Date.UTC(2026, 0, 1) + n * 1_000).toISOString(),
    })),
  );
  const server = await TestServer.start(sandbox);
  // What a listing has to bring in first it may not wait for.
  await until(
    "the spool to be drained",
    async () => (await sandbox.run(["drain"])).exitCode === 0,
    300_000,
  );
  expect(await sandbox.list("--limit", "1")).toHaveLength(1);
  const child = Bun.spawn([BINARY, "list-sessions"], {
    env: sandbox.env,
    stdout: "pipe",
    stderr: "pipe",
  });
  // The reader takes nothing more until the server is gone.
  const reader = child.stdout.getReader();
  const first = await reader.read();
  await server.stop("SIGKILL");
  let text = new TextDecoder().decode(first.value);
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    text += new TextDecoder().decode(value);
  }
  const trouble = withoutProgress(await child.stderr.text());
  expect([await child.exited, trouble]).toEqual([0, ""]);
  const listed = text
    .trimEnd()
    .split("\n")
    .map((line) => line.split("\t")[0]!);
  expect(listed).toHaveLength(ids.length);
  expect(new Set(listed)).toEqual(new Set(ids));
}, 400_000);

test("its files and its socket are nobody else's", async () => {
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  const status = await sandbox.run(["mcp", "status", "--json"]);
  expect(JSON.parse(status.stdout)).toMatchObject({ running: true });
  const lock = JSON.parse(
    await Bun.file(join(sandbox.data, "store.lock")).text(),
  ) as { socket: string };
  const mode = (path: string) => statSync(path).mode & 0o077;
  for (const path of [
    ...[lock.socket, join(lock.socket, ".."), sandbox.database],
    ...[join(sandbox.data, "store.lock"), sandbox.data],
  ])
    expect([path, mode(path)]).toEqual([path, 0]);
  expect(server.child.exitCode).toBeNull();
});

test("systemd is told when it is ready and when it stops", async () => {
  using sandbox = new Sandbox();
  if (!needs("python3")) return;
  const path = join(sandbox.home, "notify");
  const listener = Bun.spawn(
    [
      ...["python3", "-uc"],
      `import socket,sys
s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM); s.bind(sys.argv[1]); print("bound")
while True: print(s.recv(4096).decode().replace("\\n"," "))`,
      path,
    ],
    { stdout: "pipe" },
  );
  const told = listener.stdout.getReader();
  let text = "";
  const heard = async (wanted: string) => {
    while (!text.includes(wanted))
      text += new TextDecoder().decode((await told.read()).value);
  };
  await heard("bound\n");
  const server = await TestServer.start(sandbox, {
    env: { NOTIFY_SOCKET: path },
  });
  await heard("READY=1 STATUS=http://127.0.0.1:");
  await server.stop();
  await heard("STOPPING=1");
  listener.kill();
});

test("the unit that it prints passes systemd's own check", async () => {
  using sandbox = new Sandbox();
  const { stdout, exitCode } = await sandbox.run(["mcp", "unit"]);
  expect(exitCode).toBe(0);
  expect(stdout).toContain(`ExecStart=${BINARY} mcp start\n`);
  expect(stdout).toContain("Type=notify\n");
  expect(stdout).toContain("MemoryDenyWriteExecute=no\n");
  if (!needs("systemd-analyze")) return;
  const file = join(sandbox.home, "session-buddy.service");
  await Bun.write(file, stdout);
  const checked = await sandbox.command([
    ...["systemd-analyze", "verify", "--user", file],
  ]);
  expect(checked.stderr.split("\n").filter((l) => l.includes(file))).toEqual(
    [],
  );
});
