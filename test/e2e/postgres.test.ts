/**
 * The database in PostgreSQL: what a user does is the same as with a file, and what two
 * servers on two hosts say of one database is one truth, whichever of them is asked.
 */
import { expect, test } from "bun:test";
import { mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { idHexOf } from "../../src/model/id.ts";
import { needsPostgres } from "../crash/postgres/node.ts";
import { configure, expectFailure, plant } from "../support/host.ts";
import { keep, recordingOf, shown } from "../support/recording.ts";
import { id, leave, life, lines } from "../support/spool.ts";
import { at, end } from "../support/events.ts";
import { type TestDatabase, emptyDatabase } from "../support/postgres.ts";
import { Sandbox } from "../support/sandbox.ts";
import { TestServer, startArguments } from "../support/server.ts";
import { until } from "../support/wait.ts";

/** A host of its own whose database is that one. */
function hostOf({ url }: TestDatabase): Sandbox {
  const sandbox = new Sandbox();
  sandbox.env["SESSION_BUDDY_STORE_URL"] = url;
  return sandbox;
}

async function said(sandbox: Sandbox, ...words: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await sandbox.run(words);
  expect([words, exitCode, stderr]).toEqual([words, 0, ""]);
  return stdout;
}

const LEFT =
  /^session-buddy: what 1 recorded terminal showed is not looked through yet: .*\n/;

const read = async (sandbox: Sandbox, ...words: string[]) =>
  JSON.parse(await said(sandbox, ...words, "--json"));

/** Two servers on two hosts over one database, and calls that change between them. */
class Twins implements AsyncDisposable {
  private calls = 0;

  private constructor(
    readonly database: TestDatabase,
    readonly hosts: readonly Sandbox[],
    readonly servers: readonly TestServer[],
  ) {}

  static async start(): Promise<Twins> {
    const database = await emptyDatabase();
    const hosts = [hostOf(database), hostOf(database)];
    const servers = await Promise.all(
      hosts.map((host) => TestServer.start(host)),
    );
    return new Twins(database, hosts, servers);
  }

  /** The next server's answer. */
  call(tool: string, args: object = {}) {
    return this.servers[this.calls++ % 2]!.call(tool, args);
  }

  /** Of both servers, which has to be the same. */
  async both(tool: string, args: object = {}) {
    const [one, other] = await Promise.all(
      this.servers.map((server) => server.call(tool, args)),
    );
    const [first, second] = [one!, other!].map(({ result }) =>
      JSON.parse(JSON.stringify(result), (name, value) =>
        // When it was asked, and how long it goes on until then.
        name === "queried_at" || name === "duration_seconds" ? null : value,
      ),
    );
    expect(first).toEqual(second);
    return first as Record<string, any>;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.servers) await server[Symbol.asyncDispose]();
    for (const host of this.hosts) host[Symbol.dispose]();
    await this.database[Symbol.asyncDispose]();
  }
}

for (const how of ["alone", "through a server"])
  test(`${how}: a session is recorded, listed, shown, searched and asked for`, async () => {
    if (!needsPostgres()) return;
    await using database = await emptyDatabase();
    using host = hostOf(database);
    await using _server = how === "alone" ? null : await TestServer.start(host);
    const shell = await host.run(["shell", "--", "sh", "-c", "exit 3"]);
    expect(shell.exitCode).toBe(3);
    const wrapped = await host.only();
    expect(wrapped).toMatchObject({ component_name: "sh", exit_code: 3 });
    const job = (
      await said(host, "emit", "start", "--component", "backup")
    ).trim();
    await said(
      host,
      "emit",
      "command",
      job,
      "pg_dump shop",
      "--exit-code",
      "1",
    );
    expect(await read(host, "show-session", job)).toMatchObject({
      ...{ session_id: job, status: "active", command_count: 1 },
      commands: [{ text: "pg_dump shop", exit_code: 1 }],
    });
    await said(host, "note", job, "the shop is slow");
    const commands = await read(host, "list-commands", "--failed");
    expect(commands).toMatchObject([{ session_id: job, text: "pg_dump shop" }]);
    expect(await read(host, "who")).toMatchObject([{ session_id: job }]);
    const hits = await read(host, "search", "SHOP");
    expect(hits.map(({ text }: { text: string }) => text)).toEqual([
      ...["the shop is slow", "pg_dump shop"],
    ]);
    const engine = await read(host, "search", "--regex", "^pg_.*p$");
    expect(engine).toMatchObject([{ matches: ["pg_dump shop"] }]);
    expect(
      await read(
        host,
        "query",
        "SELECT component, count(*)::int AS n FROM sessions GROUP BY component ORDER BY 1",
      ),
    ).toEqual([
      { component: "backup", n: 1 },
      { component: "sh", n: 1 },
    ]);
    await said(host, "emit", "end", job);
    const kinds = (await said(host, "list-events", "--session-id", job)).split(
      "\n",
    );
    expect(kinds.filter((line) => line.includes("session_end"))).toHaveLength(
      1,
    );
    expect((await host.list("--status", "ended")).length).toBe(2);
  }, 400_000);

