/** What goes wrong with the database or its disk is a sentence, and nothing is lost. */
import { expect, test } from "bun:test";
import { MIGRATIONS } from "../../src/store/duckdb/schema.ts";
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
} from "node:fs";
import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  expectFailure,
  needsRoot,
  plant,
  runPrivately,
} from "../support/host.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { needs } from "../support/tools.ts";
import { until } from "../support/wait.ts";

/** A database with one session in it, and one more in the spool. */
async function withDatabase(): Promise<Sandbox> {
  const sandbox = new Sandbox();
  plant(sandbox, [{ component: "stored" }]);
  await sandbox.only();
  plant(sandbox, [{ component: "waiting" }]);
  return sandbox;
}

const components = async (sandbox: Sandbox) =>
  (await sandbox.list()).map((s) => s.component_name).sort();

/** Another process with the database open; `stdin.end()` ends it. */
async function otherProgram(sandbox: Sandbox, statement = "SELECT 1") {
  const script = join(import.meta.dir, "../support/duckdb.ts");
  const child = Bun.spawn(
    [process.execPath, script, sandbox.database, statement],
    { stdin: "pipe", stdout: "pipe", stderr: "inherit" },
  );
  await child.stdout.getReader().read();
  return child;
}

test("a lock that stays taken is reported with its holder", async () => {
  using sandbox = await withDatabase();
  plant(
    sandbox,
    Array.from({ length: 3_000 }, () => ({})),
  );
  // Nobody reads what this one lists, so it holds the store for long.
  const lock = join(sandbox.data, "store.lock");
  const script = `mkfifo out; exec ${BINARY} list-sessions <>out >out`;
  const holder = Bun.spawn(["sh", "-c", script], {
    env: sandbox.envWith(),
    cwd: sandbox.home,
  });
  await until("the lock's holder", () =>
    readFileSync(lock, "utf8").includes(`"pid":${holder.pid},`),
  );
  const refused = await sandbox.run(["list-sessions"]);
  expectFailure(
    refused,
    7,
    new RegExp(`busy: cli \\(pid ${holder.pid}\\) holds '.*/store.lock'`),
  );
  holder.kill("SIGKILL");
  await holder.exited;
  expect(await sandbox.list()).toHaveLength(3_002);
});

test("a terminal that shows nothing more does not hold the store", async () => {
  if (!needs("python3")) return;
  using sandbox = new Sandbox();
  plant(
    sandbox,
    Array.from({ length: 1_000 }, () => ({})),
  );
  // Of the first one's table only a byte is taken; then the second one asks.
  const script = `import os, pty, subprocess, sys
ours, theirs = pty.openpty()
first = subprocess.Popen(sys.argv[1:] + ["-n", "1000"], stdout=theirs)
os.read(ours, 1)
status = subprocess.run(sys.argv[1:] + ["-n", "1"]).returncode
assert first.poll() is None
first.kill()
sys.exit(status)`;
  const words = ["python3", "-c", script, BINARY, "list-sessions"];
  const run = await sandbox.command(words);
  expect(run).toMatchObject({ exitCode: 0, stderr: "" });
});

test.each(["", "null", "[", '"server"'])(
  "a lock whose holder has not signed it properly (%p) is reported too",
  async (text) => {
    using sandbox = await withDatabase();
    const lock = join(sandbox.data, "store.lock");
    await using holder = Bun.spawn(
      ["flock", lock, "sh", "-c", "echo locked; read line"],
      { stdin: "pipe", stdout: "pipe" },
    );
    await holder.stdout.getReader().read();
    writeFileSync(lock, text);
    const refused = await sandbox.run(["list-sessions"]);
    expectFailure(refused, 7, /busy: another session-buddy \(pid unknown\)/);
  },
);

test("a database that is open elsewhere is reported with who has it", async () => {
  using sandbox = await withDatabase();
  const other = await otherProgram(sandbox);
  const refused = await sandbox.run(["list-sessions"]);
  expectFailure(
    refused,
    7,
    new RegExp(`is open in \\S+ \\(pid ${other.pid}\\)`),
  );
  await other.stdin.end();
  await other.exited;
  expect(await components(sandbox)).toEqual(["stored", "waiting"]);
});

