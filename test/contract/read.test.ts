/** The tools that read: list_sessions, get_session, list_events, session_stats. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Event } from "../../src/model/event.ts";
import { sessionCursor } from "../../src/model/cursor.ts";
import { sessionJson } from "../../src/model/json.ts";
import { command, end, recovered, start } from "../support/events.ts";
import { ToolHost } from "../support/mcp.ts";

let host: ToolHost;
const id = (n: number) =>
  `bash-20260206-${(120_000 + n).toString()}-${n.toString(16).padStart(8, "0")}`;
const moment = (n: number, more = 0) =>
  new Date(
    Date.parse("2026-02-06T12:00:00Z") + (n + more) * 1_000,
  ).toISOString();

/** Twelve sessions, a second apart: all but the last three have ended or are lost. */
beforeAll(async () => {
  host = await ToolHost.start();
  const events: Event[] = [];
  for (let n = 0; n < 12; n++) {
    const session_id = id(n);
    events.push(
      start({
        session_id,
        timestamp: moment(n),
        component_name: n % 2 ? "zsh" : "bash",
        session_type: n === 5 ? "cron" : "admin_shell",
        user: { username: n % 3 ? "les" : "ann", home: "/" },
      }),
    );
    const times = { session_id, timestamp: moment(n, 10 * (n + 1)) };
    if (n < 7) events.push(end(0, { ...times, exit_code: n === 2 ? 1 : 0 }));
    else if (n < 9) events.push(recovered(0, times));
  }
  await host.store.append(events);
});
afterAll(() => host[Symbol.asyncDispose]());

const ids = (result: Record<string, any>): string[] =>
  result["sessions"].map((row: { session_id: string }) => row.session_id);
const list = async (args: object = {}) =>
  (await host.call("list_sessions", args)).result;
const numbers = (...of: number[]) => of.map(id);

describe("list_sessions", () => {
  test("gives the rows of the command line's JSON, newest first", async () => {
    const result = await list();
    expect(ids(result)).toEqual(numbers(11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0));
    expect(result["next_cursor"]).toBeNull();
    const session = (await host.store.get(id(3)))!;
    expect(result["sessions"][8]).toEqual(
      JSON.parse(JSON.stringify(sessionJson(session))),
    );
  });

  for (const [args, found] of [
    [{ type: "cron" }, [5]],
    [{ component: "zsh" }, [11, 9, 7, 5, 3, 1]],
    [{ user: "ann" }, [9, 6, 3, 0]],
    [{ status: "active" }, [11, 10, 9]],
    [{ status: "ended", user: "ann" }, [6, 3, 0]],
    [{ status: "lost" }, [8, 7]],
    [{ incomplete: true }, [11, 10, 9, 8, 7]],
    [{ incomplete: false, limit: 2 }, [11, 10]],
    [{ after: "2026-02-06T12:00:10Z" }, [11, 10]],
    [{ before: "2026-02-06T14:00:02+02:00" }, [1, 0]],
    [{ after: "2026-02-06T12:00:03Z", before: "2026-02-06T12:00:05Z" }, [4, 3]],
    [{ after: "2 hours ago" }, []],
    [{ reference: "0000000b" }, [11]],
    [{ reference: id(4) }, [4]],
    [{ reference: "bash-20260206-12000" }, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]],
    [{ reference: "nothing" }, []],
  ] as const)
    test(`with ${JSON.stringify(args)}`, async () => {
      expect(ids(await list(args))).toEqual(numbers(...found));
    });

  test("goes on where the page before ended, whatever came meanwhile", async () => {
    const seen: string[] = [];
    let cursor: string | null = null;
    let pages = 0;
    do {
      const page = await list({ limit: 5, ...(cursor && { cursor }) });
      seen.push(...ids(page));
      cursor = page["next_cursor"];
      if (pages++ === 0)
        await host.store.append([
          start({
            session_id: "zsh-20260206-130000-000000ff",
            timestamp: moment(3_600),
          }),
        ]);
    } while (cursor !== null);
    expect(pages).toBe(3);
    expect(seen).toEqual(numbers(11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0));
    expect((await list({ limit: 13 }))["next_cursor"]).toBeNull();
  });

  test("takes 1 to 10000 rows", async () => {
    for (const limit of [0, 10_001, 1.5, "x"]) {
      const { isError, text } = await host.call("list_sessions", { limit });
      expect(isError).toBe(true);
      expect(text).toContain("limit");
    }
    expect(ids(await list({ limit: 1 }))).toHaveLength(1);
    expect(ids(await list({ limit: 10_000 })).length).toBeGreaterThan(11);
  });

  test("refuses what it does not understand, naming it and the mend", async () => {
    const json = (value: unknown) =>
      Buffer.from(JSON.stringify(value)).toString("base64url");
    for (const cursor of [
      "x",
      "",
      "!!",
      json("a"),
      json(["2026-02-06T12:00:00.000Z"]),
      json(["never", "a"]),
      json(["2026-02-06T12:00:00.000Z'; --", "a"]),
      json([1, 2]),
    ]) {
      const { isError, text } = await host.call("list_sessions", { cursor });
      expect(isError).toBe(true);
      expect(text).toBe(
        "cursor: not one that this list gave (leave it out for the first page, then send next_cursor as it is)",
      );
    }
    for (const field of ["after", "before"]) {
      const { isError, text } = await host.call("list_sessions", {
        [field]: "whenever",
      });
      expect(isError).toBe(true);
      expect(text).toStartWith(`${field}: 'whenever' is not a time (try: `);
    }
    for (const args of [
      { status: "gone" },
      { color: 1 },
      { incomplete: "yes" },
    ]) {
      const { isError, text } = await host.call("list_sessions", args);
      expect(isError).toBe(true);
      expect(text).toContain(Object.keys(args)[0]!);
    }
  });

  test("is not led astray by a cursor of hostile words", async () => {
    const session_id = "'; DROP TABLE sessions; --";
    const cursor = sessionCursor({ start_time: moment(2), session_id });
    expect(ids(await list({ cursor }))).toEqual(numbers(2, 1, 0));
  });
});

