/** `export_to` a file, where the disk is full, the database another one, or the settings of the host say it. */
import { expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import {
  Files,
  allArrived,
  commandsOf,
  doctorOf,
  store,
  storedIds,
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

/** Until a server has kept how far it is: what it has not, another delivers again. */
const allKept = (sandbox: Sandbox) =>
  until("the doctor to find all delivered", async () =>
    (await doctorOf(sandbox, "archive")).detail.startsWith(
      "everything is delivered",
    ),
  );

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
}, 400_000);

test("a file that was cut by somebody else has nothing but lines after a full disk, too", async () => {
  if (!needsRoot()) return;
  using sandbox = new Sandbox();
  const disk = join(sandbox.home, "disk");
  mkdirSync(disk);
  const file = `${disk}/events.ndjson`;
  configure(sandbox, `export_to:\n  archive: {type: file, path: ${file}}\n`);
  const script = `mount -t tmpfs -o size=64k,mode=700 none ${disk}
    sb=${BINARY}
    $sb mcp start --port auto --detach >/dev/null
    trap '$sb mcp stop >/dev/null' EXIT
    $sb shell --quiet -- true
    until grep -q session_end ${file}; do sleep 0.1; done
    : > ${file}
    head -c 1M /dev/zero > ${disk}/fill 2>/dev/null || true
    $sb shell --quiet -- true
    until $sb doctor | grep -q 'events wait.*ENOSPC'; do sleep 0.1; done
    rm ${disk}/fill
    until grep -q session_end ${file}; do sleep 0.1; done
    grep -c session_end ${file}
    tr -dc '\\000' < ${file} | wc -c`;
  const { stdout } = await runPrivately(sandbox, script);
  expect(stdout).toBe("1\n0\n");
}, 400_000);

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
    await allKept(sandbox);
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
    await allKept(sandbox);
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
}, 400_000);

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
