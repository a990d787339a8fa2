import { describe, expect, test } from "bun:test";
import {
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Event } from "../../src/model/event.ts";
import type { EventFilter } from "../../src/model/filter.ts";
import { Drain, drain } from "../../src/spool/drain.ts";
import { ensureSpool } from "../../src/spool/write.ts";
import { DuckDBStore } from "../../src/store/duckdb/store.ts";
import { until } from "../support/wait.ts";
import { query, storedEvents } from "../support/database.ts";
import { at, command, end } from "../support/events.ts";
import { configure } from "../support/host.ts";
import { Live } from "../support/live.ts";
import { Place, SETTINGS } from "../support/place.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { drainHere, id, leave, life, lines, named } from "../support/spool.ts";

/** No heartbeat writes or touches anything while a test runs. */
const QUIET = "session: {heartbeat: 24h}\n";
const BAD_BYTES = Buffer.from([0xff, 0xfe, 0x00, 0x22, 0x7b]);

describe.each(SETTINGS)("a session under way, %s", (setting) => {
  test("is active, and seen now however long ago its file was touched, and then ended", async () => {
    await using place = await Place.begin(setting);
    const { sandbox } = place;
    await using live = await Live.begin(sandbox);
    await live.quiet();
    const looked_ms = Date.now();
    const touched = new Date(looked_ms - 20_000);
    utimesSync(live.file, touched, touched);
    const session = await sandbox.only();
    expect(session).toMatchObject({
      session_id: live.session_id,
      status: "active",
      end_time: null,
      pid: live.child,
    });
    expect(Date.parse(session.last_seen!)).toBeGreaterThanOrEqual(looked_ms);
    await live.end(3);
    expect(await sandbox.only()).toMatchObject({
      status: "ended",
      exit_code: 3,
      end_source: "observed",
    });
  });

  test("with a line half written is active, and the line is not lost", async () => {
    await using place = await Place.begin(setting);
    const { sandbox } = place;
    configure(sandbox, QUIET);
    await using live = await Live.begin(sandbox);
    await live.quiet();
    const event = command(1, { session_id: live.session_id });
    const line = JSON.stringify(event);
    writeFileSync(live.file, line.slice(0, 50), { flag: "a" });
    expect(await sandbox.only()).toMatchObject({ status: "active" });
    writeFileSync(live.file, `${line.slice(50)}\n`, { flag: "a" });
    const { stderr } = await sandbox.run(["list-sessions"]);
    expect(stderr).toBe("");
    const stored = await place.stored();
    expect(stored.map((e) => e.event_id)).toContain(event.event_id);
  });
});

test("a session that ends while its file is read has ended, and is not lost", async () => {
  using sandbox = new Sandbox();
  const store = await (async () => {
    ensureSpool(sandbox.data);
    return DuckDBStore.open(sandbox.database);
  })();
  await using live = await Live.begin(sandbox);
  // More than two batches: the store is waited for in the midst of the reading.
  const many = Array.from({ length: 8_192 }, () =>
    command(1, { session_id: live.session_id }),
  );
  writeFileSync(live.file, lines(many), { flag: "a" });
  const append = store.append.bind(store);
  store.append = async (events) => {
    await live.end(5);
    return append(events);
  };
  await drain(sandbox.data, store, Date.now);
  expect(await store.get(live.session_id)).toMatchObject({
    status: "ended",
    exit_code: 5,
  });
  await store.close();
  const kinds = (await storedEvents(sandbox.database)).map((e) => e.kind);
  expect(kinds.filter((kind) => kind === "session_end")).toHaveLength(1);
});

