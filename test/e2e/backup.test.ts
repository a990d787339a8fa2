/**
 * A backup is whole, whoever has the database open meanwhile, and it is the
 * database again when it is restored; what cannot be trusted changes nothing.
 */
import { expect, test } from "bun:test";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Injector } from "../crash/inject.ts";
import { addedSince, query } from "../support/database.ts";
import {
  configure,
  expectFailure,
  needsRoot,
  plant,
  runPrivately,
} from "../support/host.ts";
import { idsOf, old, settled } from "../support/keeping.ts";
import { Pty } from "../support/pty.ts";
import { Random } from "../support/random.ts";
import { keep, recordingOf, shown } from "../support/recording.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import {
  TestServer,
  endServer,
  readUntil,
  startArguments,
} from "../support/server.ts";
import { until } from "../support/wait.ts";

const inHome = (sandbox: Sandbox, name: string) => join(sandbox.home, name);

async function backup(sandbox: Sandbox, name: string): Promise<string> {
  const file = inHome(sandbox, name);
  const { exitCode, stderr } = await sandbox.run(["backup", file]);
  expect([exitCode, stderr]).toEqual([0, ""]);
  return file;
}

/** On a busy machine its answer may be late. */
const untilHealthy = (sandbox: Sandbox) =>
  until("it to be healthy", async () => {
    return (await sandbox.run(["mcp", "health"])).exitCode === 0;
  });

