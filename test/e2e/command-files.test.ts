/**
 * What hooked shells write of their commands (`ID.<pid>.commands`): drained while
 * they live, read again, put away when they are gone, and a session's own.
 */
import { describe, expect, test } from "bun:test";
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Drain, drain } from "../../src/spool/drain.ts";
import { DuckDBStore } from "../../src/store/duckdb/store.ts";
import { configure } from "../support/host.ts";
import { Live } from "../support/live.ts";
import { Place, SETTINGS } from "../support/place.ts";
import { Sandbox } from "../support/sandbox.ts";
import {
  drainHere,
  hook,
  id,
  leave,
  life,
  lines,
  named,
} from "../support/spool.ts";

const MINUTE_MS = 60_000;
const GONE_PID = 4_194_000;
const at = (ms: number) => new Date(ms).toISOString();

/** So many commands of a shell, a second apart; each fails whose number is odd. */
function commands(pid: number, begin_ms: number, count: number): string {
  let text = hook.header(pid, begin_ms);
  for (let seq = 1; seq <= count; seq++) {
    const at_ms = begin_ms + seq * 1_000;
    text += hook.start(seq, at_ms, `make part-${seq}`);
    text += hook.end(seq, at_ms + 500, seq % 2);
  }
  return text;
}

const commandsOf = async (place: Place) =>
  (await place.stored())
    .filter(({ kind }) => kind.startsWith("command_"))
    .map(({ kind }) => kind);

const left = (sandbox: Sandbox) =>
  named(sandbox.spool).filter((name) => /\.(ndjson|commands)$/.test(name));

