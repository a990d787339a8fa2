/**
 * Who may use the tools when a secret is set, as the tools themselves see to
 * it, and what the metrics are told.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Failure } from "../../src/model/failure.ts";
import { command, start } from "../support/events.ts";
import { ToolHost, shellEnd, shellStart } from "../support/mcp.ts";
import { mintToken } from "../support/token.ts";

const secret = "correct horse battery staple, 46 bytes in all.";
const token = (scope: "read" | "write", changes: object = {}) =>
  mintToken(
    secret,
    { subject: "les@maha", ttl_seconds: 60, scope, ...changes },
    Date.now(),
  );
const REQUIRED =
  "❌ Authentication failed: Token required (SESSION_BUDDY_SECRET is set)";
const INVALID = "❌ Authentication failed: invalid or expired token";

const TRACK = [
  ["track_session_start", shellStart()],
  ["track_session_end", shellEnd()],
  [
    "track_channel_session",
    {
      event_id: crypto.randomUUID(),
      event_type: "channel_session_start",
      channel_type: "slack",
      channel_id: "C",
      sender_id: "U",
      timestamp: "2026-02-06T12:00:00Z",
    },
  ],
] as const;
const batch = () => ({
  sent_at: new Date().toISOString(),
  events: [command(0)],
});

describe("over TCP, with a secret", () => {
  let host: ToolHost;
  beforeAll(async () => void (host = await ToolHost.start({ secret })));
  afterAll(() => host[Symbol.asyncDispose]());

  for (const [tool, args] of TRACK) {
    test(`${tool} without a token says so in its own words`, async () => {
      for (const missing of [{}, { token: null }, { token: "" }]) {
        const { result, isError } = await host.call(tool, {
          ...args,
          ...missing,
        });
        expect(isError).toBe(false);
        expect(result).toEqual({
          session_id: tool === "track_session_end" ? args.session_id : null,
          ...(tool === "track_channel_session" && { event_id: args.event_id }),
          status: "error",
          error: REQUIRED,
        });
      }
    });

    test(`${tool} with a bad token tells nothing of what is wrong with it`, async () => {
      for (const bad of [
        "x",
        "a.b.c",
        `${token("write")}x`,
        token("write", { ttl_seconds: -1 }),
        mintToken(
          "another secret that is long enough to be used.",
          { subject: "x", ttl_seconds: 60, scope: "write" },
          Date.now(),
        ),
      ]) {
        const { result } = await host.call(tool, { ...args, token: bad });
        expect(result).toMatchObject({ status: "error", error: INVALID });
      }
    });

    test(`${tool} with a token that may only read is refused`, async () => {
      const { result } = await host.call(tool, {
        ...args,
        token: token("read"),
      });
      expect(result).toMatchObject({
        status: "error",
        error: expect.stringMatching(/^❌ Authentication failed: .*scope/),
      });
    });
  }

  test("a good token as an argument is enough, and is kept nowhere", async () => {
    const good = token("write");
    const { result } = await host.call("track_session_start", {
      ...shellStart(),
      token: good,
    });
    const { session_id } = result;
    const end = await host.call("track_session_end", {
      ...shellEnd(),
      token: good,
    });
    expect(end.result).toMatchObject({ session_id, status: "ended" });
    const events = await Array.fromAsync(host.store.events({ session_id }));
    expect(events).toHaveLength(2);
    for (const { provenance } of events)
      expect(provenance).toMatchObject({ via: "tcp", subject: "les@maha" });
    expect(JSON.stringify(events)).not.toContain("eyJ");
  });

  test("track_events fails as a whole: nobody may take its silence for consent", async () => {
    for (const [changes, words] of [
      [{}, REQUIRED],
      [{ token: "x" }, INVALID],
    ] as const) {
      const { isError, text, result } = await host.call("track_events", {
        ...batch(),
        ...changes,
      });
      expect(isError).toBe(true);
      expect(text).toBe(words);
      expect(result).toEqual({});
    }
    const { result } = await host.call("track_events", {
      ...batch(),
      token: token("write"),
    });
    expect(result["results"]).toHaveLength(1);
  });

  test("reading needs the header, which the edge looks at", async () => {
    for (const tool of [
      "list_sessions",
      "list_events",
      "list_commands",
      "session_stats",
      "get_channel_sessions",
    ]) {
      const { isError, text } = await host.call(tool);
      expect(isError).toBe(true);
      expect(text).toBe(REQUIRED);
    }
    expect((await host.call("health_check")).result["status"]).toBe("healthy");
  });
});

test("what the header proved is enough for what it may", async () => {
  const read = { subject: "reader", scope: "read" } as const;
  await using reader = await ToolHost.start({
    secret,
    caller: { token: read },
  });
  expect((await reader.call("list_sessions")).isError).toBe(false);
  const refused = await reader.call("track_session_start", shellStart());
  expect(refused.result["error"]).toContain("scope");
  const argument = { ...shellStart(), token: token("write") };
  const helped = await reader.call("track_session_start", argument);
  expect(helped.result["status"]).toBe("tracked");

  const write = { subject: "writer", scope: "write" } as const;
  await using writer = await ToolHost.start({
    secret,
    caller: { token: write },
  });
  const { result } = await writer.call("track_session_start", shellStart());
  expect(result["status"]).toBe("tracked");
  const { session_id } = result;
  const [stored] = await Array.fromAsync(writer.store.events({ session_id }));
  expect(stored!.provenance).toMatchObject({ subject: "writer" });
});

test("on the socket and on stdio nobody needs a token", async () => {
  for (const via of ["socket", "stdio"] as const) {
    await using host = await ToolHost.start({ secret, caller: { via } });
    const { result } = await host.call("track_session_start", shellStart());
    expect(result["status"]).toBe("tracked");
    expect((await host.call("list_sessions")).result["sessions"]).toHaveLength(
      1,
    );
  }
});

test("without a secret a token is neither needed nor looked at", async () => {
  await using host = await ToolHost.start();
  for (const sent of [undefined, null, "whatever"]) {
    const { result } = await host.call(
      "track_session_start",
      shellStart({ token: sent }),
    );
    expect(result["status"]).toBe("tracked");
  }
});

test("the metrics count what was stored, once, under the stored component", async () => {
  await using host = await ToolHost.start();
  const { call } = host;
  const send = call.bind(host);
  await send("track_session_start", shellStart());
  await send("track_session_start", shellStart());
  await send("track_session_start", shellStart({ component_name: "a b" }));
  await send("track_session_end", shellEnd());
  await send("track_session_end", shellEnd());
  await send("track_session_end", shellEnd({ session_id: "nobody" }));
  await send("track_session_end", shellEnd({ timestamp: "x" }));
  await send("track_events", {
    sent_at: new Date().toISOString(),
    events: [start(), command(1), {}],
  });
  const text = await host.metrics.render({
    active_sessions: new Map(),
    database_up: true,
    lost_sessions: 0,
    queue_depth: 0,
    spool_backlog_files: 0,
    spool_backlog_bytes: 0,
    database_bytes: 0,
    log_dropped: 0,
    alerts: { raised: 0, left_out: 0, given_up: 0, waiting: 0 },
  });
  for (const line of [
    'session_start_total{component_name="mahavishnu",shell_type="MahavishnuShell"} 1',
    'session_start_total{component_name="bash",shell_type="bash"} 1',
    'session_end_total{component_name="mahavishnu",status="success"} 2',
    'session_end_total{component_name="unknown",status="not_found"} 1',
    'session_end_total{component_name="unknown",status="error"} 1',
    'session_duration_seconds_bucket{le="3600",component_name="mahavishnu"} 1',
    'session_duration_seconds_count{component_name="mahavishnu"} 1',
    'mcp_event_emit_success_total{component_name="mahavishnu",event_type="session_start"} 2',
    'mcp_event_emit_failure_total{component_name="unknown",event_type="session_start",error_type="refused"} 1',
    'mcp_event_emit_success_total{component_name="bash",event_type="track_events"} 1',
  ])
    expect(text).toContain(line);
  expect(text).not.toContain("a b");
});

test("trouble with the store is the tool's own answer, and the log hears of it", async () => {
  await using host = await ToolHost.start();
  let failure: Error = new Failure("storage", "the disk is full", "free some");
  host.store.append = () => Promise.reject(failure);
  const call = () => host.call("track_session_start", shellStart());
  const { result, isError } = await call();
  expect(isError).toBe(false);
  expect(result).toEqual({
    session_id: null,
    status: "error",
    error: "Session start tracking failed: the disk is full (free some)",
  });
  expect(host.errors).toEqual([failure]);
  failure = new TypeError("x is undefined");
  const internal = await call();
  expect(internal.isError).toBe(true);
  expect(internal.text).not.toContain("undefined");
  expect(host.errors.at(-1)).toBe(failure);
});
