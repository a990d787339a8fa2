/**
 * Sessions that a server hears of: how they are lost, and come back. Real
 * servers, real leases of a second or two, real processes.
 */
import { describe, expect, test } from "bun:test";
import { configure } from "../support/host.ts";
import { annotation, end, start } from "../support/events.ts";
import { Live } from "../support/live.ts";
import { Sandbox, type SessionJson } from "../support/sandbox.ts";
import { TestServer, startArguments } from "../support/server.ts";
import { until } from "../support/wait.ts";
import type { Event } from "../../src/model/event.ts";

const ID = "far-20260206-123456-1a2b3c4d";
const now = () => new Date().toISOString();

/** A server whose leases are short. */
async function serving(leases: string) {
  const sandbox = new Sandbox();
  configure(sandbox, `session: {${leases}}\n`);
  const host = {
    sandbox,
    server: await TestServer.start(sandbox),
    /** Sends events, as another host does. */
    async send(...events: Event[]): Promise<void> {
      const answer = await host.server.call("track_events", {
        sent_at: now(),
        events,
      });
      const results = answer.result["results"] as { error: unknown }[];
      expect(results.map(({ error }) => error)).toEqual(events.map(() => null));
    },
    /** One of the other host's signs of life. */
    beat(): Promise<void> {
      const { timestamp: _, ...event } = annotation(0, { session_id: ID });
      return host.send({ ...event, event_type: "heartbeat", timestamp: now() });
    },
    only: () => sandbox.only(),
    until: (status: string) =>
      until(`the session to be ${status}`, async () => {
        const session = await sandbox.only();
        return session.status === status && session;
      }) as Promise<SessionJson>,
    async [Symbol.asyncDispose]() {
      await host.server[Symbol.asyncDispose]();
      sandbox[Symbol.dispose]();
    },
  };
  return host;
}

const begin = () => start({ session_id: ID, timestamp: now() });

describe("a session of another host", () => {
  test("is active while signs of life come, then lost, comes back, and really ends", async () => {
    await using host = await serving("lease: 1s");
    await host.send(begin());
    const began = performance.now();
    while (performance.now() - began < 2_500) {
      await host.beat();
      expect((await host.only()).status).toBe("active");
    }
    const { last_seen } = await host.only();
    const lost = await host.until("lost");
    expect(lost).toMatchObject({
      end_source: "recovered",
      exit_code: null,
      metadata: { exit_reason: "lost" },
    });
    expect(lost.end_time! >= last_seen).toBeTrue();
    expect(lost.last_seen).toBe(lost.end_time!);
    await host.beat();
    expect(await host.only()).toMatchObject({
      status: "active",
      end_time: null,
    });
    await host.until("lost");
    const timestamp = now();
    await host.send(end(0, { session_id: ID, timestamp, exit_code: 4 }));
    const ended = await host.only();
    expect(ended).toMatchObject({
      status: "ended",
      end_source: "observed",
      end_time: timestamp,
      exit_code: 4,
    });
    await host.beat();
    expect(await host.only()).toEqual(ended);
  });

  test("is not lost before a server that was killed has been back for a lease", async () => {
    await using host = await serving("lease: 2s");
    await host.send(begin());
    const { last_seen } = await host.only();
    await host.server.stop("SIGKILL");
    await until(
      "the lease to run out",
      () => Date.now() - Date.parse(last_seen) > 2_500,
    );
    host.server = await TestServer.start(host.sandbox);
    const back = performance.now();
    expect((await host.only()).status).toBe("active");
    await host.until("lost");
    expect(performance.now() - back).toBeGreaterThan(1_900);
  });

  test("is not lost when the server was stopped for longer than its lease", async () => {
    await using host = await serving("lease: 2s");
    await host.send(begin());
    const began = Date.now();
    host.server.child.kill("SIGSTOP");
    await until("the lease to run out", () => Date.now() - began > 4_000);
    host.server.child.kill("SIGCONT");
    expect((await host.only()).status).toBe("active");
    await host.until("lost");
  });

  test("whose wrapper was killed there comes back once that host is asked, and is lost with its program", async () => {
    await using host = await serving("lease: 1s");
    using far = new Sandbox();
    far.env["SESSION_BUDDY_MCP_ENDPOINT"] = host.server.url;
    await using live = await Live.begin(far);
    expect((await far.only()).status).toBe("active");
    await live.killWrapper();
    const silent = await host.until("lost");
    expect(await far.only()).toMatchObject({
      status: "active",
      end_time: null,
    });
    expect((await host.only()).status).toBe("active");
    await live.endChild();
    const lost = await far.only();
    expect(lost).toMatchObject({ status: "lost", end_source: "recovered" });
    expect(lost.end_time! > silent.end_time!).toBeTrue();
    expect(await host.only()).toEqual(lost);
  });

  test("is what it was when nobody serves: nobody could hear it", async () => {
    await using host = await serving("lease: 1s");
    await host.send(begin());
    await host.server.stop();
    const began = Date.now();
    await until("the lease to run out", () => Date.now() - began > 1_500);
    expect((await host.only()).status).toBe("active");
  });
});

describe("a client that sends no signs of life", () => {
  test("is active as long as its process runs, then lost at once, and may still say its end", async () => {
    await using host = await serving("lease: 1s");
    const child = Bun.spawn(["sleep", "1000"]);
    const answer = await host.server.call(
      "track_session_start",
      startArguments({ pid: child.pid, timestamp: now() }),
    );
    const session_id = answer.result["session_id"];
    const began = performance.now();
    // Beyond any lease: it has none.
    while (performance.now() - began < 2_500)
      expect((await host.only()).status).toBe("active");
    child.kill("SIGKILL");
    await child.exited;
    expect(await host.only()).toMatchObject({
      status: "lost",
      end_source: "recovered",
    });
    const ending = { session_id, event_type: "session_end", timestamp: now() };
    await host.server.call("track_session_end", ending);
    expect(await host.only()).toMatchObject({
      status: "ended",
      end_source: "observed",
    });
  });

  test("is told from the dead also without a server", async () => {
    await using host = await serving("lease: 1s");
    const child = Bun.spawn(["sleep", "1000"]);
    await host.server.call(
      "track_session_start",
      startArguments({ pid: child.pid, timestamp: now() }),
    );
    await host.server.stop();
    expect((await host.only()).status).toBe("active");
    child.kill("SIGKILL");
    await child.exited;
    expect((await host.only()).status).toBe("lost");
  });

  test("and whose process is not known here is lost after the timeout", async () => {
    await using host = await serving("unleased_timeout: 2s");
    const started = startArguments({ timestamp: now() });
    await host.server.call("track_session_start", started);
    const began = performance.now();
    expect((await host.only()).status).toBe("active");
    const lost = await host.until("lost");
    expect(performance.now() - began).toBeGreaterThan(1_500);
    expect(lost.end_time).toBe(started["timestamp"] as string);
  });
});