describe.each(SETTINGS)("the commands of shells, %s", (setting) => {
  test("are seen while their session lives, once, and leave with it", async () => {
    await using place = await Place.begin(setting);
    const { sandbox } = place;
    await using live = await Live.begin(sandbox);
    const now = Date.now() - MINUTE_MS;
    // Of the session's own shell, and of one within it that is gone.
    const own = leave(
      sandbox,
      `${live.session_id}.${live.child}.commands`,
      commands(live.child, now, 3),
    );
    leave(
      sandbox,
      `${live.session_id}.${GONE_PID}.commands`,
      commands(GONE_PID, now + 10_000, 2),
    );
    for (const _ of ["first", "again"])
      expect(await sandbox.only()).toMatchObject({
        ...{ status: "active", command_count: 5, failed_commands: 3 },
        last_command: "make part-2",
      });
    appendFileSync(own, hook.start(4, now + 20_000, "echo 'last one'"));
    expect(await sandbox.only()).toMatchObject({
      ...{ command_count: 6, last_command: "echo 'last one'" },
    });
    await live.end(0);
    expect(await sandbox.only()).toMatchObject({
      ...{ status: "ended", command_count: 6, failed_commands: 3 },
    });
    expect(left(sandbox)).toEqual([]);
    expect(await commandsOf(place)).toHaveLength(11);
  });

  test("count to the last, whose newline was not written any more", async () => {
    await using place = await Place.begin(setting);
    const { sandbox } = place;
    await using live = await Live.begin(sandbox);
    const { session_id } = live;
    const text = commands(GONE_PID, Date.now() - MINUTE_MS, 3);
    // Of a session that ends, and of one that is not of this spool.
    for (const of of [session_id, id(7)])
      leave(sandbox, `${of}.${GONE_PID}.commands`, text.slice(0, -1));
    await live.end(0);
    await sandbox.list();
    expect(left(sandbox)).toEqual([]);
    expect(await commandsOf(place)).toHaveLength(12);
  });

  test("end a lost session once, at the line whose newline is missing", async () => {
    await using place = await Place.begin(setting);
    const { sandbox } = place;
    const late_ms = Date.now() + MINUTE_MS;
    leave(sandbox, `${id(1)}.ndjson`, lines(life(1)));
    const text = commands(GONE_PID, late_ms, 1);
    leave(sandbox, `${id(1)}.${GONE_PID}.commands`, text.slice(0, -1));
    await place.drain();
    expect(await sandbox.only()).toMatchObject({
      status: "lost",
      end_time: at(late_ms + 1_500),
    });
    const kinds = (await place.stored()).map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === "session_end")).toHaveLength(1);
  });

  test("keep their file while their shell outlives the session, for its header is in it", async () => {
    await using place = await Place.begin(setting);
    const { sandbox } = place;
    await using live = await Live.begin(sandbox);
    const now = Date.now() - MINUTE_MS;
    const { session_id, child } = live;
    const [start] = live.lines;
    const gone = life(1)
      .slice(1)
      .map((event) => ({ ...event, session_id }));
    const name = `${session_id}.${child}.commands`;
    const file = leave(sandbox, name, commands(child, now, 2));
    // What it writes would be read with what stands in its place below.
    await live.quiet();
    await live.killWrapper();
    live.replace(`${start}\n${lines(gone)}`);
    const { status, command_count } = await sandbox.only();
    // A server that has passed once more by then has seen that the shell lives.
    const passed = setting === "alone" ? ["lost"] : ["lost", "active"];
    expect(passed).toContain(status);
    expect(command_count).toBe(2);
    expect(existsSync(file)).toBeTrue();
    appendFileSync(file, hook.start(3, Date.now(), "sleep 1000 &"));
    expect(await sandbox.only()).toMatchObject({
      ...{ status: "active", command_count: 3 },
    });
    await live.endChild();
    expect((await sandbox.only()).status).toBe("lost");
    expect(existsSync(file)).toBeFalse();
    expect(await commandsOf(place)).toHaveLength(5);
    const kinds = (await place.stored()).map(({ kind }) => kind);
    // With its program, and with its shell.
    expect(kinds.filter((kind) => kind === "session_end")).toHaveLength(2);
  });

  test("are a sign of life, and the last one that a lost session gave", async () => {
    await using place = await Place.begin(setting);
    const { sandbox } = place;
    const late_ms = Date.now() + MINUTE_MS;
    leave(sandbox, `${id(1)}.ndjson`, lines(life(1)));
    const name = `${id(1)}.${GONE_PID}.commands`;
    leave(
      sandbox,
      name,
      hook.header(GONE_PID, late_ms) + hook.start(1, late_ms, "exit"),
    );
    await place.drain();
    expect(await sandbox.only()).toMatchObject({
      ...{ status: "lost", end_time: at(late_ms), last_command: "exit" },
    });
    // What comes when its file is done is read after its header, not without.
    const done = join(sandbox.spool, "done", name);
    appendFileSync(done, hook.end(1, late_ms + 1_000, 3));
    await place.drain(3 * MINUTE_MS);
    expect(await sandbox.only()).toMatchObject({
      ...{ status: "lost", command_count: 1, failed_commands: 1 },
      end_time: at(late_ms + 1_000),
    });
    expect(named(join(sandbox.spool, "done"))).toEqual([]);
    expect(await commandsOf(place)).toEqual(["command_start", "command_end"]);
  });

  test("are read around a line that is torn, which is kept", async () => {
    await using place = await Place.begin(setting);
    const { sandbox } = place;
    leave(sandbox, `${id(1)}.ndjson`, lines(life(1)));
    const now = Date.now();
    const torn = hook.start(1, now, "cat <<'END' >file").slice(0, 30);
    const name = `${id(1)}.${GONE_PID}.commands`;
    // After a write that failed the next record begins with a newline.
    leave(
      sandbox,
      name,
      `${hook.header(GONE_PID, now)}${torn}\n${hook.start(2, now, "ls")}`,
    );
    expect(await place.drain()).toContain("torn");
    expect(await sandbox.only()).toMatchObject({
      ...{ command_count: 1, last_command: "ls" },
    });
    const [kept] = named(join(sandbox.spool, "quarantine"));
    expect(kept).toStartWith(name);
    expect(
      readFileSync(join(sandbox.spool, "quarantine", kept!), "utf8"),
    ).toStartWith(torn);
  });
});