test.each([
  ["a minute", null, 60_000],
  ["longer", 900_000, 900_000],
])(
  "what is kept for %s is there until then; kept for longer, a store that has lost it gets it back",
  async (_, keep_done_ms, rest_ms) => {
    using sandbox = new Sandbox();
    await sandbox.run(["shell", "--", "true"]);
    const open = (name: string) =>
      DuckDBStore.open(join(sandbox.data, `${name}.duckdb`));
    let store = await open("first");
    const target = {
      append: (events: readonly Event[]) => store.append(events),
      seen: (signs: ReadonlyMap<string, string>) => store.seen(signs),
      get: (session_id: string) => store.get(session_id),
      events: (filter: EventFilter) => store.events(filter),
    };
    let now_ms = Date.now();
    const own = new Drain(sandbox.data, target, () => now_ms, { keep_done_ms });
    await own.pass();
    const done = join(sandbox.spool, "done");
    // From when it came there: the pass may have taken long.
    const rested_ms = statSync(join(done, named(done)[0]!)).ctimeMs;
    const ids = async () =>
      (await Array.fromAsync(store.events({}))).map(
        ({ event }) => event.event_id,
      );
    const stored = await ids();
    expect(stored).not.toEqual([]);
    await store.close();
    // Another host's takes its place, which nothing had come to yet.
    store = await open("second");
    now_ms = rested_ms + rest_ms - 5_000;
    await own.pass();
    expect([named(done).length, await ids()]).toEqual([1, []]);
    now_ms = rested_ms + rest_ms + 1_000;
    await own.pass();
    expect(named(done)).toEqual([]);
    expect(await ids()).toEqual(keep_done_ms === null ? [] : stored);
    await store.close();
  },
);

describe.each(SETTINGS)("a file of the spool, %s", (setting) => {
  test("of an ended session rests in done/ and is let go by a later pass", async () => {
    await using place = await Place.begin(setting);
    const { sandbox } = place;
    // Longer than all of this takes; how long a minute is, is tried above.
    configure(sandbox, "store: {keep_done: 1h}\n");
    // A server reads that when it is started again.
    await place.drain(1);
    const file = `${id(1)}.ndjson`;
    const content = lines(life(1, end(3)));
    leave(sandbox, file, content);
    await sandbox.only();
    const done = join(sandbox.spool, "done");
    expect(named(done)).toEqual([file]);
    expect(readFileSync(join(done, file), "utf8")).toBe(content);
    await place.drain();
    expect(named(done)).toEqual([file]);
    // A writer that nobody knew of had one more thing to say, and no newline.
    const late = command(1, { session_id: id(1) });
    writeFileSync(join(done, file), JSON.stringify(late), { flag: "a" });
    expect(await place.drain(3_601_000)).toBe("");
    const stored = await place.stored();
    expect(stored.map((e) => e.event_id)).toContain(late.event_id);
    expect(named(done)).toEqual([]);
    expect(await sandbox.only()).toMatchObject({
      status: "ended",
      command_count: 1,
    });
  });

  test("that is empty, of a start that was killed, goes once it is old", async () => {
    await using place = await Place.begin(setting);
    const { sandbox } = place;
    const path = leave(sandbox, `${id(1)}.ndjson`, "");
    // It is not old before the last pass, however long the first one takes.
    const later = new Date(Date.now() + 3_600_000);
    utimesSync(path, later, later);
    const other = leave(sandbox, `${id(2)}.ndjson`, lines(life(2, end(3))));
    expect(await sandbox.list()).toHaveLength(1);
    expect([existsSync(path), existsSync(other)]).toEqual([true, false]);
    await place.drain(3_661_000);
    expect(existsSync(path)).toBeFalse();
  });

  test("cut at any byte loses no whole line", async () => {
    await using place = await Place.begin(setting);
    const { sandbox } = place;
    const whole = (n: number) => life(n, command(2), end(3));
    const length = Buffer.byteLength(lines(whole(0)));
    const wanted = new Set<string>();
    for (let cut = 0; cut <= length; cut++) {
      const events = whole(cut);
      leave(sandbox, `${id(cut)}.ndjson`, lines(events).slice(0, cut));
      let size = 0;
      for (const event of events) {
        size += JSON.stringify(event).length;
        if (size <= cut) wanted.add(event.event_id);
        size++;
      }
    }
    // More than a thousand files, on a machine that may have other work: who asks a
    // server is told after half a minute that it is at it still.
    const list = () => sandbox.run(["list-sessions"]);
    await until(
      "all of it to be stored",
      async () => (await list()).exitCode === 0,
      300_000,
    );
    // At most the empty one is left, for a minute: somebody may just have begun it.
    const left = named(sandbox.spool).filter((name) =>
      name.endsWith(".ndjson"),
    );
    expect([`${id(0)}.ndjson`]).toEqual(expect.arrayContaining(left));
    const stored = await place.stored();
    const recovered = stored.filter(
      (e) => e.kind === "session_end" && !wanted.has(e.event_id),
    );
    const ids = new Set(stored.map((e) => e.event_id));
    expect(ids.size).toBe(stored.length);
    expect([...wanted].filter((event_id) => !ids.has(event_id))).toEqual([]);
    expect(ids.size).toBe(wanted.size + recovered.length);
    const sessions = await sandbox.list();
    expect(sessions.filter((s) => s.status === "ended")).toHaveLength(2);
    expect(sessions.filter((s) => s.status === "lost")).toHaveLength(
      recovered.length,
    );
    expect(sessions.filter((s) => s.status === "active")).toEqual([]);
  }, 400_000);
});

