/**
 * Spool folders of other machine ids, and one machine id of two hosts: what is
 * known to be this host's is taken in, what is not is told, and no live session
 * of another host becomes lost.
 */
import { describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  renameSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { bootTime } from "../../src/os/proc.ts";
import { drain } from "../../src/spool/drain.ts";
import type { DrainTarget } from "../../src/spool/report.ts";
import { DuckDBStore } from "../../src/store/duckdb/store.ts";
import { command, end, processOf, start } from "../support/events.ts";
import { needsRoot, runPrivately } from "../support/host.ts";
import { Place, SETTINGS } from "../support/place.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { GONE, id, leave, life, lines, named } from "../support/spool.ts";

const DAY_MS = 86_400_000;
const HEARTBEAT_MS = 30_000;
const THEIRS = { boot_id: "another boot", pid_namespace: "pid:[1]" };
const beforeBoot = () => new Date(+bootTime()! - 600_000);

/** A session without an end that was recorded somewhere. */
const recorded = (where: object, host: string) =>
  lines([
    start({ session_id: id(1), lock: "flock", hostname: host, ...where }),
    processOf(1, { session_id: id(1), ...where }),
    command(2, { session_id: id(1) }),
  ]);

/** Puts a session into the folder of another machine id. */
function foreign(sandbox: Sandbox, text: string, touched: Date): string {
  const folder = join(sandbox.data, "spool", "5".repeat(32));
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const path of [sandbox.data, join(sandbox.data, "spool")])
    Bun.spawnSync(["chmod", "700", path]);
  const file = join(folder, `${id(1)}.ndjson`);
  writeFileSync(file, text, { mode: 0o600 });
  utimesSync(file, touched, touched);
  return file;
}

describe.each(SETTINGS)("the folder of another machine id, %s", (setting) => {
  test("is taken in when it was recorded on this very boot", async () => {
    await using place = await Place.begin(setting);
    const { sandbox } = place;
    const file = foreign(sandbox, recorded(GONE, "any"), new Date());
    await place.drain(15_000);
    expect(await sandbox.only()).toMatchObject({
      session_id: id(1),
      status: "lost",
    });
    expect(existsSync(file)).toBeFalse();
    // It rests among ours, and goes with them.
    await place.drain(90_000);
    expect(named(join(file, "../done"))).toEqual([]);
    expect(await sandbox.list()).toHaveLength(1);
  });

  test("is taken in when it is this host's, of a boot that is over", async () => {
    await using place = await Place.begin(setting);
    const { sandbox } = place;
    const file = foreign(sandbox, recorded(THEIRS, hostname()), beforeBoot());
    await place.drain(15_000);
    expect((await sandbox.only()).status).toBe("lost");
    expect(existsSync(file)).toBeFalse();
  });
});

test("the folder of another machine id is left to the drain that works on it", async () => {
  using sandbox = new Sandbox();
  const file = foreign(sandbox, recorded(GONE, "any"), new Date());
  const lock = join(file, "../drain.lock");
  const holder = Bun.spawn(["flock", "-F", lock, "cat"], {
    ...{ stdin: "pipe", stdout: "ignore" },
  });
  while (Bun.spawnSync(["flock", "-n", lock, "true"]).exitCode === 0)
    await Bun.sleep(5);
  expect((await sandbox.run(["drain"])).exitCode).toBe(0);
  expect(existsSync(file)).toBeTrue();
  // Who waits says so there, and its own folder's others wait with it.
  expect(existsSync(join(file, "../drain.next"))).toBeFalse();
  holder.kill();
  await holder.exited;
  expect((await sandbox.only()).status).toBe("lost");
});

test("the folder of another machine id that is moved away meanwhile holds nothing", async () => {
  using sandbox = new Sandbox();
  const folder = join(
    foreign(sandbox, recorded(GONE, "any"), new Date()),
    "..",
  );
  mkdirSync(join(folder, "done"), { mode: 0o700 });
  const done = join(folder, "done", `${id(2)}.ndjson`);
  writeFileSync(done, lines(life(2)), { mode: 0o600 });
  const store = await DuckDBStore.open(sandbox.database);
  // What rests is stored first; the rest is looked for after that.
  const target: DrainTarget = {
    append: (events) => {
      if (existsSync(folder)) renameSync(folder, join(sandbox.home, "moved"));
      return store.append(events);
    },
    seen: (signs) => store.seen(signs),
    get: (session_id) => store.get(session_id),
  };
  await drain(sandbox.data, target, () => Date.now() + 120_000);
  await store.close();
  expect(existsSync(folder)).toBeFalse();
  expect(await sandbox.only()).toMatchObject({ session_id: id(2) });
});

