/** Sessions that no wrapper is around, told of by three commands. */
import { describe, expect, test } from "bun:test";
import { expectFailure } from "../support/host.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { until } from "../support/wait.ts";

async function emit(sandbox: Sandbox, ...words: string[]): Promise<string> {
  const run = await sandbox.run(["emit", ...words]);
  expect([run.exitCode, run.stderr]).toEqual([0, ""]);
  return run.stdout.trimEnd();
}

describe.each(["alone", "with a server"])("%s", (setting) => {
  test("a session is begun, told of and ended", async () => {
    using sandbox = new Sandbox();
    await using _server =
      setting === "alone" ? null : await TestServer.start(sandbox);
    const id = await emit(
      sandbox,
      ...["start", "--component", "backup", "--name", "nightly"],
      ...["--tag", "db", "--meta", "ticket=4711", "--reason", "every night"],
    );
    expect(id).toMatch(/^backup-\d{8}-\d{6}-[0-9a-f]{8}$/);
    // Nobody else tells that it goes on: it stays active however often it is read.
    for (let n = 0; n < 3; n++)
      expect(await sandbox.only()).toMatchObject({
        ...{ session_id: id, status: "active", session_type: "job" },
        ...{ name: "nightly", tags: ["db"], reason: "every night" },
        ...{ reporter: "spool", attested: "spool" },
        metadata: { ticket: 4711, recorder: "emit" },
      });
    await emit(sandbox, "command", id, "pg_dump shop", "--exit-code", "1");
    // So long that it began before the other one, however slow the machine is.
    await emit(
      sandbox,
      ...["command", id, "sync\nall", "--duration", "3601.5", "--cwd", "/srv"],
    );
    await sandbox.run(["tag", id, "+late"]);
    expect(await sandbox.only()).toMatchObject({
      ...{ status: "active", command_count: 2, failed_commands: 1 },
      tags: ["db", "late"],
    });
    await emit(sandbox, "end", id, "--exit-code", "3", "--meta", "rows=7");
    await emit(sandbox, "end", id, "--exit-code", "0");
    const { stdout } = await sandbox.run(["show-session", id, "--json"]);
    expect(JSON.parse(stdout)).toMatchObject({
      ...{ status: "ended", end_source: "observed", exit_code: 3 },
      metadata: { rows: 7 },
      commands: [
        { text: "sync\nall", exit_code: null, duration_seconds: 3601.5 },
        { text: "pg_dump shop", exit_code: 1, duration_seconds: 0 },
      ],
    });
  });

  test("one that names a process is lost with that", async () => {
    using sandbox = new Sandbox();
    await using _server =
      setting === "alone" ? null : await TestServer.start(sandbox);
    const process = Bun.spawn(["cat"], { stdin: "pipe" });
    const id = await emit(sandbox, "start", "--pid", `${process.pid}`);
    expect(await sandbox.only()).toMatchObject({
      ...{ status: "active", pid: process.pid },
    });
    process.stdin.end();
    await process.exited;
    await until("the session is lost", async () =>
      (await sandbox.only()).status === "lost" ? true : null,
    );
    // What was seen of its end holds, however late.
    await emit(sandbox, "end", id, "--exit-code", "0");
    expect(await sandbox.only()).toMatchObject({ status: "ended" });
  });
});

test("a server on another host keeps it without a lease", async () => {
  using far = new Sandbox();
  await using server = await TestServer.start(far);
  using near = new Sandbox();
  near.env["SESSION_BUDDY_MCP_ENDPOINT"] = server.url;
  const id = await emit(near, "start", "--component", "near");
  const delivered = await until("the start to arrive", async () =>
    (await far.list("--component", "near")).at(0),
  );
  expect(delivered).toMatchObject({ session_id: id, status: "active" });
  const { result } = await server.call("list_events", { session_id: id });
  expect(result["events"]).toMatchObject([{ event: { lease_seconds: null } }]);
  await emit(near, "end", id);
  await until("the end to arrive", async () => {
    // A drain that found the server too slow leaves it alone for a while.
    await near.run(["drain"]);
    return (await far.list("--status", "ended")).at(0);
  });
});

test("a command may be told of in a wrapped session, which ends by itself", async () => {
  using sandbox = new Sandbox();
  const shell = Bun.spawn([BINARY, "shell", "--", "cat"], {
    ...{ env: sandbox.envWith({}), stdin: "pipe", stdout: "ignore" },
  });
  const row = await until("the session", async () =>
    (await sandbox.list()).at(0),
  );
  const { session_id } = row;
  await emit(sandbox, "command", session_id, "from outside");
  const end = await sandbox.run(["emit", "end", session_id]);
  expectFailure(end, 64, /is wrapped, and ends with its program/);
  shell.stdin.end();
  await shell.exited;
  expect(await sandbox.only()).toMatchObject({
    ...{ status: "ended", end_source: "observed", exit_code: 0 },
    ...{ command_count: 1, last_command: "from outside" },
  });
});

test("a secret comes to no file", async () => {
  using sandbox = new Sandbox();
  const secret = ["hunter", "2", "hunter", "2"].join("");
  const text = `mysql -uroot -p${secret} shop`;
  const id = await emit(
    sandbox,
    ...["start", "--name", text, "--reason", text, "--tag", text],
    ...["--meta", `db_password=${secret}`],
  );
  await emit(sandbox, "command", id, text);
  await emit(sandbox, "end", id, "--meta", `db_password=${secret}`);
  const { stdout } = await sandbox.run(["show-session", id, "--json"]);
  expect(JSON.parse(stdout)).toMatchObject({
    commands: [{ mark: expect.stringMatching(/^redacted:|^withheld$/) }],
  });
  const found = await sandbox.command(["grep", "-rlF", secret, sandbox.data]);
  expect([found.exitCode, found.stdout]).toEqual([1, ""]);
});

test("what is wrong is said, and nothing is recorded", async () => {
  using sandbox = new Sandbox();
  const cases: [string[], number, RegExp, object?][] = [
    [["emit"], 64, /emit needs a command/],
    [["emit", "start", "--component", "a b"], 64, /is not a component name/],
    [["emit", "start", "--pid", "$$"], 64, /--pid takes a pid/],
    [["emit", "start", "--pid", "4194001"], 64, /there is no process 4194001/],
    [["emit", "start", "--meta", "recorder=x"], 64, /'recorder' is measured/],
    [["emit", "end"], 64, /emit end needs an id/],
    [["emit", "end", ""], 64, /the session's id is empty/],
    [["emit", "end", "a/../b"], 64, /is no session's id/],
    [["emit", "end", "x-1", "--exit-code", "256"], 64, /takes an exit status/],
    [["emit", "command", "x-1"], 64, /needs an id and a text/],
    [
      ["emit", "start"],
      ...([5, /session.enabled is false/] as const),
      { env: { SESSION_BUDDY_SESSION_ENABLED: "false" } },
    ],
  ];
  for (const [args, status, sentence, options] of cases)
    expectFailure(await sandbox.run(args, options), status, sentence);
  expect(await sandbox.list()).toEqual([]);
});
