/**
 * track_session_start and track_session_end, row by row as the contract has
 * them, against a real store.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import type { SessionStart } from "../../src/model/event.ts";
import { processStat } from "../../src/os/proc.ts";
import { SHELL_ID, ToolHost, shellEnd, shellStart } from "../support/mcp.ts";
import { until } from "../support/wait.ts";

let host: ToolHost;
beforeAll(async () => void (host = await ToolHost.start()));
afterAll(() => host[Symbol.asyncDispose]());

const start = (changes: object = {}) =>
  host.call("track_session_start", shellStart(changes));
const end = (changes: object = {}) =>
  host.call("track_session_end", shellEnd(changes));
const uuid = () => crypto.randomUUID();

/** A start with an id of its own, so that tests do not meet. */
const fresh = (changes: object = {}) => start({ event_id: uuid(), ...changes });

async function stored(session_id: string): Promise<SessionStart> {
  const kinds = ["session_start"];
  for await (const { event } of host.store.events({ session_id, kinds }))
    return event as SessionStart;
  throw new Error(`no start of ${session_id}`);
}

/** A start that a rule refuses, in the words of the contract. */
async function expectRefused(changes: object, ...words: string[]) {
  const { result, isError, text } = await fresh(changes);
  expect(isError).toBe(false);
  expect(result).toEqual({
    session_id: null,
    status: "error",
    error: expect.stringMatching(/^Session start tracking failed: /),
  });
  for (const word of words) expect(result["error"]).toContain(word);
  expect(JSON.parse(text)).toEqual(result);
}

/** Arguments that the schema refuses, naming the field. */
async function expectUnfit(changes: object, ...words: string[]) {
  const { isError, text } = await fresh(changes);
  expect(isError).toBe(true);
  for (const word of words) expect(text).toContain(word);
}

