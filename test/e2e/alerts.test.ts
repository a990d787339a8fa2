/**
 * Alerts as users have them: rules in the configuration, a real server, real shells,
 * a real webhook and a real command.
 */
import { expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { KeptAlert } from "../../src/model/alert.ts";
import { Receiver } from "../support/alerts.ts";
import { expectFailure } from "../support/host.ts";
import { Sandbox } from "../support/sandbox.ts";
import { TestServer, startArguments } from "../support/server.ts";
import { until } from "../support/wait.ts";

function configure(sandbox: Sandbox, alerts: string): string {
  const folder = join(sandbox.home, ".config/session-buddy");
  mkdirSync(folder, { recursive: true });
  const file = join(folder, "config.yaml");
  writeFileSync(file, `alerts:\n${alerts.replace(/^/gm, "  ")}\n`);
  return file;
}

const wrapped = (sandbox: Sandbox, status: number) =>
  sandbox.run([
    "shell",
    "--component",
    "ops",
    "--",
    "sh",
    "-c",
    `exit ${status}`,
  ]);

async function listed(
  sandbox: Sandbox,
  ...flags: string[]
): Promise<KeptAlert[]> {
  const ran = await sandbox.run(["alerts", "list", "--json", ...flags]);
  expect([ran.exitCode, ran.stderr]).toEqual([0, ""]);
  return JSON.parse(ran.stdout) as KeptAlert[];
}

test("a shell that fails is told of, once, and noted", async () => {
  using sandbox = new Sandbox();
  using receiver = new Receiver();
  configure(
    sandbox,
    `channels:
  ops: {webhook: '${receiver.url}', timeout: 5m}
  page: {command: [/bin/sh, -c, 'cat >> ${sandbox.home}/paged; env > ${sandbox.home}/env'], timeout: 5m}
rules:
  failed: {when: session_end, exit: failed, component: ops, tell: [ops, page, log]}`,
  );
  sandbox.env["SESSION_BUDDY_ALERT_KEY"] = "alert-key-".repeat(4);
  sandbox.env["SESSION_BUDDY_SECRET"] = "not-to-be-told-".repeat(4);
  {
    await using server = await TestServer.start(sandbox);
    await wrapped(sandbox, 0);
    await wrapped(sandbox, 7);
    await until("it to be told", async () => {
      const [alert] = await listed(sandbox);
      return Object.values(alert?.told ?? { none: { state: "" } }).every(
        ({ state }) => state === "told",
      );
    });
    expect(receiver.taken).toHaveLength(1);
    expect(receiver.taken[0]!.headers.get("webhook-signature")).toStartWith(
      "v1,",
    );
    const told = receiver.taken[0]!.alert;
    expect(told).toMatchObject({
      rule: "failed",
      kind: "session_end",
      session: { component_name: "ops", reporter: "spool", attested: "spool" },
      details: { exit_code: 7, signal: null, end_source: "observed" },
    });
    const paged = readFileSync(join(sandbox.home, "paged"), "utf8");
    expect(JSON.parse(paged)).toEqual(told);
    const env = readFileSync(join(sandbox.home, "env"), "utf8");
    expect(env).not.toMatch(/SESSION_BUDDY|alert-key|not-to-be-told/);
    const logs = await sandbox.run(["mcp", "logs"]);
    expect(logs.stdout).toContain(`warn  alert id=${told.id} rule=failed`);
    expect(await server.stop()).toBe(0);
  }
  // Without a server, and over its restart.
  const [alert, ...more] = await listed(sandbox);
  expect(more).toEqual([]);
  {
    await using _server = await TestServer.start(sandbox);
    await wrapped(sandbox, 8);
    await until("the other one", async () => {
      const [alert, ...older] = await listed(sandbox);
      const told = Object.values(alert!.told);
      return older.length > 0 && told.every(({ state }) => state === "told");
    });
    expect(
      receiver.taken.map(({ alert }) => alert.details["exit_code"]),
    ).toEqual([7, 8]);
  }
  const piped = await sandbox.run(["alerts", "list", "-n", "1"]);
  expect(piped.stdout).toMatch(
    /^[0-9a-f-]{36}\t\S+\tfailed\tnew\tops,page,log\tops\\x20of\\x20\S+ended:\\x20exit\\x208\n$/,
  );
  const acked = await sandbox.run(["alerts", "ack", alert!.id.slice(-8)]);
  expect(acked.stderr).toBe("session-buddy: 1 alert is taken note of\n");
  expect(
    (await listed(sandbox)).map(({ details }) => details["exit_code"]),
  ).toEqual([8]);
  const all = await listed(sandbox, "--all");
  expect(all[1]!.acked).toMatchObject({
    by: expect.any(String),
    at: expect.any(String),
  });
  await sandbox.run(["alerts", "ack", "--all"]);
  expect(await listed(sandbox)).toEqual([]);
  expect(await listed(sandbox, "--all", "--rule", "failed")).toHaveLength(2);
});

test("a hook and a webhook that hang delay no event, and no stop", async () => {
  using sandbox = new Sandbox();
  using receiver = new Receiver();
  const asked = Promise.withResolvers<void>();
  receiver.answer = () => {
    asked.resolve();
    return new Promise<Response>(() => {});
  };
  const marker = join(sandbox.home, "pid");
  configure(
    sandbox,
    `channels:
  hangs: {webhook: '${receiver.url}', timeout: 5m}
  stuck: {command: [/bin/sh, -c, 'echo $$ > ${marker}; exec sleep 1000'], timeout: 5m}
rules: {any: {when: session_start, tell: [hangs, stuck], at_most: 1000}}`,
  );
  await using server = await TestServer.start(sandbox);
  const track = (n: number) =>
    server.call(
      "track_session_start",
      startArguments({
        pid: 4_194_000 + n,
        timestamp: new Date().toISOString(),
      }),
    );
  await track(0);
  await asked.promise;
  await until("the hook", () => {
    try {
      return readFileSync(marker, "utf8") !== "";
    } catch {
      return false;
    }
  });
  for (let n = 1; n <= 50; n++)
    expect((await track(n)).result).toMatchObject({ status: "tracked" });
  expect(await sandbox.list()).toHaveLength(51);
  const waiting = await listed(sandbox);
  expect(waiting.every(({ told }) => told["hangs"]!.state === "pending")).toBe(
    true,
  );
  expect(receiver.taken).toEqual([]);
  expect(await server.stop()).toBe(0);
  const pid = Number(readFileSync(marker, "utf8"));
  await until(
    "the end of the hook",
    async () => !(await Bun.file(`/proc/${pid}/stat`).exists()),
  );
});

test("a server that is killed loses no alert", async () => {
  using sandbox = new Sandbox();
  using receiver = new Receiver();
  configure(
    sandbox,
    `channels: {ops: {webhook: '${receiver.url}'}}
rules: {any: {when: session_start, tell: ops, at_most: 1000}}`,
  );
  const sessions: unknown[] = [];
  for (let life = 0; life < 3; life++) {
    const server = await TestServer.start(sandbox);
    for (let n = 0; n < 10; n++) {
      const { result } = await server.call(
        "track_session_start",
        startArguments({ timestamp: new Date().toISOString() }),
      );
      sessions.push(result["session_id"]);
    }
    // What it has just acknowledged it has not looked at yet.
    await server.stop("SIGKILL");
  }
  await using _server = await TestServer.start(sandbox);
  // One may be told twice: by a server that was killed before it had written so.
  const told = () =>
    new Set(receiver.taken.map(({ alert }) => alert.session!.session_id));
  await until("all", () => told().size >= sessions.length);
  expect(told()).toEqual(new Set(sessions as string[]));
  expect((await listed(sandbox)).length).toBe(sessions.length);
});

test("a trial tells each channel, says what is wrong with which, and keeps nothing", async () => {
  using sandbox = new Sandbox();
  using receiver = new Receiver();
  configure(
    sandbox,
    `channels:
  ops: {webhook: '${receiver.url}', timeout: 5m}
  page: {command: [/bin/sh, -c, 'echo no such team >&2; exit 3'], timeout: 5m}
  none: {command: [/nonexistent/page]}`,
  );
  const one = await sandbox.run(["alerts", "test", "ops"]);
  expect([one.exitCode, one.stdout]).toEqual([0, "  ✓ ops\n"]);
  expect(receiver.taken[0]!.alert).toMatchObject({
    kind: "test",
    rule: "test",
  });
  const all = await sandbox.run(["alerts", "test"]);
  expect(all.exitCode).toBe(1);
  expect(all.stdout).toMatch(
    /^ {2}✓ ops\n {2}✗ page: \/bin\/sh exited with 3: no such team\n {2}✗ none: \/nonexistent\/page cannot be run: .*\n$/,
  );
  expect(await listed(sandbox)).toEqual([]);
  expectFailure(
    await sandbox.run(["alerts", "test", "nobody"]),
    1,
    /no channel 'nobody'.*known: ops, page, none/,
  );
});

test("rules for Prometheus are of metrics that a server has, and are YAML", async () => {
  using sandbox = new Sandbox();
  const { stdout, exitCode } = await sandbox.run(["alerts", "--prometheus"]);
  expect(exitCode).toBe(0);
  const { groups } = Bun.YAML.parse(stdout) as {
    groups: {
      rules: {
        alert: string;
        expr: string;
        annotations: { summary: string };
      }[];
    }[];
  };
  const [{ rules }] = groups as [(typeof groups)[0]];
  expect(rules.length).toBeGreaterThan(8);
  await using server = await TestServer.start(sandbox);
  await server.call("track_session_start", startArguments());
  await server.call("track_session_start", { ...startArguments(), pid: -1 });
  await server.call("track_session_end", {
    event_version: "1.0",
    session_id: "none",
    timestamp: "2026-02-06T12:34:56.789Z",
  });
  const metrics = await (await fetch(`${server.origin}/metrics`)).text();
  const known = new Set(
    metrics.matchAll(/^# TYPE (\w+)/gm).map(([, name]) => name),
  );
  const used = rules.flatMap(({ expr }) =>
    [...expr.matchAll(/\b(session_\w+|mcp_\w+|process_\w+)/g)].map(([, name]) =>
      name!.replace(/_bucket$/, ""),
    ),
  );
  expect(used.length).toBeGreaterThanOrEqual(rules.length);
  expect(used.filter((name) => !known.has(name))).toEqual([]);
});

test("what is wrong in the rules is told with file, line and key", async () => {
  using sandbox = new Sandbox();
  for (const [alerts, sentence] of [
    [
      "rules: {r: {when: never}}",
      "alerts.rules.r.when takes one of session_start, ",
    ],
    [
      "rules: {r: {when: session_longer}}",
      "alerts.rules.r needs than (for when: session_longer)",
    ],
    [
      "rules: {r: {when: session_start, than: 1h}}",
      "alerts.rules.r.than is not a setting here",
    ],
    [
      "rules: {r: {when: outside_hours, hours: 8-18}}",
      "alerts.rules.r.hours takes hours such as 08:00-18:00",
    ],
    [
      "rules: {r: {when: session_start, tell: ops}}",
      "alerts.rules.r.tell names 'ops', which is no channel (known: log)",
    ],
    [
      "rules: {R!: {when: session_start}}",
      "alerts.rules.R! needs a name of lower-case letters",
    ],
    [
      "channels: {ops: {webhook: 'http://alerts.example.org/T0KEN'}}",
      "alerts.channels.ops.webhook takes an https URL",
    ],
    [
      "channels: {ops: {webhook: 'https://u:T0KEN@alerts.example.org/'}}",
      "alerts.channels.ops.webhook takes an https URL",
    ],
    [
      "channels: {ops: {command: [page]}}",
      "alerts.channels.ops.command takes a list of words, the first one an absolute path",
    ],
    [
      "channels: {ops: {command: 'page it'}}",
      "alerts.channels.ops.command takes a list of words",
    ],
    [
      "channels: {ops: {timeout: 1s}}",
      "alerts.channels.ops takes a webhook, or a command",
    ],
    [
      "channels: {log: {command: [/bin/true]}}",
      "alerts.channels.log is the server's log",
    ],
    [
      "rule: {}",
      "alerts.rule is not a setting (known: channels, rules, max_age)",
    ],
  ] as const) {
    const file = configure(sandbox, alerts);
    const checked = await sandbox.run(["config", "--check"]);
    expect(checked.stderr).toContain(sentence);
    expect(checked.stderr).not.toContain("T0KEN");
    const where = sentence.includes("no channel")
      ? "the configuration"
      : `${file}:2`;
    expect(checked.stderr).toStartWith(`session-buddy: ${where}: `);
    expect(checked.exitCode).toBe(5);
    expect(
      (await sandbox.run(["mcp", "start", "--port", "auto"])).exitCode,
    ).toBe(5);
    // A shell has nothing to do with it.
    const shell = await sandbox.run(["shell", "--", "true"]);
    expect([shell.exitCode, shell.stderr]).toEqual([0, ""]);
  }
});

test("config shows rules and channels, and of a webhook its host alone", async () => {
  using sandbox = new Sandbox();
  sandbox.env["SESSION_BUDDY_ALERT_KEY"] = "alert-key-".repeat(4);
  const file = configure(
    sandbox,
    `channels: {ops: {webhook: 'https://alerts.example.org/T0KEN'}}
rules: {failed: {when: session_end, exit: failed, tell: ops}}`,
  );
  const { stdout } = await sandbox.run(["config", "--json"]);
  expect(stdout).not.toMatch(/T0KEN|alert-key-/);
  const of = new Map(
    (JSON.parse(stdout) as { key: string }[]).map(({ key, ...rest }) => [
      key,
      rest,
    ]),
  );
  expect(of.get("alerts.channels.ops")).toEqual({
    value: {
      timeout: "10s",
      retry: "1s",
      retry_for: "24h",
      webhook: "https://alerts.example.org/…",
    },
    from: `${file}:2`,
  } as never);
  expect(of.get("alerts.rules.failed")).toEqual({
    value: {
      when: "session_end",
      tell: "ops",
      at_most: 20,
      per: "1h",
      exit: "failed",
    },
    from: `${file}:3`,
  } as never);
  expect(of.get("alerts.key")).toEqual({
    value: "(set)",
    from: "SESSION_BUDDY_ALERT_KEY",
  } as never);
});

test("without rules there is nothing to list, and nothing is written", async () => {
  using sandbox = new Sandbox();
  const { exitCode, stdout, stderr } = await sandbox.run(["alerts", "list"]);
  expect([exitCode, stdout, stderr]).toEqual([0, "", ""]);
  expectFailure(
    await sandbox.run(["alerts", "ack", "1234"]),
    1,
    /no alert '1234'/,
  );
  expectFailure(await sandbox.run(["alerts", "ack"]), 64, /needs the id/);
  expectFailure(await sandbox.run(["alerts", "test"]), 1, /no channels/);
  expectFailure(
    await sandbox.run(["alerts"]),
    64,
    /needs a command, or --prometheus/,
  );
  expectFailure(
    await sandbox.run(["alerts", "list", "--rule", "x"]),
    1,
    /no rule 'x'/,
  );
  const elsewhere = {
    SESSION_BUDDY_MCP_ENDPOINT: "https://sessions.example.org/mcp",
  };
  expectFailure(
    await sandbox.run(["alerts", "list"], { env: elsewhere }),
    1,
    /with the server at https:\/\/sessions/,
  );
});

test("what is removed of a session is removed of its alerts, and was never in the log", async () => {
  using sandbox = new Sandbox();
  using receiver = new Receiver();
  receiver.answer = () => new Response(null, { status: 503 });
  configure(
    sandbox,
    `channels: {ops: {webhook: '${receiver.url}', timeout: 5m}}
rules: {any: {when: command, matches: boom, tell: [ops, log]}}`,
  );
  const word = `boom-${crypto.randomUUID()}`;
  const ran = async () => {
    const { stdout } = await sandbox.run(["emit", "start", "--component", "x"]);
    const id = stdout.trim();
    await sandbox.run(["emit", "command", id, `echo ${word}`]);
    return id;
  };
  const holding = async () => {
    const found = await sandbox.command(["grep", "-rl", word, sandbox.home]);
    return (
      found.stdout
        .split("\n")
        .filter((path) => /alerts|logs/.test(path))
        // What takes a file's place has a dot before its name.
        .filter((path) => !/\/\.[^/]+$/.test(path))
    );
  };
  const told = (n: number) =>
    until("it to be told of", async () => {
      const kept = await listed(sandbox);
      return kept.length === n && kept[0]!.told["ops"]!.error !== null;
    });
  const left: string[] = [];
  {
    await using server = await TestServer.start(sandbox);
    left.push(await ran());
    await told(1);
    expect((await holding()).map((path) => path.replace(/.*\//, ""))).toEqual([
      `${(await listed(sandbox))[0]!.id}.json`,
    ]);
    const done = await sandbox.run(["redact", "--yes", left[0]!]);
    expect(done.stderr).toMatch(
      /the alert of \S+ had texts of it, and was told to ops, log/,
    );
    // What the server has in mind, too: it tells it without them. Each failure has
    // doubled how long it rests.
    await until(
      "it",
      () => !receiver.told.at(-1)!.body.includes(word),
      180_000,
    );
    receiver.answer = () => new Response();
    await until("its end", () => receiver.taken.length === 1, 180_000);
    expect(receiver.taken[0]!.body).not.toContain(word);
    expect(receiver.taken[0]!.alert.text).toMatch(
      /^x of .* ran a command that the rule is about$/,
    );
    receiver.answer = () => new Response(null, { status: 503 });
    left.push(await ran());
    await told(2);
    expect(await server.stop()).toBe(0);
  }
  expect(await holding()).toHaveLength(1);
  await sandbox.run(["redact", "--yes", left[1]!]);
  expect(await holding()).toEqual([]);
});

test("doctor says whether somebody looks, and which channel is not told", async () => {
  using sandbox = new Sandbox();
  using receiver = new Receiver();
  receiver.answer = () => new Response(null, { status: 503 });
  const key = join(sandbox.home, "key");
  configure(
    sandbox,
    `channels:
  ops: {webhook: '${receiver.url}', timeout: 5m}
  signed: {webhook: '${receiver.url}', key_file: ${key}}
  page: {command: [/nonexistent/page]}
rules: {any: {when: session_start, tell: ops}}`,
  );
  const checks = async () => {
    const { stdout } = await sandbox.run(["doctor", "--json"]);
    const { phases } = JSON.parse(stdout) as {
      phases: Record<
        string,
        { tests: { name: string; detail: string; status: string }[] }
      >;
    };
    return Object.fromEntries(
      phases["session_buddy_server"]!.tests.filter(({ name }) =>
        name.startsWith("alerts"),
      ).map(({ name, detail, status }) => [name, `${status}: ${detail}`]),
    );
  };
  expect(await checks()).toEqual({
    alerts: "fail: no server runs that would look at the rules: any",
    alerts_ops: expect.stringMatching(/^pass: 0 alerts of those/),
    alerts_signed: expect.stringMatching(
      /^fail: key_file '.*key' cannot be read/,
    ),
    alerts_page: "fail: there is no '/nonexistent/page'",
  });
  writeFileSync(key, "short", { mode: 0o600 });
  await using server = await TestServer.start(sandbox);
  await server.call(
    "track_session_start",
    startArguments({ timestamp: new Date().toISOString() }),
  );
  await until(
    "an attempt",
    async () => (await listed(sandbox))[0]?.told["ops"]!.error,
  );
  expect(await checks()).toMatchObject({
    alerts: "pass: a server looks at any",
    alerts_ops: expect.stringMatching(
      /^fail: \d+ alerts wait: .* answered with status 503$/,
    ),
    alerts_signed: expect.stringMatching(
      /^fail: the key that signs alerts is too short/,
    ),
  });
  configure(
    sandbox,
    "rules: {in: {when: login_without_session, file: /nonexistent/utmp}}",
  );
  expect(await checks()).toEqual({
    alerts:
      "fail: rule 'in' looks for logins in '/nonexistent/utmp', which is not there",
  });
});
