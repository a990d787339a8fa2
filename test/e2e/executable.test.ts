/** The one file: alone, anywhere, with its DuckDB unpacked on the first run. */
import { expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
} from "node:fs";
import { readFileSync, readdirSync, statSync, truncateSync } from "node:fs";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import packageJson from "../../package.json";
import {
  configure,
  expectFailure,
  needsRoot,
  runPrivately,
} from "../support/host.ts";
import { BINARY, NO_JIT, Sandbox } from "../support/sandbox.ts";
import { until } from "../support/wait.ts";

const MB = 1024 * 1024;

/** A sandbox whose native library is not unpacked yet. */
function fresh(): Sandbox {
  const sandbox = new Sandbox();
  delete sandbox.env["XDG_CACHE_HOME"];
  return sandbox;
}

const cacheOf = (sandbox: Sandbox) =>
  join(sandbox.home, ".cache/session-buddy");

/** What is unpacked in a cache, or left of it. */
const natives = (cache: string) =>
  readdirSync(cache).filter((name) => name.startsWith("duckdb-"));

test("it works copied alone to another folder, from any working directory", async () => {
  using sandbox = fresh();
  const alone = join(sandbox.home, "elsewhere");
  mkdirSync(alone);
  const copy = join(alone, "sb");
  copyFileSync(BINARY, copy);
  const bare = { HOME: sandbox.home };
  for (const cwd of ["/", "/proc/self", alone]) {
    const argv = ["env", "-i", `HOME=${sandbox.home}`, copy];
    const shell = await sandbox.command(
      [...argv, "shell", "--", "/bin/sh", "-c", "exit 3"],
      { cwd, env: bare },
    );
    expect(shell).toMatchObject({ exitCode: 3, stdout: "", stderr: "" });
    const list = await sandbox.command([...argv, "list-sessions"], { cwd });
    expect(list).toMatchObject({ exitCode: 0, stderr: "" });
    expect(list.stdout).toMatch(/^sh-\d{8}-\d{6}-[0-9a-f]{8}\tsh\t/);
  }
  expect(readdirSync(alone)).toEqual(["sb"]);
  expect(natives(cacheOf(sandbox))).toHaveLength(1);
});

test("it says what it is, without DuckDB", async () => {
  using sandbox = fresh();
  const { stdout } = await sandbox.run(["version", "--json"]);
  const facts = JSON.parse(stdout) as Record<string, string>;
  expect(facts).toEqual({
    version: packageJson.version,
    commit: expect.stringMatching(/^[0-9a-f]{12}(-dirty)?$/) as string,
    bun: Bun.version,
    duckdb: packageJson.dependencies["@duckdb/node-api"].replace(/-r.*/, ""),
    platform: `linux-${process.arch}`,
  });
  for (const word of ["--version", "version", "-V"]) {
    const said = await sandbox.run([word]);
    expect(said).toMatchObject({ exitCode: 0, stderr: "" });
    expect(said.stdout).toBe(
      `session-buddy ${facts["version"]} (commit ${facts["commit"]}, Bun ${facts["bun"]}, DuckDB ${facts["duckdb"]}, ${facts["platform"]})\n`,
    );
  }
  const json = await sandbox.run(["--version", "--json"]);
  expect(json.stdout).toBe(stdout);
  expect(existsSync(join(sandbox.home, ".cache"))).toBe(false);
});

test("without HOME, or with another user's, the passwd entry's home is used", async () => {
  if (!needsRoot()) return;
  using sandbox = new Sandbox();
  const theirs = join(sandbox.home, "theirs");
  mkdirSync(theirs);
  chownSync(theirs, 12345, 12345);
  const passwd = join(sandbox.home, "passwd");
  writeFileSync(passwd, `root:x:0:0::${sandbox.home}:/bin/sh\n`);
  const script = `mount --bind ${passwd} /etc/passwd
    env -u HOME ${BINARY} shell --component unset -- true
    HOME=${theirs} XDG_DATA_HOME=${theirs} ${BINARY} shell --component theirs -- true`;
  const run = await runPrivately(sandbox, script);
  expect(run).toMatchObject({ exitCode: 0, stdout: "", stderr: "" });
  const components = (await sandbox.list()).map((s) => s.component_name);
  expect(components.sort()).toEqual(["theirs", "unset"]);
  expect(readdirSync(theirs)).toEqual([]);
});

test.each([2, 10])("%i first runs race and leave one folder", async (count) => {
  using sandbox = fresh();
  for (const state of ["empty", "truncated"]) {
    if (state === "truncated") {
      const [folder] = natives(cacheOf(sandbox));
      const library = join(cacheOf(sandbox), folder!, "libduckdb.so");
      chmodSync(library, 0o700);
      truncateSync(library, 4096);
    }
    const runs = Array.from({ length: count }, (_, i) => {
      // Each has its own data, so that no lock puts them in a row.
      const data = join(sandbox.home, `${state}-${i}`);
      const env = { SESSION_BUDDY_DATA_DIR: data };
      return sandbox.run(["list-sessions", "--json"], { env });
    });
    for (const run of await Promise.all(runs))
      expect(run).toMatchObject({ stderr: "", stdout: "[]\n", exitCode: 0 });
    expect(natives(cacheOf(sandbox))).toHaveLength(1);
  }
});