const DAMAGES: Record<string, (path: string) => void> = {
  "random bytes": (path) =>
    writeFileSync(path, crypto.getRandomValues(new Uint8Array(50_000))),
  text: (path) => writeFileSync(path, "not a database\n".repeat(500)),
  "no bytes": (path) => truncateSync(path),
  "half its length": (path) =>
    truncateSync(path, readFileSync(path).length / 2),
  "less than a header": (path) => truncateSync(path, 3_000),
  "a damaged header": (path) => scribble(path, 4_096, 8_192),
  "a damaged middle": (path) => scribble(path, 12_288, 400_000),
};

function scribble(path: string, from: number, to: number): void {
  const bytes = readFileSync(path);
  crypto.getRandomValues(bytes.subarray(from, Math.min(to, from + 60_000)));
  writeFileSync(path, bytes);
}

test.each(Object.entries(DAMAGES))(
  "a database with %s is damaged, says so, and restore has all again",
  async (_, damage) => {
    using sandbox = await withDatabase();
    const backup = join(sandbox.home, "backup");
    copyFileSync(sandbox.database, backup);
    damage(sandbox.database);
    const damaged = readFileSync(sandbox.database);
    for (const command of ["list-sessions", "show-session"])
      expectFailure(
        await sandbox.run([command]),
        1,
        /sessions.duckdb' is damaged: .*restore a backup/,
      );
    // What is left of it may still be wanted.
    expect(readFileSync(sandbox.database).equals(damaged)).toBe(true);
    await expectRestored(sandbox, backup);
  },
);

/** Does what the failure says: nothing is lost then. */
async function expectRestored(sandbox: Sandbox, backup: string): Promise<void> {
  const { exitCode, stderr } = await sandbox.run(["restore", "--yes", backup]);
  expect([exitCode, stderr]).toEqual([0, ""]);
  expect(await components(sandbox)).toEqual(["stored", "waiting"]);
}

test("whichever block is damaged, a backup and the spool have everything", async () => {
  using sandbox = await withDatabase();
  const { length } = readFileSync(sandbox.database);
  const met = new Set<string>();
  for (let at = 12_288; at < length; at += 262_144) {
    using other = new Sandbox();
    cpSync(sandbox.home, other.home, { recursive: true });
    const backup = join(other.home, "backup");
    copyFileSync(other.database, backup);
    scribble(other.database, at, at + 262_144);
    const { exitCode, stderr } = await other.run(["list-sessions"]);
    if (exitCode !== 0) {
      expect(stderr).toMatch(/is damaged: .*restore a backup/);
      const waits = readdirSync(other.spool).some((n) => n.endsWith(".ndjson"));
      met.add(waits ? "at opening" : "by the query");
    }
    await expectRestored(other, backup);
  }
  // By the query: what waited is stored by then, in a file that is damaged.
  expect([...met].sort()).toEqual(["at opening", "by the query"]);
});

test("a newer schema is left to the newer session-buddy", async () => {
  using sandbox = await withDatabase();
  const other = await otherProgram(
    sandbox,
    "INSERT INTO schema_version VALUES (99, now()::TIMESTAMP)",
  );
  await other.stdin.end();
  await other.exited;
  const refused = await sandbox.run(["list-sessions"]);
  expectFailure(
    refused,
    1,
    new RegExp(
      `has schema version 99, this session-buddy knows ${MIGRATIONS.length} `,
    ),
  );
});

test("a newer DuckDB's file is left to the newer session-buddy", async () => {
  using sandbox = await withDatabase();
  const bytes = readFileSync(sandbox.database);
  const sum = checksum(bytes.subarray(8, 4_096));
  expect(bytes.readBigUInt64LE(0)).toBe(sum);
  bytes.writeBigUInt64LE(bytes.readBigUInt64LE(12) + 90n, 12);
  bytes.writeBigUInt64LE(checksum(bytes.subarray(8, 4_096)), 0);
  writeFileSync(sandbox.database, bytes);
  const refused = await sandbox.run(["list-sessions"]);
  expectFailure(refused, 1, /was written by a newer DuckDB: /);
});

