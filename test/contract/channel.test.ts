/** track_channel_session and get_channel_sessions. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { at, start } from "../support/events.ts";
import { ToolHost } from "../support/mcp.ts";

let host: ToolHost;
beforeAll(async () => void (host = await ToolHost.start()));
afterAll(() => host[Symbol.asyncDispose]());

const uuid = () => crypto.randomUUID() as string;
const report = (kind: string, changes: object = {}) => ({
  event_id: uuid(),
  event_type: `channel_${kind}`,
  channel_type: "slack",
  channel_id: "C01",
  sender_id: "U01",
  timestamp: "2026-02-06T12:00:00Z",
  ...changes,
});
const track = (kind: string, changes: object = {}) =>
  host.call("track_channel_session", report(kind, changes));

let channels = 0;
/** A channel that no other test uses. */
const elsewhere = () => ({ channel_id: `C${++channels + 100}` });

test("a conversation begins, goes on and ends under one id", async () => {
  const place = elsewhere();
  const event_id = uuid().toUpperCase();
  const first = await track("session_start", {
    ...place,
    event_id,
    message_preview: "hello",
    workspace: "acme",
    platform: "web",
    metadata: { mood: "good", channel_id: "forged" },
  });
  const { session_id } = first.result;
  expect(first.result).toEqual({
    session_id: expect.stringMatching(/^chan_[0-9a-f]{12}$/),
    event_id,
    status: "tracked",
    error: null,
  });
  const beat = await track("heartbeat", {
    ...place,
    timestamp: "2026-02-06T12:20:00Z",
  });
  expect(beat.result).toMatchObject({ session_id, status: "tracked" });
  expect((await host.store.get(session_id))!.last_seen).toBe(
    "2026-02-06T12:20:00.000Z",
  );
  const last = await track("session_end", {
    ...place,
    timestamp: "2026-02-06T12:30:00Z",
    message_count: 12,
  });
  expect(last.result).toMatchObject({
    session_id,
    status: "ended",
    error: null,
  });
  expect(await host.store.get(session_id)).toMatchObject({
    session_type: "channel",
    component_name: "nanobot",
    username: "U01",
    status: "ended",
    duration_seconds: 1_800,
    metadata: {
      ...place,
      channel_type: "slack",
      sender_id: "U01",
      session_scope: "conversation",
      workspace: "acme",
      platform: "web",
      message_preview: "hello",
      message_count: 12,
      mood: "good",
    },
  });
  const events = await Array.fromAsync(host.store.events({ session_id }));
  expect(events.map(({ event }) => event.event_type)).toEqual([
    "session_start",
    "session_end",
  ]);
});

test("every report may be sent again, also after a restart", async () => {
  const place = elsewhere();
  const start = report("session_start", place);
  const finish = report("session_end", place);
  const send = async (what: object) =>
    (await host.call("track_channel_session", what)).result;
  const first = await send(start);
  const many = await Promise.all([send(start), send(start), send(start)]);
  for (const again of many) expect(again).toEqual(first);
  await host.restart();
  expect(await send(start)).toEqual(first);
  const ended = await send(finish);
  expect(ended).toMatchObject({
    session_id: first["session_id"],
    status: "ended",
  });
  expect(await send(finish)).toEqual(ended);
  // The start that came late is the one that has ended, and begins nothing.
  expect(await send(start)).toEqual(first);
  const { session_id } = first;
  expect(await Array.fromAsync(host.store.events({ session_id }))).toHaveLength(
    2,
  );
});

test("a start after an end is a new session, another start before it is not", async () => {
  const place = elsewhere();
  const first = (await track("session_start", place)).result["session_id"];
  expect((await track("session_start", place)).result["session_id"]).toBe(
    first,
  );
  await track("session_end", place);
  const second = (await track("session_start", place)).result["session_id"];
  expect(second).not.toBe(first);
  expect((await track("heartbeat", place)).result["session_id"]).toBe(second);
});

test("a heartbeat of an unknown conversation tracks it; an end does not", async () => {
  const place = elsewhere();
  const missing = await track("session_end", place);
  expect(missing.result).toMatchObject({
    session_id: null,
    status: "not_found",
    error: null,
  });
  const beat = await track("heartbeat", place);
  expect(beat.result["status"]).toBe("tracked");
  const { session_id } = beat.result;
  expect(await host.store.get(session_id)).toMatchObject({ status: "active" });
  await host.restart();
  expect((await track("heartbeat", place)).result["session_id"]).toBe(
    session_id,
  );
  expect((await track("session_end", place)).result).toMatchObject({
    session_id,
    status: "ended",
  });
});

test("one that was ended in another way is not gone on with", async () => {
  const place = elsewhere();
  const { session_id } = (await track("session_start", place)).result;
  await host.call("track_session_end", {
    session_id,
    timestamp: "2026-02-06T12:10:00Z",
  });
  expect((await track("session_end", place)).result["status"]).toBe(
    "not_found",
  );
  expect((await track("heartbeat", place)).result["session_id"]).not.toBe(
    session_id,
  );
});