test("what is broken, linked or open to others is replaced", async () => {
  using sandbox = fresh();
  await sandbox.list();
  const cache = cacheOf(sandbox);
  const folder = join(cache, natives(cache)[0]!);
  const library = join(folder, "libduckdb.so");
  const whole = readFileSync(library);
  const breakages = [
    `: > ${library}`,
    `rm ${library}`,
    `rm ${folder}/duckdb.node`,
    `chmod 777 ${folder}`,
    `chmod go+w ${library}`,
    `mv ${library} ${cache}/moved && ln -s ${cache}/moved ${library}`,
    `rm -r ${folder} && touch ${folder}`,
    `mv ${folder} ${cache}/aside && ln -s aside ${folder}`,
  ];
  for (const breakage of breakages) {
    const broken = await sandbox.command([
      "sh",
      "-c",
      `chmod u+w ${library}; ${breakage}`,
    ]);
    expect(broken.exitCode).toBe(0);
    expect(await sandbox.list()).toEqual([]);
    expect(natives(cache)).toHaveLength(1);
    expect(readFileSync(library).equals(whole)).toBe(true);
    expect(statSync(library).mode & 0o777).toBe(0o500);
    await sandbox.command(["rm", "-rf", `${cache}/aside`, `${cache}/moved`]);
  }
});

test("older versions and abandoned halves are removed, one in the making stays", async () => {
  using sandbox = fresh();
  const cache = cacheOf(sandbox);
  mkdirSync(join(cache, "duckdb-1.0.0-0123456789ab"), { recursive: true });
  mkdirSync(join(cache, "duckdb-1.5.6-r.1-0123456789ab.0123456789ab.new"));
  const making = join(cache, "duckdb-1.5.6-r.1-0123456789ab.456789abcdef.new");
  mkdirSync(making);
  writeFileSync(join(cache, "commands.json"), "{}");
  await using maker = Bun.spawn(
    ["flock", making, "sh", "-c", "echo locked; read line"],
    { stdin: "pipe", stdout: "pipe" },
  );
  await maker.stdout.getReader().read();
  await sandbox.list();
  expect(natives(cache)).toHaveLength(2);
  expect(existsSync(making)).toBe(true);
  expect(existsSync(join(cache, "commands.json"))).toBe(true);
});

test("what is the user's own in the cache folder stays", async () => {
  using sandbox = fresh();
  const opt = join(sandbox.home, "opt");
  const own = [
    ...["duckdb-cli", "duckdb-data.new", "duckdb-1.4.0-notes"],
    ...[
      "duckdb-1.0.0-0123456789ab",
      "duckdb-",
      "duckdb-1.0.0-0123456789ab.new",
    ],
  ].map((name) => join(opt, name));
  const old = join(opt, "duckdb-1.2.0-fedcba987654");
  for (const folder of [...own, old]) mkdirSync(folder, { recursive: true });
  for (const folder of own) {
    mkdirSync(join(folder, "deep"));
    writeFileSync(join(folder, "deep/mine"), "kept");
  }
  for (const name of ["libduckdb.so", "duckdb.node", "verified.json"])
    writeFileSync(join(old, name), "old");
  const config = configure(sandbox, `cache_dir: ${opt}\n`);
  const run = await sandbox.run(["list-sessions", "--config", config]);
  expect(run).toMatchObject({ exitCode: 0, stderr: "" });
  for (const folder of own)
    expect(readFileSync(join(folder, "deep/mine"), "utf8")).toBe("kept");
  expect(existsSync(old)).toBe(false);
  // Where the library goes is ours, and what else is found there moves aside.
  const folder = natives(opt).find((name) => !own.includes(join(opt, name)))!;
  writeFileSync(join(opt, folder, "libduckdb.so.sig"), "kept");
  await sandbox.command(["rm", join(opt, folder, "duckdb.node")]);
  const again = await sandbox.run(["list-sessions", "--config", config]);
  expect(again).toMatchObject({ exitCode: 0, stderr: "" });
  const aside = natives(opt).find((name) => name.endsWith(".broken"))!;
  expect(readdirSync(join(opt, aside))).toEqual(["libduckdb.so.sig"]);
});