describe.each(SETTINGS)("lines that cannot be read, %s", (setting) => {
  const first = life(1);
  const rest = [
    command(2, { session_id: id(1) }),
    end(3, { session_id: id(1), exit_code: 9 }),
  ];
  const bad: Record<string, string | Uint8Array> = {
    "no JSON": "{event_type: session_end}",
    "no UTF-8": BAD_BYTES,
    "no event": '{"event_type":"session_end"}',
    "too long": JSON.stringify(
      command(1, { session_id: id(1), text: "x".repeat(300_000) }),
    ),
    zeros: new Uint8Array(4096),
    "nested too deep": JSON.stringify(
      command(1, { session_id: id(1) }),
    ).replace("}", `,"deep":${"[".repeat(60_000)}${"]".repeat(60_000)}}`),
  };
  const said =
    setting === "alone"
      ? /^session-buddy: a spool line could not be read \(.+\) and is kept in '.+'\n$/
      : /^\{.*"event":"line_quarantined".*\}$/;
  for (const [what, line] of Object.entries(bad))
    test(`(${what}) are kept byte for byte, said once, and cost no neighbour`, async () => {
      await using place = await Place.begin(setting);
      const { sandbox } = place;
      const bytes = Buffer.from(line);
      const before = Buffer.from(lines(first));
      leave(
        sandbox,
        `${id(1)}.ndjson`,
        Buffer.concat([before, bytes, Buffer.from(`\n${lines(rest)}`)]),
      );
      expect(await place.drain()).toMatch(said);
      const kept = named(join(sandbox.spool, "quarantine"));
      expect(kept).toEqual([`${id(1)}.ndjson.${before.length}`]);
      const quarantined = readFileSync(
        join(sandbox.spool, "quarantine", kept[0]!),
      );
      expect(quarantined.subarray(0, bytes.length)).toEqual(bytes);
      expect(quarantined.subarray(bytes.length).toString()).toStartWith(
        `\n# ${id(1)}.ndjson at byte ${before.length}: `,
      );
      expect(await sandbox.only()).toMatchObject({
        exit_code: 9,
        command_count: 1,
      });
      expect((await sandbox.run(["list-sessions"])).stderr).toBe("");
      // The last reading, before the file goes, does not find it anew.
      expect(await place.drain(61_000)).toBe("");
      expect(named(join(sandbox.spool, "done"))).toEqual([]);
    });

  test("among them a torn last one: the session is lost, not its lines", async () => {
    await using place = await Place.begin(setting);
    const { sandbox } = place;
    const torn = JSON.stringify(rest[1]).slice(0, 80);
    leave(sandbox, `${id(1)}.ndjson`, lines([...first, rest[0]!]) + torn);
    expect(await place.drain()).toMatch(said);
    expect(await sandbox.only()).toMatchObject({
      status: "lost",
      command_count: 1,
    });
    const [kept] = named(join(sandbox.spool, "quarantine"));
    expect(
      readFileSync(join(sandbox.spool, "quarantine", kept!), "utf8"),
    ).toStartWith(`${torn}\n# `);
  });

  test("but a whole last one without its newline is read", async () => {
    await using place = await Place.begin(setting);
    const { sandbox } = place;
    leave(sandbox, `${id(1)}.ndjson`, lines([...first, ...rest]).trimEnd());
    expect(await place.drain()).toBe("");
    expect(await sandbox.only()).toMatchObject({
      status: "ended",
      exit_code: 9,
    });
  });
});

