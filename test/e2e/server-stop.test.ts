/**
 * `mcp stop` ends the server that holds the database, and nothing else: it asks
 * at its socket, and sends a signal only to the very process that signed the
 * lock, whatever the lock's text says.
 */
import { afterEach, expect, test } from "bun:test";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { type Server, createServer } from "node:net";
import { join } from "node:path";
import { expectFailure } from "../support/host.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { TestServer, readUntil } from "../support/server.ts";
import { needs } from "../support/tools.ts";
import { until } from "../support/wait.ts";

const children: Bun.Subprocess[] = [];
const listeners: Server[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill("SIGKILL");
    await child.exited;
  }
  for (const listener of listeners.splice(0)) listener.close();
});

/** A program that has nothing to do with us. */
function innocent(): Bun.Subprocess {
  const child = Bun.spawn(["sleep", "1000"]);
  children.push(child);
  return child;
}

const lockOf = (sandbox: Sandbox) => join(sandbox.data, "store.lock");
const textOf = (sandbox: Sandbox) =>
  JSON.parse(readFileSync(lockOf(sandbox), "utf8")) as Record<string, unknown>;

/** Other words in the lock, which its holder goes on to hold. */
function signAs(sandbox: Sandbox, text: object): void {
  truncateSync(lockOf(sandbox));
  writeFileSync(lockOf(sandbox), `${JSON.stringify(text)}\n`, { flag: "r+" });
}

function ticksOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]);
}

const stop = (sandbox: Sandbox, ...flags: string[]) =>
  sandbox.run(["mcp", "stop", "--timeout", "1", ...flags]);

/** Of one that ends: how soon is the machine's. */
const stopPatiently = (sandbox: Sandbox) =>
  sandbox.run(["mcp", "stop", "--timeout", "300"]);

const isAlive = ({ exitCode, signalCode }: Bun.Subprocess) =>
  exitCode === null && signalCode === null;

test("a lock that names another process does it no harm", async () => {
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  const child = innocent();
  const { pid } = child;
  const { socket: _, ...signed } = textOf(sandbox);
  const true_ticks = ticksOf(pid);
  const texts = {
    "a text from before": { pid, role: "server", state: "ready" },
    "the pid was given anew": { ...signed, pid },
    "another pid namespace": {
      ...{ ...signed, pid, start_ticks: true_ticks },
      pid_namespace: "pid:[1]",
    },
    "another boot": {
      ...{ ...signed, pid, start_ticks: true_ticks },
      boot_id: "00000000-0000-0000-0000-000000000000",
    },
  };
  for (const [what, text] of Object.entries(texts))
    for (const flags of [[], ["--force"]]) {
      signAs(sandbox, text);
      const result = await stop(sandbox, ...flags);
      expectFailure(
        result,
        7,
        /does not answer.*no process here.*end it there|busy: .*pid unknown/,
      );
      expect([what, isAlive(child), isAlive(server.child)]).toEqual([
        ...[what, true, true],
      ]);
    }
  const again = await sandbox.run(["mcp", "restart", "--timeout", "1"]);
  expectFailure(again, 7, /does not answer|busy: .*pid unknown/);
  expect(isAlive(child)).toBeTrue();
});

test("in a copy of its folder, whose lock another holds, it is not meant", async () => {
  if (!needs("flock")) return;
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  const copy = join(sandbox.home, "copy");
  cpSync(sandbox.data, copy, { recursive: true });
  const lock = join(copy, "store.lock");
  expect(readFileSync(lock, "utf8")).toContain(`"pid":${server.child.pid}`);
  const holder = Bun.spawn(["flock", lock, "sh", "-c", "echo held; read x"], {
    ...{ stdin: "pipe", stdout: "pipe" },
  });
  children.push(holder);
  await readUntil(holder.stdout, /held\n/);
  const env = { SESSION_BUDDY_DATA_DIR: copy };
  for (const flags of [[], ["--force"]]) {
    const argv = ["mcp", "stop", "--timeout", "1", ...flags];
    const result = await sandbox.run(argv, { env });
    expectFailure(result, 7, /busy: .*pid unknown/);
    expect(isAlive(server.child)).toBeTrue();
  }
  // Nor is it asked for what is in the copy.
  const status = await sandbox.run(["mcp", "status"], { env });
  expect(status.stdout + status.stderr).not.toContain(`${server.child.pid}`);
});