/** DuckDB's checksum of a header block. */
function checksum(block: Buffer): bigint {
  let sum = 5381n;
  for (let at = 0; at < block.length; at += 8)
    sum ^= BigInt.asUintN(64, block.readBigUInt64LE(at) * 0xbf58476d1ce4e5b9n);
  return sum;
}

test.each(["remote", "a remote place"])(
  "a database on a network filesystem (%s) is refused unless configured",
  async (folder) => {
    if (!needsRoot("bindfs")) return;
    using sandbox = new Sandbox();
    const mount = join(sandbox.home, folder);
    const real = join(sandbox.home, "real");
    for (const path of [mount, real]) mkdirSync(path, { mode: 0o700 });
    const script = (subtype: string) => `
      bindfs -o subtype=${subtype} '${real}' '${mount}'
      trap 'umount "${mount}"' EXIT
      ${BINARY} list-sessions --json`;
    const env = { SESSION_BUDDY_DB_PATH: `${mount}/x.duckdb` };
    const refused = await runPrivately(sandbox, script("sshfs"), { env });
    expectFailure(
      refused,
      5,
      /on a network filesystem \(fuse.sshfs\).* store.network_filesystem: true/,
    );
    const local = await runPrivately(sandbox, script("local"), { env });
    expect(local).toMatchObject({ stderr: "", stdout: "[]\n", exitCode: 0 });
    const config = join(sandbox.home, "c.yaml");
    writeFileSync(config, "store: {network_filesystem: true}\n");
    const allowed = await runPrivately(sandbox, script("sshfs"), {
      env: { ...env, SESSION_BUDDY_CONFIG: config },
    });
    expect(allowed).toMatchObject({ stderr: "", stdout: "[]\n", exitCode: 0 });
  },
);

const readOnly = (path: string) =>
  `mount --bind ${path} ${path}; mount -o remount,bind,ro ${path}\n`;

/** Copies of our own alone; each leaves nothing behind. */
const OWN_MEMORY = "mount -t tmpfs -o mode=1777 none /dev/shm\n";

