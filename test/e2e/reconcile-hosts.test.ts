/**
 * Whether a session lives, asked where that is hard to tell: from a container,
 * of a container, with pids hidden or used again, of another user's process.
 */
import { describe, expect, test } from "bun:test";
import { chmodSync, chownSync, copyFileSync, readFileSync } from "node:fs";
import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Container } from "../support/container.ts";
import { needsRoot, runPrivately } from "../support/host.ts";
import { Live } from "../support/live.ts";
import { BINARY, NO_JIT, Sandbox } from "../support/sandbox.ts";
import { unlocked, until } from "../support/wait.ts";

/** The statuses of all sessions, as `list-sessions` says them to a pipe. */
const STATUS = `${BINARY} list-sessions | cut -f7`;

/** A session within a container, whose wrapper is killed and whose program is not. */
async function orphanIn(
  container: Container,
  sandbox: Sandbox,
): Promise<{ file: string; child: string }> {
  await container.run(
    `${BINARY} shell -- sh -c 'echo $$ > child.new; mv child.new child; exec sleep 1000' &`,
  );
  await until("the process event", () =>
    recorded(sandbox).some((event) => event["event_type"] === "process"),
  );
  const child = await container.run(
    "until [ -e child ]; do sleep 0.01; done; kill -9 $!; wait $! 2>/dev/null; cat child",
  );
  const [{ session_id }] = recorded(sandbox) as [{ session_id: string }];
  const file = join(sandbox.spool, `${session_id}.ndjson`);
  await unlocked(file);
  return { file, child };
}

function recorded(sandbox: Sandbox): Record<string, unknown>[] {
  try {
    return sandbox.spooled();
  } catch {
    return []; // No spool yet.
  }
}

/** Leaves nothing of a file but its first line: killed before the child had a name. */
function beforeTheChild(file: string): void {
  truncateSync(file, readFileSync(file).indexOf("\n") + 1);
}

describe("a container that shares the data folder", () => {
  for (const named of [true, false])
    test(`has sessions that the host never calls lost${named ? "" : ", nor before the child has a name"}`, async () => {
      if (!needsRoot()) return;
      using sandbox = new Sandbox();
      await using container = new Container(sandbox);
      const { file, child } = await orphanIn(container, sandbox);
      if (!named) beforeTheChild(file);
      expect((await sandbox.only()).status).toBe("active");
      expect(await container.run(STATUS)).toBe("active");
      await container.run(
        `kill -9 ${child}; until ! [ -e /proc/${child} ]; do :; done`,
      );
      // From here nobody can tell, from there everybody.
      expect((await sandbox.only()).status).toBe("active");
      expect(await container.run(STATUS)).toBe("lost");
      expect((await sandbox.only()).status).toBe("lost");
    });

  for (const named of [true, false])
    test(`never calls the host's sessions lost${named ? "" : ", nor before the child has a name"}`, async () => {
      if (!needsRoot()) return;
      using sandbox = new Sandbox();
      await using container = new Container(sandbox);
      await using live = await Live.begin(sandbox);
      expect(await container.run(STATUS)).toBe("active");
      await live.killWrapper();
      if (!named) beforeTheChild(live.file);
      expect(await container.run(STATUS)).toBe("active");
      expect((await sandbox.only()).status).toBe("active");
      await live.endChild();
      expect(await container.run(STATUS)).toBe("active");
      expect((await sandbox.only()).status).toBe("lost");
    });

  test("leaves sessions without locks alone, too", async () => {
    if (!needsRoot()) return;
    using sandbox = new Sandbox();
    await using container = new Container(sandbox);
    await using live = await Live.begin(sandbox, NO_JIT);
    const whole = readFileSync(live.file);
    beforeTheChild(live.file);
    expect(await container.run(STATUS)).toBe("active");
    writeFileSync(live.file, whole);
    expect(await container.run(STATUS)).toBe("active");
    await live.end(5);
    expect(await sandbox.only()).toMatchObject({
      status: "ended",
      exit_code: 5,
    });
  });
});

test("a pid that another process really has by now is not the session's", async () => {
  if (!needsRoot()) return;
  using sandbox = new Sandbox();
  await using container = new Container(sandbox);
  const { child } = await orphanIn(container, sandbox);
  expect(await container.run(STATUS)).toBe("active");
  await container.run(
    `kill -9 ${child}; until ! [ -e /proc/${child} ]; do :; done`,
  );
  const again = await container.run(
    `until echo ${Number(child) - 1} > /proc/sys/kernel/ns_last_pid; sleep 1000 & [ $! = ${child} ]; do :; done; echo $!`,
  );
  expect(again).toBe(child);
  await until("the other process", async () => {
    const name = await container.run(`cat /proc/${child}/comm`);
    return name === "sleep";
  });
  expect(await container.run(STATUS)).toBe("lost");
});