test("what one host has recorded another one lists, with no server between", async () => {
  if (!needsPostgres()) return;
  await using database = await emptyDatabase();
  using one = hostOf(database);
  using other = hostOf(database);
  const ids = plant(one, [{ component: "one" }, { component: "one" }]);
  ids.push(...plant(other, [{ component: "other" }]));
  await said(one, "drain");
  const listed = (await other.list()).map(({ session_id }) => session_id);
  expect(listed.sort()).toEqual(ids.sort());
  expect(await one.list()).toEqual(await other.list());
}, 400_000);

test("a start, its commands and its end by changing servers are one session", async () => {
  if (!needsPostgres()) return;
  await using twins = await Twins.start();
  const start = startArguments({ timestamp: new Date().toISOString() });
  const { session_id } = (await twins.call("track_session_start", start))
    .result;
  // Sent again to the other one, it changes nothing.
  for (const _ of [1, 2])
    expect(
      (await twins.call("track_session_start", start)).result,
    ).toMatchObject({ session_id, status: "tracked" });
  const event = (event_type: string, more: object) => ({
    ...{ event_version: "1.0", event_id: Bun.randomUUIDv7(), event_type },
    ...{ session_id, timestamp: new Date().toISOString(), ...more },
  });
  const told = [1, 2, 3].map((seq) =>
    event("command_start", {
      ...{ text: `make ${seq}`, cwd: "/srv", seq, pid: 7, tty: null },
    }),
  );
  for (const one of told)
    for (const status of ["stored", "duplicate"]) {
      const sent = { sent_at: new Date().toISOString(), events: [one] };
      const { result, text } = await twins.call("track_events", sent);
      expect(result["results"], text).toMatchObject([{ status }]);
    }
  expect(await twins.both("get_session", { session_id })).toMatchObject({
    ...{ session_id, status: "active", command_count: 3 },
  });
  const end = {
    ...{ event_type: "session_end", session_id },
    ...{ timestamp: new Date().toISOString(), metadata: {} },
  };
  const ended = await twins.call("track_session_end", end);
  expect(ended.result).toMatchObject({ session_id, status: "ended" });
  expect((await twins.call("track_session_end", end)).isError).toBe(false);
  expect(await twins.both("get_session", { session_id })).toMatchObject({
    ...{ status: "ended", command_count: 3 },
  });
  const { events } = await twins.both("list_events", { session_id });
  expect(events.map(({ event }: any) => event.event_type)).toEqual([
    ...[
      "session_start",
      "command_start",
      "command_start",
      "command_start",
      "session_end",
    ],
  ]);
}, 400_000);

test("ids that collide at two servers are given to one session each", async () => {
  if (!needsPostgres()) return;
  await using twins = await Twins.start();
  const timestamp = new Date().toISOString();
  // The same first 8 hex, which the short form of an id ends with.
  const starts = Array.from({ length: 8 }, () =>
    startArguments({
      ...{ timestamp, metadata: {} },
      event_id: `0123abcd${crypto.randomUUID().slice(8)}`,
    }),
  );
  const answers = await Promise.all(
    starts.map((start) => twins.call("track_session_start", start)),
  );
  const ids = answers.map(({ result }) => result["session_id"]);
  expect(new Set(ids).size).toBe(starts.length);
  for (const [n, id] of ids.entries()) {
    const { events } = await twins.both("list_events", { session_id: id });
    expect(events.map(({ event }: any) => event.event_id)).toEqual([
      starts[n]!["event_id"],
    ]);
    expect(String(id)).toContain(
      idHexOf(String(starts[n]!["event_id"])).slice(0, 8),
    );
  }
}, 400_000);

test("a conversation goes on and ends at whichever server hears of it", async () => {
  if (!needsPostgres()) return;
  await using twins = await Twins.start();
  const report = (kind: string, more: object = {}) =>
    twins.call("track_channel_session", {
      ...{ event_id: crypto.randomUUID(), event_type: `channel_${kind}` },
      ...{ channel_type: "slack", channel_id: "C01", sender_id: "U01" },
      ...{ timestamp: new Date().toISOString(), ...more },
    });
  // Both have looked before anything was there.
  for (const _ of [1, 2])
    expect((await report("session_end")).result).toMatchObject({
      status: "not_found",
    });
  const { session_id } = (await report("session_start")).result;
  for (const _ of [1, 2, 3])
    expect((await report("heartbeat")).result).toMatchObject({
      session_id,
      status: "tracked",
    });
  const at_once = await Promise.all(
    [1, 2, 3, 4].map(() => report("session_start", { sender_id: "U02" })),
  );
  const [second] = new Set(at_once.map(({ result }) => result["session_id"]));
  expect(at_once.map(({ result }) => result["session_id"])).toEqual([
    second,
    second,
    second,
    second,
  ]);
  const listed = await twins.both("get_channel_sessions", {
    channel_type: "slack",
    channel_id: "C01",
  });
  expect(listed["sessions"]).toHaveLength(2);
  const end = { event_id: "the-end", timestamp: new Date().toISOString() };
  for (const _ of [1, 2])
    expect((await report("session_end", end)).result).toMatchObject({
      session_id,
      status: "ended",
    });
  const next = (await report("session_start")).result;
  expect(next["session_id"]).not.toBe(session_id);
  expect((await report("heartbeat")).result).toMatchObject({
    session_id: next["session_id"],
  });
}, 400_000);