test("what is on a read-only disk is read, with what waits in the spool, and said to be a copy", async () => {
  if (!needsRoot()) return;
  using sandbox = await withDatabase();
  // As a reader that was killed leaves its copy.
  const killed = `/dev/shm/.session-buddy-${"0".repeat(32)}.new`;
  const script = `${OWN_MEMORY} ${readOnly(sandbox.data)}
    mkdir -m 700 ${killed}; touch ${killed}/copy ${killed}/.locked
    ${BINARY} list-sessions --format json; ${BINARY} show-session >/dev/null
    echo drain >&2; ${BINARY} drain || status=$?
    echo left >&2; ls -A /dev/shm >&2; exit $status`;
  const looked = await runPrivately(sandbox, script);
  const names = JSON.parse(looked.stdout) as { component: string }[];
  expect(names.map(({ component }) => component).sort()).toEqual([
    "stored",
    "waiting",
  ]);
  const [said, refused, left] = looked.stderr.split(/^(?:drain|left)\n/m);
  expect(said!.trimEnd().split("\n")).toHaveLength(2);
  expect(said).toMatch(
    /^session-buddy: nothing was brought to the store: .*store.lock' cannot be written \(.*SESSION_BUDDY_DATA_DIR.*\); shown is what is there/,
  );
  // Who asks for just that hears that it is not so.
  expect(looked.exitCode).toBe(6);
  expect(refused).toMatch(/store.lock' cannot be written/);
  expect(left).toBe("");
  const apart = `cp ${sandbox.database} ${sandbox.home}/x.duckdb
    ${readOnly(`${sandbox.home}/x.duckdb`)}
    SESSION_BUDDY_DB_PATH=${sandbox.home}/x.duckdb ${BINARY} list-sessions`;
  const read = await runPrivately(sandbox, apart);
  expect(read.stderr).toContain("x.duckdb' cannot be opened for writing");
  expect(read.exitCode).toBe(0);
  expect(read.stdout.trimEnd().split("\n")).toHaveLength(2);
  expect(await components(sandbox)).toEqual(["stored", "waiting"]);
});

test("a data folder of another user, or open to others, is refused", async () => {
  if (!needsRoot()) return;
  using sandbox = new Sandbox();
  const data = join(sandbox.home, "data");
  const script = (make: string) => `mkdir ${data}; ${make} ${data}
    SESSION_BUDDY_DATA_DIR=${data} ${BINARY} list-sessions`;
  const theirs = await runPrivately(sandbox, script("chown 12345"));
  expectFailure(theirs, 6, /belongs to uid 12345, not to us \(chown it/);
  rmSync(data, { recursive: true });
  const open = await runPrivately(sandbox, script("chmod 1777"));
  expectFailure(open, 6, /others can write to '.*' \(try: chmod go-w/);
  // It is not ours to close: it may be /tmp.
  const mode = await sandbox.command(["stat", "-c", "%a", data]);
  expect(mode.stdout).toBe("1777\n");
});

/**
 * A full disk, with sessions in the spool: they are shown all the same, but not
 * brought to the store; and nothing is lost.
 * @param before what happens before it is filled
 */
async function onFullDisk(before: string): Promise<void> {
  using sandbox = new Sandbox();
  plant(
    sandbox,
    Array.from({ length: 500 }, () => ({
      metadata: { text: "x".repeat(900) },
    })),
  );
  const disk = join(sandbox.home, "disk");
  mkdirSync(disk);
  const script = `${OWN_MEMORY} mount -t tmpfs -o size=4m none ${disk}
    export SESSION_BUDDY_DATA_DIR=${disk}/data
    ${before}
    mkdir -p $SESSION_BUDDY_DATA_DIR
    cp -a ${sandbox.data}/spool $SESSION_BUDDY_DATA_DIR
    cat /dev/zero > ${disk}/fill 2>/dev/null || true
    for command in list-sessions show-session drain; do
      status=0; ${BINARY} $command > out || status=$?
      [ $command = list-sessions ] && wc -l < out
      echo "status $status" >&2
    done
    rm ${disk}/fill
    ${BINARY} list-sessions | wc -l
    ls -A /dev/shm`;
  const run = await runPrivately(sandbox, script);
  const full = `the disk of '${disk}/data/sessions.duckdb' is full (free some space and try again, events wait in the spool)`;
  const shown = `session-buddy: nothing was brought to the store: ${full}; shown is what is there, with what waits in the spool\nstatus 0\n`;
  expect(run.stderr).toBe(`${shown}${shown}session-buddy: ${full}\nstatus 1\n`);
  expect(run.stdout).toBe("500\n500\n");
}

test("a first start that is killed leaves no half a database", async () => {
  using sandbox = new Sandbox();
  plant(sandbox, [{}]);
  mkdirSync(sandbox.data, { recursive: true });
  // As a kill leaves it, while DuckDB writes the first blocks.
  writeFileSync(`${sandbox.database}.new`, new Uint8Array(4_096));
  writeFileSync(`${sandbox.database}.new.wal`, "half");
  expect(await sandbox.list()).toHaveLength(1);
  expect(readdirSync(sandbox.data).sort()).toEqual([
    "sessions.duckdb",
    "spool",
    "store.lock",
  ]);
});

test("a disk that is full at the first start", async () => {
  if (needsRoot()) await onFullDisk("");
});

test("a disk that is full when the spool is drained", async () => {
  if (needsRoot()) await onFullDisk(`${BINARY} list-sessions`);
});

test("a folder that is not there, a folder for a file, a link for a lock", async () => {
  using sandbox = new Sandbox();
  const at = (path: string) =>
    sandbox.run(["list-sessions"], {
      env: { SESSION_BUDDY_DB_PATH: join(sandbox.home, path) },
    });
  expectFailure(
    await at("no/x.duckdb"),
    5,
    /the folder of '.*' does not exist/,
  );
  mkdirSync(join(sandbox.home, "folder"));
  expectFailure(await at("folder"), 6, /folder' is not a regular file/);
  await sandbox.command(["ln", "-s", "/etc/passwd", "y.duckdb.lock"]);
  expectFailure(await at("y.duckdb"), 6, /y.duckdb.lock' is .* links are not/);
});