test("what is no file of ours is left alone, named, and harms nobody", async () => {
  using sandbox = new Sandbox();
  const spool = ensureSpool(sandbox.data);
  leave(sandbox, `${id(1)}.ndjson`, lines(life(1, end(3))));
  const secret = join(sandbox.home, "secret");
  writeFileSync(secret, lines(life(2, end(3))));
  symlinkSync(secret, join(spool, "link.ndjson"));
  symlinkSync("/nowhere", join(spool, "dangling.ndjson"));
  symlinkSync("loop.ndjson", join(spool, "loop.ndjson"));
  mkdirSync(join(spool, "folder.ndjson"));
  expect(Bun.spawnSync(["mkfifo", join(spool, "pipe.ndjson")]).exitCode).toBe(
    0,
  );
  const strange = ["dangling", "folder", "link", "loop", "pipe"];
  if (process.geteuid!() === 0) {
    chownSync(
      leave(sandbox, "foreign.ndjson", lines(life(3, end(3)))),
      12_345,
      12_345,
    );
    strange.push("foreign");
  } else console.log("not root: no file of a foreign owner was tried");
  const { stdout, stderr, exitCode } = await sandbox.run(["list-sessions"]);
  expect(exitCode).toBe(0);
  expect(stdout.trimEnd().split("\n")).toHaveLength(1);
  for (const name of strange)
    expect(stderr).toContain(`a spool file was left alone: ${name}.ndjson: `);
  expect(stderr.trimEnd().split("\n")).toHaveLength(strange.length);
  expect(readFileSync(secret, "utf8")).not.toBe("");
  for (const name of strange) expect(named(spool)).toContain(`${name}.ndjson`);
});

test("what is stored is dated in UTC, wherever the reader is", async () => {
  using sandbox = new Sandbox();
  leave(sandbox, `${id(1)}.ndjson`, lines(life(1, end(3))));
  const before = Date.now();
  await sandbox.run(["list-sessions"], { env: { TZ: "Asia/Tokyo" } });
  const [row] = await query<{ received: number; stamp: number }>(
    sandbox.database,
    `SELECT epoch_ms(min(received_at))::DOUBLE AS received,
       epoch_ms(min(timestamp))::DOUBLE AS stamp FROM events`,
  );
  expect(row!.stamp).toBe(Date.parse(at(0)));
  expect(Math.abs(row!.received - before)).toBeLessThan(1_800_000);
});

test("a quarantine that cannot be made: what can be read is shown, and said not to be stored", async () => {
  using sandbox = new Sandbox();
  const spool = ensureSpool(sandbox.data);
  writeFileSync(join(spool, "quarantine"), "in the way");
  const text = `no event\n${lines(life(1, end(3)))}`;
  const file = leave(sandbox, `${id(1)}.ndjson`, text);
  const shown = await sandbox.run(["list-sessions"]);
  expect(shown.exitCode).toBe(0);
  expect(shown.stdout).toContain(id(1));
  expect(shown.stderr).toContain("nothing was brought to the store");
  expect(shown.stderr).toContain(spool);
  expect(readFileSync(file, "utf8")).toBe(text);
  const drained = await sandbox.run(["drain"]);
  expect(drained.exitCode).not.toBe(0);
  expect(drained.stderr).toContain(spool);
});

test("a spool that cannot be written to is said, with the mend", async () => {
  using sandbox = new Sandbox();
  const spool = ensureSpool(sandbox.data);
  writeFileSync(join(spool, "done"), "in the way");
  leave(sandbox, `${id(1)}.ndjson`, lines(life(1, end(3))));
  for (const command of ["list-sessions", "drain"]) {
    const { exitCode, stderr } = await sandbox.run([command]);
    expect(exitCode === 0).toBe(command === "list-sessions");
    expect(stderr).toContain(spool);
    expect(stderr).not.toContain("internal error");
  }
});

