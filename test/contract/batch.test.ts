/** track_events: what a remote host's spool holds, many events at once. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Event } from "../../src/model/event.ts";
import { command, end, processOf, start } from "../support/events.ts";
import { LEASE_SECONDS, ToolHost } from "../support/mcp.ts";

let host: ToolHost;
beforeAll(async () => void (host = await ToolHost.start()));
afterAll(() => host[Symbol.asyncDispose]());

let made = 0;
/** A session's id and events of it, as a wrapper on another host makes them. */
function life(begun: string): { session_id: string; events: Event[] } {
  const hex = (++made).toString(16).padStart(8, "0");
  const second = begun.slice(0, 19).replace(/[-:]/g, "").replace("T", "-");
  const session_id = `zsh-${second}-${hex}`;
  const at = { session_id, timestamp: begun };
  return {
    session_id,
    events: [
      start({ ...at, component_name: "zsh" }),
      processOf(0, at),
      command(0, at),
    ],
  };
}

const NOW = () => new Date().toISOString();
const send = (events: unknown[], changes: object = {}) =>
  host.call("track_events", { sent_at: NOW(), events, ...changes });
const ago = (seconds: number) =>
  new Date(Date.now() - seconds * 1_000).toISOString();

const heartbeat = (session_id: string, timestamp: string) => ({
  event_version: "1.0",
  event_id: crypto.randomUUID(),
  event_type: "heartbeat",
  session_id,
  timestamp,
});

async function kept(session_id: string): Promise<Event[]> {
  const events = await Array.fromAsync(host.store.events({ session_id }));
  return events.map(({ event }) => event);
}

test("events are stored once, each with its own answer, in their order", async () => {
  const { session_id, events } = life(ago(60));
  const finish = end(0, { session_id, timestamp: NOW() });
  const ids = events.map(({ event_id }) => event_id);
  const answer = (status: string) =>
    ids.map((event_id) => ({ event_id, status, error: null }));
  const first = await send(events);
  expect(first.isError).toBe(false);
  expect(first.result).toEqual({ results: answer("stored") });
  expect((await send([...events, finish, finish])).result["results"]).toEqual([
    ...answer("duplicate"),
    { event_id: finish.event_id, status: "stored", error: null },
    { event_id: finish.event_id, status: "duplicate", error: null },
  ]);
  await host.restart();
  expect((await send(events)).result).toEqual({ results: answer("duplicate") });
  expect(await kept(session_id)).toHaveLength(4);
  expect(await host.store.get(session_id)).toMatchObject({
    status: "ended",
    component_name: "zsh",
    command_count: 1,
    exit_code: 0,
  });
});

test("one that cannot be read never blocks its neighbours", async () => {
  const { session_id, events } = life(ago(60));
  const wrong: [unknown, string][] = [
    [{ ...events[1]!, event_id: "x" }, "event_id"],
    [{ ...events[1]!, session_id: "../../x" }, "session_id: not a session id"],
    [{ ...events[1]!, timestamp: "yesterday" }, "timestamp"],
    [{ ...events[1]!, pid: 0 }, "pid"],
    [{ ...events[1]!, event_version: "2.0" }, "event_version"],
    [{}, "event_version"],
    [{ ...events[2]!, text: "x".repeat(300_000) }, "longer than 262144 bytes"],
  ];
  const mixed = [events[0]!, ...wrong.map(([event]) => event), events[2]!];
  const { result } = await send(mixed);
  const results = result["results"] as { status: string; error: string }[];
  expect(results.map(({ status }) => status)).toEqual([
    "stored",
    ...wrong.map(() => "rejected"),
    "stored",
  ]);
  for (const [i, [, words]] of wrong.entries())
    expect(results[i + 1]!.error).toContain(words);
  expect(await kept(session_id)).toHaveLength(2);
});

test("kinds of a newer version are kept", async () => {
  const { session_id, events } = life(ago(60));
  const moon = {
    ...command(0, { session_id }),
    event_type: "moon_phase",
    phase: 3,
  };
  await send([events[0]!, moon]);
  expect((await kept(session_id))[1]).toMatchObject({ phase: 3 });
});

test("what only the server may say is stamped by it", async () => {
  const { session_id, events } = life(ago(60));
  const forged = {
    ...events[0]!,
    lease_seconds: 1e9,
    pid_namespace: "pid:[1]",
    boot_id: "x",
    received_at: "2000-01-01T00:00:00Z",
    received: { clock_skew: true },
  };
  await send([forged]);
  const [stored] = await Array.fromAsync(host.store.events({ session_id }));
  expect(stored!.event).toMatchObject({ lease_seconds: LEASE_SECONDS });
  expect(stored!.event).not.toContainAnyKeys([
    ...["pid_namespace", "boot_id", "received"],
  ]);
  expect(stored!.received_at > "2020").toBe(true);
  expect(stored!.provenance).toMatchObject({
    reporter: `uid:${process.geteuid!()}`,
    via: "tcp",
    uid: process.geteuid!(),
    subject: null,
    address: "127.0.0.1",
  });
});