test("the folder of another machine id on a full disk is told of in a sentence of ours", async () => {
  if (!needsRoot()) return;
  using sandbox = new Sandbox();
  // Up to the end of a page: the end that nobody saw needs another one.
  const text = recorded(GONE, "any");
  const more = (pad: string) =>
    lines([command(3, { session_id: id(1), text: pad })]);
  const pad = 4_096 - ((text.length + more("").length) % 4_096);
  foreign(sandbox, text + more("x".repeat(pad)), new Date());
  const disk = join(sandbox.home, "disk");
  mkdirSync(disk);
  // No spool of its own yet: nothing but that folder is drained.
  const { stderr } = await runPrivately(
    sandbox,
    `mount -t tmpfs -o size=8m none ${disk}
    export SESSION_BUDDY_DATA_DIR=${disk}/data
    ${BINARY} list-sessions
    cp -a ${sandbox.data}/spool $SESSION_BUDDY_DATA_DIR
    cat /dev/zero > ${disk}/fill 2>/dev/null || true
    ${BINARY} drain`,
  );
  expect(stderr).toMatch(/session-buddy: .*is full.*\n$/);
  expect(stderr).not.toContain("internal error");
});

describe("what may be another host's, and live,", () => {
  test.each([
    ["another name", "elsewhere", () => beforeBoot()],
    ["this name, seen since our boot", hostname(), () => new Date()],
  ])("(%s) is told of, and taken by --adopt alone", async (_, host, at) => {
    using sandbox = new Sandbox();
    const file = foreign(sandbox, recorded(THEIRS, host), at());
    const told = await sandbox.run(["drain"]);
    expect(told.exitCode).toBe(0);
    expect(told.stderr).toContain(
      "1 spool files wait in '" + join(file, "..") + "'",
    );
    expect(told.stderr).toContain(`of host '${host}'`);
    expect(told.stderr).toContain("session-buddy drain --adopt");
    expect(await sandbox.list()).toEqual([]);
    expect((await sandbox.run(["doctor"])).stdout).toContain(
      "recorded under another machine id",
    );
    const taken = await sandbox.run(["drain", "--adopt"]);
    expect(taken.exitCode).toBe(0);
    expect(taken.stderr).toContain("was taken in from");
    expect(existsSync(file)).toBeFalse();
    expect((await sandbox.only()).status).toBe("lost");
    expect((await sandbox.run(["drain"])).stderr).toBe("");
  });

  test("is not even taken by --adopt while its file is locked", async () => {
    using sandbox = new Sandbox();
    const file = foreign(sandbox, recorded(THEIRS, "elsewhere"), beforeBoot());
    const holder = Bun.spawn(["flock", "-F", file, "cat"], {
      stdin: "pipe",
      stdout: "ignore",
    });
    while (Bun.spawnSync(["flock", "-n", file, "true"]).exitCode === 0)
      await Bun.sleep(5);
    await sandbox.run(["drain", "--adopt"]);
    expect((await sandbox.only()).status).toBe("active");
    expect(existsSync(file)).toBeTrue();
    holder.kill();
    await holder.exited;
  });
});

test.each([
  [HEARTBEAT_MS, 60_000, 300_000],
  [3_600_000, 3 * 3_600_000, 5 * 3_600_000],
])(
  "just booted, with a heartbeat of %d ms: a clone by this name may run on, until it is silent",
  async (heartbeat_ms, early_ms, late_ms) => {
    using sandbox = new Sandbox();
    const file = leave(
      sandbox,
      `${id(1)}.ndjson`,
      recorded(THEIRS, hostname()),
    );
    const boot = +bootTime()!;
    const touched = new Date(boot - 1_000);
    utimesSync(file, touched, touched);
    const store = await DuckDBStore.open(sandbox.database);
    try {
      const status = async (now: number) => {
        await drain(sandbox.data, store, () => now, { heartbeat_ms });
        return (await store.get(id(1)))?.status;
      };
      expect(await status(boot + early_ms)).toBe("active");
      expect(existsSync(file)).toBeTrue();
      expect(await status(boot + late_ms)).toBe("lost");
    } finally {
      await store.close();
    }
  },
);