test("a drain that dies has the next one read all again, and store nothing twice", async () => {
  using sandbox = new Sandbox();
  leave(sandbox, `${id(1)}.ndjson`, lines(life(1)));
  const text = commands(GONE_PID, Date.now() - MINUTE_MS, 40);
  const file = leave(sandbox, `${id(1)}.${GONE_PID}.commands`, text);
  const store = await DuckDBStore.open(sandbox.database);
  const dies = {
    append: async (events: Parameters<typeof store.append>[0]) => {
      await store.append(events.slice(0, 30));
      throw new Error("killed");
    },
    seen: store.seen.bind(store),
    get: store.get.bind(store),
  };
  await expect(drain(sandbox.data, dies, Date.now)).rejects.toThrow("killed");
  await store.close();
  expect(existsSync(file)).toBeTrue();
  await drainHere(sandbox);
  expect(await sandbox.only()).toMatchObject({
    ...{ status: "lost", command_count: 40, failed_commands: 20 },
  });
});

test("one who drains on and on reads what comes late by the header before it", async () => {
  using sandbox = new Sandbox();
  const now = Date.now();
  leave(sandbox, `${id(1)}.ndjson`, lines(life(1)));
  const name = `${id(1)}.${GONE_PID}.commands`;
  leave(sandbox, name, hook.header(GONE_PID, now) + hook.start(1, now, "make"));
  const store = await DuckDBStore.open(sandbox.database);
  let ahead_ms = 0;
  const drain = new Drain(sandbox.data, store, () => Date.now() + ahead_ms);
  await drain.pass();
  appendFileSync(
    join(sandbox.spool, "done", name),
    hook.end(1, now + 1_500, 3),
  );
  ahead_ms = 2 * MINUTE_MS;
  await drain.pass();
  const found = await Array.fromAsync(store.commands({}));
  await store.close();
  expect(found).toMatchObject([
    { text: "make", exit_code: 3, duration_seconds: 1.5 },
  ]);
});

test("a long file of a shell that lives is not read whole by each command", async () => {
  using sandbox = new Sandbox();
  // None of its own events is counted with those of the shell.
  configure(sandbox, "session: {heartbeat: 1h}\n");
  await using live = await Live.begin(sandbox);
  const { session_id, child } = live;
  await live.quiet();
  const begin = Date.now() - 86_400_000;
  const name = `${session_id}.${child}.commands`;
  // The shell began anew in the midst, under its pid.
  const text =
    commands(child, begin, 3_000) + commands(child, begin + 1, 3_000);
  const file = leave(sandbox, name, text);
  const drainInto = async (database: string) => {
    const store = await DuckDBStore.open(database);
    let read = 0;
    const target = {
      append: (events: Parameters<typeof store.append>[0]) => {
        read += events.length;
        return store.append(events);
      },
      seen: store.seen.bind(store),
      get: store.get.bind(store),
      events: store.events.bind(store),
    };
    await drain(sandbox.data, target, Date.now);
    const session = (await store.get(session_id))!;
    const { length } = await Array.fromAsync(
      store.commands({ session_id, exit_code: 1 }),
    );
    await store.close();
    return [read, session.command_count, session.failed_commands, length];
  };
  expect(await drainInto(sandbox.database)).toEqual([
    ...[12_003, 6_000, 3_000, 3_000],
  ]);
  appendFileSync(
    file,
    hook.start(3_001, begin + 9_000_000, "a new one") +
      hook.end(3_001, begin + 9_000_001, 1),
  );
  const [read, ...counted] = await drainInto(sandbox.database);
  expect(read).toBeLessThan(2_500);
  expect(counted).toEqual([6_001, 3_001, 3_001]);
  // A database that went back in time, or another one, gets all that it lacks.
  expect(await drainInto(`${sandbox.database}.other`)).toEqual([
    ...[12_005, 6_001, 3_001, 3_001],
  ]);
});

test("no session is archived while commands of it wait", async () => {
  using sandbox = new Sandbox();
  leave(sandbox, `${id(1)}.ndjson`, lines(life(1)));
  expect((await sandbox.only()).status).toBe("lost");
  // In quarantine, from where a person may bring it back.
  const quarantine = join(sandbox.spool, "quarantine");
  await Bun.write(join(quarantine, `${id(1)}.${GONE_PID}.commands.0`), "s\t1");
  const { spooledSessions } = await import("../../src/spool/contents.ts");
  expect(spooledSessions(sandbox.data)).toEqual(new Set([id(1)]));
});