test("a page ends before it grows too large, and the next goes on", async () => {
  await using other = await ToolHost.start();
  const events = Array.from({ length: 100 }, (_, n) =>
    start({
      session_id: id(n),
      timestamp: moment(n),
      metadata: { note: "x".repeat(60_000) },
    }),
  );
  await other.store.append(events);
  const first = (await other.call("list_sessions", { limit: 100 })).result;
  expect(first["sessions"].length).toBeGreaterThan(50);
  expect(first["sessions"].length).toBeLessThan(75);
  const cursor = first["next_cursor"];
  const second = (await other.call("list_sessions", { limit: 100, cursor }))
    .result;
  expect([...ids(first), ...ids(second)]).toEqual(
    events.map(({ session_id }) => session_id).toReversed(),
  );
  expect(second["next_cursor"]).toBeNull();
});

describe("get_session", () => {
  const get = (session_id: string) => host.call("get_session", { session_id });

  test("takes an id, a unique beginning of one, or its last 8 hex", async () => {
    for (const reference of [id(4), id(4).slice(0, -2), "00000004"]) {
      const { result } = await get(reference);
      expect(result).toMatchObject({ session_id: id(4), commands: [] });
    }
  });

  test("has the session's commands, the newest 1,000, newest last", async () => {
    const session_id = id(9);
    const of = (n: number) =>
      command(0, {
        session_id,
        timestamp: moment(9, n / 1_000),
        text: `ls ${n}`,
      });
    await host.store.append(Array.from({ length: 1_005 }, (_, n) => of(n)));
    const { commands, command_count } = (await get(session_id)).result;
    expect(command_count).toBe(1_005);
    expect(commands).toHaveLength(1_000);
    expect(commands[0]).toMatchObject({
      text: "ls 5",
      session_id,
      end_time: null,
    });
    expect(commands.at(-1)).toMatchObject({ text: "ls 1004" });
  });

  test("of long commands as many as fit", async () => {
    const session_id = id(10);
    const of = (n: number) =>
      command(0, {
        session_id,
        timestamp: moment(10, n),
        text: `${n} ${"x".repeat(65_000)}`,
      });
    await host.store.append(Array.from({ length: 100 }, (_, n) => of(n)));
    const { commands } = (await get(session_id)).result;
    expect(commands.length).toBeGreaterThan(50);
    expect(commands.length).toBeLessThan(70);
    expect(commands.at(-1)["text"]).toStartWith("99 ");
  });

  test("says what to do when there is none, or more than one", async () => {
    const missing = await get("bash-20260206-115959-00000000");
    expect(missing.isError).toBe(true);
    expect(missing.text).toBe(
      "no session 'bash-20260206-115959-00000000' (list_sessions shows which there are)",
    );
    expect((await get("")).isError).toBe(true);
    const many = await get("bash-20260206-12000");
    expect(many.isError).toBe(true);
    expect(many.text).toBe(
      `'bash-20260206-12000' may mean 10 sessions (give more of the id: ${numbers(9, 8, 7, 6, 5, 4, 3, 2, 1, 0).join(", ")})`,
    );
    expect((await get("bash-")).text).toContain("more than 10 sessions");
    const long = await get("x".repeat(100_000));
    expect(long.text.length).toBeLessThan(400);
  });
});

