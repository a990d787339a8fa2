/**
 * A database that is removed, or another put in its place, while a server has it
 * open: the server says so, opens what is there, and what the spool has comes in.
 */
import { expect, test } from "bun:test";
import { existsSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Drain } from "../../src/spool/drain.ts";
import { ensureSpool } from "../../src/spool/write.ts";
import { DuckDBStore } from "../../src/store/duckdb/store.ts";
import { end } from "../support/events.ts";
import { configure, plant } from "../support/host.ts";
import { Live } from "../support/live.ts";
import { Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { id, leave, life, lines, named } from "../support/spool.ts";
import { until } from "../support/wait.ts";

const logOf = (sandbox: Sandbox) => {
  const [file] = new Bun.Glob(".local/state/*/*/logs/*.log").scanSync({
    ...{ cwd: sandbox.home, dot: true, absolute: true },
  });
  return readFileSync(file!, "utf8");
};

const reopened = (sandbox: Sandbox) =>
  until("the database, opened anew", () =>
    logOf(sandbox).includes("database_reopened"),
  );

test("removed: what comes later is in a new one, and so is what runs meanwhile", async () => {
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  await using live = await Live.begin(sandbox);
  expect((await sandbox.only()).session_id).toBe(live.session_id);
  // A server that looks in between shall find no log without its database.
  for (const file of [`${sandbox.database}.wal`, sandbox.database])
    rmSync(file, { force: true });
  await reopened(sandbox);
  expect(logOf(sandbox)).toContain("was removed or replaced while it was open");
  const [later] = plant(sandbox, [{}]);
  const ids = (await sandbox.list()).map(({ session_id }) => session_id);
  expect(ids.sort()).toEqual([live.session_id, later!].sort());
  expect((await fetch(`${server.origin}/health`)).status).toBe(200);
  expect(await server.stop()).toBe(0);
  expect(await sandbox.list()).toHaveLength(2);
});

test("replaced by a backup: the server shows what is in that", async () => {
  using sandbox = new Sandbox();
  // What is done comes once more after its rest, to the backup as well.
  configure(sandbox, "store: {keep_done: 1h}\n");
  await using server = await TestServer.start(sandbox);
  const [first] = plant(sandbox, [{}]);
  await sandbox.list();
  const backup = join(sandbox.home, "backup.duckdb");
  expect((await sandbox.run(["backup", backup])).exitCode).toBe(0);
  plant(sandbox, [{}]);
  expect(await sandbox.list()).toHaveLength(2);
  renameSync(backup, sandbox.database);
  await reopened(sandbox);
  expect((await sandbox.only()).session_id).toBe(first!);
  expect(await server.stop()).toBe(0);
  expect((await sandbox.only()).session_id).toBe(first!);
});

test("nothing leaves done/ when the database that has it is gone", async () => {
  using sandbox = new Sandbox();
  ensureSpool(sandbox.data);
  leave(sandbox, `${id(1)}.ndjson`, lines(life(1, end(2))));
  const store = await DuckDBStore.open(sandbox.database);
  try {
    let ahead_ms = 0;
    const now = () => Date.now() + ahead_ms;
    const drain = new Drain(sandbox.data, store, now);
    await drain.pass();
    const done = join(sandbox.spool, "done");
    expect(named(done)).toEqual([`${id(1)}.ndjson`]);
    rmSync(sandbox.database);
    ahead_ms = 61_000;
    await expect(drain.pass()).rejects.toThrow(
      "was removed or replaced while it was open",
    );
    expect(existsSync(join(done, `${id(1)}.ndjson`))).toBeTrue();
  } finally {
    await store.close();
  }
});
