/** The self-test: what it shows and writes, that it fails where it has to, and that nothing is left of it. */
import { expect, test } from "bun:test";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { configure, expectFailure, needsRoot } from "../support/host.ts";
import { Pty } from "../support/pty.ts";
import { BINARY, type Finished, Sandbox } from "../support/sandbox.ts";
import { needs } from "../support/tools.ts";
import { until } from "../support/wait.ts";

interface Report {
  status: string;
  phases: Record<
    string,
    {
      status: string;
      tests: { name: string; status: string; detail: string; fix: unknown }[];
    }
  >;
}

/** The "Successful Test Indicators", as the integration's report has them. */
const INDICATORS = [
  "All dependencies installed",
  "Session-Buddy server running",
  "Health check passes",
  "Can list sessions",
  "Shell starts without errors",
  'Banner shows "Session Tracking: ✓ Enabled"',
  "Shell environment loads",
  "Session appears in database",
  "Session has valid ID",
  "start_time is set",
  'Component is "mahavishnu"',
  'session_type is "admin_shell"',
  "Shell exits cleanly",
  "end_time is set",
  "duration_seconds is calculated",
  "Duration is positive and reasonable",
  'component: "mahavishnu"',
  "version: populated",
  "adapters: list of enabled adapters",
  "cli_preprocessing_enabled: true/false",
  "tab_completion_enabled: true/false",
  "command_tree_size: positive integer",
];

/** Temporary files of one test, where nobody else's are. */
function temporary(sandbox: Sandbox): string {
  const folder = join(sandbox.home, "tmp");
  mkdirSync(folder, { mode: 0o700 });
  return folder;
}

/** The processes in whose environment a text stands. */
function processesWith(text: string): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, "latin1").includes(text);
      } catch {
        // Gone, or a kernel's.
        return false;
      }
    });
}

for (const shell of ["bash", "zsh", "fish", "dash"])
  test(`all passes with ${shell}, is written down, and leaves nothing`, async () => {
    if (!needs(shell)) return;
    using sandbox = new Sandbox();
    const TMPDIR = temporary(sandbox);
    const env = { TMPDIR, SHELL: Bun.which(shell)! };
    const run = await sandbox.run(["selftest"], { env });
    expect(run.stdout).not.toContain("✗");
    expect(run).toMatchObject({
      exitCode: 0,
      stderr: "session-buddy: the results are in 'test_results.json'\n",
    });
    for (const indicator of INDICATORS)
      expect(run.stdout).toContain(`  ✓ ${indicator}: `);
    const report = readReport(sandbox);
    const tests = Object.values(report.phases).flatMap(({ tests }) => tests);
    expect(report.status).toBe("pass");
    expect(run.stdout.match(/✓/g)!.length).toBe(
      // One is in the banner's own words.
      tests.length + 1,
    );
    expect(new Set(tests.map(({ status, fix }) => `${status} ${fix}`))).toEqual(
      new Set(["pass null"]),
    );
    expect(readdirSync(sandbox.home).sort()).toEqual([
      "test_results.json",
      "tmp",
    ]);
    expect(readdirSync(TMPDIR)).toEqual([]);
    expect(processesWith(`HOME=${TMPDIR}/`)).toEqual([]);
  }, 400_000);

const readReport = (sandbox: Sandbox, name = "test_results.json") =>
  JSON.parse(readFileSync(join(sandbox.home, name), "utf8")) as Report;

/** The names of what failed, and of what was not looked at for that. */
function failedIn(report: Report) {
  const tests = Object.values(report.phases).flatMap(({ tests }) => tests);
  const failed = tests.filter(({ status }) => status === "fail");
  for (const { fix } of failed) expect(fix).toBeString();
  const needed = ({ detail }: { detail: string }) =>
    detail.startsWith("not looked at");
  return {
    failed: failed.filter((each) => !needed(each)).map(({ name }) => name),
    skipped: failed.filter(needed).map(({ name }) => name),
  };
}

