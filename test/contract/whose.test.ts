/**
 * Whose word counts, through the tools with a secret set: what a stranger's
 * token tries against a session of another, by every way that there is.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Scope } from "../../src/auth/token.ts";
import { digest, namedUuid } from "../../src/model/id.ts";
import { annotation, command, end, start } from "../support/events.ts";
import { ToolHost, shellEnd, shellStart } from "../support/mcp.ts";
import { mintToken } from "../support/token.ts";

const secret = "correct horse battery staple, 46 bytes in all.";
const NOT_YOURS = /belongs to another reporter/;

const token = (subject: string, more: object = {}, scope: Scope = "write") =>
  mintToken(secret, { subject, ttl_seconds: 600, scope, ...more }, Date.now());
const web = { token: token("web01") };
const stranger = { token: token("stranger") };
const admin = { token: token("root", {}, "admin") };

let host: ToolHost;
beforeAll(async () => void (host = await ToolHost.start({ secret })));
afterAll(() => host[Symbol.asyncDispose]());

const now = (ms = 0) => new Date(Date.now() + ms).toISOString();
/** A session that a token has begun. */
async function begun(by: object, changes: object = {}): Promise<string> {
  const event = { event_id: crypto.randomUUID(), timestamp: now() };
  const { result } = await host.call("track_session_start", {
    ...shellStart({ ...event, ...changes }),
    ...by,
  });
  expect(result).toMatchObject({ status: "tracked" });
  return result["session_id"] as string;
}
const send = async (by: object, ...events: object[]) => {
  const { result } = await host.call("track_events", {
    ...{ sent_at: now(), events, ...by },
  });
  return result["results"] as { status: string; error: string | null }[];
};

