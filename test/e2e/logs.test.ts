/** `session-buddy mcp logs`: the end of the server's log, as text and as JSON. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { loadSettings, statePaths } from "../../src/config/load.ts";
import { Log } from "../../src/log/log.ts";
import { expectFailure } from "../support/host.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { until } from "../support/wait.ts";

/** The log of a server that lives in the sandbox. */
function logOf(sandbox: Sandbox): { log: Log; file: string } {
  const settings = loadSettings(sandbox.env);
  const file = join(statePaths(settings).logs, "server.log");
  return { log: Log.open(settings), file };
}

test("the last lines are shown, for people and as they are", async () => {
  using sandbox = new Sandbox();
  const { log, file } = logOf(sandbox);
  for (let n = 1; n <= 120; n++)
    log.info("event", { n, text: "\x1b]0;owned\x07" });
  log.close();
  const all = readFileSync(file, "utf8").split("\n").slice(0, -1);
  const shown = await sandbox.run(["mcp", "logs", "-n", "2"]);
  expect(shown).toMatchObject({ exitCode: 0, stderr: "" });
  const time = "20\\d\\d-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d[+-]\\d\\d:\\d\\d";
  const line = (n: number) =>
    `${time} info  event n=${n} text=\\\\x1b\\]0;owned\\\\x07\n`;
  expect(shown.stdout).toMatch(new RegExp(`^${line(119)}${line(120)}$`));
  const json = await sandbox.run(["mcp", "logs", "--json"]);
  expect(json.stdout).toBe(`${all.slice(-100).join("\n")}\n`);
});

test("the log is followed as it grows, until it is enough", async () => {
  using sandbox = new Sandbox();
  const { log } = logOf(sandbox);
  log.info("before");
  const argv = [BINARY, "mcp", "logs", "--follow", "--json"];
  const child = Bun.spawn(argv, { env: sandbox.env, stdout: "pipe" });
  let told = "";
  const reading = (async () => {
    for await (const bytes of child.stdout)
      told += new TextDecoder().decode(bytes);
  })();
  try {
    await until("what was", () => told.includes('"event":"before"}\n'));
    log.info("after");
    await until("what comes", () => told.endsWith('"event":"after"}\n'));
  } finally {
    log.close();
    child.kill("SIGINT");
    await reading;
  }
  await child.exited;
  expect(told.split("\n")).toHaveLength(3);
});

test("a reader that goes away ends it quietly", async () => {
  using sandbox = new Sandbox();
  const { log } = logOf(sandbox);
  for (let n = 0; n < 5_000; n++) log.info("event", { n });
  log.close();
  const script = '"$0" mcp logs -n 5000 -f | head -1 | wc -l; echo "$?"';
  const run = await sandbox.command(["bash", "-c", script, BINARY]);
  expect(run).toMatchObject({ exitCode: 0, stdout: "1\n0\n", stderr: "" });
});

test("without a log it is said where there is none", async () => {
  using sandbox = new Sandbox();
  const run = await sandbox.run(["mcp", "logs"]);
  expect(run).toMatchObject({ exitCode: 0, stdout: "" });
  expect(run.stderr).toMatch(
    /^session-buddy: there is no log in '.*\/logs' yet \(try: session-buddy mcp start\)\n$/,
  );
  expectFailure(
    await sandbox.run(["mcp", "logs", "-n", "many"]),
    64,
    /--lines takes a whole number up to 1000000, not 'many'/,
  );
});
