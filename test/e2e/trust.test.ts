/**
 * Whose word counts among users of one host: nothing is loaded from, read from
 * or written to a place that another user rules.
 */
import { expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { configure, expectFailure, needsRoot } from "../support/host.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";

const STRANGER = 54_321;

/** A folder below one of another user, made as if it were ours. */
function below(sandbox: Sandbox, name = "theirs"): string {
  const theirs = join(sandbox.home, name);
  const ours = join(theirs, "ours");
  mkdirSync(ours, { recursive: true, mode: 0o700 });
  chownSync(theirs, STRANGER, STRANGER);
  return ours;
}

/** A sandbox that unpacks its own native library. */
function fresh(): Sandbox {
  const sandbox = new Sandbox();
  delete sandbox.env["XDG_CACHE_HOME"];
  return sandbox;
}

const nativesIn = (sandbox: Sandbox) => {
  const cache = join(sandbox.home, ".cache/session-buddy");
  return join(
    cache,
    readdirSync(cache).find((n) => n.startsWith("duckdb-"))!,
  );
};

test("native code below another user's folder is not loaded", async () => {
  if (!needsRoot()) return;
  using sandbox = fresh();
  const theirs = below(sandbox);
  // What su without - leaves.
  const env = { XDG_CACHE_HOME: theirs, XDG_RUNTIME_DIR: theirs };
  const run = await sandbox.run(["list-sessions", "--json"], { env });
  expect(run).toMatchObject({ exitCode: 0, stdout: "[]\n", stderr: "" });
  expect(readdirSync(theirs)).toEqual([]);
  expect(existsSync(nativesIn(sandbox))).toBe(true);
  const config = configure(sandbox, `cache_dir: ${theirs}/cache\n`);
  const named = await sandbox.run(["list-sessions", "--config", config]);
  expectFailure(named, 1, /theirs' belongs to uid 54321/);
  expect(readdirSync(theirs)).toEqual([]);
  const doctor = await sandbox.run(["doctor", "--config", "/dev/null"], {
    env,
  });
  expect(doctor.stdout).toContain("XDG_CACHE_HOME is not used");
});

test("what is loaded is the file that was looked at", async () => {
  using sandbox = fresh();
  await using server = await TestServer.start(sandbox);
  const mapped = readFileSync(`/proc/${server.child.pid}/maps`, "utf8")
    .split("\n")
    .filter((line) => line.includes("duckdb"));
  const inodes = new Set(mapped.map((line) => Number(line.split(/\s+/)[4])));
  const files = ["libduckdb.so", "duckdb.node"].map(
    (name) => statSync(join(nativesIn(sandbox), name)).ino,
  );
  expect([...inodes].sort()).toEqual(files.sort());
});

test("a native file of which one byte differs is unpacked anew, a copy is taken", async () => {
  using sandbox = fresh();
  expect((await sandbox.list()).length).toBe(0);
  for (const name of ["libduckdb.so", "duckdb.node"]) {
    const file = join(nativesIn(sandbox), name);
    const { atime, mtime } = statSync(file);
    const bytes = readFileSync(file);
    bytes[bytes.length >> 1]! ^= 1;
    chmodSync(file, 0o700);
    writeFileSync(file, bytes);
    chmodSync(file, 0o500);
    utimesSync(file, atime, mtime);
    expect((await sandbox.list()).length).toBe(0);
    bytes[bytes.length >> 1]! ^= 1;
    expect(Buffer.compare(readFileSync(file), bytes)).toBe(0);
  }
  // As a restored home has it: the same content, other inodes.
  const folder = nativesIn(sandbox);
  const noted = readFileSync(join(folder, "verified.json"), "utf8");
  await sandbox.command(["cp", "-a", folder, `${folder}.copy`]);
  await sandbox.command(["rm", "-rf", folder]);
  renameSync(`${folder}.copy`, folder);
  const { ino } = statSync(join(folder, "libduckdb.so"));
  expect((await sandbox.list()).length).toBe(0);
  expect(statSync(join(folder, "libduckdb.so")).ino).toBe(ino);
  expect(readFileSync(join(folder, "verified.json"), "utf8")).not.toBe(noted);
});

/** Set on purpose: refused in words, never taken elsewhere without one. */
const REFUSED: [what: string, env: (ours: string) => Record<string, string>][] =
  [
    ["data", (ours) => ({ SESSION_BUDDY_DATA_DIR: `${ours}/data` })],
    ["database", (ours) => ({ SESSION_BUDDY_DB_PATH: `${ours}/db.duckdb` })],
    ["configuration", (ours) => ({ SESSION_BUDDY_CONFIG: `${ours}/c.yaml` })],
  ];

test.each(REFUSED)(
  "a %s below another user's folder is refused in words",
  async (_, env) => {
    if (!needsRoot()) return;
    using sandbox = new Sandbox();
    const ours = below(sandbox);
    writeFileSync(join(ours, "c.yaml"), "{}\n", { mode: 0o600 });
    const run = await sandbox.run(["list-sessions"], { env: env(ours) });
    expect(run.exitCode).toBeOneOf([5, 6]);
    expectFailure(run, run.exitCode!, /theirs' belongs to uid 54321/);
    expect(readdirSync(ours)).toEqual(["c.yaml"]);
  },
);

test("a wrapper records nothing where another user rules, and strict says why", async () => {
  if (!needsRoot()) return;
  using sandbox = new Sandbox();
  const ours = below(sandbox);
  const env = { SESSION_BUDDY_DATA_DIR: join(ours, "data") };
  const run = await sandbox.run(["shell", "--", "sh", "-c", "exit 3"], { env });
  expect(run).toMatchObject({ exitCode: 3, stdout: "", stderr: "" });
  expect(readdirSync(ours)).toEqual([]);
  const strict = await sandbox.run(
    ["shell", "--audit", "strict", "--", "true"],
    { env },
  );
  expectFailure(strict, 125, /theirs' belongs to uid 54321/);
});

test("a secret, a TLS key and logs below another user's folder are refused", async () => {
  if (!needsRoot("openssl")) return;
  using sandbox = new Sandbox();
  const ours = below(sandbox);
  writeFileSync(join(ours, "secret"), "s".repeat(40), { mode: 0o600 });
  const config = configure(sandbox, `auth: {secret_file: ${ours}/secret}\n`);
  expectFailure(
    await sandbox.run(["token", "--config", config]),
    5,
    /secret_file .* cannot be trusted: .*theirs' belongs to uid 54321/,
  );
  const [cert, key] = [join(sandbox.home, "cert.pem"), join(ours, "key.pem")];
  await sandbox.command([
    ...["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes"],
    ...["-subj", "/CN=localhost", "-keyout", key, "-out", cert],
  ]);
  configure(sandbox, `server: {tls: {cert: ${cert}, key: ${key}}}\n`);
  const tls = await sandbox.run(["mcp", "start", "--port", "auto"]);
  expect(tls.exitCode).toBe(6);
  expect(tls.stderr).toMatch(/theirs' belongs to uid 54321/);
  configure(sandbox, "{}\n");
  const logs = await sandbox.run(["mcp", "start", "--port", "auto"], {
    env: { SESSION_BUDDY_LOG_DIR: join(ours, "logs") },
  });
  expect(logs.exitCode).toBe(6);
  expect(logs.stderr).toMatch(/theirs' belongs to uid 54321/);
});

test("links of our own and of root lead on, another user's do not", async () => {
  if (!needsRoot()) return;
  using sandbox = new Sandbox();
  const { home } = sandbox;
  mkdirSync(join(home, "disk"));
  symlinkSync("disk", join(home, "moved"));
  mkdirSync(join(home, "dotfiles"));
  writeFileSync(join(home, "dotfiles/c.yaml"), "{}\n");
  mkdirSync(join(home, ".config/session-buddy"), { recursive: true });
  symlinkSync(
    "../../dotfiles/c.yaml",
    join(home, ".config/session-buddy/config.yaml"),
  );
  const env = { SESSION_BUDDY_DATA_DIR: join(home, "moved/data") };
  const run = await sandbox.run(["shell", "--", "true"], { env });
  expect(run).toMatchObject({ exitCode: 0, stderr: "" });
  const list = await sandbox.run(["list-sessions"], { env });
  expect(list).toMatchObject({ exitCode: 0, stderr: "" });
  expect(list.stdout).toMatch(/^true-/);
  expect(readdirSync(join(home, "disk/data"))).toContain("sessions.duckdb");
  await sandbox.command(["chown", "-h", `${STRANGER}`, join(home, "moved")]);
  const theirs = await sandbox.run(["list-sessions"], { env });
  expectFailure(theirs, 6, /moved' belongs to uid 54321/);
});

test("a home that its owner's own group can write is his, one that others can is not", async () => {
  if (!needsRoot("setfacl")) return;
  // Wherever the home is, as another user, whose group has his name.
  const script = (groups: string, acl = "") => `
    printf 'les:x:54321:54321::%s:/bin/sh\\n' "$HOME" >> passwd
    printf '%s\\n' ${groups} >> group
    mkdir -p h/.local && chown -R 54321:54321 h && chmod 775 h h/.local
    ${acl}
    mount --bind passwd /etc/passwd; mount --bind group /etc/group
    touch sb; mount --bind ${BINARY} sb
    chmod 755 .; export HOME=$PWD/h; unset XDG_CACHE_HOME
    exec setpriv --reuid=54321 --regid=54321 --clear-groups \\
      ./sb shell --audit strict -- true`;
  const run = async (groups: string, acl?: string) => {
    using own = new Sandbox();
    await own.command(["cp", "/etc/passwd", "/etc/group", "."]);
    const argv = ["unshare", "-m", "--propagation", "private"];
    return await own.command([...argv, "bash", "-euc", script(groups, acl)]);
  };
  expect(await run("les:x:54321:")).toMatchObject({ exitCode: 0, stderr: "" });
  for (const shared of ["les:x:54321:mallory", "staff:x:54321:"])
    expectFailure(await run(shared), 125, /others can write to '\S+\/h'/);
  expectFailure(
    await run("les:x:54321:", "setfacl -m u:12345:rwx h"),
    125,
    /others can write to '\S+\/h'/,
  );
  // A list that only lets others look, as for a web server.
  expect(await run("les:x:54321:", "setfacl -m u:12345:r-x h")).toMatchObject({
    exitCode: 0,
    stderr: "",
  });
  expect(
    await run(
      "staff:x:54321:",
      "setfacl -m u:12345:r-x,g::r-x,m::rwx h; chmod 755 h/.local",
    ),
  ).toMatchObject({ exitCode: 0, stderr: "" });
  // The folder itself, as umask 002 leaves it, and with the group handed down.
  const kept =
    "SESSION_BUDDY_DATA_DIR=$PWD/h/kept; export SESSION_BUDDY_DATA_DIR";
  const make = `mkdir h/kept; chown 54321:54321 h/kept; ${kept}`;
  for (const mode of ["775", "2770"]) {
    const own = `${make}; chmod ${mode} h/kept`;
    expect(await run("les:x:54321:", own)).toMatchObject({
      ...{ exitCode: 0, stderr: "" },
    });
    expectFailure(
      await run("les:x:54321:mallory", `${own}; chmod 755 h h/.local`),
      125,
      /others can write to '\S+\/kept'/,
    );
  }
});

test("where others can make files no database is kept, and no log of theirs is taken", async () => {
  if (!needsRoot()) return;
  using sandbox = new Sandbox();
  const shared = join(sandbox.home, "tmp");
  mkdirSync(shared);
  chmodSync(shared, 0o1777);
  const env = { SESSION_BUDDY_DB_PATH: join(shared, "own.duckdb") };
  const run = await sandbox.run(["list-sessions"], { env });
  expectFailure(run, 6, /others can make files in '\S+tmp'/);
  expect(readdirSync(shared)).not.toContain("own.duckdb");
  const backup = join(shared, "backup.duckdb");
  await sandbox.run(["shell", "--", "true"]);
  expect((await sandbox.run(["backup", backup])).exitCode).toBe(0);
  writeFileSync(`${backup}.wal`, "");
  chownSync(`${backup}.wal`, STRANGER, STRANGER);
  const restored = await sandbox.run(["restore", "--yes", backup]);
  expectFailure(restored, 6, /backup\.duckdb\.wal' belongs to uid 54321/);
});

test("doctor --fix closes no folder that another user's link leads to", async () => {
  if (!needsRoot()) return;
  using sandbox = new Sandbox();
  const theirs = join(sandbox.home, "theirs");
  const victim = join(sandbox.home, "victim");
  mkdirSync(theirs);
  mkdirSync(victim, { mode: 0o755 });
  symlinkSync(victim, join(theirs, "data"));
  await sandbox.command(["chown", "-hR", `${STRANGER}`, theirs]);
  const env = { SESSION_BUDDY_DATA_DIR: join(theirs, "data") };
  await sandbox.run(["doctor", "--fix"], { env });
  expect(statSync(victim).mode & 0o777).toBe(0o755);
});

test("no folder is closed that is kept for others", async () => {
  if (!needsRoot()) return;
  using sandbox = new Sandbox();
  const at = (name: string) => join(sandbox.home, name);
  const modeOf = (path: string) => statSync(path).mode & 0o7777;
  const env = (folder: string) => ({ SESSION_BUDDY_DATA_DIR: folder });
  for (const mode of [0o1777, 0o2775, 0o777]) {
    const folder = at(`kept-${mode.toString(8)}`);
    mkdirSync(folder);
    chmodSync(folder, mode);
    chownSync(folder, 0, STRANGER);
    const fixed = await sandbox.run(["doctor", "--fix"], { env: env(folder) });
    expect(fixed.stdout).toContain("it was left as it is");
    expect(modeOf(folder)).toBe(mode);
  }
  // By our name, but for others as well: the configuration of a host.
  const host = at("etc/session-buddy");
  mkdirSync(host, { recursive: true });
  writeFileSync(join(host, "config.yaml"), "{}\n");
  chmodSync(host, 0o755);
  const shell = await sandbox.run(["shell", "--", "true"], { env: env(host) });
  expect(shell).toMatchObject({ exitCode: 0, stderr: "" });
  expect(modeOf(host)).toBe(0o755);
  const logs = at("log/session-buddy");
  mkdirSync(logs, { recursive: true });
  chmodSync(logs, 0o1777);
  const start = await sandbox.run(
    ["mcp", "start", "--detach", "--port", "auto"],
    { env: { SESSION_BUDDY_LOG_DIR: logs } },
  );
  expectFailure(start, 6, /others can write to '\S+log\/session-buddy'/);
  expect(modeOf(logs)).toBe(0o1777);
  // What holds nothing but ours is closed, as ever.
  await sandbox.run(["shell", "--", "true"]);
  chmodSync(sandbox.data, 0o755);
  await sandbox.run(["shell", "--", "true"]);
  expect(modeOf(sandbox.data)).toBe(0o700);
});

test("folders are made one by one, and none through a link that came in between", async () => {
  if (!needsRoot("gcc")) return;
  using sandbox = new Sandbox();
  const { home } = sandbox;
  const shared = join(home, "shared");
  const other = join(home, "other");
  for (const folder of [shared, other]) mkdirSync(folder);
  chmodSync(home, 0o755);
  chmodSync(shared, 0o1777);
  const source = join(home, "race.c");
  writeFileSync(
    source,
    `#include <unistd.h>
     int main(void) { pid_t test = getppid(); while (getppid() == test) { symlink("${other}", "x"); unlink("x"); } }`,
  );
  await sandbox.command(["gcc", "-o", join(home, "race"), source]);
  const race = Bun.spawn(
    [
      ...["setpriv", `--reuid=${STRANGER}`, `--regid=${STRANGER}`],
      ...["--clear-groups", join(home, "race")],
    ],
    { cwd: shared, stdio: ["ignore", "ignore", "ignore"] },
  );
  try {
    const env = { SESSION_BUDDY_DATA_DIR: join(shared, "x/session-buddy") };
    for (let n = 0; n < 60; n++) {
      await sandbox.run(["shell", "--", "true"], { env });
      expect(readdirSync(other)).toEqual([]);
      await sandbox.command(["rm", "-rf", join(shared, "x")]);
    }
  } finally {
    race.kill("SIGKILL");
    await race.exited;
  }
});

test("who has no id in a namespace of users owns nothing there", async () => {
  if (!needsRoot()) return;
  using sandbox = fresh();
  const { home } = sandbox;
  chmodSync(home, 0o755);
  // Whose these are cannot be known there: of a stranger, as the user's own.
  const theirs = join(home, "theirs");
  mkdirSync(theirs);
  writeFileSync(join(theirs, "c.yaml"), "{}\n");
  await sandbox.command(["chown", "-R", `${STRANGER}`, theirs]);
  writeFileSync(join(home, "sb"), "");
  const run = (unshare: string, env: string, command: string) =>
    sandbox.command([
      ...["unshare", "-m", "--propagation", "private", "bash", "-euc"],
      `mount --bind ${BINARY} ${home}/sb; mkdir -p ${home}/u; chown 54322:54322 ${home} ${home}/u
       exec setpriv --reuid=54322 --regid=54322 --clear-groups env -i PATH=/usr/bin:/bin \
         HOME=${home}/u ${env} unshare ${unshare} ${home}/sb ${command}`,
    ]);
  const nobody = await run(
    "--user",
    `XDG_CACHE_HOME=${theirs} HOME=${theirs}`,
    "list-sessions",
  );
  expectFailure(nobody, 6, /this user has no id in its namespace of users/);
  expect(readdirSync(theirs)).toEqual(["c.yaml"]);
  const shell = await run("--user", "", "shell -- sh -c 'exit 3'");
  expect(shell).toMatchObject({ exitCode: 3, stdout: "", stderr: "" });
  const strict = await run("--user", "", "shell --audit strict -- true");
  expectFailure(strict, 125, /this user has no id in its namespace of users/);
  const mapped = ["--map-root-user", "--map-current-user"];
  for (const map of mapped) {
    const config = `list-sessions --config ${theirs}/c.yaml`;
    expectFailure(
      await run(`--user ${map}`, "", config),
      5,
      /theirs' belongs to uid 65534/,
    );
    // His own folders, below one of a user without an id there.
    const own = await run(`--user ${map}`, "", "shell --audit strict -- true");
    expect(own).toMatchObject({ exitCode: 0, stderr: "" });
    for (const out of ["/dev/stdout", "/proc/self/fd/1"]) {
      const list = `list-sessions --json -o ${out}`;
      const given = await run(`--user ${map}`, "", list);
      expect(given).toMatchObject({ exitCode: 0, stderr: "" });
      expect(given.stdout).toStartWith("[");
    }
  }
});

test("without a home of his own, as in a container, a user's XDG folders are his", async () => {
  if (!needsRoot()) return;
  using sandbox = fresh();
  const { home } = sandbox;
  const run = (env: string, command: string) =>
    sandbox.command([
      ...["unshare", "-m", "--propagation", "private", "bash", "-euc"],
      `touch ${home}/sb; mount --bind ${BINARY} ${home}/sb; chmod 755 ${home}
       mkdir -p ${home}/d ${home}/c; chown 54322:54322 ${home}/d ${home}/c
       exec setpriv --reuid=54322 --regid=54322 --clear-groups env -i PATH=/usr/bin:/bin \
         XDG_DATA_HOME=${home}/d XDG_CACHE_HOME=${home}/c ${env} ${home}/sb ${command}`,
    ]);
  const shell = await run("HOME=/", "shell --audit strict -- true");
  expect(shell).toMatchObject({ exitCode: 0, stderr: "" });
  const list = await run("HOME=/", "list-sessions");
  expect(list.stdout).toMatch(/^true-/);
  expect(readdirSync(join(home, "c/session-buddy")).join()).toMatch(/^duckdb-/);
  // Another's home is another's environment.
  below(sandbox);
  const doctor = await run(
    `HOME=${home}/theirs SESSION_BUDDY_DATA_DIR=${home}/d/x`,
    "doctor",
  );
  expect(doctor.stdout).toContain("XDG_DATA_HOME is not used: HOME is that of");
});