test("nothing of the user's own is asked, whatever he has configured", async () => {
  using sandbox = new Sandbox();
  const TMPDIR = temporary(sandbox);
  let asked = 0;
  await using elsewhere = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () => new Response(`${++asked}`),
  });
  const url = `http://127.0.0.1:${elsewhere.port}/mcp`;
  const database = join(sandbox.home, "elsewhere.duckdb");
  configure(
    sandbox,
    `server: {endpoint: "${url}"}\nstore: {path: ${database}}\nsession: {banner: none, commands: false}\n`,
  );
  const before = tree(sandbox.home);
  const env = {
    TMPDIR,
    SESSION_BUDDY_MCP_ENDPOINT: url,
    SESSION_BUDDY_DATA_DIR: join(sandbox.home, "data"),
    SESSION_BUDDY_SESSION_ENABLED: "false",
    SESSION_BUDDY_SESSION_ID: "mahavishnu-20260206-123456-1a2b3c4d",
    HISTFILE: join(sandbox.home, "history"),
    HTTP_PROXY: url,
    http_proxy: url,
  };
  const run = await sandbox.run(["selftest", "--json"], { env });
  expect((JSON.parse(run.stdout) as Report).status).toBe("pass");
  expect(run).toMatchObject({ exitCode: 0, stderr: "" });
  expect(asked).toBe(0);
  expect(tree(sandbox.home)).toEqual(before);
}, 400_000);

const tree = (folder: string) =>
  (readdirSync(folder, { recursive: true }) as string[]).sort();

test("what fails is told with its mend, and so is what could not be looked at", async () => {
  if (!needs("bash")) return;
  using sandbox = new Sandbox();
  configure(sandbox, "session: {heartbeat: soon}\n");
  const shell = join(sandbox.home, "bash");
  writeFileSync(shell, "#!/bin/sh\nexit 1\n", { mode: 0o755 });
  const words = ["selftest", "--output", "out.json"];
  const run = await sandbox.run(words, {
    env: { SHELL: shell, TMPDIR: temporary(sandbox) },
  });
  expect(run.exitCode).toBe(4);
  expect(run.stdout).toMatch(
    /✗ Your configuration is valid: \S+config.yaml:1: session.heartbeat takes .*\n +→ not "soon"\n/,
  );
  expect(run.stdout).toMatch(
    /✗ Shell environment loads: .* before it ended.*\n +→ /,
  );
  const report = readReport(sandbox, "out.json");
  expect(report.status).toBe("fail");
  expect(report.phases["mcp_client"]!.status).toBe("pass");
  const { failed, skipped } = failedIn(report);
  // The session of a shell that is over at once is over, too: before its executables
  // are counted, perhaps.
  expect(failed.filter((name) => name !== "command_tree_size")).toEqual([
    ...["configuration", "shell_loads", "shell_exits"],
    ...["commands_recorded", "version"],
  ]);
  expect(skipped).toEqual([]);
}, 400_000);

test("where nobody reaches the server the shell is tested all the same", async () => {
  if (!needsRoot("unshare")) return;
  using sandbox = new Sandbox();
  const TMPDIR = temporary(sandbox);
  // A network without a loopback: our own commands have the socket.
  const run: Finished = await sandbox.command(
    ["unshare", "-n", BINARY, "selftest"],
    { env: { TMPDIR } },
  );
  expect(run.exitCode).toBe(4);
  expect(run.stdout).toMatch(
    /✗ Health check passes: http:\/\/127\.0\.0\.1:\d+\/health does not answer: \w+\n +→ /,
  );
  expect(failedIn(readReport(sandbox))).toEqual({
    failed: [
      ...["health_check", "token_required"],
      ...["client_connects", "client_tools", "client_start"],
    ],
    skipped: ["client_end", "stdio_client"],
  });
  expect(readdirSync(TMPDIR)).toEqual([]);
}, 400_000);

for (const [how, stop] of [
  ["Ctrl-C", (pty: Pty) => pty.type("\x03")],
  ["kill", (pty: Pty) => process.kill(pty.pid, "SIGTERM")],
  ["a closed window", (pty: Pty) => pty.hangUp()],
] as const)
  test(`${how} ends all that it has started`, async () => {
    using sandbox = new Sandbox();
    const TMPDIR = temporary(sandbox);
    await using pty = new Pty(sandbox, [BINARY, "selftest"], {
      env: { TMPDIR },
    });
    // A server runs by then, and a shell at its prompt.
    await pty.expect("Shell environment loads");
    const mine = `HOME=${TMPDIR}/`;
    expect(processesWith(mine).length).toBeGreaterThan(1);
    stop(pty);
    await pty.child.exited;
    expect(pty.child.signalCode).not.toBeNull();
    await until("their end", () => processesWith(mine).length === 0);
    expect(readdirSync(TMPDIR)).toEqual([]);
  }, 400_000);

test("where the results cannot be written, that is said", async () => {
  using sandbox = new Sandbox();
  const words = ["selftest", "--output", "nosuch/out.json"];
  expectFailure(await sandbox.run(words), 64, /nosuch/);
});