describe("a conversation is known", () => {
  const idOf = async (changes: object) =>
    (await track("session_start", changes)).result["session_id"];

  for (const [field, other] of [
    ["channel_type", "telegram"],
    ["channel_id", "C-other"],
    ["sender_id", "U-other"],
    ["session_scope", "thread"],
    ["thread_id", "T1"],
  ] as const)
    test(`by its ${field}`, async () => {
      const place = elsewhere();
      expect(await idOf({ ...place, [field]: other })).not.toBe(
        await idOf(place),
      );
    });

  test("by the UTC day, when that is its scope", async () => {
    const day = { ...elsewhere(), session_scope: "day" };
    const late = await idOf({ ...day, timestamp: "2026-02-06T23:59:00Z" });
    expect(await idOf({ ...day, timestamp: "2026-02-06T00:00:00Z" })).toBe(
      late,
    );
    expect(await idOf({ ...day, timestamp: "2026-02-07T01:30:00+02:00" })).toBe(
      late,
    );
    expect(await idOf({ ...day, timestamp: "2026-02-07T00:00:00Z" })).not.toBe(
      late,
    );
    await host.restart();
    expect(await idOf({ ...day, timestamp: "2026-02-06T10:00:00Z" })).toBe(
      late,
    );
  });

  test("not by anything else", async () => {
    const place = elsewhere();
    const id = await idOf(place);
    expect(
      await idOf({
        ...place,
        workspace: "w",
        platform: "p",
        component_name: "c",
        thread_id: null,
      }),
    ).toBe(id);
  });
});

describe("the family's channel clients", () => {
  // As their tests send it.
  const sent = (changes: object = {}) => ({
    event_id: "evt-001",
    event_type: "channel_session_start",
    channel_type: "slack",
    channel_id: "D0ABC123",
    sender_id: "U0XYZ789",
    timestamp: "2026-05-14T00:00:00.123456+00:00",
    token: null,
    ...changes,
  });
  const call = async (changes: object = {}) =>
    (await host.call("track_channel_session", sent(changes))).result;

  test("number their events as they like", async () => {
    const first = await call();
    expect(first).toEqual({
      session_id: expect.stringMatching(/^chan_[0-9a-f]{12}$/),
      ...{ event_id: "evt-001", status: "tracked", error: null },
    });
    expect(await call()).toEqual(first);
    // The same number of another kind of event, and of another conversation.
    expect(
      await call({ event_type: "channel_heartbeat", message_count: 5 }),
    ).toEqual(first);
    const other = await call({ sender_id: "U2" });
    expect(other["session_id"]).not.toBe(first["session_id"]);
    const end = { event_type: "channel_session_end" };
    const ended = { ...first, status: "ended" };
    expect(await call(end)).toEqual(ended);
    expect(await call(end)).toEqual(ended);
    await host.restart();
    expect(await call(end)).toEqual(ended);
    expect(await call({ ...end, event_id: "end" })).toEqual({
      ...{
        session_id: null,
        event_id: "end",
        status: "not_found",
        error: null,
      },
    });
    expect(await call({ ...end, sender_id: "U2" })).toMatchObject({
      ...{ session_id: other["session_id"], status: "ended" },
    });
    const again = await call({ event_id: "evt-002" });
    expect(again["session_id"]).not.toBe(first["session_id"]);
  });

  test("take an error that names its event", async () => {
    expect(await call({ session_scope: "invalid" })).toMatchObject({
      ...{ status: "error", event_id: "evt-001", session_id: null },
    });
    expect(await call({ event_type: "bad_type" })).toMatchObject({
      ...{ status: "error", error: expect.stringContaining("event_type") },
    });
  });
});

test("a preview is cut to 200 characters, none of them halved", async () => {
  const { result } = await track("session_start", {
    ...elsewhere(),
    message_preview: "😀".repeat(300),
  });
  const { metadata } = (await host.store.get(result["session_id"]))!;
  expect(metadata["message_preview"]).toBe("😀".repeat(200));
});