test("a backup is private and compact, says what it holds, and takes no other's place", async () => {
  using sandbox = new Sandbox();
  plant(sandbox, old(3));
  const file = inHome(sandbox, "copy.duckdb");
  const done = await sandbox.run(["backup", "copy.duckdb"]);
  expect([done.exitCode, done.stderr]).toEqual([0, ""]);
  expect(done.stdout).toMatch(
    /^backup: \/.*\/copy\.duckdb \(\d+\.\d [KM]iB\)\nholds: 3 sessions, 6 events\n$/,
  );
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const again = await sandbox.run(["backup", file]);
  expectFailure(again, 64, /copy\.duckdb' exists already \(.*--force/);
  plant(sandbox, old(2));
  const forced = await sandbox.run(["backup", "--force", "--json", file]);
  expect(JSON.parse(forced.stdout)).toEqual({
    ...{ file, bytes: statSync(file).size, sessions: 5, events: 10 },
    recordings: {
      ...{ folder: join(sandbox.data, "recordings"), files: 0, bytes: 0 },
    },
  });
  // What no copy of the database has is named.
  keep(sandbox, recordingOf([[shown(1, "kept")]]));
  const named = await sandbox.run(["backup", "--force", file]);
  expect(named.stdout).toMatch(
    /^not in it: 1 recordings of terminals \(\d+ B\); copy \S+recordings$/m,
  );
  const missing = await sandbox.run(["backup", "nowhere/copy"]);
  expectFailure(missing, 64, /there is no folder '.*nowhere'/);
  expectFailure(await sandbox.run(["backup"]), 64, /needs a file/);
});

test("a server backs up while it takes more, and goes on", async () => {
  using sandbox = new Sandbox();
  await settled(sandbox, old(2_000));
  await using server = await TestServer.start(sandbox);
  let sent = 0;
  let on = true;
  const sending = (async () => {
    while (on) {
      const event_id = crypto.randomUUID();
      const args = startArguments({ event_id });
      const { result } = await server.call("track_session_start", args);
      expect(result["status"]).toBe("tracked");
      sent++;
    }
  })();
  const file = await backup(sandbox, "copy.duckdb");
  on = false;
  await sending;
  expect(sent).toBeGreaterThan(0);
  expect(await sandbox.list()).toHaveLength(2_000 + sent);
  await untilHealthy(sandbox);
  using other = new Sandbox();
  const restored = await other.run(["restore", "--yes", file]);
  expect(restored.exitCode).toBe(0);
  const all = new Set(idsOf(await sandbox.list()));
  const copied = idsOf(await other.list());
  expect(copied.length).toBeGreaterThanOrEqual(2_000);
  expect(copied.filter((id) => !all.has(id))).toEqual([]);
});

test("whoever comes over TCP finds nothing at /admin", async () => {
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  const file = inHome(sandbox, "stolen");
  const body = JSON.stringify({ command: "backup", file, force: true });
  const ask = async (path: string, method: string) => {
    const response = await fetch(`${server.origin}${path}`, {
      ...{ method, headers: { "content-type": "application/json" } },
      ...(method === "GET" ? {} : { body }),
    });
    return [response.status, await response.text()];
  };
  for (const method of ["POST", "GET", "PUT"])
    expect(await ask("/admin", method)).toEqual(await ask("/nothing", method));
  expect((await ask("/admin", "POST"))[0]).toBe(404);
  expect(existsSync(file)).toBeFalse();
  const lock = (await Bun.file(join(sandbox.data, "store.lock")).json()) as {
    socket: string;
  };
  const local = async (call: object) => {
    const response = await fetch("http://localhost/admin", {
      ...{ method: "POST", body: JSON.stringify(call), unix: lock.socket },
      headers: { "content-type": "application/json" },
    });
    return response.status;
  };
  // Nothing but what our own commands say is understood there either.
  for (const call of [
    {},
    { command: "drop" },
    { command: "backup", file: "relative", force: true },
    { command: "archive", folder: "/tmp/x", request: { keep_tagged: 1 } },
    { command: "plan", request: { ended_before: "?", keep_tagged: false } },
  ])
    expect(await local(call)).toBe(400);
  expect(await local({ command: "archived", reference: "x" })).toBe(200);
});

test("a restored database is the one of the backup, with what the spool still holds", async () => {
  using sandbox = new Sandbox();
  const first = await settled(sandbox, old(3));
  const file = await backup(sandbox, "copy.duckdb");
  // Gone with the database, unless its file is still about.
  const away = await settled(sandbox, [{ at: "2026-02-01T00:00:00.000Z" }]);
  const done = plant(sandbox, [{ at: "2026-02-02T00:00:00.000Z" }]);
  expect(await sandbox.list()).toHaveLength(5);
  expect(readdirSync(join(sandbox.spool, "done"))).toHaveLength(1);
  const waiting = plant(sandbox, [{ at: "2026-02-03T00:00:00.000Z" }]);
  const result = await sandbox.run(["restore", "--yes", "--json", file]);
  expect([result.exitCode, result.stderr]).toEqual([0, ""]);
  const told = JSON.parse(result.stdout) as { kept: string };
  expect(told).toMatchObject({
    ...{ sessions: 3, events: 6, compared: 3, drained: 4, lost: 0 },
  });
  const now = [...first, ...done, ...waiting].sort();
  expect(idsOf(await sandbox.list())).toEqual(now);
  // The old one is beside it, with all it had.
  expect(told.kept).toMatch(/sessions\.duckdb\.before-\d{8}-\d{6}$/);
  expect(statSync(told.kept).mode & 0o777).toBe(0o600);
  const back = await sandbox.run(["restore", "--yes", told.kept]);
  expect(back.exitCode).toBe(0);
  expect(idsOf(await sandbox.list())).toEqual([...now, ...away].sort());
  expect(
    readdirSync(sandbox.data).filter((n) => n.includes("restore")),
  ).toEqual([]);
});

test("who ran when the backup was made, and is not here any more, is lost and not active", async () => {
  using sandbox = new Sandbox();
  // What is stored goes from the spool in a minute, which this may take.
  configure(sandbox, "store: {keep_done: 1h}\n");
  const [gone] = plant(sandbox, [{ component: "gone", end_source: null }]);
  expect((await sandbox.only()).status).toBe("active");
  const file = await backup(sandbox, "copy.duckdb");
  rmSync(sandbox.spool, { recursive: true });
  const [here] = plant(sandbox, [{ component: "here", end_source: null }]);
  const { stdout } = await sandbox.run(["restore", "--yes", file]);
  expect(stdout).toContain("lost: 1 sessions ran then");
  const status = Object.fromEntries(
    (await sandbox.list()).map((s) => [s.session_id, s.status]),
  );
  expect(status).toEqual({ [gone!]: "lost", [here!]: "active" });
});

test("it asks first: no changes nothing, yes does it, and nobody cannot be asked", async () => {
  using sandbox = new Sandbox();
  const [kept] = await settled(sandbox, old(1));
  const file = await backup(sandbox, "copy.duckdb");
  const [later] = await settled(sandbox, [{ component: "later" }]);
  const unasked = await sandbox.run(["restore", file]);
  expectFailure(unasked, 64, /nobody is there to be asked \(.*--yes/);
  for (const [answer, code, left] of [
    ["", 1, [later, kept]],
    ["n", 1, [later, kept]],
    ["y", 0, [kept]],
  ] as const) {
    await using pty = new Pty(sandbox, [BINARY, "restore", file]);
    await pty.expect(/is good: 1 sessions, 2 events\. .* \(y\/N\) /);
    pty.line(answer);
    if (code !== 0) await pty.expect("nothing was changed");
    expect(await pty.ended()).toEqual({ code, signal: null });
    expect(idsOf(await sandbox.list())).toEqual([...left].sort() as string[]);
  }
});

test("a running server is not pulled the rug from under", async () => {
  using sandbox = new Sandbox();
  await settled(sandbox, old(1));
  const file = await backup(sandbox, "copy.duckdb");
  await using server = await TestServer.start(sandbox);
  const result = await sandbox.run(["restore", "--yes", file]);
  expectFailure(result, 3, /a server has the .* \(pid \d+\) \(.*mcp stop\)/);
  expect(server.child.exitCode).toBeNull();
  expect(await sandbox.list()).toHaveLength(1);
});

test("what is damaged, newer, foreign, missing, or the database itself is refused", async () => {
  using sandbox = new Sandbox();
  await settled(sandbox, old(50));
  const good = await backup(sandbox, "copy.duckdb");
  const refused = async (
    name: string,
    words: RegExp,
    make: (file: string) => unknown,
    status = 1,
  ) => {
    const file = inHome(sandbox, name);
    if (existsSync(good)) copyFileSync(good, file);
    await make(file);
    const before = await Bun.file(file).exists();
    const result = await sandbox.run(["restore", "--yes", file]);
    expectFailure(result, status, words);
    expect(await Bun.file(file).exists()).toBe(before);
    expect(await sandbox.list()).toHaveLength(50);
  };
  await refused("torn", /torn' is damaged/, (file) =>
    truncateSync(file, statSync(file).size / 2),
  );
  await refused("text", /text' is damaged/, (file) =>
    writeFileSync(file, "not a database at all\n".repeat(1_000)),
  );
  await refused("empty", /empty' is/, (file) => truncateSync(file, 0));
  await refused("flipped", /flipped' is damaged/, async (file) => {
    const bytes = await Bun.file(file).bytes();
    // Within a block, past the headers.
    for (let at = 20_000; at < bytes.length; at += 4_096) bytes[at]! ^= 0xff;
    await Bun.write(file, bytes);
  });
  await refused(
    "newer",
    /newer' has schema version 99, this session-buddy/,
    (file) =>
      query(file, "INSERT INTO schema_version VALUES (99, now()::TIMESTAMP)"),
  );
  await refused(
    "foreign",
    /foreign' is a DuckDB file, but no database of/,
    async (file) => {
      rmSync(file);
      await query(file, "CREATE TABLE recipes (name VARCHAR)");
    },
  );
  await refused(
    "odd",
    /odd' is not consistent: .* is not what its events/,
    (file) => query(file, "UPDATE sessions SET username = 'mallory'"),
  );
  await refused("missing", /there is no file/, (file) => rmSync(file));
  await refused(
    "folder",
    /folder' is no file/,
    (file) => {
      rmSync(file);
      mkdirSync(file);
    },
    64,
  );
  const itself = await sandbox.run(["restore", "--yes", sandbox.database]);
  expect(itself.exitCode).toBe(64);
  expect(itself.stderr).toContain("is the database itself");
  expect(readdirSync(sandbox.data).sort()).toEqual([
    "copies.jsonl",
    "sessions.duckdb",
    "spool",
    "store.lock",
  ]);
});

test("what a restore would refuse gets no backup's name", async () => {
  using sandbox = new Sandbox();
  await settled(sandbox, old(3));
  const good = await backup(sandbox, "copy.duckdb");
  const before = await Bun.file(good).bytes();
  await query(sandbox.database, "UPDATE sessions SET username = 'mallory'");
  for (const words of [["other.duckdb"], ["--force", "copy.duckdb"]]) {
    const refused = await sandbox.run(["backup", ...words]);
    expectFailure(refused, 1, /is not consistent: .* \(the database is not/);
  }
  expect(await Bun.file(good).bytes()).toEqual(before);
  const left = readdirSync(sandbox.home).filter((n) => /duckdb|buddy-/.test(n));
  expect(left).toEqual(["copy.duckdb"]);
  await using _server = await TestServer.start(sandbox);
  const served = await sandbox.run(["backup", "other.duckdb"]);
  expectFailure(served, 1, /other\.duckdb' is not consistent: /);
  expect(existsSync(inHome(sandbox, "other.duckdb"))).toBeFalse();
});

test("a backup takes the place of a database that is damaged, which is kept", async () => {
  using sandbox = new Sandbox();
  const ids = await settled(sandbox, old(5));
  const file = await backup(sandbox, "copy.duckdb");
  writeFileSync(sandbox.database, "no more\n".repeat(10_000));
  writeFileSync(`${sandbox.database}.wal`, "nor this");
  const broken = await sandbox.run(["list-sessions"]);
  expectFailure(broken, 1, /is damaged.*session-buddy restore FILE/);
  const result = await sandbox.run(["restore", "--yes", "--json", file]);
  expect([result.exitCode, result.stderr]).toEqual([0, ""]);
  const { kept } = JSON.parse(result.stdout) as { kept: string };
  expect(await Bun.file(kept).text()).toStartWith("no more");
  expect(await Bun.file(`${kept}.wal`).text()).toBe("nor this");
  expect(idsOf(await sandbox.list())).toEqual(ids.sort());
});

test("a backup of an older schema is brought up", async () => {
  using sandbox = new Sandbox();
  const ids = await settled(sandbox, old(2));
  const file = await backup(sandbox, "copy.duckdb");
  await query(
    file,
    `DROP VIEW all_sessions;
    DROP TABLE event_columns;
    DROP TABLE output;
    DROP TABLE searched_recordings;
    ${["sessions", "undated_sessions", "open_sessions"]
      .flatMap((table) =>
        addedSince(4).map(
          (column) => `ALTER TABLE ${table} DROP COLUMN ${column};`,
        ),
      )
      .join("")}
    DELETE FROM schema_version WHERE version > 4`,
  );
  const before = await Bun.file(file).bytes();
  const result = await sandbox.run(["restore", "--yes", file]);
  expect([result.exitCode, result.stderr]).toEqual([0, ""]);
  expect(idsOf(await sandbox.list())).toEqual(ids.sort());
  expect(await Bun.file(file).bytes()).toEqual(before);
});

test("on a full disk a backup leaves nothing, and a restore everything", async () => {
  if (!needsRoot()) return;
  using sandbox = new Sandbox();
  const ids = await settled(sandbox, old(5));
  const file = await backup(sandbox, "copy.duckdb");
  const full = await runPrivately(
    sandbox,
    `mkdir -p small; mount -t tmpfs -o size=256k none small
      ${BINARY} backup small/copy.duckdb && exit 9
      ls -A small >&2; exit 3`,
  );
  expect(full.stderr).toMatch(
    /^session-buddy: the disk of '.*' is full \([^\n]*\)\n$/,
  );
  expect(full.exitCode).toBe(3);
  const data = sandbox.data;
  const restored = await runPrivately(
    sandbox,
    `cp -a ${data} all; mount -t tmpfs -o size=4m,mode=700 none ${data}
      cp -a all/. ${data}; cat /dev/zero > ${data}/fill 2>/dev/null || true
      ${BINARY} restore --yes ${file} && exit 9
      rm ${data}/fill; ls ${data} >&2; ${BINARY} list-sessions`,
  );
  expect(restored.stderr).toMatch(/^session-buddy: the disk of '.*' is full /);
  expect(restored.stderr).not.toMatch(/^sessions.*(restore-|before-)/m);
  expect([...restored.stdout.match(/planted-\S+/g)!].sort()).toEqual(
    ids.sort(),
  );
});

test("a disk that fails under a backup does not take the server down", async () => {
  const injector = Injector.build();
  if (!injector) return;
  using sandbox = new Sandbox();
  const ids = await settled(sandbox, old(5));
  const bad = inHome(sandbox, "bad");
  mkdirSync(bad);
  const faults = { kinds: ["sync"], after: 0, permille: 1_000, burst: 0 };
  const log = inHome(sandbox, "faults");
  const child = Bun.spawn(
    [
      ...injector.disk(new Random(1), faults, bad, log),
      ...[BINARY, "mcp", "start", "--port", "auto"],
    ],
    { env: sandbox.env, cwd: sandbox.home, stderr: "pipe" },
  );
  const said = await readUntil(child.stderr, /ready \(pid \d+\)\n/);
  expect(said).toContain("ready");
  const failed = await sandbox.run(["backup", join(bad, "copy.duckdb")]);
  expectFailure(failed, 1, /copy\.duckdb' cannot be used: .*sync/);
  expect(readdirSync(bad)).toEqual([]);
  const [later] = plant(sandbox, [{ component: "later" }]);
  expect(idsOf(await sandbox.list())).toEqual([...ids, later!].sort());
  await untilHealthy(sandbox);
  await backup(sandbox, "other.duckdb");
  await endServer(sandbox);
  await child.exited;
});

test("a database on another host is not copied from here", async () => {
  using sandbox = new Sandbox();
  const env = { SESSION_BUDDY_MCP_ENDPOINT: "http://127.0.0.1:9/mcp" };
  for (const words of [
    ["backup", "copy"],
    ["restore", "--yes", "copy"],
    ["archive-sessions", "--days", "1"],
  ])
    expectFailure(
      await sandbox.run(words, { env }),
      5,
      /the database is kept by the server at http:\/\/127\.0\.0\.1:9\/mcp/,
    );
});
