/**
 * A database that was put in its place by hand, beside the log of the one before
 * it: every command goes on, says what was left out and where it is.
 */
import { expect, test } from "bun:test";
import { copyFileSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { plant } from "../support/host.ts";
import { idsOf, old, settled } from "../support/keeping.ts";
import { Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";

const SAID =
  /log beside '[^']*sessions\.duckdb' is .*left out.*kept in '[^']*foreign-/;

const keptIn = (sandbox: Sandbox) =>
  readdirSync(sandbox.data).filter((name) => name.includes(".wal.foreign-"));

interface Left {
  /** Of the backup, in the database's place. */
  ids: string[];
  /** A backup, and a log that is beside it. */
  copy: string;
  log: Buffer;
}

/**
 * A backup copied over the database of a server that was killed, whose log is
 * left there, with sessions that came after.
 */
async function putBackByHand(sandbox: Sandbox): Promise<Left> {
  const ids = await settled(sandbox, old(2));
  const copy = join(sandbox.home, "copy.duckdb");
  expect((await sandbox.run(["backup", copy])).exitCode).toBe(0);
  const server = await TestServer.start(sandbox);
  plant(sandbox, [{ component: "later" }]);
  expect(await sandbox.list()).toHaveLength(3);
  await server.stop("SIGKILL");
  rmSync(join(sandbox.spool, "done"), { recursive: true });
  const log = readFileSync(`${sandbox.database}.wal`);
  expect(log.length).toBeGreaterThan(0);
  copyFileSync(copy, sandbox.database);
  copyFileSync(`${sandbox.database}.wal`, `${copy}.wal`);
  return { ids: ids.sort(), copy, log };
}

test.each([
  "list-sessions",
  "drain",
  "backup again.duckdb",
  "archive-sessions --days 9999 --dry-run",
])("%s says what it left out, once", async (command) => {
  using sandbox = new Sandbox();
  const { ids, log } = await putBackByHand(sandbox);
  const first = await sandbox.run(command.split(" "));
  expect(first.exitCode).toBe(0);
  expect(first.stderr).toMatch(SAID);
  expect(idsOf(await sandbox.list())).toEqual(ids);
  const [kept, ...more] = keptIn(sandbox);
  expect(more).toEqual([]);
  expect(readFileSync(join(sandbox.data, kept!)).equals(log)).toBeTrue();
  expect((await sandbox.run(["list-sessions"])).stderr).toBe("");
  const doctor = await sandbox.run(["doctor"]);
  expect([doctor.exitCode, doctor.stdout]).toEqual([
    4,
    expect.stringContaining(kept!),
  ]);
  rmSync(join(sandbox.data, kept!));
  expect((await sandbox.run(["doctor"])).stdout).not.toContain("foreign-");
});

test("a server starts without it, and its log says so", async () => {
  using sandbox = new Sandbox();
  const { ids } = await putBackByHand(sandbox);
  await using _server = await TestServer.start(sandbox);
  expect(idsOf(await sandbox.list())).toEqual(ids);
  const logs = await sandbox.run(["mcp", "logs"]);
  expect(logs.stdout).toContain("database_mended");
  expect(keptIn(sandbox)).toHaveLength(1);
});

test("restore leaves out a log beside the backup that is not its own, and says so of the backup", async () => {
  using sandbox = new Sandbox();
  const { ids, copy, log } = await putBackByHand(sandbox);
  using other = new Sandbox();
  const { exitCode, stderr } = await other.run(["restore", "--yes", copy]);
  expect(exitCode).toBe(0);
  expect(stderr).toContain(`log beside '${copy}' is another database's`);
  expect(stderr).not.toMatch(/kept in|restore-/);
  expect(idsOf(await other.list())).toEqual(ids);
  expect(readdirSync(other.data).sort()).toEqual([
    "sessions.duckdb",
    "store.lock",
  ]);
  expect(readFileSync(`${copy}.wal`).equals(log)).toBeTrue();
});
