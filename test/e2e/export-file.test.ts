/** `export_to` a file: every event, each line whole, whatever happens to server, disk and file. */
import { expect, test } from "bun:test";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { StoredEvent } from "../../src/model/store.ts";
import {
  type Receiver,
  allArrived,
  commandsOf,
  doctorOf,
  figure,
  store,
  storedIds,
  surviveKills,
} from "../support/exports.ts";
import {
  configure,
  etcWith,
  expectFailure,
  needsRoot,
  plant,
  runPrivately,
} from "../support/host.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { until } from "../support/wait.ts";

/** The file of a sandbox and those that it was rotated into, oldest first. */
class Files implements Receiver {
  readonly folder: string;
  readonly yaml: string;

  constructor(
    readonly sandbox: Sandbox,
    settings = "",
  ) {
    this.folder = join(sandbox.home, "out");
    mkdirSync(this.folder, { mode: 0o700 });
    this.yaml = `export_to:\n  archive: {type: file, path: ${this.path}${settings}}\n`;
    configure(sandbox, this.yaml);
  }

  get path(): string {
    return join(this.folder, "events.ndjson");
  }

  names(): string[] {
    const age = (name: string) => Number(/\.(\d+)$/.exec(name)?.[1] ?? 0);
    return readdirSync(this.folder).sort((a, b) => age(b) - age(a));
  }

  /** Throws for a line that is no JSON; one that has not ended is none yet. */
  lines(): StoredEvent[] {
    try {
      return this.linesNow();
    } catch (error) {
      // Rotated under our eyes.
      if ((error as { code?: string }).code === "ENOENT") return this.lines();
      throw error;
    }
  }

  private linesNow(): StoredEvent[] {
    return this.names()
      .flatMap((name) =>
        readFileSync(join(this.folder, name), "utf8").split("\n").slice(0, -1),
      )
      .map((line) => JSON.parse(line) as StoredEvent);
  }

  arrived(): string[] {
    return this.lines().map(({ event }) => event.event_id);
  }
}

const doctor = (sandbox: Sandbox) => doctorOf(sandbox, "archive");