test("a file that was made anew while its lines were stored stays for the next pass", async () => {
  using sandbox = new Sandbox();
  const folder = ensureSpool(sandbox.data);
  const name = `${id(1)}.ndjson`;
  const [first, ...rest] = life(1, end(9, { session_id: id(1) }));
  leave(sandbox, name, lines([first!, ...rest]));
  const store = await DuckDBStore.open(join(sandbox.home, "s.duckdb"));
  const late = command(5, { session_id: id(1) });
  const append = store.append.bind(store);
  store.append = async (events, from) => {
    const stored = await append(events, from);
    // As a wrapper does whose folder was moved away: the same name, another file.
    const anew = join(folder, name);
    renameSync(anew, `${anew}.old`);
    writeFileSync(anew, lines([first!, late, ...rest]), { mode: 0o600 });
    return stored;
  };
  await drain(sandbox.data, store, Date.now);
  expect(named(folder)).toContain(name);
  store.append = append;
  await drain(sandbox.data, store, Date.now);
  await store.close();
  const stored = await storedEvents(join(sandbox.home, "s.duckdb"));
  expect(stored.map((e) => e.event_id)).toContain(late.event_id);
  expect(named(folder)).not.toContain(name);
});

test("a file that grows is read on from where it was read to, and from the start when it was made anew", async () => {
  using sandbox = new Sandbox();
  configure(sandbox, QUIET);
  ensureSpool(sandbox.data);
  const store = await DuckDBStore.open(sandbox.database);
  await using live = await Live.begin(sandbox);
  await live.quiet();
  const drains = new Drain(sandbox.data, store, Date.now);
  await drains.pass();
  const brought: number[] = [];
  const append = store.append.bind(store);
  store.append = (events, from) => {
    brought.push(events.length);
    return append(events, from);
  };
  const next = () => command(1, { session_id: live.session_id });
  writeFileSync(live.file, lines([next()]), { flag: "a" });
  await drains.pass();
  expect(brought).toEqual([1]);
  // A line that was under way counts once it is whole.
  const line = lines([next()]);
  writeFileSync(live.file, line.slice(0, 40), { flag: "a" });
  await drains.pass();
  expect(brought).toEqual([1]);
  writeFileSync(live.file, line.slice(40), { flag: "a" });
  await drains.pass();
  expect(brought).toEqual([1, 1]);
  // Shorter than it was: somebody wrote it anew.
  const [first] = live.lines;
  writeFileSync(live.file, `${first}\n${lines([next()])}`);
  await drains.pass();
  expect(brought).toEqual([1, 1, 2]);
  await store.close();
  expect(
    (await storedEvents(sandbox.database)).filter(
      ({ kind }) => kind === "command_start",
    ),
  ).toHaveLength(3);
});

test("200,000 lines of one file are stored whole, and the memory that takes is bounded", async () => {
  using sandbox = new Sandbox();
  const many = Array.from({ length: 200_000 }, (_, n) =>
    command(n, { session_id: id(1), text: `make target-${n}` }),
  );
  leave(
    sandbox,
    `${id(1)}.ndjson`,
    lines([...life(1), ...many, end(3, { session_id: id(1) })]),
  );
  const { resourceUsage, exitCode } = Bun.spawnSync([BINARY, "drain"], {
    env: sandbox.env,
  });
  expect(exitCode).toBe(0);
  // DuckDB's own limit is 512 MB, and what is read at a time is far less.
  expect(resourceUsage.maxRSS).toBeLessThan(900 * 1024 * 1024);
  expect(await storedEvents(sandbox.database)).toHaveLength(200_003);
}, 400_000);

test("others have their turn after each line that is kept in quarantine", async () => {
  using sandbox = new Sandbox();
  const quarantine = join(ensureSpool(sandbox.data), "quarantine");
  for (let n = 0; n < 40; n++)
    leave(sandbox, `${id(n)}.ndjson`, `${lines(life(n))}no line\n`);
  let seen = 0;
  let most = 0;
  let over = false;
  const look = () => {
    const kept = named(quarantine).length;
    most = Math.max(most, kept - seen);
    seen = kept;
    if (!over) setImmediate(look);
  };
  setImmediate(look);
  await drainHere(sandbox);
  over = true;
  look();
  expect([seen, most]).toEqual([40, 1]);
});