describe("a program that runs as another user (sudo, su)", () => {
  /**
   * A user's session whose program is root's, wrapper killed; in a container, so
   * that no process of a stranger may be taken for it.
   * @param proc how its /proc is mounted
   */
  async function setuid(proc: string) {
    const sandbox = new Sandbox();
    const program = join(sandbox.home, "as-root");
    copyFileSync("/bin/sleep", program);
    chmodSync(program, 0o4755);
    chownSync(sandbox.home, 54321, 54321);
    const user = "setpriv --reuid=54321 --regid=54321 --clear-groups";
    const container = new Container(
      sandbox,
      `touch sb; mount --bind ${BINARY} sb
      mount -o remount,${proc} /proc
      export XDG_CACHE_HOME=$HOME/cache`,
    );
    await container.run(`${user} ./sb shell -- ./as-root 1000 &`);
    const { pid } = await until("the process event", () =>
      recorded(sandbox).find((event) => event["event_type"] === "process"),
    );
    // Not before it is root's.
    await container.run(
      `until grep -q '^Uid:.54321.0' /proc/${pid as number}/status; do :; done; kill -9 $!; wait $! 2>/dev/null`,
    );
    const [{ session_id }] = recorded(sandbox) as [{ session_id: string }];
    return {
      file: join(sandbox.spool, `${session_id}.ndjson`),
      // Nothing else of root's shall begin meanwhile.
      status: () =>
        container.run(`${user} ./sb list-sessions > rows; cut -f7 rows`),
      end: () =>
        container.run(
          `kill -9 ${pid as number}; until ! [ -e /proc/${pid as number} ]; do :; done`,
        ),
      async [Symbol.asyncDispose]() {
        await container[Symbol.asyncDispose]();
        sandbox[Symbol.dispose]();
      },
    };
  }

  for (const proc of ["hidepid=0", "hidepid=1", "hidepid=2"])
    test(`keeps its session active, then it is lost (${proc})`, async () => {
      if (!needsRoot("setpriv")) return;
      await using session = await setuid(proc);
      expect(await session.status()).toBe("active");
      expect(await session.status()).toBe("active");
      await session.end();
      expect(await session.status()).toBe("lost");
    });

  test("keeps it active also when nobody has written its pid", async () => {
    if (!needsRoot("setpriv")) return;
    await using session = await setuid("hidepid=0");
    beforeTheChild(session.file);
    expect(await session.status()).toBe("active");
    await session.end();
    expect(await session.status()).toBe("lost");
  });

  test("nobody can tell when its pid was not written and pids are hidden", async () => {
    if (!needsRoot("setpriv")) return;
    await using session = await setuid("hidepid=2");
    beforeTheChild(session.file);
    expect(await session.status()).toBe("active");
    await session.end();
    expect(await session.status()).toBe("active");
  });
});

test("another machine that reads the same data says what it last heard, and ends nothing", async () => {
  if (!needsRoot()) return;
  using sandbox = new Sandbox();
  await using live = await Live.begin(sandbox);
  await live.quiet();
  const here = await sandbox.only();
  const elsewhere = async () => {
    const machine = join(sandbox.home, "machine-id");
    writeFileSync(machine, `${"5".repeat(32)}\n`);
    const boot = join(sandbox.home, "boot-id");
    writeFileSync(boot, `${crypto.randomUUID()}\n`);
    const { stdout, stderr } = await runPrivately(
      sandbox,
      `mount --bind ${machine} /etc/machine-id
      mount --bind ${boot} /proc/sys/kernel/random/boot_id
      unshare -u sh -c 'hostname other; exec ${BINARY} list-sessions --format json'`,
    );
    expect(stderr).toBe("");
    return (JSON.parse(stdout) as (typeof here)[])[0]!;
  };
  await live.killWrapper();
  await live.endChild();
  expect(await elsewhere()).toMatchObject({
    status: "active",
    end_time: null,
    session_id: here.session_id,
  });
  const lost = await sandbox.only();
  expect(lost.status).toBe("lost");
  expect(await elsewhere()).toEqual(lost);
});