describe("the start of a shell", () => {
  test("is tracked under the documented id, once however often it is sent", async () => {
    const { result, text } = await start();
    expect(result).toEqual({
      session_id: SHELL_ID,
      status: "tracked",
      error: null,
    });
    expect(text).toBe(
      `{"session_id":"${SHELL_ID}","status":"tracked","error":null}`,
    );
    expect((await start()).result).toEqual(result);
    const many = await Promise.all(Array.from({ length: 8 }, () => start()));
    for (const again of many) expect(again.result).toEqual(result);
    await host.restart();
    expect((await start()).result).toEqual(result);
    const rows = await host.call("list_sessions", { reference: SHELL_ID });
    expect(rows.result["sessions"]).toHaveLength(1);
    expect(rows.result["sessions"][0]).toMatchObject({
      session_type: "admin_shell",
      component_name: "mahavishnu",
      shell_type: "MahavishnuShell",
      start_time: "2026-02-06T12:34:56.789Z",
      status: "active",
      pid: 12345,
      username: "john",
      hostname: "server01",
      working_directory: "/home/john/projects/mahavishnu",
      platform: "Linux-6.5.0-x86_64",
      python_version: "3.13.0",
      metadata: {
        adapters: ["prefect"],
        version: null,
        command_tree_size: null,
      },
    });
    const events = await host.call("list_events", { session_id: SHELL_ID });
    expect(events.result["events"]).toHaveLength(1);
  });

  test("is told its session again, whatever else it says the second time", async () => {
    const event_id = crypto.randomUUID();
    const first = (await fresh({ event_id })).result;
    for (const changes of [
      { timestamp: "2026-02-06T13:00:00Z" },
      { component_name: "oneiric" },
    ]) {
      const again = (await fresh({ event_id, ...changes })).result;
      expect(again).toEqual(first);
    }
    const { session_id } = first;
    expect((await host.call("get_session", { session_id })).isError).toBe(
      false,
    );
  });

  test("says who brought it, as the server saw it", async () => {
    const { result } = await fresh();
    const { session_id } = result;
    const events = host.store.events({ session_id });
    const [event] = await Array.fromAsync(events);
    expect(event!.event).toMatchObject({ lease_seconds: null });
    expect(event!.received_at).toMatch(/^20\d\d-/);
  });

  describe("event_version", () => {
    test("is 1.0", () =>
      expectRefused(
        { event_version: "2.0" },
        "event_version",
        "Unsupported event version: 2.0 (expected '1.0')",
      ));
  });

  describe("event_id", () => {
    for (const [name, spelled] of Object.entries({
      hyphens: "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
      braces: "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}",
      "urn:uuid:": "urn:uuid:a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
      "upper case": "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
      "no hyphens": "a0eebc999c0b4ef8bb6d6bb9bd380a11",
    }))
      test(`is the same UUID with ${name}`, async () => {
        const { result } = await start({ event_id: spelled });
        expect(result["session_id"]).toBe(
          "mahavishnu-20260206-123456-a0eebc99",
        );
        const { event_id } = await stored(result["session_id"]);
        expect(event_id).toBe("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
      });

    test("that is no UUIDv4 gives its SHA-256 to the session's id", async () => {
      const v7 = "01890a5d-ac96-774b-bcce-b302099a8057";
      const sha = new Bun.CryptoHasher("sha256")
        .update(Buffer.from(v7.replaceAll("-", ""), "hex"))
        .digest("hex");
      const { result } = await start({ event_id: v7 });
      expect(result["session_id"]).toBe(
        `mahavishnu-20260206-123456-${sha.slice(0, 8)}`,
      );
    });

    test("of different events may begin alike: the later id is longer", async () => {
      const first = "deadbeef-0000-4000-8000-000000000001";
      const second = "deadbeef-0000-4000-8000-000000000002";
      const both = await Promise.all([
        start({ event_id: first }),
        start({ event_id: second }),
      ]);
      const ids = both.map(({ result }) => result["session_id"]);
      expect(ids).toEqual([
        "mahavishnu-20260206-123456-deadbeef",
        "mahavishnu-20260206-123456-deadbeef0000",
      ]);
      await host.restart();
      expect((await start({ event_id: second })).result["session_id"]).toBe(
        ids[1],
      );
      expect((await start({ event_id: first })).result["session_id"]).toBe(
        ids[0],
      );
    });

    for (const wrong of [
      "",
      "not-a-uuid",
      "550e8400-e29b-41d4-a716-44665544000g",
    ])
      test(`'${wrong}' is none`, () =>
        expectRefused({ event_id: wrong }, `Invalid UUID v4 format: ${wrong}`));
  });

  test("event_type is session_start", () =>
    expectRefused(
      { event_type: "session_end" },
      "event_type",
      "Invalid event_type for SessionStartEvent: session_end",
    ));

  describe("component_name", () => {
    for (const wrong of ["", "a b", "a/b", "ü", "a\n"])
      test(`${JSON.stringify(wrong)} is none`, () =>
        expectRefused(
          { component_name: wrong },
          `Invalid component_name '${wrong}': must match pattern ^[a-zA-Z0-9_-]+$`,
        ));

    test("has at most 100 characters", async () => {
      await expectRefused(
        { component_name: "a".repeat(101) },
        "component_name",
      );
      const { result } = await fresh({ component_name: "a".repeat(100) });
      expect(result["status"]).toBe("tracked");
    });
  });

  test("shell_type and hostname may be empty", async () => {
    const { result } = await fresh({ shell_type: "", hostname: "" });
    expect(result["status"]).toBe("tracked");
  });

  describe("timestamp", () => {
    for (const [sent, utc] of [
      ["2026-02-06T12:34:56Z", "2026-02-06T12:34:56.000Z"],
      ["2026-02-06T12:34:56", "2026-02-06T12:34:56.000Z"],
      ["2026-02-06T12:34:56.5", "2026-02-06T12:34:56.500Z"],
      ["2026-02-06T12:34:56.123456", "2026-02-06T12:34:56.123Z"],
      ["2026-02-06T12:34:56.999999999Z", "2026-02-06T12:34:56.999Z"],
      ["2026-02-06T12:34:56+05:30", "2026-02-06T07:04:56.000Z"],
      ["2026-02-06T23:34:56-02:00", "2026-02-07T01:34:56.000Z"],
      ["2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000Z"],
    ] as const)
      test(`${sent} is ${utc}`, async () => {
        const { result } = await fresh({ timestamp: sent });
        const { timestamp } = await stored(result["session_id"]);
        expect(timestamp).toBe(utc);
        const second = utc.slice(0, 19).replace(/[-:]/g, "").replace("T", "-");
        expect(result["session_id"]).toContain(`-${second}-`);
      });

    for (const wrong of [
      "2026-02-06",
      "2026-02-06 12:34:56Z",
      "2026-02-06T12:34Z",
      "2026-02-06T12:34:56+0530",
      "2026-02-06T12:34:56Z ",
      "2026-02-30T12:34:56Z",
      "2026-13-06T12:34:56Z",
      "2026-02-06T24:00:00Z",
      "2026-02-06T12:34:60Z",
      "2026-02-06T12:34:56+24:00",
      "0000-01-01T00:00:00Z",
      "0001-01-01T00:00:00+01:00",
      "9999-12-31T23:59:59-01:00",
      "now",
      "",
    ])
      test(`'${wrong}' is none`, () =>
        expectRefused(
          { timestamp: wrong },
          `Invalid ISO 8601 timestamp: ${wrong} (`,
          "expected format: 2026-02-06T12:34:56.789Z)",
        ));
  });

  describe("pid", () => {
    for (const [sent, kept] of [
      [1, 1],
      [4_194_304, 4_194_304],
      ["12345", 12_345],
      [12_345.0, 12_345],
      ["12345.0", 12_345],
    ] as const)
      test(`${JSON.stringify(sent)} is ${kept}`, async () => {
        const { result } = await fresh({ pid: sent });
        expect((await stored(result["session_id"])).pid).toBe(kept);
      });

    for (const low of [0, -1, "0"])
      test(`${low} is too low`, () =>
        expectRefused(
          { pid: low },
          "pid: Input should be greater than or equal to 1",
        ));
    test("4194305 is too high", () =>
      expectRefused(
        { pid: 4_194_305 },
        "pid: Input should be less than or equal to 4194304",
      ));
    for (const wrong of ["abc", 1.5, null, true, {}, "1.5", ""])
      test(`${JSON.stringify(wrong)} is no integer`, () =>
        expectUnfit({ pid: wrong }, "pid"));
  });

  describe("user", () => {
    test("is measured in characters, before white space goes", async () => {
      const username = `${"😀".repeat(98)}  `;
      const home = `  /${"ä".repeat(497)}`;
      const { result } = await fresh({ user: { username, home } });
      const { user } = await stored(result["session_id"]);
      expect(user).toEqual({ username: username.trim(), home: home.trim() });
      await expectRefused(
        { user: { username: `${username} `, home } },
        "user.username: String should have at most 100 characters",
      );
      await expectRefused(
        { user: { username, home: `${home} ${" ".repeat(1)}` } },
        "user.home: String should have at most 500 characters",
      );
    });

    test("has both fields", async () => {
      await expectRefused(
        { user: { home: "/" } },
        "user.username: Field required",
      );
      await expectRefused(
        { user: { username: "les" } },
        "user.home: Field required",
      );
    });

    test("may have more, which is ignored", async () => {
      const user = { username: "les", home: "/", shell: "/bin/zsh" };
      const { result } = await fresh({ user });
      expect((await stored(result["session_id"])).user).toEqual({
        username: "les",
        home: "/",
      });
    });

    test("of another type is named", async () => {
      await expectUnfit({ user: "les" }, "user");
      await expectUnfit({ user: { username: 5, home: "/" } }, "user.username");
    });
  });

  describe("environment", () => {
    const environment = {
      python_version: "3",
      platform: "Linux",
      cwd: "/gone",
    };

    test("has three fields, of which cwd is bounded", async () => {
      for (const field of ["python_version", "platform", "cwd"])
        await expectRefused(
          { environment: { ...environment, [field]: undefined } },
          `environment.${field}: Field required`,
        );
      await expectRefused(
        { environment: { ...environment, cwd: `/${"a".repeat(500)}` } },
        "environment.cwd: String should have at most 500 characters",
      );
    });

    test("need not exist on this host, and may hold more", async () => {
      const before = process.cwd();
      const { result } = await fresh({
        environment: { ...environment, cwd: "/nowhere/at all", extra: 1 },
      });
      const start = await stored(result["session_id"]);
      expect(start.environment).toEqual({
        ...environment,
        cwd: "/nowhere/at all",
      });
      expect(process.cwd()).toBe(before);
    });
  });

  describe("metadata", () => {
    test("may be null or left out: it is empty then", async () => {
      for (const metadata of [null, undefined, {}]) {
        const { result } = await fresh({ metadata });
        expect((await stored(result["session_id"])).metadata).toEqual({});
      }
    });

    test("of another type is named", async () => {
      for (const metadata of ["x", [], 5])
        await expectUnfit({ metadata }, "metadata");
    });

    test("fills the report: version by either name, nothing invented", async () => {
      for (const [sent, version] of [
        [{ version: "1.2" }, "1.2"],
        [{ component_version: "1.3" }, "1.3"],
        [{ version: "1.2", component_version: "1.3" }, "1.2"],
        [{ version: null, component_version: "1.3" }, "1.3"],
        [{}, null],
      ] as const) {
        const { result } = await fresh({ metadata: sent });
        const session = await host.store.get(result["session_id"]);
        expect(session!.metadata).toMatchObject({
          version,
          adapters: null,
          cli_preprocessing_enabled: null,
          tab_completion_enabled: null,
          command_tree_size: null,
        });
      }
    });

    test("cannot decide what the session is", async () => {
      const reserved = { lease: 1, exit_code: 7, signal: "X", end_source: "y" };
      const { result } = await fresh({
        metadata: { ...reserved, clock_skew: true, kept: 1 },
      });
      expect((await stored(result["session_id"])).metadata).toEqual({
        kept: 1,
      });
    });

    test("may be hostile in name and depth", async () => {
      const metadata = JSON.parse(
        '{"__proto__":{"polluted":1},"constructor":"x","a\\u0000b":"\\ud800"}',
      ) as object;
      const { result } = await fresh({ metadata });
      const session = await host.store.get(result["session_id"]);
      expect(Object.keys(session!.metadata)).toContain("constructor");
      expect(({} as { polluted?: number }).polluted).toBeUndefined();
      let deep: object = {};
      for (let i = 0; i < 200; i++) deep = { deep };
      await expectRefused({ metadata: deep }, "metadata", "nested deeper");
    });
  });

  test("is bounded", async () => {
    await expectRefused(
      { metadata: { note: "x".repeat(70_000) } },
      "metadata.note",
      "65536 bytes",
    );
    await expectRefused(
      { hostname: "😀".repeat(20_000) },
      "hostname",
      "65536 bytes",
    );
    const many = Array.from({ length: 5 }, () => "x".repeat(60_000));
    await expectRefused({ metadata: { many } }, "262144", "send less metadata");
  });

  test("names every field that is wrong", () =>
    expectRefused(
      { event_version: "9", pid: 0, timestamp: "never" },
      "event_version: ",
      "pid: ",
      "timestamp: ",
    ));

  test("repeats little of what was sent", async () => {
    const { result } = await fresh({ event_id: "x".repeat(100_000) });
    expect(result["error"].length).toBeLessThan(400);
  });

  test("takes no field that is not its own, and misses each that is", async () => {
    await expectUnfit({ shell: "zsh" }, "shell");
    await expectUnfit({ received_at: "x" }, "received_at");
    await expectUnfit({ lease_seconds: 5 }, "lease_seconds");
    const { metadata: _m, ...required } = shellStart();
    for (const field of Object.keys(required))
      await expectUnfit({ [field]: undefined }, field);
  });
});

describe("the process that reports", () => {
  /** Sends a start with a pid, as the caller that the changes make of us. */
  async function reported(pid: number, caller: object = {}) {
    await using other = await ToolHost.start({ caller });
    const answer = await other.call(
      "track_session_start",
      shellStart({ pid, event_id: uuid() }),
    );
    const events = other.store.events({
      session_id: answer.result["session_id"],
    });
    const [stored] = await Array.fromAsync(events);
    return stored!.event as SessionStart;
  }

  test("is known again by its start, when it is of this host and user", async () => {
    const self = processStat(process.pid)!;
    expect(await reported(process.pid)).toMatchObject({
      pid: process.pid,
      start_ticks: self.start_ticks,
      pid_namespace: expect.stringMatching(/^pid:\[\d+\]$/),
      boot_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      lease_seconds: null,
    });
    expect((await reported(process.pid, { uid: null })).start_ticks).toBe(
      self.start_ticks,
    );
  });

  test("is not looked for when it is another host's, another user's, or gone", async () => {
    const gone = Bun.spawn(["true"]);
    await gone.exited;
    for (const start of [
      await reported(process.pid, { loopback: false, uid: null }),
      await reported(process.pid, { uid: 54_321 }),
      await reported(gone.pid),
    ])
      for (const field of ["start_ticks", "pid_namespace", "boot_id"] as const)
        expect(start[field]).toBeUndefined();
  });

  test("is within the wrapped session that it descends from", async () => {
    const parent = "bash-20260206-123400-1a2b3c4d";
    const child = Bun.spawn(["sleep", "1000"], {
      env: { SESSION_BUDDY_SESSION_ID: parent },
    });
    // In the midst of its execve(2) it has none.
    await until("its environment", () =>
      readFileSync(`/proc/${child.pid}/environ`, "utf8").includes(parent),
    );
    try {
      const send = async () => {
        const { result } = await fresh({ pid: child.pid });
        return stored(result["session_id"]);
      };
      expect(await send()).toMatchObject({ inherited_session_id: parent });
      const self = processStat(process.pid)!;
      writeFileSync(
        `${host.spool}/${parent}.ndjson`,
        `${JSON.stringify({ event_type: "process", pid: process.pid, start_ticks: self.start_ticks })}\n`,
      );
      expect(await send()).toMatchObject({ parent_session_id: parent });
      const { start_ticks } = processStat(child.pid)!;
      writeFileSync(
        `${host.spool}/${parent}.ndjson`,
        `${JSON.stringify({ event_type: "process", pid: child.pid, start_ticks })}\n`,
      );
      expect(await send()).toMatchObject({ parent_session_id: parent });
    } finally {
      child.kill();
    }
  });
});

describe("the end of a shell", () => {
  /** A session of its own, begun at 12:34:56.789. */
  async function begun(metadata: object = {}): Promise<string> {
    return (await fresh({ metadata })).result["session_id"];
  }

  const ended = (session_id: string) => ({
    session_id,
    status: "ended",
    error: null,
  });

  test("is observed, and its duration right", async () => {
    const session_id = await begun();
    expect((await end({ session_id })).result).toEqual(ended(session_id));
    expect(await host.store.get(session_id)).toMatchObject({
      status: "ended",
      end_source: "observed",
      end_time: "2026-02-06T13:04:56.789Z",
      duration_seconds: 1_800,
      exit_code: null,
      signal: null,
    });
  });

  test("may be sent again, and changes nothing", async () => {
    const session_id = await begun();
    await end({ session_id });
    const later = { session_id, timestamp: "2026-02-06T20:00:00Z" };
    expect((await end(later)).result).toEqual(ended(session_id));
    await host.restart();
    expect((await end(later)).result).toEqual(ended(session_id));
    const events = await Array.fromAsync(host.store.events({ session_id }));
    expect(events).toHaveLength(2);
    expect((await host.store.get(session_id))!.duration_seconds).toBe(1_800);
  });

  test("may carry the whole result of the start as its session", async () => {
    const { result, text } = await fresh();
    const { session_id } = result;
    expect((await end({ session_id: text })).result).toEqual(ended(session_id));
  });

  test("of a session that nobody knows is not_found", async () => {
    for (const session_id of [
      "mahavishnu-20260101-000000-00000000",
      "../../etc/passwd",
      "",
      "{",
      '{"session_id":null}',
    ]) {
      const { result, isError } = await end({ session_id });
      expect(isError).toBe(false);
      expect(result).toEqual({ session_id, status: "not_found", error: null });
    }
  });

  test("before its start is kept, and joined when the start comes", async () => {
    const event_id = uuid();
    const session_id = `mahavishnu-20260206-123456-${event_id.slice(0, 8)}`;
    const first = await end({ session_id, metadata: { note: "quit" } });
    expect(first.result["status"]).toBe("not_found");
    expect((await end({ session_id })).result["status"]).toBe("not_found");
    expect(await host.store.get(session_id)).toBeNull();
    expect((await start({ event_id })).result["session_id"]).toBe(session_id);
    expect(await host.store.get(session_id)).toMatchObject({
      status: "ended",
      duration_seconds: 1_800,
      metadata: { note: "quit" },
    });
    expect(
      await Array.fromAsync(host.store.events({ session_id })),
    ).toHaveLength(2);
  });

  test("before the start by the clock has no duration and says so", async () => {
    const session_id = await begun();
    await end({ session_id, timestamp: "2026-02-06T12:00:00Z" });
    expect(await host.store.get(session_id)).toMatchObject({
      end_time: "2026-02-06T12:00:00.000Z",
      duration_seconds: 0,
      metadata: { clock_skew: true },
    });
  });

  test("merges its metadata over the start's; null does not overwrite", async () => {
    const session_id = await begun({ a: 1, b: 2, c: 3 });
    await end({ session_id, metadata: { b: 20, c: null, d: 4, exit_code: 9 } });
    const { metadata } = (await host.store.get(session_id))!;
    expect(metadata).toMatchObject({
      a: 1,
      b: 20,
      c: 3,
      d: 4,
      exit_code: null,
    });
  });

  test("may leave out type and metadata, or send them as null", async () => {
    const session_id = await begun();
    const args = { session_id, timestamp: "2026-02-06T13:00:00Z" };
    const answer = await host.call("track_session_end", {
      ...args,
      metadata: null,
      token: null,
    });
    expect(answer.result).toEqual(ended(session_id));
  });

  for (const [sent, kept] of [
    ["2026-02-06T13:00:67Z", "2026-02-06T13:00:59.000Z"],
    ["2026-02-30T13:00:00", "2026-02-28T13:00:00.000Z"],
    ["2026-02-06T25:61:00+99:99", "2026-02-06T00:00:00.000Z"],
    ["2026-02-06T13:00:00.25+01:00", "2026-02-06T12:00:00.250Z"],
  ] as const)
    test(`at ${sent} is at ${kept}`, async () => {
      const session_id = await begun();
      expect((await end({ session_id, timestamp: sent })).result).toEqual(
        ended(session_id),
      );
      expect((await host.store.get(session_id))!.end_time).toBe(kept);
    });

  test("is refused in words for a time or a type that is none", async () => {
    for (const timestamp of [
      "yesterday",
      "2026-02-06",
      "2026-02-06 12:34:56",
      "2026-2-6T1:2:3Z",
    ]) {
      const { result, isError } = await end({ timestamp });
      const why = timestamp.startsWith("2026-02-06")
        ? "missing time component; "
        : "";
      expect(isError).toBe(false);
      expect(result).toEqual({
        session_id: SHELL_ID,
        status: "error",
        error: expect.stringContaining(
          `timestamp: Invalid ISO 8601 timestamp: ${timestamp} (${why}expected format`,
        ),
      });
    }
    const { result } = await end({ event_type: "session_start" });
    expect(result["error"]).toBe(
      "Session end tracking failed: event_type: Invalid event_type for SessionEndEvent: session_start (expected 'session_end')",
    );
  });

  test("takes no field that is not its own", async () => {
    const { isError, text } = await end({ exit_code: 3 });
    expect(isError).toBe(true);
    expect(text).toContain("exit_code");
  });
});
