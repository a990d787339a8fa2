/**
 * The doctor: each thing that can be wrong is found where it is, with the mend,
 * and everything else stays well.
 */
import { expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { drainsOver } from "../crash/drains.ts";
import { configure, needsRoot, runPrivately } from "../support/host.ts";
import { Pty } from "../support/pty.ts";
import { BINARY, NO_JIT, Sandbox, WAYS } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { needs } from "../support/tools.ts";
import { until } from "../support/wait.ts";

interface Test {
  name: string;
  status: "pass" | "fail";
  detail: string;
  fix: string | null;
  fixed: boolean;
}

const PHASES = [
  ...["environment_setup", "session_buddy_server"],
  ...["admin_shell", "database_verification"],
];

/** Every check by its name, and whether all of them passed. */
async function examine(
  sandbox: Sandbox,
  env: Record<string, string> = {},
  ...flags: string[]
): Promise<{ status: string; tests: Map<string, Test>; exitCode: number }> {
  const { stdout, stderr, exitCode } = await sandbox.run(
    ["doctor", "--json", ...flags],
    { env: { SESSION_BUDDY_PORT: "auto", ...env } },
  );
  expect(stderr).toBe("");
  const report = JSON.parse(stdout) as {
    status: string;
    phases: Record<string, { status: string; tests: Test[] }>;
  };
  expect(Object.keys(report.phases)).toEqual(PHASES);
  const tests = Object.values(report.phases).flatMap((phase) => {
    const failed = phase.tests.some(({ status }) => status === "fail");
    expect(phase.status).toBe(failed ? "fail" : "pass");
    return phase.tests;
  });
  for (const { status, fix } of tests)
    expect(fix === null).toBe(status === "pass");
  const byName = new Map(tests.map((test) => [test.name, test]));
  return { status: report.status, tests: byName, exitCode: exitCode! };
}

/** The one check that fails, of all. */
async function onlyFailure(
  sandbox: Sandbox,
  env: Record<string, string> = {},
): Promise<Test> {
  const { status, tests, exitCode } = await examine(sandbox, env);
  const failed = [...tests.values()].filter((test) => test.status === "fail");
  expect([status, exitCode, failed.map(({ name }) => name)]).toEqual([
    ...["fail", 4],
    [failed[0]!.name],
  ] as never);
  return failed[0]!;
}

test("a healthy host passes, before anything was recorded, after, and with a server", async () => {
  using sandbox = new Sandbox();
  const fresh = await examine(sandbox);
  expect([fresh.status, fresh.exitCode]).toEqual(["pass", 0]);
  expect(fresh.tests.get("trial_session")!.detail).toContain("session_end");
  // The trial is nobody's session.
  expect(await sandbox.list()).toEqual([]);
  await sandbox.run(["shell", "--", "true"]);
  const after = await examine(sandbox);
  expect(after.tests.get("database_opens")!.detail).toStartWith("1 sessions");
  await using server = await TestServer.start(sandbox);
  const served = await examine(sandbox);
  expect([served.status, served.exitCode]).toEqual(["pass", 0]);
  expect(served.tests.get("server_running")!.detail).toContain(server.url);
  const words = await sandbox.run(["doctor"]);
  expect(words.stdout).toContain("✓ server_health: healthy");
  expect(words.stdout).not.toContain("✗");
});

test("the trial session goes to no server on another host, however quick its drain is", async () => {
  if (!needsRoot("mount")) return;
  using far = new Sandbox();
  await using server = await TestServer.start(far);
  using near = new Sandbox();
  configure(near, `server: {endpoint: ${server.url}}\n`);
  const drained = join(near.home, "drained");
  // What the wrapper drains beside its program, the program drains itself here.
  const shell = `#!/bin/bash
if [ "$SESSION_BUDDY_WRAPPED" = 1 ]; then "${BINARY}" drain; echo $? >"${drained}"; fi
exec bash "$@"
`;
  writeFileSync(join(near.home, "sh"), shell, { mode: 0o755 });
  const { stdout } = await runPrivately(
    near,
    `mount --bind "${near.home}/sh" /bin/sh; exec "${BINARY}" doctor`,
  );
  expect(stdout).toContain("✓ trial_session: ");
  expect(readFileSync(drained, "utf8")).toBe("0\n");
  await drainsOver(near.home);
  expect(await far.list()).toEqual([]);
});

test("a wrong configuration, a missing shell, recording turned off", async () => {
  using sandbox = new Sandbox();
  const file = configure(sandbox, "session: {enabeld: true}\n");
  const wrong = await onlyFailure(sandbox);
  expect(wrong.name).toBe("configuration");
  expect(wrong.detail).toContain(`${file}:1: session.enabeld`);
  configure(sandbox, "session: {enabled: false}\n");
  const off = await onlyFailure(sandbox);
  expect([off.name, off.fix]).toEqual([
    "recording_enabled",
    "set session.enabled to true in the configuration",
  ]);
  configure(sandbox, "");
  const shell = await onlyFailure(sandbox, { SHELL: "/nonexistent/sh" });
  expect([shell.name, shell.fix]).toEqual([
    "shell_program",
    "set SHELL to one that is there",
  ]);
});

test("a weak secret, and an engine that may not compile", async () => {
  using sandbox = new Sandbox();
  const weak = await onlyFailure(sandbox, { SESSION_BUDDY_SECRET: "short" });
  expect(weak.name).toBe("secret");
  const { tests } = await examine(sandbox, NO_JIT);
  expect(tests.get("locks")).toMatchObject({
    status: "fail",
    fix: expect.stringContaining("MemoryDenyWriteExecute=no"),
  });
});

test("a state folder that others can write to is found, and mended when asked", async () => {
  using sandbox = new Sandbox();
  const { tests } = await examine(sandbox);
  const folder = tests.get("state_folder")!.detail;
  chmodSync(folder, 0o777);
  expect((await onlyFailure(sandbox)).name).toBe("state_folder");
  const mended = await examine(sandbox, {}, "--fix");
  expect(mended.tests.get("state_folder")).toMatchObject({
    ...{ status: "pass", fixed: true },
  });
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  expect((await examine(sandbox)).status).toBe("pass");
});

test.each(WAYS)(
  "a data folder in which a shell was recorded is closed when asked, too$way",
  async ({ recorded }) => {
    using sandbox = new Sandbox(recorded);
    writeFileSync(join(sandbox.home, ".bashrc"), "PS1='$ '\n");
    await using pty = new Pty(sandbox, [BINARY, "shell", "--", "bash"]);
    await pty.expect("$ ");
    pty.line("exit");
    await pty.ended();
    expect(await sandbox.list()).toHaveLength(1);
    expect(existsSync(join(sandbox.data, "hooks"))).toBe(true);
    chmodSync(sandbox.data, 0o777);
    const { tests } = await examine(sandbox, {}, "--fix");
    expect(tests.get("data_folder")).toMatchObject({
      ...{ status: "pass", fixed: true },
    });
    expect(statSync(sandbox.data).mode & 0o777).toBe(0o700);
  },
);

test("a port that another program has", async () => {
  using sandbox = new Sandbox();
  const other = createServer().listen(0, "127.0.0.1");
  await until("the port", () => other.listening);
  const { port } = other.address() as { port: number };
  const env = { SESSION_BUDDY_PORT: `${port}` };
  const taken = await onlyFailure(sandbox, env);
  // Where sessions go to another host it may have it.
  const SESSION_BUDDY_MCP_ENDPOINT = "http://127.0.0.1:9/mcp";
  const sent = await examine(sandbox, { ...env, SESSION_BUDDY_MCP_ENDPOINT });
  expect(sent.tests.get("server_port")).toBeUndefined();
  other.close();
  expect(taken.name).toBe("server_port");
  expect(taken.detail).toContain(`pid ${process.pid}`);
});

test("a line that could not be read, and a database that is damaged", async () => {
  using sandbox = new Sandbox();
  await sandbox.run(["shell", "--", "true"]);
  writeFileSync(join(sandbox.spool, "torn.ndjson"), "not an event\n");
  await sandbox.list();
  const quarantined = await onlyFailure(sandbox);
  expect(quarantined.name).toBe("spool_quarantine");
  expect(quarantined.detail).toContain("1 lines");
  writeFileSync(sandbox.database, "no database at all\n".repeat(1_000));
  const { tests } = await examine(sandbox);
  expect(tests.get("database_opens")).toMatchObject({
    status: "fail",
    fix: expect.stringContaining("restore a backup"),
  });
});

test("a server on another host that does not answer, or wants another token", async () => {
  using near = new Sandbox();
  using far = new Sandbox();
  await using server = await TestServer.start(far, {
    env: {
      SESSION_BUDDY_SECRET: "a secret of more than thirty-two characters",
    },
  });
  const env = { SESSION_BUDDY_MCP_ENDPOINT: server.url };
  const refused = await examine(near, { ...env, SESSION_BUDDY_TOKEN: "abc" });
  expect(refused.tests.get("endpoint")!.fix).toContain("session-buddy token");
  await server.stop();
  const away = await examine(near, env);
  expect(away.tests.get("endpoint")!.detail).toContain("cannot be reached");
});

test("at a terminal the report is the same, with colours and whatever the environment says", async () => {
  if (!needs("script")) return;
  using sandbox = new Sandbox();
  const names = (text: string) => text.match(/^ {2}\S+ \w+:/gm);
  const { stdout } = await sandbox.run(["doctor"]);
  expect(stdout).not.toContain("\x1b");
  expect(names(stdout)!.length).toBeGreaterThan(15);
  const show = async (words: string, env = {}) => {
    const run = ["script", "-qec", `${BINARY} ${words}`, "/dev/null"];
    const { stdout } = await sandbox.command(run, { env });
    return stdout.replaceAll("\r\n", "\n");
  };
  for (const env of [{}, { CI: "1", NODE_ENV: "test", CONSOLA_LEVEL: "0" }]) {
    const shown = await show("doctor", env);
    expect(shown).toContain("\n  \x1b[32m✓\x1b[0m configuration: valid\n");
    expect(names(Bun.stripANSI(shown))).toEqual(names(stdout));
  }
  for (const plain of [
    await show("doctor --no-color"),
    await show("doctor", { NO_COLOR: "1" }),
  ]) {
    expect(plain).not.toContain("\x1b");
    expect(names(plain)).toEqual(names(stdout));
  }
});
