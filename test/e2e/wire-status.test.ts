/**
 * Sessions that a server hears of: how they are lost, and come back. Real
 * servers, real leases of a second or two, real processes. A machine may be so
 * slow that a session is lost again before anybody looks: what a server did, and
 * when, is read from the events that it stored. How long a lease holds is tested
 * with a clock of our own, in test/contract/lapse.test.ts.
 */
import { describe, expect, test } from "bun:test";
import { drainsOver } from "../crash/drains.ts";
import { configure } from "../support/host.ts";
import { annotation, end, start } from "../support/events.ts";
import { Live } from "../support/live.ts";
import { Sandbox, type SessionJson } from "../support/sandbox.ts";
import { TestServer, startArguments } from "../support/server.ts";
import { until } from "../support/wait.ts";
import type { Event } from "../../src/model/event.ts";
import type { StoredEvent } from "../../src/model/store.ts";

const ID = "far-20260206-123456-1a2b3c4d";
const HOUR_MS = 3_600_000;
const ago = (ms: number) => new Date(Date.now() - ms).toISOString();
const now = () => ago(0);

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
    /** @param after the end of a loss from before */
    lost: (after = "") =>
      until("the session to be lost", async () => {
        const session = await sandbox.only();
        return (
          session.status === "lost" && session.end_time! > after && session
        );
      }) as Promise<SessionJson>,
    /** What the server has stored, in its order. */
    async history() {
      const answer = await host.server.call("list_events", {});
      const events = answer.result["events"] as StoredEvent[];
      return events.map(({ received_at, event: { event_type } }) => ({
        event_type,
        received_ms: Date.parse(received_at),
      }));
    },
    /** When the server found it lost. */
    async lost_ms(): Promise<number> {
      await host.lost();
      const ends = (await host.history()).filter(isEnd);
      expect(ends).toHaveLength(1);
      return ends[0]!.received_ms;
    },
    /** Whether it came back after it was lost. */
    async cameBack(): Promise<boolean> {
      const kinds = (await host.history()).map((event) => event.event_type);
      return kinds.lastIndexOf("annotation") > kinds.indexOf("session_end");
    },
    async [Symbol.asyncDispose]() {
      await host.server[Symbol.asyncDispose]();
      sandbox[Symbol.dispose]();
    },
  };
  return host;
}

const isEnd = (event: { event_type: string }) =>
  event.event_type === "session_end";

const begin = (timestamp = now()) => start({ session_id: ID, timestamp });

describe("a session of another host", () => {
  test("is lost without signs of life, comes back with the next, and really ends", async () => {
    await using host = await serving("lease: 1s");
    await host.send(begin());
    const lost = await host.lost();
    expect(lost).toMatchObject({
      end_source: "recovered",
      exit_code: null,
      last_seen: lost.end_time,
      metadata: { exit_reason: "lost" },
    });
    expect(await host.cameBack()).toBeFalse();
    await host.beat();
    expect(await host.cameBack()).toBeTrue();
    await host.lost(lost.end_time!);
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
    // By its own word it has been silent for long.
    await host.send(begin(ago(HOUR_MS)));
    await host.server.stop("SIGKILL");
    host.server = await TestServer.start(host.sandbox);
    const { stdout } = await host.sandbox.run(["mcp", "status", "--json"]);
    const { started_at } = JSON.parse(stdout) as { started_at: string };
    const started_ms = Date.parse(started_at);
    expect(await host.lost_ms()).toBeGreaterThan(started_ms + 2_000);
  });

  test("is not lost when the server was stopped for longer than its lease", async () => {
    await using host = await serving("lease: 2s");
    await host.send(begin());
    host.server.child.kill("SIGSTOP");
    const stopped = Date.now();
    // Longer than a server is ever late by itself.
    await until("the lease to run out", () => Date.now() - stopped > 3_000);
    const going_on = Date.now();
    host.server.child.kill("SIGCONT");
    expect(await host.lost_ms()).toBeGreaterThan(going_on + 2_000);
  });

  test("whose wrapper was killed there comes back once that host is asked, and is lost with its program", async () => {
    await using host = await serving("lease: 1s");
    using far = new Sandbox();
    far.env["SESSION_BUDDY_MCP_ENDPOINT"] = host.server.url;
    await using live = await Live.begin(far);
    await far.run(["drain"]);
    await live.killWrapper();
    // One that the wrapper has started would tell that the program lives.
    await drainsOver(far.home);
    const silent = await host.lost();
    await far.run(["drain"]);
    expect(await host.cameBack()).toBeTrue();
    await live.endChild();
    const lost = await far.only();
    expect(lost).toMatchObject({ status: "lost", end_source: "recovered" });
    expect(lost.end_time! > silent.end_time!).toBeTrue();
    expect(await host.only()).toEqual(lost);
  });

  test("is what it was when nobody serves: nobody could hear it", async () => {
    await using host = await serving("lease: 1h");
    await host.send(begin(ago(2 * HOUR_MS)));
    expect((await host.only()).status).toBe("active");
    await host.server.stop();
    expect((await host.only()).status).toBe("active");
  });
});

describe("a client that sends no signs of life", () => {
  test("is active as long as its process runs, then lost at once, and may still say its end", async () => {
    await using host = await serving("lease: 1s, unleased_timeout: 1s");
    const child = Bun.spawn(["sleep", "1000"]);
    const answer = await host.server.call(
      "track_session_start",
      startArguments({ pid: child.pid, timestamp: now() }),
    );
    const session_id = answer.result["session_id"];
    // What nobody vouches for is lost meanwhile, of the same age.
    const unknown = startArguments({ component_name: "other" });
    await host.server.call("track_session_start", unknown);
    await until("the timeout", async () => (await host.history()).some(isEnd));
    const ours = async () =>
      (await host.sandbox.list("--component", "mahavishnu"))[0];
    expect(await ours()).toMatchObject({ session_id, status: "active" });
    child.kill("SIGKILL");
    await child.exited;
    expect(await ours()).toMatchObject({
      status: "lost",
      end_source: "recovered",
    });
    const ending = { session_id, event_type: "session_end", timestamp: now() };
    await host.server.call("track_session_end", ending);
    expect(await ours()).toMatchObject({
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
    const lost_ms = await host.lost_ms();
    const [begun] = await host.history();
    expect(lost_ms).toBeGreaterThan(begun!.received_ms + 2_000);
    const { end_time } = await host.only();
    expect(end_time).toBe(started["timestamp"] as string);
  });
});
