/**
 * What we make where others may write: they put nothing in its way, and get
 * nothing of it; whatever umask, access lists and names the folders have.
 */
import { expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expectFailure, needsRoot, plant, privately } from "../support/host.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { needs } from "../support/tools.ts";
import { until } from "../support/wait.ts";

const STRANGER = 54_321;
const AS_STRANGER = [
  ...["setpriv", `--reuid=${STRANGER}`, `--regid=${STRANGER}`],
  ...["--clear-groups", "--"],
];

/** A folder of another user, in which a program of his is at work. */
async function attacked(sandbox: Sandbox, script: string) {
  const theirs = join(sandbox.home, "theirs");
  mkdirSync(theirs);
  chownSync(theirs, STRANGER, STRANGER);
  chmodSync(sandbox.home, 0o755);
  const child = Bun.spawn([...AS_STRANGER, "bash", "-c", script], {
    cwd: theirs,
    stdio: ["ignore", "ignore", "ignore"],
  });
  await until("the attacker", () => readdirSync(theirs).includes("begun"));
  return {
    theirs,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

test("who may rename what we make gives us no other file to change", async () => {
  if (!needsRoot()) return;
  using sandbox = new Sandbox();
  plant(sandbox, [{}, {}]);
  await sandbox.list();
  const victim = join(sandbox.home, "victim");
  writeFileSync(victim, "root's own\n", { mode: 0o600 });
  await using attack = await attacked(
    sandbox,
    `shopt -s dotglob nullglob; echo old > out.csv; : > begun
     while :; do for f in .session-buddy-* *.new; do
       [ -L "$f" ] || { mv "$f" "taken$RANDOM$RANDOM" && ln -s ${victim} "$f"; }
     done; done 2> /dev/null`,
  );
  const out = join(attack.theirs, "out.csv");
  for (let n = 0; n < 5; n++) {
    const run = await sandbox.run(["list-sessions", "--output", out]);
    // Where he is that fast, he keeps it out of his folder, no more.
    if (run.exitCode !== 0)
      expectFailure(run, 6, /somebody else changes what we make in/);
    // Still his.
    expect(statSync(out).uid).toBe(STRANGER);
  }
  expect(readFileSync(victim, "utf8")).toBe("root's own\n");
  expect(statSync(victim).uid).toBe(0);
  expect(statSync(victim).mode & 0o777).toBe(0o600);
});

test("a backup does not go into another user's file", async () => {
  if (!needsRoot()) return;
  using sandbox = new Sandbox();
  plant(sandbox, [{}, {}]);
  await sandbox.list();
  // The name that it is made by was easily guessed once.
  await using attack = await attacked(
    sandbox,
    `: > begun; while :; do [ -e .backup.duckdb.part ] || : > .backup.duckdb.part
     chmod 666 .backup.duckdb.part; done 2> /dev/null`,
  );
  await until("his file", () =>
    readdirSync(attack.theirs).includes(".backup.duckdb.part"),
  );
  const file = join(attack.theirs, "backup.duckdb");
  const run = await sandbox.run(["backup", file]);
  expect(run).toMatchObject({ exitCode: 0, stderr: "" });
  const { uid, mode } = statSync(file);
  expect({ uid, mode: mode & 0o777 }).toEqual({ uid: 0, mode: 0o600 });
  const read = await sandbox.command([
    ...[...AS_STRANGER, "grep", "-rl", "DUCK", "."],
  ]);
  expect(read.stdout).toBe("");
  expect(readdirSync(attack.theirs).sort()).toEqual([
    ...[".backup.duckdb.part", "backup.duckdb", "begun"],
  ]);
});

test("what killed commands have left beside an output is removed by the next", async () => {
  using sandbox = new Sandbox();
  plant(sandbox, [{}]);
  const left = join(sandbox.home, `.session-buddy-${"0".repeat(32)}.new`);
  mkdirSync(left, { mode: 0o700 });
  writeFileSync(join(left, "whole"), "half");
  writeFileSync(join(left, ".locked"), "");
  const out = join(sandbox.home, "out.csv");
  expect((await sandbox.run(["list-sessions", "-o", out])).exitCode).toBe(0);
  const names = readdirSync(sandbox.home);
  expect(names.filter((name) => name.includes("session-buddy-"))).toEqual([]);
});

test("a folder of ours that another user names so is not taken for what we left", async () => {
  if (!needsRoot()) return;
  using sandbox = new Sandbox();
  plant(sandbox, [{}]);
  await sandbox.list();
  for (const [place, mode, owner] of [
    ["shared", 0o777, 0],
    ["theirs", 0o755, STRANGER],
    ["sticky-theirs", 0o1777, STRANGER],
  ] as const) {
    const folder = join(sandbox.home, place);
    mkdirSync(folder);
    chmodSync(folder, mode);
    chownSync(folder, owner, owner);
    // As `mv work .session-buddy-….new` leaves it.
    const work = join(folder, `.session-buddy-${"a".repeat(32)}.new`);
    mkdirSync(join(work, "src"), { recursive: true, mode: 0o700 });
    writeFileSync(join(work, "src/thesis.txt"), "all of it");
    const out = join(folder, "out.csv");
    const run = await sandbox.run(["list-sessions", "--output", out]);
    expect(run).toMatchObject({ exitCode: 0, stderr: "" });
    expect(readFileSync(join(work, "src/thesis.txt"), "utf8")).toBe(
      "all of it",
    );
  }
});

test("another user's link leads no output and no archive anywhere", async () => {
  if (!needsRoot()) return;
  using sandbox = new Sandbox();
  const at = (name: string) => join(sandbox.home, name);
  plant(sandbox, [{}, {}]);
  await sandbox.list();
  await sandbox.command(["rm", "-r", sandbox.spool]);
  mkdirSync(at("private"));
  const victim = at("private/out.csv");
  const folders = { sticky: 0o1777, open: 0o777, theirs: 0o755 };
  for (const [name, mode] of Object.entries(folders)) {
    mkdirSync(at(name));
    chmodSync(at(name), mode);
    symlinkSync(at("private"), at(`${name}/reports`));
    symlinkSync(victim, at(`${name}/out.csv`));
    symlinkSync(at("private/new.csv"), at(`${name}/new.csv`));
    const links = ["reports", "out.csv", "new.csv"].map((link) =>
      at(`${name}/${link}`),
    );
    await sandbox.command(["chown", "-h", `${STRANGER}`, ...links]);
    if (name === "theirs") chownSync(at(name), STRANGER, STRANGER);
    writeFileSync(victim, "mine\n");
    for (const out of ["out.csv", "new.csv", "reports/out.csv", "reports/b"]) {
      const path = at(`${name}/${out}`);
      const list = await sandbox.run(["list-sessions", "--output", path]);
      expectFailure(list, 6, /is a link of uid 54321, who could lead us/);
      const backup = await sandbox.run(["backup", "--force", path]);
      expectFailure(backup, 6, /is a link of uid 54321, who could lead us/);
    }
    const archive = ["archive-sessions", "--days", "30", "--yes", "-o"];
    const moved = await sandbox.run([...archive, at(`${name}/reports/a`)]);
    expectFailure(moved, 6, /is a link of uid 54321, who could lead us/);
    expect(readdirSync(at("private"))).toEqual(["out.csv"]);
    expect(readFileSync(victim, "utf8")).toBe("mine\n");
  }
  // Of our own file by another name nothing is known there; links of ours lead on.
  linkSync(victim, at("open/again.csv"));
  const linked = ["list-sessions", "--output", at("open/again.csv")];
  expectFailure(await sandbox.run(linked), 6, /has other names/);
  symlinkSync("../private", at("open/own"));
  const own = ["list-sessions", "--output", at("open/own/out.csv")];
  expect(await sandbox.run(own)).toMatchObject({ exitCode: 0, stderr: "" });
  expect(readFileSync(victim, "utf8")).toStartWith("session_id,");
  symlinkSync("nodir/z", at("astray"));
  const astray = ["list-sessions", "--output", at("astray")];
  expectFailure(
    await sandbox.run(astray),
    64,
    /there is no folder '\/.*nodir'/,
  );
});

test("a folder of another user's that becomes a link is no way to one of ours", async () => {
  if (!needsRoot("gcc")) return;
  using sandbox = new Sandbox();
  plant(sandbox, [{}, {}]);
  await sandbox.list();
  const victim = join(sandbox.home, "victim");
  mkdirSync(victim);
  writeFileSync(join(victim, "x.csv"), "mine\n");
  const source = join(sandbox.home, "race.c");
  writeFileSync(
    source,
    `#define _GNU_SOURCE
     #include <fcntl.h>
     #include <stdio.h>
     #include <sys/stat.h>
     #include <unistd.h>
     int main(void) {
       mkdir("deep", 0755); symlink("${victim}", "link");
       close(open("begun", O_CREAT, 0644));
       pid_t test = getppid();
       while (getppid() == test) renameat2(AT_FDCWD, "deep", AT_FDCWD, "link", RENAME_EXCHANGE);
     }`,
  );
  await sandbox.command(["gcc", "-o", join(sandbox.home, "race"), source]);
  await using attack = await attacked(sandbox, "exec ../race");
  const out = join(attack.theirs, "deep/x.csv");
  for (let n = 0; n < 20; n++)
    await sandbox.run(["list-sessions", "--output", out]);
  expect(readFileSync(join(victim, "x.csv"), "utf8")).toBe("mine\n");
});

/** Names that a shell, a URL, SQL or a pattern would read something into. */
const NAMES = ["a?b", "a#b", "a%20b", "a'b\"c", "a[b]*c", "a\\b", "-a;b c"];

test.each(NAMES)("a folder and files named %s", async (name) => {
  using sandbox = new Sandbox();
  const folder = join(sandbox.home, name);
  mkdirSync(folder);
  plant(sandbox, [{}, {}]);
  const csv = join(folder, `${name}.csv`);
  const out = await sandbox.run(["list-sessions", "--output", csv]);
  expect(out).toMatchObject({ exitCode: 0, stderr: "" });
  const backup = join(folder, `${name}.duckdb`);
  const made = await sandbox.run(["backup", backup]);
  expect(made).toMatchObject({ exitCode: 0, stderr: "" });
  const restored = await sandbox.run(["restore", "--yes", backup]);
  expect(restored).toMatchObject({ exitCode: 0, stderr: "" });
  // What the spool has is not archived.
  await sandbox.command(["rm", "-r", sandbox.spool]);
  const archive = ["archive-sessions", "--days", "30", "--yes"];
  const archived = await sandbox.run([...archive, "-o", `${folder}/${name}`]);
  expect(archived).toMatchObject({ exitCode: 0, stderr: "" });
  expect(archived.stdout).toContain("2 sessions");
  expect(readdirSync(folder).sort()).toEqual(
    [name, `${name}.csv`, `${name}.duckdb`].sort(),
  );
  expect(readdirSync(join(folder, name)).sort()).toEqual([
    ...["events.parquet", "sessions.parquet"],
  ]);
});

test.each(NAMES)("data in a folder named %s", async (name) => {
  using sandbox = new Sandbox();
  const env = { SESSION_BUDDY_DATA_DIR: join(sandbox.home, name) };
  const shell = await sandbox.run(["shell", "--", "true"], { env });
  expect(shell).toMatchObject({ exitCode: 0, stderr: "" });
  const list = () => sandbox.run(["list-sessions"], { env });
  if (name.includes("?")) {
    expectFailure(await list(), 5, /no question mark in a path/);
    Object.assign(env, {
      SESSION_BUDDY_DB_PATH: join(sandbox.home, "db.duckdb"),
    });
  }
  for (let n = 0; n < 2; n++) {
    const { stdout, stderr } = await list();
    expect(stderr).toBe("");
    expect(stdout).toMatch(/^true-\S+\ttrue\t[^\n]+\n$/);
  }
  await using server = await TestServer.start(sandbox, { env });
  expect((await list()).stdout).toMatch(/^true-/);
  expect(await server.stop()).toBe(0);
});

test.each(["0177", "0277", "0777"])(
  "umask %s makes nothing that we cannot use ourselves",
  async (umask) => {
    if (!needsRoot()) return;
    using sandbox = new Sandbox();
    const { home } = sandbox;
    const script = `chown ${STRANGER} ${home}; cd ${home}; touch sb
      mount --bind ${BINARY} sb
      export HOME=${home} XDG_CACHE_HOME=${home}/cache
      exec ${AS_STRANGER.join(" ")} bash -euc '
        umask ${umask}; ulimit -c 0
        for n in 1 2; do
          ./sb shell --audit strict -- sh -c umask
          ./sb list-sessions | wc -l
        done
        ./sb mcp start --detach --port auto > /dev/null
        ./sb shell -- true; ./sb list-sessions | wc -l
        ./sb mcp logs | grep -c ready; ./sb mcp stop > /dev/null'`;
    const run = await sandbox.command(privately(script));
    expect(run).toMatchObject({ exitCode: 0, stderr: "" });
    // The child's own is untouched.
    expect(run.stdout.split("\n")).toEqual([
      ...[umask, "1", umask, "2", "3", "1", ""],
    ]);
  },
);

test("a default ACL opens nothing of ours to others", async () => {
  if (!needsRoot("setfacl")) return;
  using sandbox = new Sandbox();
  const { home } = sandbox;
  chmodSync(home, 0o755);
  const open = ["setfacl", "-d", "-m", `u:${STRANGER}:rwx,g::rwx,o::rwx`];
  await sandbox.command([...open, home]);
  plant(sandbox, [{}, {}]);
  await sandbox.command(["rm", "-rf", join(home, ".local")]);
  await sandbox.run(["shell", "--", "true"]);
  await using server = await TestServer.start(sandbox);
  await sandbox.run(["shell", "--", "true"]);
  for (const args of [
    ["list-sessions", "-o", "out.csv"],
    ["backup", "backup.duckdb"],
  ])
    expect((await sandbox.run(args)).exitCode).toBe(0);
  expect(await server.stop()).toBe(0);
  const seen = await sandbox.command([
    ...[...AS_STRANGER, "find", home, "-mindepth", "1"],
    ...["(", "-readable", "-o", "-writable", ")"],
  ]);
  expect(seen.stdout).toBe("");
  const env = { SESSION_BUDDY_DB_PATH: join(home, "own.duckdb") };
  const refused = await sandbox.run(["list-sessions"], { env });
  expectFailure(refused, 6, /opens to others what is made in it/);
});

/** Where a regular file is expected, and what reads it. */
const FIFOS: [name: string, args: string[], works: boolean][] = [
  ["store.lock", ["list-sessions"], false],
  ["sessions.duckdb", ["list-sessions"], false],
  ["sessions.duckdb.wal", ["list-sessions"], false],
  ["SPOOL/drain.lock", ["list-sessions"], false],
  ["SPOOL/spool.json", ["list-sessions"], true],
  ["SPOOL/spool.json", ["shell", "--", "true"], true],
  ["SPOOL/delivery.json", ["doctor"], true],
  ["../../../.config/session-buddy/config.yaml", ["list-sessions"], false],
  ["../../../.config/session-buddy/config.yaml", ["shell", "--", "true"], true],
];

test.each(FIFOS)(
  "a FIFO for %s does not hold %j up",
  async (name, args, works) => {
    if (!needs("mkfifo")) return;
    using sandbox = new Sandbox();
    await sandbox.run(["shell", "--", "true"]);
    await sandbox.list();
    const path = join(
      sandbox.data,
      name.replace("SPOOL", sandbox.spool.slice(sandbox.data.length + 1)),
    );
    await sandbox.command(["mkdir", "-p", join(path, "..")]);
    await sandbox.command(["rm", "-f", path]);
    await sandbox.command(["mkfifo", path]);
    // The usual port may be another program's.
    const env = { SESSION_BUDDY_PORT: "auto" };
    const run = await sandbox.run(args, { env });
    if (works) return expect(run).toMatchObject({ exitCode: 0, signal: null });
    expect(run.exitCode).toBeOneOf([5, 6]);
    expect(run.stderr).toContain(`'${path}' is not a regular file`);
  },
);

test.each([
  ["for everybody", 0o777, 0],
  ["that is its owner's, and for everybody", 0o1777, STRANGER],
])(
  "another user's file in a folder %s gets nothing of ours",
  async (_, mode, owner) => {
    if (!needsRoot()) return;
    using sandbox = new Sandbox();
    plant(sandbox, [{}]);
    await sandbox.list();
    const folder = join(sandbox.home, "shared");
    mkdirSync(folder);
    chmodSync(folder, mode);
    chownSync(folder, owner, owner);
    const theirs = join(folder, "out");
    writeFileSync(theirs, "theirs");
    chmodSync(theirs, 0o666);
    chownSync(theirs, STRANGER, STRANGER);
    const fifo = join(folder, "fifo");
    await sandbox.command(["mkfifo", "-m", "666", fifo]);
    chownSync(fifo, STRANGER, STRANGER);
    const refusal =
      /belongs to uid 54321, in a folder where others may put files/;
    for (const words of [
      ["list-sessions", "--output", theirs],
      ["list-sessions", "--output", fifo],
      ["backup", "--force", theirs],
    ])
      expectFailure(await sandbox.run(words), 6, refusal);
    expect(readFileSync(theirs, "utf8")).toBe("theirs");
  },
);

test("root renews a user's file where that user rules alone", async () => {
  if (!needsRoot()) return;
  using sandbox = new Sandbox();
  plant(sandbox, [{}]);
  await sandbox.list();
  const folder = join(sandbox.home, "theirs");
  mkdirSync(folder, { mode: 0o755 });
  chownSync(folder, STRANGER, STRANGER);
  const theirs = join(folder, "out.csv");
  writeFileSync(theirs, "old");
  chownSync(theirs, STRANGER, STRANGER);
  const run = await sandbox.run(["list-sessions", "--output", theirs]);
  expect(run).toMatchObject({ exitCode: 0, stderr: "" });
  expect(statSync(theirs).uid).toBe(STRANGER);
  expect(readFileSync(theirs, "utf8")).not.toBe("old");
});

test("a file that came to the place meanwhile gives ours no list of who may read it", async () => {
  if (!needsRoot() || !needs("strace") || !needs("setfacl")) return;
  using sandbox = new Sandbox();
  plant(sandbox, [{}]);
  await sandbox.list();
  const folder = join(sandbox.home, "shared");
  mkdirSync(folder);
  chmodSync(folder, 0o777);
  const out = join(folder, "out");
  writeFileSync(out, "");
  chmodSync(out, 0o640);
  // It is exchanged between the look and what takes its place: until then it is kept
  // from asking for lists, and goes on once who keeps it is gone.
  const evil = join(folder, "evil");
  const run = await sandbox.command([
    ...["sh", "-c"],
    `: > ${evil}; chmod 640 ${evil}; setfacl -m u:${STRANGER}:rw ${evil}
    chown ${STRANGER} ${evil}
    strace -D -f -o /dev/null -e trace=listxattr,llistxattr -e inject=listxattr,llistxattr:delay_enter=1000000000 ${BINARY} list-sessions --output ${out} & pid=$!
    until ls ${folder}/.session-buddy-*.new/* >/dev/null 2>&1; do sleep 0.1; done
    mv -f ${evil} ${out}; kill -KILL $(sed -n 's/^TracerPid:.//p' /proc/$pid/status)
    wait $pid; status=$?; getfacl -c ${out}; exit $status`,
  ]);
  if (run.exitCode === 0) expect(run.stdout).not.toContain(`user:${STRANGER}`);
  else expect(readFileSync(out, "utf8")).toBe("");
});