describe("a report is refused in words", () => {
  for (const [changes, words] of [
    [{ event_id: "" }, "event_id: String should have at least 1"],
    [{ event_id: "x".repeat(201) }, "event_id: String should have at most 200"],
    [
      { event_type: "session_start" },
      "event_type: Invalid event_type for ChannelSessionEvent: session_start",
    ],
    [
      { event_version: "1.0" },
      "Unsupported event version: 1.0 (expected '2.0')",
    ],
    [{ timestamp: "never" }, "Invalid ISO 8601 timestamp: never"],
    [
      { session_scope: "week" },
      "session_scope: Input should be 'conversation', 'thread', 'day', not 'week'",
    ],
    [{ component_name: "a b" }, "Invalid component_name 'a b'"],
    [
      { message_count: -1 },
      "message_count: Input should be greater than or equal to 0",
    ],
    [{ metadata: { x: "y".repeat(70_000) } }, "metadata.x"],
  ] as const)
    test(JSON.stringify(changes).slice(0, 60), async () => {
      const { result, isError } = await track("session_start", changes);
      expect(isError).toBe(false);
      expect(result).toEqual({
        session_id: null,
        event_id: expect.any(String),
        status: "error",
        error: expect.stringMatching(/^Channel session tracking failed: /),
      });
      expect(result["error"]).toContain(words);
    });

  test("and by name when it does not fit", async () => {
    for (const [changes, word] of [
      [{ channel_id: undefined }, "channel_id"],
      [{ sender_id: 5 }, "sender_id"],
      [{ message_count: "many" }, "message_count"],
      [{ color: "red" }, "color"],
    ] as const) {
      const { isError, text } = await track("session_start", changes);
      expect(isError).toBe(true);
      expect(text).toContain(word);
    }
  });
});

describe("get_channel_sessions", () => {
  test("gives those that match, newest first, with what they are of the channel", async () => {
    const of = { channel_type: "irc" };
    const ids: string[] = [];
    for (const [i, changes] of [
      { sender_id: "a", workspace: "w1" },
      { sender_id: "b", workspace: "w1" },
      { sender_id: "b", workspace: "w2", thread_id: "t" },
    ].entries())
      ids.push(
        (
          await track("session_start", {
            ...of,
            ...changes,
            timestamp: `2026-02-06T13:0${i}:00Z`,
          })
        ).result["session_id"],
      );
    await track("session_end", { ...of, sender_id: "a" });
    const get = async (args: object) =>
      (await host.call("get_channel_sessions", { ...of, ...args })).result;
    const all = await get({});
    expect(all).toMatchObject({ status: "success", count: 3 });
    expect(all["queried_at"]).toMatch(/^20\d\d-.*Z$/);
    const named = ({ sessions }: Record<string, any>) =>
      sessions.map((row: { session_id: string }) => row.session_id);
    expect(named(all)).toEqual(ids.toReversed());
    expect(all["sessions"][0]).toMatchObject({
      channel_type: "irc",
      channel_id: "C01",
      sender_id: "b",
      session_scope: "conversation",
      thread_id: "t",
      workspace: "w2",
      message_count: 1,
      session_type: "channel",
      status: "active",
    });
    expect(named(await get({ sender_id: "b" }))).toEqual([ids[2], ids[1]]);
    expect(named(await get({ workspace: "w1" }))).toEqual([ids[1], ids[0]]);
    expect(named(await get({ thread_id: "t" }))).toEqual([ids[2]]);
    expect(named(await get({ status: "ended" }))).toEqual([ids[0]]);
    expect(named(await get({ limit: 1 }))).toEqual([ids[2]]);
    expect(await get({ channel_id: "none" })).toMatchObject({
      count: 0,
      sessions: [],
    });
  });

  test("finds few among many", async () => {
    const made = (n: number) =>
      start({
        session_id: `chan_${n.toString(16).padStart(12, "0")}`,
        session_type: "channel",
        timestamp: at(n),
        lease_seconds: null,
        metadata: { channel_type: n % 400 ? "crowd" : "rare" },
      });
    await host.store.append(Array.from({ length: 1_201 }, (_, n) => made(n)));
    const { result } = await host.call("get_channel_sessions", {
      channel_type: "rare",
    });
    expect(
      result["sessions"].map((row: { start_time: string }) => row.start_time),
    ).toEqual([at(1_200), at(800), at(400), at(0)]);
  });

  test("takes 1 to 200 rows, 20 when not told", async () => {
    for (let i = 0; i < 22; i++)
      await track("heartbeat", { channel_type: "many", sender_id: `s${i}` });
    const get = (limit?: number) =>
      host.call("get_channel_sessions", { channel_type: "many", limit });
    expect((await get()).result["count"]).toBe(20);
    expect((await get(200)).result["count"]).toBe(22);
    for (const limit of [0, -1, 201, 999]) {
      const { isError, result } = await get(limit);
      expect(isError).toBe(false);
      expect(result).toEqual({
        status: "error",
        error: expect.stringMatching(/^limit: Input should be /),
      });
    }
  });

  test("says what is wrong with a filter, and takes a number as text", async () => {
    for (const [field, value] of Object.entries({
      ...{ session_scope: "bad", status: "asleep", channel_type: "" },
    })) {
      const { isError, result } = await host.call("get_channel_sessions", {
        [field]: value,
      });
      expect({ field, isError, result }).toEqual({
        ...{ field, isError: false },
        result: { status: "error", error: expect.stringContaining(field) },
      });
    }
    const { result } = await host.call("get_channel_sessions", {
      ...{ limit: "5", session_scope: null, status: null },
    });
    expect(result).toMatchObject({ status: "success" });
  });
});
