/**
 * A server that something holds up: it says so, and TERM ends it within its
 * grace, whatever it is that hangs.
 */
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Injector, faultsIn } from "../crash/inject.ts";
import { Random } from "../support/random.ts";
import { Sandbox } from "../support/sandbox.ts";
import { TestServer, startArguments } from "../support/server.ts";
import { leave, id, life, lines } from "../support/spool.ts";
import { command } from "../support/events.ts";
import { needs } from "../support/tools.ts";
import { stopped, until } from "../support/wait.ts";

test("what a shell left whose session is gone holds nothing up", async () => {
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  leave(sandbox, `${id(1)}.ndjson`, lines(life(1)));
  expect(await sandbox.only()).toMatchObject({ status: "lost" });
  leave(
    sandbox,
    `${id(1)}.4194000.ndjson`,
    lines([command(9, { session_id: id(1) })]),
  );
  expect(await sandbox.only()).toMatchObject({ status: "lost" });
  const { exitCode } = await sandbox.run(["mcp", "stop", "--timeout", "90"]);
  expect(exitCode).toBe(0);
  expect(await server.child.exited).toBe(0);
});

test("health tells when the spool was last seen to", async () => {
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  for (const path of ["/health", "/readyz"]) {
    const response = await fetch(`${server.origin}${path}`);
    const { last_drain_age_seconds } = (await response.json()) as {
      last_drain_age_seconds: number;
    };
    expect(last_drain_age_seconds).toBeNumber();
  }
  // Another drain that does not come to its end.
  await sandbox.run(["shell", "--", "true"]);
  const lock = join(sandbox.spool, "drain.lock");
  const other = Bun.spawn(["flock", "-F", lock, "sleep", "1000"]);
  await until("an age that grows", async () => {
    const { stdout } = await sandbox.run(["mcp", "health"]);
    // It says nothing where the server is too slow to answer.
    const age = /^ {2}last drain: (\d+(?:\.\d)?) s ago$/m.exec(stdout)?.[1];
    return age !== undefined && Number(age) > 3;
  });
  other.kill();
  await other.exited;
});

test("a disk that does not answer: TERM ends it within its grace, and what it acknowledged is there", async () => {
  using sandbox = new Sandbox();
  if (!needs("gcc")) return;
  const log = join(sandbox.home, "faults");
  const faults = { kinds: ["hang"], after: 0, permille: 0, burst: 0 };
  const disk = Injector.build()!.disk(new Random(1), faults, sandbox.data, log);
  await using server = await TestServer.start(sandbox, { under: disk });
  const { result } = await server.call("track_session_start", startArguments());
  expect(result["status"]).toBe("tracked");
  writeFileSync(`${log}.hang`, "");
  const held = server
    .call("track_session_start", startArguments())
    .catch(() => "cut");
  await until("the disk to hang", () => faultsIn(log)["hang"]);
  const { exitCode, stderr } = await sandbox.run([
    ...["mcp", "stop", "--timeout", "25"],
  ]);
  expect([exitCode, stderr]).toEqual([0, ""]);
  // Its own word, and nobody's signal.
  expect([await server.child.exited, server.child.signalCode]).toEqual([
    7,
    null,
  ]);
  expect(await held).toBe("cut");
  const rows = await sandbox.list();
  expect(rows.map((row) => row.session_id)).toContain(
    result["session_id"] as string,
  );
}, 400_000);

test("a server that is stopped by a signal: whoever asks it gives up soon, and names it", async () => {
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  const { pid } = server.child;
  server.child.kill("SIGSTOP");
  await stopped(pid);
  const asked: [args: string[], status: number][] = [
    [["list-sessions"], 7],
    [["show-session", "x"], 7],
    [["drain"], 7],
    [["backup", join(sandbox.home, "copy")], 7],
    [["mcp", "health"], 4],
    [["mcp", "status"], 4],
  ];
  const answers = await Promise.all(
    asked.map(([args]) => sandbox.run(args, { timeout_ms: 60_000 })),
  );
  for (const [n, [args, status]] of asked.entries()) {
    const { exitCode, stderr } = answers[n]!;
    expect([args, exitCode]).toEqual([args, status]);
    expect(stderr).toContain(`the server (pid ${pid}) is stopped`);
    expect(stderr).toContain(`kill -CONT ${pid}`);
  }
  const doctor = await sandbox.run(["doctor"]);
  expect(doctor.exitCode).toBe(4);
  expect(doctor.stdout).toContain(`the server (pid ${pid}) is stopped`);
  // It takes up where it was.
  server.child.kill("SIGCONT");
  expect(await sandbox.list()).toEqual([]);
  server.child.kill("SIGSTOP");
  await stopped(pid);
  expect((await sandbox.run(["mcp", "stop", "--force"])).exitCode).toBe(0);
  await server.child.exited;
}, 400_000);
