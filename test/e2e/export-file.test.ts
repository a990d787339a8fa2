/** `export_to` a file: every event, each line whole, whatever happens to server, disk and file. */
import { expect, test } from "bun:test";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { StoredEvent } from "../../src/model/store.ts";
import {
  Files,
  allArrived,
  commandsOf,
  doctorOf,
  figure,
  store,
  surviveKills,
} from "../support/exports.ts";
import { configure } from "../support/host.ts";
import { Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { until } from "../support/wait.ts";

const doctor = (sandbox: Sandbox) => doctorOf(sandbox, "archive");

test("has every event, those before it was set too, as an export has them", async () => {
  using sandbox = new Sandbox();
  await sandbox.run(["shell", "--quiet", "--", "sh", "-c", "exit 3"]);
  await sandbox.list();
  const files = new Files(sandbox);
  expect(await doctor(sandbox)).toMatchObject({
    status: "fail",
    detail: expect.stringMatching(/^\d events wait, .* no server runs/),
    fix: "try: session-buddy mcp start --detach",
  });
  await using server = await TestServer.start(sandbox);
  await allArrived(server, files);
  await store(server, commandsOf(5));
  await allArrived(server, files);
  const { result } = await server.call("list_events", { limit: 100 });
  expect(files.lines()).toEqual(result["events"] as StoredEvent[]);
  expect(statSync(files.path).mode & 0o777).toBe(0o600);
  await until("the doctor to find all delivered", async () =>
    /^everything is delivered; last delivered at /.test(
      (await doctor(sandbox)).detail,
    ),
  );
  expect(await figure(server, "exported_events_total", "archive")).toBe(
    files.lines().length,
  );
  expect(await figure(server, "export_lag_events", "archive")).toBe(0);
  // It is a part of an export that somebody has put together by hand.
  expect(await sandbox.run(["config"])).toMatchObject({
    stdout: expect.stringContaining("export_to.archive\t"),
  });
});

test("each event comes at least once, and in order, however often the server is killed", async () => {
  using sandbox = new Sandbox();
  const files = new Files(sandbox, ", max_bytes: 262144, files: 1000");
  await surviveKills(sandbox, files, Date.now() >>> 0);
  const sizes = files
    .names()
    .map((name) => statSync(join(files.folder, name)).size);
  expect(sizes.length).toBeGreaterThan(4);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(262_144);
}, 400_000);

test("so many older files are kept, and a file that was moved away is left alone", async () => {
  using sandbox = new Sandbox();
  const files = new Files(sandbox, ", max_bytes: 65536, files: 2");
  await using server = await TestServer.start(sandbox);
  const all = commandsOf(1_000);
  await store(server, all);
  const last = all.at(-1)!.event_id;
  await until("the last one", () => files.arrived().includes(last));
  expect(files.names()).toEqual([
    ...["events.ndjson.2", "events.ndjson.1", "events.ndjson"],
  ]);
  // As logrotate does it, with copytruncate and without.
  truncateSync(files.path, 0);
  const first = commandsOf(3);
  await store(server, first);
  const third = first[2]!.event_id;
  await until("the third", () => files.arrived().includes(third));
  expect(statSync(files.path).size).toBeLessThan(4_000);
  renameSync(files.path, join(sandbox.home, "moved"));
  const moved = readFileSync(join(sandbox.home, "moved"), "utf8");
  await store(server, commandsOf(3));
  await until("a new file", () => existsSync(files.path));
  expect(readFileSync(join(sandbox.home, "moved"), "utf8")).toBe(moved);
});

test("a line that a crash has torn is made whole", async () => {
  using sandbox = new Sandbox();
  const files = new Files(sandbox);
  {
    await using server = await TestServer.start(sandbox);
    await store(server, commandsOf(4));
    await allArrived(server, files);
    await server.stop();
  }
  appendFileSync(files.path, '{"seq":5,"received_at":"2026-');
  await using server = await TestServer.start(sandbox);
  await store(server, commandsOf(4));
  await allArrived(server, files);
});

test("what stands there already and is none of ours stays as it is, and the doctor says so", async () => {
  using sandbox = new Sandbox();
  const files = new Files(sandbox);
  writeFileSync(files.path, "somebody's words");
  await using server = await TestServer.start(sandbox);
  await store(server, commandsOf(4));
  const said = await until("the doctor to find it", async () => {
    const { status, detail } = await doctor(sandbox);
    return status === "fail" && detail.includes("fails") && (detail as string);
  });
  expect(said).toMatch(/^4 events wait, .*is no file of events/);
  expect(readFileSync(files.path, "utf8")).toBe("somebody's words");
});

test.each([
  ["elsewhere/events.ndjson", /the folder '.*' is not there \(make it: mkdir/],
  [".local/share/session-buddy/sessions.duckdb", /one of session-buddy's own/],
])("%s is no place for it until that is mended", async (name, sentence) => {
  using sandbox = new Sandbox();
  const path = join(sandbox.home, name);
  configure(sandbox, `export_to: {archive: {type: file, path: ${path}}}\n`);
  await using server = await TestServer.start(sandbox);
  await store(server, commandsOf(2));
  const said = await until("the doctor to find it", async () => {
    const { status, detail } = await doctor(sandbox);
    return status === "fail" && detail;
  });
  expect(said).toMatch(sentence);
  if (!name.startsWith("elsewhere")) return;
  mkdirSync(join(sandbox.home, "elsewhere"), { mode: 0o700 });
  await until("the file", () => existsSync(path) && statSync(path).size > 0);
});

test("what was stored before a rule of redaction was set goes out without the secret", async () => {
  using sandbox = new Sandbox();
  const secret = `opaque-${"x1".repeat(8)}`;
  {
    await using server = await TestServer.start(sandbox);
    await store(server, commandsOf(2, `deploy ${secret}`));
    expect(await server.stop()).toBe(0);
  }
  const files = new Files(sandbox);
  configure(
    sandbox,
    `${files.yaml}redaction: {patterns: {own: 'opaque-\\w+'}}\n`,
  );
  await using server = await TestServer.start(sandbox);
  await allArrived(server, files);
  const text = readFileSync(files.path, "utf8");
  expect(text).not.toContain(secret);
  expect(text).toContain("deploy [redacted:own]");
});

test.each([
  ["export_to: 7", "takes names and keys"],
  ["export_to: {Siem: {type: file, path: /x}}", "is none of at most 16 names"],
  ["export_to: {a: 7}", "export_to.a takes keys and values"],
  ["export_to: {a: {path: /x}}", "export_to.a.type takes file"],
  ["export_to: {a: {type: file}}", "export_to.a needs path"],
  [
    "export_to: {a: {type: file, path: x}}",
    "export_to.a.path takes an absolute",
  ],
  [
    "export_to: {a: {type: file, path: /x, files: -1}}",
    "a.files takes a whole",
  ],
  [
    "export_to: {a: {type: file, path: /x, toString: 1}}",
    "a.toString is no setting",
  ],
])("%s is refused in words", async (yaml, sentence) => {
  using sandbox = new Sandbox();
  configure(sandbox, `${yaml}\n`);
  const { exitCode, stderr } = await sandbox.run(["list-sessions"]);
  expect([exitCode, stderr]).toEqual([5, expect.stringContaining(sentence)]);
  // A shell goes on.
  const shell = await sandbox.run(["shell", "--", "true"]);
  expect(shell.exitCode).toBe(0);
});