test("has every event, those before it was set too, as an export has them", async () => {
  using sandbox = new Sandbox();
  await sandbox.run(["shell", "--quiet", "--", "sh", "-c", "exit 3"]);
  await sandbox.list();
  const files = new Files(sandbox);
  expect(await doctor(sandbox)).toMatchObject({
    status: "fail",
    detail: expect.stringMatching(/^3 events wait, .* no server runs/),
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
  expect(await figure(server, "exported_events_total", "archive")).toBe(8);
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
}, 120_000);

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
  // As logrotate does it.
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

test("a full disk holds up no event, and what waits is there once there is room", async () => {
  if (!needsRoot()) return;
  using sandbox = new Sandbox();
  const disk = join(sandbox.home, "disk");
  mkdirSync(disk);
  const file = `${disk}/events.ndjson`;
  configure(sandbox, `export_to:\n  archive: {type: file, path: ${file}}\n`);
  const sb = `${BINARY}`;
  const script = `mount -t tmpfs -o size=64k,mode=700 none ${disk}
    ${sb} mcp start --port auto --detach >/dev/null
    trap '${sb} mcp stop >/dev/null' EXIT
    # Each has some 30 KB.
    for n in $(seq 9); do
      ${sb} shell --quiet --meta text="$(head -c 20000 /dev/urandom | base64 -w 0)" -- true
    done
    ${sb} list-sessions | wc -l
    until ${sb} doctor | grep -q 'events wait.*ENOSPC'; do sleep 0.1; done
    grep -vc '}$' ${file} || true
    mount -o remount,size=4m ${disk}
    until [ "$(grep -c session_end ${file})" = 9 ]; do sleep 0.1; done
    ${sb} list-events --format ndjson | wc -l
    wc -l < ${file}`;
  const run = await runPrivately(sandbox, script);
  const [listed, torn, stored, exported] = run.stdout.split("\n").map(Number);
  expect([listed, torn]).toEqual([9, 0]);
  expect(exported).toBe(stored!);
}, 60_000);

test("a backup that is brought back goes on with what came since", async () => {
  using sandbox = new Sandbox();
  const files = new Files(sandbox);
  const backup = join(sandbox.home, "backup.duckdb");
  const serve = async (count: number) => {
    await using server = await TestServer.start(sandbox);
    const events = commandsOf(count);
    await store(server, events);
    const last = events.at(-1)!.event_id;
    await until("the last one", () => files.arrived().includes(last));
    await server.stop();
  };
  await serve(4);
  const made = await sandbox.run(["backup", backup]);
  expect(made).toMatchObject({ exitCode: 0 });
  await serve(3);
  const back = await sandbox.run(["restore", backup, "--yes"]);
  expect(back).toMatchObject({ exitCode: 0 });
  // Its numbers begin where the backup ends, and go beyond those that were delivered.
  await serve(9);
  await using server = await TestServer.start(sandbox);
  const seen = new Set(files.arrived());
  expect((await storedIds(server)).filter((id) => !seen.has(id))).toEqual([]);
});

test("what is not delivered yet is not archived", async () => {
  using sandbox = new Sandbox();
  const old = plant(sandbox, [{ at: "2026-02-06T12:00:00.000Z" }]);
  await sandbox.list();
  const files = new Files(sandbox);
  const archive = ["archive-sessions", "--days", "0", "--yes"];
  expectFailure(
    await sandbox.run(archive),
    4,
    /2 events of these sessions are not delivered to 'archive' yet/,
  );
  {
    await using server = await TestServer.start(sandbox);
    await allArrived(server, files);
    await server.stop();
  }
  expect(await sandbox.run(archive)).toMatchObject({ exitCode: 0 });
  // Only what stands in files now: it is not missed, and not delivered anew.
  await using server = await TestServer.start(sandbox);
  const events = commandsOf(2);
  await store(server, events);
  const last = events.at(-1)!.event_id;
  await until("the last one", () => files.arrived().includes(last));
  expect(files.lines().map(({ event }) => event.session_id)).toEqual([
    ...[...old, ...old],
    ...events.map(({ session_id }) => session_id),
  ]);
});

test("what the host sends elsewhere holds for its users, unless they say null; a self-test sends nothing", async () => {
  if (!needsRoot()) return;
  using sandbox = new Sandbox();
  const out = join(sandbox.home, "out");
  mkdirSync(out, { mode: 0o700 });
  const host = `export_to:\n  host: {type: file, path: ${out}/host.ndjson}\nalerts: {rules: {r: {when: session_start}}}\n`;
  const shown = `${BINARY} config | cut -f1 | grep -E '^(export_to|alerts.rules)' || true\n`;
  const { stdout } = await runPrivately(
    sandbox,
    `${etcWith(sandbox, host)}
    ${shown} mkdir -p .config/session-buddy
    echo 'export_to: {own: {type: journald}}' > .config/session-buddy/config.yaml
    echo --; ${shown} echo 'export_to: null' > .config/session-buddy/config.yaml
    echo --; ${shown} rm .config/session-buddy/config.yaml
    ${BINARY} selftest --output ${sandbox.home}/report.json >/dev/null && echo fine`,
    { cwd: sandbox.home },
  );
  expect(stdout.split("\n")).toEqual([
    ...["export_to.host", "alerts.rules.r", "--"],
    ...["export_to.host", "export_to.own", "alerts.rules.r", "--"],
    ...["alerts.rules.r", "fine", ""],
  ]);
  expect(readdirSync(out)).toEqual([]);
}, 60_000);

test("since: now leaves out what was stored before", async () => {
  using sandbox = new Sandbox();
  await sandbox.run(["shell", "--quiet", "--", "true"]);
  await sandbox.list();
  const files = new Files(sandbox, ", since: now");
  const position = `${sandbox.data}/sessions.duckdb.exported/archive.json`;
  const events = commandsOf(3);
  {
    // Killed before anything is delivered: what it missed then is delivered after.
    await using server = await TestServer.start(sandbox);
    await until("its place to be kept", () => existsSync(position));
    writeFileSync(files.path, "in the way");
    await store(server, events.splice(0, 2));
    await server.stop("SIGKILL");
    rmSync(files.path);
  }
  await using server = await TestServer.start(sandbox);
  await store(server, events);
  await until("the last one", () =>
    files.arrived().includes(events[0]!.event_id),
  );
  expect(files.arrived()).toEqual(
    await storedIds(server).then((all) => all.slice(-3)),
  );
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
