import { describe, expect, test } from "bun:test";
import {
  existsSync,
  renameSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Event } from "../../src/model/event.ts";
import { bootId, bootTime, pidNamespace } from "../../src/os/proc.ts";
import { drain } from "../../src/spool/drain.ts";
import { DuckDBStore } from "../../src/store/duckdb/store.ts";
import { storedEvents } from "../support/database.ts";
import { recovered } from "../support/events.ts";
import { configure } from "../support/host.ts";
import { Live } from "../support/live.ts";
import { NO_LOCKS, withoutLocks } from "../support/locks.ts";
import { BINARY, NO_JIT, Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { hook, id, leave, life, lines } from "../support/spool.ts";
import { needs } from "../support/tools.ts";

test("this host can tell its own processes", () => {
  // Where it cannot, the tests above prove nothing about lost sessions.
  expect([bootId(), pidNamespace()]).not.toContain(null);
});

describe("a wrapper that was killed", () => {
  /** A session whose wrapper is gone and whose shell is not. */
  async function orphan(sandbox: Sandbox, env = {}): Promise<Live> {
    const live = await Live.begin(sandbox, env);
    await live.killWrapper();
    return live;
  }

  /** Changes what the spool file says of its child. */
  function edit(live: Live, changes: object): void {
    const edited = live.lines.map((line) => {
      const event = JSON.parse(line) as Event;
      return JSON.stringify(
        event.event_type === "process" ? { ...event, ...changes } : event,
      );
    });
    writeFileSync(live.file, `${edited.join("\n")}\n`);
  }

  test("leaves the session active while its shell lives, then lost", async () => {
    using sandbox = new Sandbox();
    await using live = await orphan(sandbox);
    const past = new Date(Date.now() - 3_600_000);
    utimesSync(live.file, past, past);
    const before = Date.now();
    const active = await sandbox.only();
    expect(active).toMatchObject({ status: "active", end_time: null });
    // That it was seen alive now is a sign of life.
    expect(Date.parse(active.last_seen)).toBeGreaterThanOrEqual(before);
    await live.endChild();
    const lost = await sandbox.only();
    expect(lost).toMatchObject({
      status: "lost",
      end_source: "recovered",
      exit_code: null,
    });
    expect(lost.last_seen).toBe(lost.end_time!);
    expect(Date.parse(lost.last_seen)).toBeGreaterThanOrEqual(
      Date.parse(active.last_seen),
    );
    expect(lost.metadata["exit_reason"]).toBe("lost");
    expect(await sandbox.only()).toEqual(lost);
  });

  test("before it could name its child leaves the session active, too", async () => {
    using sandbox = new Sandbox();
    await using live = await orphan(sandbox);
    truncateSync(live.file, live.lines[0]!.length + 1);
    expect(await sandbox.only()).toMatchObject({ status: "active" });
    await live.endChild();
    expect(await sandbox.only()).toMatchObject({ status: "lost" });
  });

  test("on a host that was started anew since: lost", async () => {
    using sandbox = new Sandbox();
    await using live = await orphan(sandbox);
    edit(live, { boot_id: "00000000-0000-4000-8000-000000000000" });
    const before = new Date(+bootTime()! - 600_000);
    utimesSync(live.file, before, before);
    expect(await sandbox.only()).toMatchObject({ status: "lost" });
  });

  test("whose child's pid belongs to another by now: lost", async () => {
    using sandbox = new Sandbox();
    await using live = await orphan(sandbox);
    edit(live, { start_ticks: 1 });
    expect(await sandbox.only()).toMatchObject({ status: "lost" });
  });

  test("in another pid namespace: nobody knows, so it is not lost", async () => {
    using sandbox = new Sandbox();
    await using live = await orphan(sandbox);
    edit(live, { pid_namespace: "pid:[1]", pid: 4_194_304 });
    await live.endChild();
    expect(await sandbox.only()).toMatchObject({ status: "active" });
    expect(await sandbox.only()).toMatchObject({ status: "active" });
  });

  test("is found by four at once, and ended once", async () => {
    using sandbox = new Sandbox();
    await using live = await orphan(sandbox);
    // Else the first of them makes the database, and the others wait for that.
    await sandbox.only();
    await live.endChild();
    const seen = await Promise.all([1, 2, 3, 4].map(() => sandbox.only()));
    expect(seen.map(({ status }) => status)).toEqual([
      "lost",
      "lost",
      "lost",
      "lost",
    ]);
    const stored = await storedEvents(sandbox.database);
    expect(stored.filter((e) => e.kind === "session_end")).toHaveLength(1);
  });

  test("is found by four drains of one process, and ended once", async () => {
    using sandbox = new Sandbox();
    await using live = await orphan(sandbox);
    await live.endChild();
    const store = await DuckDBStore.open(sandbox.database);
    await Promise.all(
      [1, 2, 3, 4].map(() => drain(sandbox.data, store, Date.now)),
    );
    await store.close();
    const stored = await storedEvents(sandbox.database);
    expect(stored.filter((e) => e.kind === "session_end")).toHaveLength(1);
    expect(await sandbox.only()).toMatchObject({ status: "lost" });
  });
});

test("a session that was ended while its file was elsewhere is active once that is back", async () => {
  using sandbox = new Sandbox();
  // No heartbeat makes the file again while it is away.
  configure(sandbox, "session: {heartbeat: 1h}\n");
  await using live = await Live.begin(sandbox);
  expect((await sandbox.only()).status).toBe("active");
  const away = join(sandbox.home, "away");
  renameSync(live.file, away);
  const now = Date.now();
  const left = hook.header(4_194_000, now) + hook.start(1, now, "make");
  leave(sandbox, `${live.session_id}.4194000.commands`, left);
  expect((await sandbox.only()).status).toBe("lost");
  renameSync(away, live.file);
  expect((await sandbox.only()).status).toBe("active");
  await live.end(3);
  expect(await sandbox.only()).toMatchObject({ status: "ended", exit_code: 3 });
});

describe("without locks (no JIT, no foreign calls)", () => {
  const env = NO_JIT;

  test("a session is active, then ended", async () => {
    using sandbox = new Sandbox();
    await using live = await Live.begin(sandbox, env);
    expect(JSON.parse(live.lines[0]!)).toMatchObject({ lock: "none" });
    expect(await sandbox.only()).toMatchObject({ status: "active" });
    await live.end(4);
    expect(await sandbox.only()).toMatchObject({
      status: "ended",
      exit_code: 4,
    });
  });

  test("one that has not named its child yet is not lost while its wrapper lives", async () => {
    using sandbox = new Sandbox();
    await using live = await Live.begin(sandbox, env);
    const [first] = live.lines;
    // As if it had just begun: no child yet, nobody carries its id.
    const event_id = crypto.randomUUID();
    const event = {
      ...(JSON.parse(first!) as Event),
      event_id,
      session_id: id(7),
    };
    leave(sandbox, `${id(7)}.ndjson`, lines([event]));
    const status = async () =>
      (await sandbox.list()).find((s) => s.session_id === id(7))?.status;
    expect(await status()).toBe("active");
    await live.end();
    expect(await status()).toBe("lost");
  });

  test("a killed wrapper's session is active while its shell lives, then lost", async () => {
    using sandbox = new Sandbox();
    await using live = await Live.begin(sandbox, env);
    await live.killWrapper();
    expect(await sandbox.only()).toMatchObject({ status: "active" });
    await live.endChild();
    expect(await sandbox.only()).toMatchObject({ status: "lost" });
  });

  test("it is found by four at once who have no locks either, and ended once", async () => {
    using sandbox = new Sandbox();
    await using live = await Live.begin(sandbox, env);
    expect((await sandbox.only()).status).toBe("active");
    await live.killWrapper();
    await live.endChild();
    const readers = [1, 2, 3, 4].map(() =>
      sandbox.run(["list-sessions", "--status", "lost"], { env }),
    );
    // DuckDB's own lock lets one of them in at a time, and the others say so.
    for (const { exitCode, stdout, stderr } of await Promise.all(readers))
      if (exitCode !== 7)
        expect([exitCode, stderr, stdout.split("\n").length]).toEqual([
          0,
          "",
          2,
        ]);
    expect(await sandbox.only()).toMatchObject({ status: "lost" });
    const stored = await storedEvents(sandbox.database);
    expect(stored.filter((e) => e.kind === "session_end")).toHaveLength(1);
  });

  test("a reader leaves a locked file to those who can tell", async () => {
    using sandbox = new Sandbox();
    await using live = await Live.begin(sandbox);
    const { stdout } = await sandbox.run(["list-sessions"], { env });
    expect(stdout).toContain("active");
    await live.end(2);
    const again = await sandbox.run(["list-sessions"], { env });
    expect(again.stdout).toContain("ended");
    expect(existsSync(live.file)).toBeTrue();
    expect(await sandbox.only()).toMatchObject({
      status: "ended",
      exit_code: 2,
    });
    expect(existsSync(live.file)).toBeFalse();
  });

  test("a reader takes no end that it finds for a sign of life", async () => {
    using sandbox = new Sandbox();
    const [begun] = life(8);
    // As a drain left it that was killed: its end is older than the file.
    const lost = recovered(1, { session_id: id(8) });
    leave(sandbox, `${id(8)}.ndjson`, lines([begun!, lost]));
    const { stdout } = await sandbox.run(["list-sessions"], { env });
    expect(stdout).toContain("lost");
    expect(await sandbox.only()).toMatchObject({ status: "lost" });
  });
});

test.each(Object.entries(NO_LOCKS))(
  "where the filesystem has no locks (%s) whoever wants the database hears it, and the spool waits",
  async (_, errno) => {
    if (!needs("/usr/bin/python3")) return;
    using sandbox = new Sandbox();
    leave(sandbox, `${id(1)}.ndjson`, lines(life(1)));
    const here = withoutLocks(errno);
    for (const args of [["list-sessions"], ["drain"], ["mcp", "start"]]) {
      const done = await sandbox.command([...here, BINARY, ...args]);
      expect([args, done.exitCode]).toEqual([args, 5]);
      expect(done.stderr).toContain("its filesystem has no file locks");
      expect(done.stderr).toContain("SESSION_BUDDY_DATA_DIR to a local disk");
    }
    const doctor = await sandbox.command([...here, BINARY, "doctor"]);
    expect(doctor.exitCode).toBe(4);
    expect(doctor.stdout).toMatch(/locks.*no file locks/s);
    expect((await sandbox.only()).status).toBe("lost");
    expect((await sandbox.run(["doctor"])).stdout).toContain(
      "held the next one off",
    );
  },
);

test("without locks a server far away gets what was recorded, once", async () => {
  if (!needs("/usr/bin/python3")) return;
  using far = new Sandbox();
  using sandbox = new Sandbox();
  await using server = await TestServer.start(far);
  const env = { SESSION_BUDDY_MCP_ENDPOINT: server.url };
  // One that was locked where it was written, and one that could not be.
  leave(sandbox, `${id(1)}.ndjson`, lines(life(1)));
  const [first, ...rest] = life(2);
  leave(
    sandbox,
    `${id(2)}.ndjson`,
    lines([{ ...first!, lock: "none" } as Event, ...rest]),
  );
  const here = withoutLocks(NO_LOCKS.ENOLCK);
  const drains = await Promise.all(
    [1, 2, 3].map(() => sandbox.command([...here, BINARY, "drain"], { env })),
  );
  expect(drains.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0]);
  const sessions = await far.list();
  expect(sessions.map(({ status }) => status)).toEqual(["lost", "lost"]);
});