test("a heartbeat moves last_seen, by our clock, and is no row", async () => {
  const hour = 3_600;
  // Their clock is an hour behind; the session began 5 minutes ago.
  const { session_id, events } = life(ago(hour + 300));
  await send(events, { sent_at: ago(hour) });
  const begun = (await host.store.get(session_id))!.last_seen;
  expect(Math.abs(Date.parse(begun) - (Date.now() - 300_000))).toBeLessThan(
    60_000,
  );
  const beat = heartbeat(session_id, ago(hour + 5));
  const { result } = await send([beat], { sent_at: ago(hour) });
  expect(result["results"]).toEqual([
    { event_id: beat.event_id, status: "stored", error: null },
  ]);
  expect(await kept(session_id)).toHaveLength(3);
  const { last_seen, status } = (await host.store.get(session_id))!;
  expect(status).toBe("active");
  expect(Math.abs(Date.parse(last_seen) - (Date.now() - 5_000))).toBeLessThan(
    60_000,
  );
});

test("a clock that is ahead cannot put a sign of life into the future", async () => {
  const { session_id, events } = life(ago(60));
  await send(events);
  await send([heartbeat(session_id, ago(-9_999))]);
  const { last_seen } = (await host.store.get(session_id))!;
  expect(last_seen <= NOW()).toBe(true);
});

test("an end found by a reconciler is no sign of life", async () => {
  const { session_id, events } = life(ago(900));
  await send(events, { sent_at: ago(900) });
  const lost = end(0, {
    session_id,
    timestamp: ago(800),
    end_source: "recovered",
    exit_code: null,
  });
  await send([lost]);
  expect(await host.store.get(session_id)).toMatchObject({
    status: "lost",
    end_time: lost.timestamp,
  });
});

/** An end that the sender's reconciler made, at that moment of its clock. */
const lostAt = (session_id: string, timestamp: string) =>
  end(0, { session_id, timestamp, end_source: "recovered", exit_code: null });

test("events that were long on their way do not outlive the end that came with them", async () => {
  const begun = ago(60);
  const { session_id, events } = life(begun);
  // Killed at once: its last event and its end are of the same moment.
  await send([...events, lostAt(session_id, begun)], { sent_at: ago(2) });
  expect(await host.store.get(session_id)).toMatchObject({
    status: "lost",
    end_time: begun,
  });
});

test("what is sent once more is no new sign of life", async () => {
  const begun = ago(60);
  const { session_id, events } = life(begun);
  await send([...events, lostAt(session_id, begun)]);
  // As by a drain that was killed before it could put the file away.
  await send(events, { sent_at: ago(2) });
  expect(await host.store.get(session_id)).toMatchObject({ status: "lost" });
});

test("a heartbeat that was overtaken by an end of its own moment reopens nothing", async () => {
  const begun = ago(60);
  const { session_id, events } = life(begun);
  await send([...events, lostAt(session_id, begun)]);
  await send([heartbeat(session_id, begun)], { sent_at: ago(2) });
  expect(await host.store.get(session_id)).toMatchObject({ status: "lost" });
  await send([heartbeat(session_id, ago(30))], { sent_at: ago(2) });
  expect(await host.store.get(session_id)).toMatchObject({ status: "active" });
});

test("a heartbeat of a clock that is behind reopens nothing that ended at its moment", async () => {
  const begun = ago(3_660);
  const { session_id, events } = life(begun);
  const sent_at = ago(3_600);
  await send([...events, lostAt(session_id, begun)], { sent_at });
  await send([heartbeat(session_id, begun)], { sent_at });
  expect(await host.store.get(session_id)).toMatchObject({ status: "lost" });
  // Whoever found it lost was wrong.
  await send([heartbeat(session_id, ago(3_600 + 30))], { sent_at });
  expect(await host.store.get(session_id)).toMatchObject({ status: "active" });
});

test("a heartbeat that is later than it was sent is of another clock", async () => {
  const begun = ago(60);
  const { session_id, events } = life(begun);
  await send(events);
  // A file's own time, brought by a program whose clock is behind.
  const beat = heartbeat(session_id, ago(30));
  await send([beat], { sent_at: ago(3_600) });
  expect(await host.store.get(session_id)).toMatchObject({
    ...{ status: "active", last_seen: beat.timestamp },
  });
});

test("the call as a whole has bounds, which it names", async () => {
  const many = Array.from({ length: 1_001 }, () => command(0));
  const full = await send(many);
  expect(full.isError).toBe(true);
  expect(full.text).toContain("events");
  const large = Array.from({ length: 20 }, () =>
    command(0, { text: "x".repeat(60_000) }),
  );
  const heavy = await send(large);
  expect(heavy.isError).toBe(true);
  expect(heavy.text).toBe(
    "events: together more than 1048576 bytes (send fewer at once)",
  );
  expect(await host.store.summary(String(large[0]!.session_id))).toBeNull();
  for (const sent_at of ["now", "", "2026-02-30T00:00:00Z"]) {
    const { isError, text } = await send([], { sent_at });
    expect(isError).toBe(true);
    expect(text).toContain("sent_at: Invalid ISO 8601 timestamp");
  }
  for (const events of ["x", [5], [null], [[]]]) {
    const { isError, text } = await send(events as unknown[]);
    expect(isError).toBe(true);
    expect(text).toContain("events");
  }
  expect((await send([])).result).toEqual({ results: [] });
});