test("a text whose words are of other kinds is nobody's", async () => {
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  const signed = textOf(sandbox);
  for (const [key, value] of Object.entries({
    ...{ socket: 7, url: {}, state: [], role: null, flags: "x", boot_id: 1 },
  })) {
    signAs(sandbox, { ...signed, [key]: value });
    const result = await stop(sandbox);
    expectFailure(result, 7, /busy: .*pid unknown/);
    expect([key, isAlive(server.child)]).toEqual([key, true]);
  }
});

test("what is no pid is nobody's", async () => {
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  const { socket: _, ...signed } = textOf(sandbox);
  // Never -1 here: were it taken for a pid, that would be everyone.
  for (const pid of [0, -server.child.pid, 1.5, "1", null]) {
    signAs(sandbox, { ...signed, pid });
    expectFailure(await stop(sandbox), 7, /busy: .*pid unknown/);
    expect(isAlive(server.child)).toBeTrue();
  }
});

test("a server that was stopped (SIGSTOP) ends all the same", async () => {
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  server.child.kill("SIGSTOP");
  const { pid } = server.child;
  await until("its stop", () =>
    /^State:\tT/m.test(readFileSync(`/proc/${pid}/status`, "utf8")),
  );
  const done = await stopPatiently(sandbox);
  expect([done.exitCode, done.stdout, done.stderr]).toEqual([
    ...[0, `stopped (pid ${pid})\n`, ""],
  ]);
  await server.child.exited;
  expect(server.child.exitCode).toBe(0);
});

test("a server whose socket takes calls and answers none is told by a signal", async () => {
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  const folder = join(sandbox.home, "mute");
  mkdirSync(folder);
  chmodSync(folder, 0o700);
  const socket = join(folder, "server.sock");
  const listener = createServer(() => {});
  listeners.push(listener);
  await new Promise<void>((resolve) => listener.listen(socket, resolve));
  signAs(sandbox, { ...textOf(sandbox), socket });
  const done = await stopPatiently(sandbox);
  expect([done.exitCode, done.stderr]).toEqual([0, ""]);
  await server.child.exited;
  expect(server.child.exitCode).toBe(0);
});

test("in another pid namespace it is asked at its socket, and never signalled", async () => {
  if (process.geteuid!() !== 0 || !needs("unshare")) return;
  using sandbox = new Sandbox();
  const child = Bun.spawn(
    [
      ...["unshare", "--fork", "--kill-child", "--pid", "--mount-proc"],
      ...[BINARY, "mcp", "start", "--port", "auto"],
    ],
    {
      ...{ env: sandbox.envWith({}), cwd: sandbox.home },
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  children.push(child);
  await readUntil(child.stderr, /ready \(pid \d+\)\n/);
  const signed = textOf(sandbox);
  // A pid there is somebody else here; one of ours stands in for him.
  const other = innocent();
  signAs(sandbox, {
    ...{ ...signed, socket: undefined },
    ...{ pid: other.pid, start_ticks: ticksOf(other.pid) },
  });
  expectFailure(await stop(sandbox, "--force"), 7, /another container/);
  expect([isAlive(other), isAlive(child)]).toEqual([true, true]);

  signAs(sandbox, signed);
  const done = await stopPatiently(sandbox);
  expect([done.exitCode, done.stderr]).toEqual([0, ""]);
  await child.exited;
  expect([child.exitCode, isAlive(other)]).toEqual([0, true]);
});

test("a server over stdio that has the database is asked, too", async () => {
  using sandbox = new Sandbox();
  const child = Bun.spawn([BINARY, "mcp", "stdio"], {
    ...{ env: sandbox.envWith({}), cwd: sandbox.home },
    stdio: ["pipe", "pipe", "ignore"],
  });
  children.push(child);
  const params = { name: "list_sessions", arguments: {} };
  const call = { jsonrpc: "2.0", id: 1, method: "tools/call", params };
  child.stdin.write(`${JSON.stringify(call)}\n`);
  await child.stdin.flush();
  await readUntil(child.stdout, /"id":1/);
  const done = await stopPatiently(sandbox);
  expect([done.exitCode, done.stdout]).toEqual([
    ...[0, `stopped (pid ${child.pid})\n`],
  ]);
  await child.exited;
  expect(child.exitCode).toBe(0);
});