describe("list_events", () => {
  const events = async (args: object) =>
    (await host.call("list_events", args)).result;

  test("gives events as they were stored, in the order of their arrival", async () => {
    const result = await events({ session_id: id(2) });
    expect(result["events"]).toEqual([
      {
        seq: expect.any(Number),
        received_at: expect.stringMatching(/Z$/),
        provenance: expect.objectContaining({ via: "spool" }),
        event: expect.objectContaining({
          event_type: "session_start",
          session_id: id(2),
        }),
      },
      expect.objectContaining({
        event: expect.objectContaining({
          event_type: "session_end",
          exit_code: 1,
        }),
      }),
    ]);
    expect(result["next_cursor"]).toBeNull();
  });

  test("by kind, time, and what was seen already", async () => {
    const ends = await events({ kinds: ["session_end"], limit: 1_000 });
    expect(ends["events"]).toHaveLength(9);
    const early = await events({ before: moment(0, 2), limit: 1_000 });
    expect(early["events"]).toHaveLength(2);
    const { seq } = ends["events"].at(-1);
    const rest = await events({ kinds: ["session_end"], after_seq: seq });
    expect(rest["events"]).toEqual([]);
    const by = await events({ session_id: "00000002" });
    expect(by["events"]).toHaveLength(2);
  });

  test("page by page", async () => {
    const seen: number[] = [];
    let cursor: string | null = null;
    do {
      const page = await events({
        kinds: ["session_start"],
        limit: 5,
        ...(cursor && { cursor }),
      });
      seen.push(...page["events"].map(({ seq }: { seq: number }) => seq));
      cursor = page["next_cursor"];
    } while (cursor !== null);
    const all = await events({ kinds: ["session_start"], limit: 1_000 });
    expect(seen).toEqual(all["events"].map(({ seq }: { seq: number }) => seq));
    expect(seen.length).toBeGreaterThan(11);
    const { isError } = await host.call("list_events", {
      cursor: sessionCursor({ start_time: moment(0), session_id: "a" }),
    });
    expect(isError).toBe(true);
  });

  test("of a session that has not begun yet", async () => {
    const session_id = "sh-20260206-140000-00000abc";
    await host.store.append([end(0, { session_id })]);
    expect((await events({ session_id }))["events"]).toHaveLength(1);
    const unknown = await host.call("list_events", { session_id: "nobody" });
    expect(unknown.isError).toBe(true);
    expect(unknown.text).toContain("list_sessions shows which there are");
  });
});

test("session_stats counts and sums up what matches", async () => {
  const all = (
    await host.call("session_stats", {
      type: "admin_shell",
      before: moment(12),
    })
  ).result;
  expect(all).toMatchObject({
    sessions: 11,
    by_status: { active: 3, ended: 6, lost: 2 },
    failed: 1,
    first_start: moment(0),
    last_start: moment(11),
  });
  expect(all["by_component"]).toEqual([
    { component_name: "bash", sessions: 6, failed: 1 },
    { component_name: "zsh", sessions: 5, failed: 0 },
  ]);
  const none = (await host.call("session_stats", { user: "nobody" })).result;
  expect(none).toMatchObject({
    sessions: 0,
    duration_seconds: null,
    first_start: null,
  });
});