describe("a stranger's token", () => {
  for (const whose of ["spool", "web01"])
    test(`against a session of ${whose}: no tool begins, moves or ends it`, async () => {
      let session_id = "bash-20260206-123456-0badcafe";
      if (whose === "web01") session_id = await begun(web);
      else await host.store.append([start({ session_id })]);
      const row = await host.store.get(session_id);
      for (const scope of ["live", "ended"]) {
        if (scope === "ended") {
          if (whose === "web01")
            await host.call("track_session_end", {
              ...shellEnd({ session_id, timestamp: now(1_000) }),
              ...web,
            });
          else await host.store.append([end(9, { session_id })]);
        }
        const before = await host.store.get(session_id);
        const ended = await host.call("track_session_end", {
          ...shellEnd({ session_id, timestamp: now() }),
          ...stranger,
        });
        expect(ended.result).toMatchObject({ status: "error" });
        expect(ended.result["error"]).toMatch(
          /^Session end tracking failed: .*belongs to another reporter/,
        );
        const results = await send(
          stranger,
          start({ session_id, timestamp: "2020-01-01T00:00:00.000Z" }),
          command(0, { session_id, timestamp: now() }),
          end(0, { session_id, timestamp: now() }),
          {
            ...command(0, { session_id, timestamp: now() }),
            event_type: "heartbeat",
          },
        );
        expect(results.map(({ status, error }) => [status, error])).toEqual(
          results.map(() => ["rejected", "belongs to another reporter"]),
        );
        const { duration_seconds: _, ...same } = before!;
        expect(await host.store.get(session_id)).toMatchObject(same);
      }
      expect(row!.last_seen).toBe(row!.start_time);
    });

  test("with the event_id of another's start hears nothing of that session", async () => {
    const event_id = crypto.randomUUID();
    const timestamp = now();
    const session_id = await begun(web, { event_id, timestamp });
    for (const changes of [{}, { component_name: "other" }]) {
      const { result } = await host.call("track_session_start", {
        ...shellStart({ event_id, timestamp, ...changes }),
        ...stranger,
      });
      expect(result).toMatchObject({ status: "tracked" });
      expect(JSON.stringify(result)).not.toContain(`"${session_id}"`);
    }
    // Its own retry finds it.
    expect(await begun(web, { event_id, timestamp })).toBe(session_id);
  });

  test("that has taken an id by an end makes a start get a longer one", async () => {
    const event_id = crypto.randomUUID();
    const timestamp = new Date().toISOString();
    const [date, time] = timestamp.slice(0, 19).replace(/[-:]/g, "").split("T");
    const guessed = `mahavishnu-${date}-${time}-${event_id.slice(0, 8)}`;
    await host.call("track_session_end", {
      ...shellEnd({ session_id: guessed, timestamp }),
      ...stranger,
    });
    const session_id = await begun(web, { event_id, timestamp });
    expect(session_id).toStartWith(guessed);
    expect(session_id).not.toBe(guessed);
    expect(await host.store.get(session_id)).toMatchObject({
      ...{ status: "active", reporter: "token:web01" },
    });
  });

  test("on a channel has conversations of its own, and ends nobody's", async () => {
    const say = async (by: object, event_type: string) =>
      (
        await host.call("track_channel_session", {
          ...{ event_id: crypto.randomUUID(), event_type, timestamp: now() },
          ...{ channel_type: "slack", channel_id: "C1", sender_id: "U1" },
          ...by,
        })
      ).result;
    const { session_id } = await say(web, "channel_session_start");
    expect(await say(stranger, "channel_session_end")).toMatchObject({
      ...{ status: "not_found", session_id: null },
    });
    const theirs = await say(stranger, "channel_heartbeat");
    expect(theirs["session_id"]).not.toBe(session_id);
    expect(await say(stranger, "channel_session_end")).toMatchObject({
      ...{ status: "ended", session_id: theirs["session_id"] },
    });
    expect((await host.store.get(session_id))!.status).toBe("active");
    expect(await say(web, "channel_session_end")).toMatchObject({
      ...{ status: "ended", session_id },
    });
  });

  for (const how of ["start", "command", "remark", "elsewhere"])
    test(`that guesses the id of a conversation and its start keeps it from nobody: a ${how}`, async () => {
      const said = { event_id: how, event_type: "channel_session_start" };
      const [channel_type, channel_id, sender_id] = ["slack", how, "U9"];
      const timestamp = now();
      const report = {
        ...{ ...said, channel_type, channel_id, sender_id, timestamp },
      };
      const say = async (by: object, changes: object = {}) =>
        (
          await host.call("track_channel_session", {
            ...{ ...report, ...changes, ...by },
          })
        ).result;
      const scope = "conversation";
      const key = JSON.stringify([
        ...[channel_type, channel_id, sender_id, scope, null, null],
      ]);
      const event_id = namedUuid(
        JSON.stringify(["token:web01", key, said.event_type, said.event_id]),
      );
      const bytes = new TextEncoder().encode(key + event_id);
      const guessed = `chan_${digest("sha256", bytes).toHex().slice(0, 12)}`;
      const event = { event_id, session_id: guessed, timestamp };
      const squat = {
        start: start({ ...event, event_id: crypto.randomUUID() }),
        command: command(0, { ...event, event_id: crypto.randomUUID() }),
        remark: annotation(0, event),
        elsewhere: annotation(0, {
          ...event,
          session_id: "bash-20260206-123456-0badcaff",
        }),
      }[how]!;
      expect(await send(stranger, squat)).toMatchObject([{ status: "stored" }]);
      const begun = await say(web);
      expect(begun).toMatchObject({ status: "tracked", error: null });
      const { session_id } = begun;
      expect(await host.store.get(session_id)).toMatchObject({
        ...{ reporter: "token:web01", status: "active", username: "U9" },
      });
      expect(await say(web)).toMatchObject({ session_id, status: "tracked" });
      const end = { event_type: "channel_session_end", event_id: "end" };
      for (const _ of [1, 2])
        expect(await say(web, end)).toMatchObject({
          ...{ session_id, status: "ended" },
        });
      expect(await say(web)).toMatchObject({ session_id, status: "tracked" });
    });

  test("that begins a session under another's start's id does not keep it away", async () => {
    const event_id = crypto.randomUUID();
    const timestamp = now();
    const [date, time] = timestamp.slice(0, 19).replace(/[-:]/g, "").split("T");
    const guessed = `mahavishnu-${date}-${time}-${event_id.slice(0, 8)}`;
    await send(
      stranger,
      start({ event_id, timestamp, session_id: guessed }),
      command(0, { event_id, timestamp }),
    );
    const session_id = await begun(web, { event_id, timestamp });
    expect(await host.store.get(session_id)).toMatchObject({
      ...{ reporter: "token:web01", status: "active" },
    });
    for (const changes of [{}, { component_name: "other" }])
      expect(await begun(web, { event_id, timestamp, ...changes })).toBe(
        session_id,
      );
  });

  test("may remark, beside the session", async () => {
    const session_id = await begun(web, { metadata: { colour: "blue" } });
    const note = (by: object, metadata: object) =>
      send(by, {
        ...command(0, { session_id, timestamp: now(-5) }),
        ...{ event_type: "annotation", metadata },
      });
    expect(await note(stranger, { colour: "red", exit_code: 0 })).toMatchObject(
      [{ status: "stored" }],
    );
    expect(await note(web, { shape: "round" })).toMatchObject([
      { status: "stored" },
    ]);
    const { result } = await host.call("get_session", { session_id });
    // Reading wants the header.
    expect(result).toEqual({});
    const seen = (await host.tools.call(
      "get_session",
      { session_id },
      { ...host.caller, via: "socket" },
    )) as Record<string, any>;
    expect(seen["metadata"]).toMatchObject({ colour: "blue", shape: "round" });
    expect(seen["remarks"]).toEqual([
      expect.objectContaining({
        reporter: "token:stranger",
        metadata: { colour: "red", exit_code: 0 },
      }),
    ]);
  });
});

