/** No output takes the place of a file of ours: what is acknowledged stays. */
import { expect, test } from "bun:test";
import {
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  symlinkSync,
} from "node:fs";
import { join } from "node:path";
import { expectFailure, needsRoot, privately } from "../support/host.ts";
import { old, settled } from "../support/keeping.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";

const REFUSED = /is one of session-buddy's own files, or would be taken for/;

/** Of each what would be replaced, or taken for what it is not. */
function ownFiles(sandbox: Sandbox): string[] {
  const { data, home, spool, database } = sandbox;
  const state = join(home, ".local/state/session-buddy");
  return [
    ...[database, `${database}.wal`, `${database}.new`],
    ...[`${database}.before-20260101-000000`, join(data, "store.lock")],
    ...[
      join(data, "spool"),
      join(spool, "drain.lock"),
      join(spool, "x.ndjson"),
    ],
    ...[join(data, "archive/2025/sessions.parquet"), join(state, "own")],
    ...[join(home, "links/data/sessions.duckdb"), join(home, "linked")],
    join(home, "second-name"),
  ];
}

function withOwnFiles(sandbox: Sandbox): void {
  const { data, home, database } = sandbox;
  mkdirSync(join(home, "links"));
  mkdirSync(join(home, ".local/state/session-buddy"), { recursive: true });
  symlinkSync(data, join(home, "links/data"));
  symlinkSync(`${database}.wal`, join(home, "linked"));
  linkSync(database, join(home, "second-name"));
}

test.each(["with a server", "alone"])(
  "no backup, list or archive takes the place of a file of ours, %s",
  async (how) => {
    using sandbox = new Sandbox();
    await settled(sandbox, old(3));
    const archive = ["archive-sessions", "--days", "1", "--yes", "--output"];
    const archives = join(sandbox.data, "archive");
    mkdirSync(archives, { mode: 0o700 });
    const made = await sandbox.run([...archive, join(archives, "2025")]);
    expect(made).toMatchObject({ exitCode: 0, stderr: "" });
    withOwnFiles(sandbox);
    await using _server =
      how === "alone" ? null : await TestServer.start(sandbox);
    const lock = readFileSync(join(sandbox.data, "store.lock"), "utf8");
    for (const file of ownFiles(sandbox)) {
      const was = existsSync(file);
      const backup = await sandbox.run(["backup", "--force", file]);
      expectFailure(backup, 64, /own files|is a folder/);
      const list = await sandbox.run(["list-sessions", "--output", file]);
      expectFailure(list, 64, /own files|is a folder/);
      const archived = await sandbox.run([...archive, file]);
      expectFailure(archived, 64, /own files|exists already/);
      if (!was && !file.endsWith(".wal")) expect(existsSync(file)).toBeFalse();
    }
    if (how !== "alone")
      expect(readFileSync(join(sandbox.data, "store.lock"), "utf8")).toBe(lock);
    for (let n = 0; n < 3; n++)
      expect((await sandbox.run(["shell", "--", "true"])).exitCode).toBe(0);
    if (_server) expect(await _server.stop()).toBe(0);
    const components = (await sandbox.list()).map((s) => s.component_name);
    expect(components.filter((name) => name === "true")).toHaveLength(3);
  },
);

test("a mount of the data folder elsewhere is no way around it", async () => {
  if (!needsRoot()) return;
  using sandbox = new Sandbox();
  await settled(sandbox, old(3));
  mkdirSync(join(sandbox.home, "mounted"));
  for (const name of ["sessions.duckdb", "sessions.duckdb.wal", "spool/x"]) {
    const run = await sandbox.command(
      privately(`mount --bind ${sandbox.data} mounted
        exec ${BINARY} backup --force mounted/${name}`),
    );
    expectFailure(run, 64, REFUSED);
  }
  expect(await sandbox.list()).toHaveLength(3);
});

test("a descriptor of a file of ours gets no output either", async () => {
  using sandbox = new Sandbox();
  await settled(sandbox, old(3));
  const { database } = sandbox;
  const was = readFileSync(database);
  for (const args of ["backup /dev/fd/3", "list-sessions -o /dev/fd/3"]) {
    const script = `exec ${BINARY} ${args} 3>> ${database}`;
    expectFailure(await sandbox.command(["sh", "-c", script]), 64, REFUSED);
  }
  expect(readFileSync(database).equals(was)).toBe(true);
});

test("what is the user's own in the data folder is his to replace", async () => {
  using sandbox = new Sandbox();
  const data = join(sandbox.home, "chosen");
  const env = { SESSION_BUDDY_DATA_DIR: data };
  await sandbox.run(["shell", "--", "true"], { env });
  for (const name of ["mine.duckdb", "sessions-backup.duckdb"])
    for (const args of [["backup"], ["backup", "--force"]]) {
      const run = await sandbox.run([...args, join(data, name)], { env });
      expect(run).toMatchObject({ exitCode: 0, stderr: "" });
    }
  const piped = await sandbox.run(["backup", "/dev/stdout"], { env });
  expect(piped.exitCode).toBe(0);
  expect(readdirSync(data)).toContain("mine.duckdb");
});