describe("a folder of another machine id", () => {
  const other = (sandbox: Sandbox) => {
    leave(sandbox, `${id(2)}.ndjson`, lines(life(2, end(3))));
    return join(sandbox.data, "spool", "5".repeat(32));
  };

  test("that is closed to us keeps nobody from the rest, and is told of", async () => {
    if (!needsRoot("setpriv", "chown")) return;
    using sandbox = new Sandbox();
    const folder = other(sandbox);
    mkdirSync(folder, { mode: 0o700 });
    const as = "exec setpriv --reuid=54321 --regid=54321 --clear-groups";
    const run = (command: string) =>
      runPrivately(
        sandbox,
        `chown -R 54321 ${sandbox.home}; chown 0 ${folder}; cd ${sandbox.home}
        touch sb; mount --bind ${BINARY} sb
        export XDG_CACHE_HOME=${sandbox.home}/cache
        ${as} ${sandbox.home}/sb ${command}`,
      );
    const drained = await run("drain");
    expect([drained.exitCode, drained.stderr]).toEqual([
      0,
      `session-buddy: what '${folder}' may hold, of another machine id, was not looked at: '${folder}' cannot be read: EACCES (if it is yours, give it back, else move it away)\n`,
    ]);
    const listed = await run("list-sessions");
    expect([listed.exitCode, listed.stderr]).toEqual([0, ""]);
    expect(listed.stdout).toContain(id(2));
  });

  test("that is a link is not followed, and told of", async () => {
    using sandbox = new Sandbox();
    symlinkSync(sandbox.home, other(sandbox));
    const drained = await sandbox.run(["drain", "--adopt"]);
    expect(drained.exitCode).toBe(0);
    expect(drained.stderr).toContain("was not looked at: it is a link");
  });

  test.each(["done", "quarantine"])(
    "with files in %s/ alone is told of",
    async (name) => {
      using sandbox = new Sandbox();
      const folder = other(sandbox);
      mkdirSync(join(folder, name), { recursive: true, mode: 0o700 });
      writeFileSync(join(folder, name, `${id(1)}.ndjson`), "", { mode: 0o600 });
      const { stderr } = await sandbox.run(["drain"]);
      expect(stderr).toContain(
        `1 files are kept in done/ and quarantine/ of '${folder}'`,
      );
    },
  );

  test("whose files are not ours says no time of theirs", async () => {
    using sandbox = new Sandbox();
    const folder = other(sandbox);
    mkdirSync(folder, { mode: 0o700 });
    mkdirSync(join(folder, `${id(1)}.ndjson`));
    const { stderr } = await sandbox.run(["drain"]);
    expect(stderr).toContain("1 spool files wait in");
    expect(stderr).not.toContain("1970");
  });

  test("in which a session runs on is not said to be taken in", async () => {
    using sandbox = new Sandbox();
    const file = foreign(sandbox, recorded(GONE, hostname()), new Date());
    const holder = Bun.spawn(["flock", "-F", file, "sh", "-c", "echo; cat"], {
      stdin: "pipe",
      stdout: "pipe",
    });
    await holder.stdout.getReader().read();
    for (const _ of [1, 2])
      expect((await sandbox.run(["list-sessions"])).stderr).toBe("");
    holder.kill();
    await holder.exited;
    const { stderr } = await sandbox.run(["list-sessions"]);
    expect(stderr).toContain("was taken in from");
  });
});

describe.each(SETTINGS)("two hosts of one machine id, %s:", (setting) => {
  test("a session of the other is not lost, nor its last line torn", async () => {
    await using place = await Place.begin(setting);
    const { sandbox } = place;
    const text = recorded(THEIRS, "clone");
    leave(sandbox, `${id(1)}.ndjson`, text + '{"event_version":');
    for (const _ of ["first", "again"]) {
      expect(await place.drain()).toBe("");
      expect(await sandbox.only()).toMatchObject({
        status: "active",
        end_time: null,
      });
    }
    expect(named(join(sandbox.spool, "quarantine"))).toEqual([]);
  });

  test("one that is silent for a day is lost, and comes back when it is heard of", async () => {
    await using place = await Place.begin(setting);
    const { sandbox } = place;
    const file = leave(sandbox, `${id(1)}.ndjson`, recorded(THEIRS, "clone"));
    const then = new Date(Date.now() - DAY_MS - 60_000);
    utimesSync(file, then, then);
    expect((await sandbox.only()).status).toBe("lost");
    leave(
      sandbox,
      `${id(1)}.ndjson`,
      recorded(THEIRS, "clone") + lines([end(1e9, { session_id: id(1) })]),
    );
    expect((await sandbox.only()).status).toBe("ended");
  });
});

test("recorded while there was no machine id, it is found when there is one", async () => {
  if (!needsRoot()) return;
  using sandbox = new Sandbox();
  const empty = join(sandbox.home, "machine-id");
  for (const text of ["", "uninitialized\n"]) {
    writeFileSync(empty, text);
    const { exitCode } = await runPrivately(
      sandbox,
      `mount --bind ${empty} /etc/machine-id
      ${BINARY} shell -- sh -c 'exit 3'`,
    );
    expect(exitCode).toBe(3);
  }
  const [folder] = readdirSync(join(sandbox.data, "spool"));
  expect(folder).toBe(`host-${hostname()}`);
  const sessions = await sandbox.list();
  expect(sessions.map(({ exit_code }) => exit_code)).toEqual([3, 3]);
});

test("a machine id that cannot be read is not none", async () => {
  if (!needsRoot("setpriv")) return;
  using sandbox = new Sandbox();
  const file = join(sandbox.home, "machine-id");
  mkdirSync(file);
  const { stderr, exitCode } = await runPrivately(
    sandbox,
    `cp -a /etc ${sandbox.home}/etc; rm ${sandbox.home}/etc/machine-id
    mkdir ${sandbox.home}/etc/machine-id
    mount --bind ${sandbox.home}/etc /etc
    ${BINARY} list-sessions`,
  );
  expect(exitCode).not.toBe(0);
  expect(stderr).toContain("'/etc/machine-id' cannot be used: EISDIR");
  expect(existsSync(join(sandbox.data, "spool"))).toBeFalse();
});
