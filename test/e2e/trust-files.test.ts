/**
 * Whose files count among users of one host: what another user has put where we
 * read, or may exchange there, is not taken, and what is ours does not go there.
 */
import { expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import {
  expectFailure,
  needsRoot,
  plant,
  runPrivately,
} from "../support/host.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";

const STRANGER = 54_321;

/** A folder of another user, in which everybody can make files. */
function theirs(sandbox: Sandbox, name: string): string {
  const folder = join(sandbox.home, name);
  mkdirSync(folder);
  chownSync(folder, STRANGER, STRANGER);
  chmodSync(folder, 0o777);
  return folder;
}

test("a copy for reading is not made in another user's TMPDIR", async () => {
  if (!needsRoot()) return;
  using sandbox = new Sandbox();
  plant(sandbox, [{}, {}]);
  await sandbox.list();
  // What su without - leaves.
  const folder = theirs(sandbox, "tmp");
  const untouched = statSync(folder, { bigint: true }).mtimeNs;
  const run = await runPrivately(
    sandbox,
    `mount -t tmpfs -o size=4k none /dev/shm
    mount --bind ${sandbox.data} ${sandbox.data}
    mount -o remount,bind,ro ${sandbox.data}
    exec ${BINARY} list-sessions`,
    { env: { TMPDIR: folder } },
  );
  expect(run.exitCode).toBe(0);
  expect(run.stderr).toMatch(/shown is what is there.*\n$/);
  expect(run.stdout.trimEnd().split("\n")).toHaveLength(2);
  expect(statSync(folder, { bigint: true }).mtimeNs).toBe(untouched);
});

/** A data folder that others may look into, with a database that is theirs somehow. */
const NOT_OURS: [what: string, make: (database: string) => void, RegExp][] = [
  [
    "open to all",
    (database) => chmodSync(database, 0o666),
    /others can write to '\S+sessions\.duckdb' \(try: chmod go-w/,
  ],
  [
    "open to a group",
    (database) => {
      chownSync(database, 0, STRANGER);
      chmodSync(database, 0o660);
    },
    /others can write to '\S+sessions\.duckdb' \(try: chmod go-w/,
  ],
  [
    "of another user",
    (database) => chownSync(database, STRANGER, STRANGER),
    /sessions\.duckdb' belongs to uid 54321/,
  ],
  [
    "a link to another user's",
    (database) => {
      const theirs = `${database}.theirs`;
      copyFileSync(database, theirs);
      chownSync(theirs, STRANGER, STRANGER);
      rmSync(database);
      symlinkSync(theirs, database);
    },
    /sessions\.duckdb\.theirs' belongs to uid 54321/,
  ],
  [
    "ours, and another's log beside it",
    (database) => {
      writeFileSync(`${database}.wal`, "");
      chownSync(`${database}.wal`, STRANGER, STRANGER);
    },
    /sessions\.duckdb\.wal' belongs to uid 54321/,
  ],
];

test.each(NOT_OURS)(
  "a database that is %s is neither read nor written, and doctor says so",
  async (_, make, sentence) => {
    if (!needsRoot()) return;
    using sandbox = new Sandbox();
    const data = join(sandbox.home, "data");
    const env = { SESSION_BUDDY_DATA_DIR: data };
    await sandbox.run(["shell", "--", "true"], { env });
    await sandbox.run(["list-sessions"], { env });
    chmodSync(data, 0o755);
    make(join(data, "sessions.duckdb"));
    const list = await sandbox.run(["list-sessions"], { env });
    expectFailure(list, 6, sentence);
    const server = await sandbox.run(["mcp", "start", "--port", "auto"], {
      env,
      timeout_ms: 20_000,
    });
    expect(server).toMatchObject({ exitCode: 6, stdout: "" });
    const doctor = await sandbox.run(["doctor", "--json"], { env });
    const { phases } = JSON.parse(doctor.stdout) as {
      phases: Record<string, { tests: { name: string; status: string }[] }>;
    };
    const tests = Object.values(phases).flatMap((phase) => phase.tests);
    expect(tests).toContainEqual(
      expect.objectContaining({ name: "database_file", status: "fail" }),
    );
  },
);

test("a link of our own to a database of our own leads on", async () => {
  using sandbox = new Sandbox();
  plant(sandbox, [{}]);
  await sandbox.list();
  const moved = join(sandbox.home, "disk.duckdb");
  linkSync(sandbox.database, moved);
  rmSync(sandbox.database);
  symlinkSync(moved, sandbox.database);
  expect(await sandbox.list()).toHaveLength(1);
});

/** Beside a backup, in a folder where everybody can make files. */
const LOGS: [what: string, make: (log: string, own: string) => void][] = [
  ["another user's log", (log) => chownSync(log, STRANGER, STRANGER)],
  [
    "another's link to a log of ours",
    (log, own) => {
      copyFileSync(log, own);
      rmSync(log);
      symlinkSync(own, log);
    },
  ],
  [
    "another name of a log of ours",
    (log, own) => {
      copyFileSync(log, own);
      rmSync(log);
      linkSync(own, log);
    },
  ],
];

test.each(LOGS)("a backup is not restored with %s", async (_, make) => {
  if (!needsRoot()) return;
  using sandbox = new Sandbox();
  plant(sandbox, [{}, {}]);
  const shared = join(sandbox.home, "shared");
  mkdirSync(shared);
  chmodSync(shared, 0o1777);
  const file = join(shared, "backup.duckdb");
  expect((await sandbox.run(["backup", file])).exitCode).toBe(0);
  writeFileSync(`${file}.wal`, "");
  make(`${file}.wal`, join(sandbox.home, "own.wal"));
  const run = await sandbox.run(["restore", "--yes", file]);
  expectFailure(run, 6, /shared\/backup\.duckdb\.wal'/);
  rmSync(`${file}.wal`);
  const good = await sandbox.run(["restore", "--yes", file]);
  expect(good).toMatchObject({ exitCode: 0, stderr: "" });
});

test("a backup that another user can exchange or write is not restored", async () => {
  if (!needsRoot()) return;
  using sandbox = new Sandbox();
  plant(sandbox, [{}, {}]);
  const ours = join(theirs(sandbox, "theirs"), "backup.duckdb");
  const open = join(sandbox.home, "open.duckdb");
  chmodSync(sandbox.home, 0o755);
  for (const file of [ours, open])
    expect((await sandbox.run(["backup", file])).exitCode).toBe(0);
  chmodSync(open, 0o666);
  for (const [file, sentence] of [
    [ours, /theirs' belongs to uid 54321/],
    [open, /others can write to '\S+open.duckdb' \(try: chmod go-w/],
  ] as const)
    expectFailure(await sandbox.run(["restore", "--yes", file]), 6, sentence);
  chmodSync(open, 0o644);
  const link = join(sandbox.home, "latest");
  symlinkSync("open.duckdb", link);
  const good = await sandbox.run(["restore", "--yes", link]);
  expect(good).toMatchObject({ exitCode: 0, stderr: "" });
});