test("a token with --scope admin ends another's session, as declared", async () => {
  const session_id = await begun(web);
  const { result } = await host.call("track_session_end", {
    ...shellEnd({ session_id, timestamp: now(1) }),
    ...admin,
  });
  expect(result).toMatchObject({ status: "ended", error: null });
  expect(await host.store.get(session_id)).toMatchObject({
    ...{ end_source: "declared", reporter: "token:web01" },
  });
});

test("a renewed token of the same subject goes on with its sessions", async () => {
  const session_id = await begun({
    token: token("web01", { ttl_seconds: 60 }),
  });
  const { result } = await host.call("track_session_end", {
    ...shellEnd({ session_id, timestamp: now(1) }),
    ...{ token: token("web01", { ttl_seconds: 90 }) },
  });
  expect(result).toMatchObject({ status: "ended" });
});

test("with a secret the token decides, whatever the uid is", async () => {
  // All calls here come from this user, over loopback.
  const session_id = await begun(web);
  expect(await host.store.get(session_id)).toMatchObject({
    ...{ reporter: "token:web01", attested: "claimed" },
  });
});

describe("a token that is bound", () => {
  const bound = {
    token: token("web01", { host: "web01", user: "deploy" }),
  };
  const deploy = { username: "deploy", home: "/home/deploy" };

  test("reports of its host and user, which are attested", async () => {
    const session_id = await begun(bound, { hostname: "web01", user: deploy });
    expect(await host.store.get(session_id)).toMatchObject({
      ...{ attested: "token", reporter: "token:web01" },
    });
  });

  test("and of nobody else, by any tool", async () => {
    for (const [changes, said] of [
      [{ hostname: "db1", user: deploy }, /hostname: .* 'web01' alone/],
      [{ hostname: "web01" }, /user\.username: .* 'deploy' alone/],
    ] as const) {
      const { result } = await host.call("track_session_start", {
        ...shellStart({ event_id: crypto.randomUUID(), ...changes }),
        ...bound,
      });
      expect(result).toMatchObject({ status: "error", session_id: null });
      expect(result["error"]).toMatch(said);
      const event = start({
        event_id: crypto.randomUUID(),
        session_id: `x-20260206-123456-${crypto.randomUUID().slice(0, 8)}`,
        user: { username: "les", home: "/" },
        ...changes,
      });
      const [answer] = await send(bound, event);
      expect(answer).toMatchObject({ status: "rejected" });
      expect(answer!.error).toMatch(said);
    }
  });

  test("tells of conversations, whose users are not its own, and of no other host", async () => {
    const { result } = await host.call("track_channel_session", {
      ...{ event_id: "e", event_type: "channel_session_start" },
      ...{ channel_type: "slack", channel_id: "C7", sender_id: "U7" },
      ...{ timestamp: now(), ...bound },
    });
    expect(result).toMatchObject({ status: "tracked", error: null });
    expect(await host.store.get(result["session_id"])).toMatchObject({
      ...{ username: "U7", attested: "claimed" },
    });
    const [answer] = await send(
      bound,
      start({
        event_id: crypto.randomUUID(),
        session_id: `x-20260206-123456-${crypto.randomUUID().slice(0, 8)}`,
        ...{ hostname: "", user: deploy },
      }),
    );
    expect(answer).toMatchObject({ status: "rejected" });
    expect(answer!.error).toMatch(/hostname: .* 'web01' alone/);
  });

  test("of one alone does not make the other known", async () => {
    const half = { token: token("web02", { host: "web02" }) };
    const session_id = await begun(half, { hostname: "web02" });
    expect((await host.store.get(session_id))!.attested).toBe("claimed");
  });
});

test("what is rejected is counted and said in the log, without a token in it", async () => {
  const session_id = await begun(web);
  host.errors.length = 0;
  await host.call("track_session_end", {
    ...shellEnd({ session_id, timestamp: now() }),
    ...stranger,
  });
  expect(host.errors.map(String).join()).toMatch(NOT_YOURS);
  expect(Bun.inspect(host.errors)).not.toContain(stranger.token.slice(-20));
});

test("of one id under two sessions in a call each gets its own answer", async () => {
  const theirs = await begun(web);
  const own = await begun(stranger);
  const event_id = crypto.randomUUID();
  const ends = [theirs, own].map((session_id) =>
    end(0, { session_id, event_id, timestamp: now(1_000) }),
  );
  for (const events of [ends, ends.toReversed()]) {
    const results = await send(stranger, ...events);
    const of = new Map(events.map((e, i) => [e.session_id, results[i]!]));
    expect(of.get(theirs)).toMatchObject({
      status: "rejected",
      error: "belongs to another reporter",
    });
    expect(of.get(own)!.status).toMatch(/stored|duplicate/);
  }
  expect(await host.store.get(theirs)).toMatchObject({ status: "active" });
  expect(await host.store.get(own)).toMatchObject({ status: "ended" });
});