test("pages that two servers give by turns have every session once", async () => {
  if (!needsPostgres()) return;
  await using twins = await Twins.start();
  const ids = twins.hosts.flatMap((host, n) =>
    plant(
      host,
      Array.from({ length: 30 }, (_, i) => ({
        component: `host-${n}`,
        at: new Date(Date.UTC(2026, 1, 6, 12, 0, i)).toISOString(),
      })),
    ),
  );
  for (const host of twins.hosts) await said(host, "drain");
  const seen: string[] = [];
  let cursor: string | null = null;
  do {
    const { result } = await twins.call("list_sessions", {
      limit: 7,
      ...(cursor !== null && { cursor }),
    });
    const page = result as {
      sessions: { session_id: string }[];
      next_cursor: string | null;
    };
    seen.push(...page.sessions.map(({ session_id }) => session_id));
    cursor = page.next_cursor;
  } while (cursor !== null);
  expect(seen).toHaveLength(ids.length);
  expect(seen.toSorted()).toEqual(ids.toSorted());
  let after_seq = 0;
  const events: string[] = [];
  for (;;) {
    const { result } = await twins.call("list_events", {
      after_seq,
      limit: 11,
    });
    const page = result["events"] as {
      seq: number;
      event: { event_id: string };
    }[];
    if (page.length === 0) break;
    events.push(...page.map(({ event }) => event.event_id));
    after_seq = page.at(-1)!.seq;
  }
  expect(events).toHaveLength(2 * ids.length);
  expect(new Set(events).size).toBe(events.length);
}, 400_000);

test("what terminals showed is found from every host, and played where it is, or from a folder that all share", async () => {
  if (!needsPostgres()) return;
  await using database = await emptyDatabase();
  using one = hostOf(database);
  using other = hostOf(database);
  const found = async (host: Sandbox) =>
    (await read(host, "search", "needle", "--in", "output")).map(
      ({ session_id, text }: Record<string, string>) => [session_id, text],
    );
  for (const [n, host] of [one, other].entries()) {
    leave(host, `${id(n)}.ndjson`, lines(life(n, end(60))));
    const head = { session_id: id(n), started_at: at(0) };
    const entries = [shown(1, `needle ${n}\r\n`)];
    keep(host, recordingOf([entries], head), id(n));
    // A drain looks through recordings for a while, and says where the next goes on.
    await until("all to be looked through", async () => {
      const { exitCode, stderr } = await host.run(["drain"]);
      expect([exitCode, stderr.replace(LEFT, "")]).toEqual([0, ""]);
      return stderr === "";
    });
  }
  const both = [
    [id(0), "needle 0"],
    [id(1), "needle 1"],
  ];
  // Each looks through its own again and again, and leaves the other's alone.
  for (const host of [one, other, one, other]) {
    await said(host, "drain");
    expect((await found(host)).toSorted()).toEqual(both);
  }
  expectFailure(
    await other.run(["export", id(0), "--format", "txt"]),
    1,
    /not on this host \(another server over this database may have it: store.recordings/,
  );
  const shared = join(one.home, "shared");
  mkdirSync(shared, { mode: 0o700 });
  renameSync(join(one.data, "recordings"), join(shared, "recordings"));
  for (const host of [one, other]) {
    const file = configure(host, `store: {recordings: ${shared}}\n`);
    host.env["SESSION_BUDDY_CONFIG"] = file;
    const text = await said(host, "export", id(0), "--format", "txt");
    expect(text).toBe("needle 0\n");
  }
}, 400_000);

test("what cannot be is refused with what to do", async () => {
  if (!needsPostgres()) return;
  await using database = await emptyDatabase();
  using host = hostOf(database);
  expectFailure(
    await host.run(["restore", "--yes", "/tmp/any.duckdb"]),
    5,
    /the database is at postgres:.*pg_restore/,
  );
  const away = {
    env: { SESSION_BUDDY_STORE_URL: "postgres://les@127.0.0.1:1/x" },
  };
  expectFailure(
    await host.run(["list-sessions"], away),
    7,
    /PostgreSQL database 'x' at 127.0.0.1:1 is away: .*/,
  );
  const file = configure(host, "store: {password_file: /etc/hosts}\n");
  expectFailure(
    await host.run(["list-sessions", "--config", file]),
    5,
    /store.password_file '\/etc\/hosts' can be read or written by others/,
  );
}, 400_000);