test("a first run that is killed does not hinder the next", async () => {
  using sandbox = fresh();
  const cache = cacheOf(sandbox);
  const half = () =>
    existsSync(cache) && natives(cache).some((name) => name.endsWith(".new"));
  // Once the kill came too late it is a first run again.
  while (!half()) {
    await sandbox.command(["rm", "-rf", cache]);
    const child = Bun.spawn([BINARY, "list-sessions"], {
      env: sandbox.envWith(),
      stdout: "ignore",
      stderr: "ignore",
    });
    await until(
      "a half-unpacked folder",
      () => half() || child.exitCode !== null,
    );
    child.kill("SIGKILL");
    await child.exited;
  }
  expect(await sandbox.list()).toEqual([]);
  expect(natives(cache)).toHaveLength(1);
  expect(half()).toBe(false);
});

test("LD_LIBRARY_PATH does not choose another DuckDB", async () => {
  using sandbox = new Sandbox();
  writeFileSync(join(sandbox.home, "libduckdb.so"), "not a library");
  const env = { LD_LIBRARY_PATH: sandbox.home };
  const run = await sandbox.run(["list-sessions"], { env });
  expect(run).toMatchObject({ stderr: "", exitCode: 0 });
});

test("it works without the JIT", async () => {
  using sandbox = fresh();
  const env = NO_JIT;
  await sandbox.run(["shell", "--", "true"], { env });
  const run = await sandbox.run(["list-sessions"], { env });
  expect(run).toMatchObject({ stderr: "", exitCode: 0 });
  expect(run.stdout).toStartWith("true-");
});

/** Caches that cannot be used, made by a script, and the reason that is given. */
const UNUSABLE: [string, string, RegExp][] = [
  [
    "of another user",
    `mkdir CACHE; chmod 700 CACHE; chown 12345 CACHE`,
    /belongs to uid 12345, not to us/,
  ],
  [
    "mounted noexec",
    `mkdir -m 700 CACHE; mount -t tmpfs -o noexec,mode=700 none CACHE`,
    /does not allow execution/,
  ],
  [
    "on a full disk",
    `mkdir -m 700 CACHE; mount -t tmpfs -o size=${MB},mode=700 none CACHE`,
    /the disk of \S+ is full/,
  ],
  [
    "read-only",
    `mkdir -m 700 CACHE; mount -t tmpfs -o ro,mode=700 none CACHE`,
    /EROFS/,
  ],
  ["writable for all", `mkdir CACHE; chmod 777 CACHE`, /others can write to/],
  ["a file", `touch CACHE`, /is not a folder of its own/],
  ["a link", `mkdir d; ln -s d CACHE`, /is not a folder of its own/],
];

test.each(UNUSABLE)(
  "a cache %s is given up for the next, or for a sentence",
  async (_, make, reason) => {
    if (!needsRoot()) return;
    using sandbox = fresh();
    const runtime = join(sandbox.home, "run");
    mkdirSync(runtime, { mode: 0o700 });
    // The default one is always closed, for it is ours by its name.
    const open = make.includes("777");
    const cache = join(sandbox.home, open ? "cache" : ".cache/session-buddy");
    const script = `mount -t tmpfs none /var/tmp
      mkdir -p ${sandbox.home}/.cache; cd ${sandbox.home}
      ${make.replaceAll("CACHE", cache)}
      ${BINARY} "$@"`;
    const env = { XDG_RUNTIME_DIR: runtime };
    if (!open) {
      const next = await runPrivately(
        sandbox,
        script.replace('"$@"', "list-sessions --json"),
        { env },
      );
      expect(next).toMatchObject({ stderr: "", stdout: "[]\n", exitCode: 0 });
      expect(natives(join(runtime, "session-buddy"))).toHaveLength(1);
      await sandbox.command(["rm", "-rf", cache, "d"]);
    }
    const config = configure(sandbox, `cache_dir: ${cache}\n`);
    const none = await runPrivately(
      sandbox,
      script.replace('"$@"', `list-sessions --config ${config}`),
      { env },
    );
    expectFailure(none, 1, reason);
    expect(none.stderr).toMatch(/set cache_dir .* 80 MB free .* execution/);
  },
);

test("the engine's and the allocator's variables are the program's alone", async () => {
  using sandbox = new Sandbox();
  const env = {
    BUN_JSC_noSuchOption: "1",
    BUN_JSC_dumpOptions: "3",
    BUN_JSC_useConcurrentJIT: "neither",
    BUN_JSC_useJIT: "0",
    JSC_SIGNAL_FOR_GC: "17",
    MIMALLOC_VERBOSE: "1",
    _imalloc_verbose: "1",
  };
  const argv = ["shell", "--", "sh", "-c", "env; exit 3"];
  const done = await sandbox.run(argv, { env });
  expect(done).toMatchObject({ exitCode: 3, stderr: "" });
  const lines = done.stdout.split("\n");
  for (const [name, value] of Object.entries(env))
    expect(lines).toContain(`${name}=${value}`);
  // With the compiler still there.
  expect(sandbox.spooled()[0]).toMatchObject({ lock: "flock" });
});
