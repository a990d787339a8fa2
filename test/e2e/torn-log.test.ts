/**
 * A host that lost its power: the database's log ends in zeros, or has a flipped
 * byte. Everything starts, says what was left out and where it is, and the spool
 * brings back what it still has.
 */
import { expect, test } from "bun:test";
import {
  appendFileSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { drain } from "../../src/spool/drain.ts";
import { DuckDBStore } from "../../src/store/duckdb/store.ts";
import { configure, needsRoot, plant, runPrivately } from "../support/host.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";

const SAID =
  /log of '.*sessions\.duckdb' was damaged.*left out.*kept in '.*damaged-/;

/** A home whose server was killed; a session a commit. @returns their ids */
async function crashed(sandbox: Sandbox, sessions: number): Promise<string[]> {
  const server = await TestServer.start(sandbox);
  const ids: string[] = [];
  for (let n = 0; n < sessions; n++) {
    ids.push(...plant(sandbox, [{}]));
    expect(await sandbox.list()).toHaveLength(ids.length);
  }
  await server.stop("SIGKILL");
  return ids;
}

const logOf = (sandbox: Sandbox) => `${sandbox.database}.wal`;
const keptOf = (sandbox: Sandbox) =>
  readdirSync(sandbox.data).filter((name) => name.includes(".wal.damaged-"));
const idsOf = (text: string) =>
  (JSON.parse(text) as { session_id: string }[]).map((s) => s.session_id);

test("zeros at the end of the log: a command says so, doctor tells of it until it is looked at", async () => {
  using sandbox = new Sandbox();
  const ids = await crashed(sandbox, 2);
  appendFileSync(logOf(sandbox), Buffer.alloc(5_000));
  const listed = await sandbox.run(["list-sessions", "--json"]);
  expect(listed.exitCode).toBe(0);
  expect(listed.stderr).toMatch(SAID);
  expect(listed.stderr).toContain("its last 5000 bytes");
  expect(idsOf(listed.stdout).sort()).toEqual([...ids].sort());
  // Said once, kept until somebody looks.
  expect((await sandbox.run(["list-sessions"])).stderr).toBe("");
  const doctor = await sandbox.run(["doctor"]);
  expect(doctor.exitCode).toBe(4);
  const [kept] = keptOf(sandbox);
  expect(doctor.stdout).toContain(kept!);
  rmSync(join(sandbox.data, kept!));
  expect((await sandbox.run(["doctor"])).stdout).not.toContain("damaged-");
});

test("a flipped byte: a server starts, has what was committed before it, and its log says so", async () => {
  using sandbox = new Sandbox();
  const ids = await crashed(sandbox, 2);
  const log = readFileSync(logOf(sandbox));
  log[log.length - 1]! ^= 0x10;
  writeFileSync(logOf(sandbox), log);
  await using _server = await TestServer.start(sandbox);
  const logs = await sandbox.run(["mcp", "logs", "--json"]);
  expect(logs.stdout).toMatch(/"event":"database_mended"|database_mended/);
  expect(keptOf(sandbox)).toHaveLength(1);
  expect(ids).toEqual(
    expect.arrayContaining(
      (await sandbox.list()).map(({ session_id }) => session_id),
    ),
  );
});

test("what the log has lost and the spool still has comes back", async () => {
  using sandbox = new Sandbox();
  // Else the spool may have let go of the first when the last is stored.
  configure(sandbox, "store: {keep_done: 1h}\n");
  const ids = await crashed(sandbox, 3);
  // All of it, as on a disk that never wrote it.
  writeFileSync(logOf(sandbox), Buffer.alloc(4_096));
  const store = await DuckDBStore.open(sandbox.database);
  try {
    for (const id of ids) expect(await store.get(id)).toBeNull();
    await drain(sandbox.data, store, () => Date.now() + 61_000);
    for (const id of ids)
      expect(await store.get(id)).toMatchObject({ session_id: id });
  } finally {
    await store.close();
  }
});

test("read where nothing can be written, nothing is said to be kept in a copy that goes", async () => {
  if (!needsRoot()) return;
  using sandbox = new Sandbox();
  const ids = await crashed(sandbox, 2);
  appendFileSync(logOf(sandbox), Buffer.alloc(5_000));
  const { exitCode, stdout, stderr } = await runPrivately(
    sandbox,
    `mount --bind ${sandbox.data} ${sandbox.data}
    mount -o remount,bind,ro ${sandbox.data}
    ${BINARY} list-sessions --json`,
  );
  expect(exitCode).toBe(0);
  expect(idsOf(stdout).sort()).toEqual([...ids].sort());
  expect(stderr).toContain(`log of '${sandbox.database}' was damaged`);
  expect(stderr).not.toMatch(/kept in|\/dev\/shm/);
});
