/**
 * Whose files count among users of one host: what another user has put where we
 * read, or may exchange there, is not taken, and what is ours does not go there.
 */
import { expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import {
  asUnknownUser,
  configure,
  expectFailure,
  needsRoot,
  plant,
  runPrivately,
} from "../support/host.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { until } from "../support/wait.ts";

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
  [
    "ours, and beside it another's copy for a checkpoint",
    (database) => {
      writeFileSync(`${database}.checkpoint`, "");
      chownSync(`${database}.checkpoint`, STRANGER, STRANGER);
    },
    /sessions\.duckdb\.checkpoint' belongs to uid 54321/,
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

test("no log is shown that another user may have written", async () => {
  if (!needsRoot()) return;
  using sandbox = new Sandbox();
  const line = `${JSON.stringify({ time: new Date(), level: "info", event: "forged" })}\n`;
  const folder = theirs(sandbox, "logs");
  writeFileSync(join(folder, "server.log"), line, { mode: 0o644 });
  const shared = join(sandbox.home, "shared");
  mkdirSync(shared);
  chmodSync(shared, 0o1777);
  writeFileSync(join(shared, "server.log"), line);
  chownSync(join(shared, "server.log"), STRANGER, STRANGER);
  // Another's link to a folder of ours.
  const own = join(sandbox.home, "own");
  mkdirSync(own, { mode: 0o700 });
  writeFileSync(join(own, "server.log"), line);
  const link = join(sandbox.home, "link");
  symlinkSync(own, link);
  await sandbox.command(["chown", "-h", `${STRANGER}`, link]);
  for (const logs of [folder, shared, link]) {
    const env = { SESSION_BUDDY_LOG_DIR: logs };
    const run = await sandbox.run(["mcp", "logs"], { env });
    expectFailure(run, 6, /belongs to uid 54321/);
  }
  const env = { SESSION_BUDDY_LOG_DIR: own };
  const good = await sandbox.run(["mcp", "logs"], { env });
  expect(good).toMatchObject({ exitCode: 0, stderr: "" });
  expect(good.stdout).toMatch(/ forged\n$/);
});

test("doctor says in words that there is no home", async () => {
  if (!needsRoot()) return;
  using sandbox = new Sandbox();
  const run = await runPrivately(
    sandbox,
    asUnknownUser(sandbox)("unset XDG_CACHE_HOME; $SB doctor"),
  );
  expect(run.exitCode).toBe(4);
  expect(run.stdout).toContain("passwd names no home");
  expect(run.stdout).not.toMatch(/null|unexpected/);
});

/** What another user may have put where a wrapper remembers its count. */
const COUNTS: [what: string, make: (file: string) => void][] = [
  ["of another user", (file) => chownSync(file, STRANGER, STRANGER)],
  ["that others can write", (file) => chmodSync(file, 0o666)],
  [
    "in a folder of another user",
    (file) => chownSync(dirname(file), STRANGER, STRANGER),
  ],
  ["that is endless", (file) => truncateSync(file, 3 * 2 ** 30)],
];

test.each(COUNTS)("a count %s is not taken, nor read", async (_, make) => {
  if (!needsRoot()) return;
  using sandbox = new Sandbox();
  const bin = join(sandbox.home, "bin");
  const cache = join(sandbox.home, "cache/session-buddy");
  const file = join(cache, "commands.json");
  mkdirSync(bin);
  copyFileSync("/bin/true", join(bin, "only"));
  mkdirSync(cache, { recursive: true, mode: 0o700 });
  const env = { PATH: bin, XDG_CACHE_HOME: join(sandbox.home, "cache") };
  const shell = ["shell", "--", "/bin/sh", "-c", "read line"];
  const counted = async () => {
    const child = Bun.spawn([BINARY, ...shell], {
      env: sandbox.envWith(env),
      stdin: "pipe",
    });
    await until("a count", () => existsSync(file));
    child.stdin.end();
    await child.exited;
    const peak_bytes = child.resourceUsage()!.maxRSS;
    const [session] = await sandbox.list("--limit", "1");
    return { peak_bytes, count: session!.metadata["command_tree_size"] };
  };
  await counted();
  // A program that lasts longer than usual is counted anew.
  await until("what is kept to be believed", async () => {
    const text = readFileSync(file, "utf8");
    writeFileSync(file, text.replace(/"count":1\b/, '"count":4711'));
    return (await counted()).count === 4711;
  });
  make(file);
  const { peak_bytes, count } = await counted();
  expect(count).not.toBe(4711);
  expect(peak_bytes).toBeLessThan(2 ** 30);
});

test("doctor reads no rc file of another user's home", async () => {
  if (!needsRoot()) return;
  using sandbox = new Sandbox();
  const home = theirs(sandbox, "home");
  writeFileSync(join(home, ".bashrc"), "exec session-buddy shell\n");
  const cache = sandbox.env["XDG_CACHE_HOME"]!;
  const config = configure(sandbox, `cache_dir: ${cache}/session-buddy\n`);
  const env = {
    ...{ HOME: home, SESSION_BUDDY_CONFIG: config },
    SESSION_BUDDY_DATA_DIR: join(sandbox.home, "data"),
  };
  const run = await sandbox.run(["doctor"], { env });
  expect(run.stdout).toContain("rc_files");
  expect(run.stdout).not.toContain(home + "/.bashrc");
});
