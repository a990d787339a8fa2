/** That a recording was watched is recorded: by whom, from where, when; by the server's word. */
import { describe, expect, test } from "bun:test";

import { join } from "node:path";
import { passwdEntry } from "../../src/os/paths.ts";
import { CastClient } from "../support/casts.ts";
import { Pty } from "../support/pty.ts";
import { begun } from "../support/recorded-screen.ts";
import { keep, recordingOf, shown } from "../support/recording.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import type { Event } from "../../src/model/event.ts";
import { TestServer, startArguments } from "../support/server.ts";
import { id, leave, life, lines } from "../support/spool.ts";
import { mintToken } from "../support/token.ts";
import { until } from "../support/wait.ts";

const SECRET = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString(
  "base64",
);
const ENV = { SESSION_BUDDY_SECRET: SECRET };
const bearer = (subject: string, scope: "read" | "write" = "read") => ({
  authorization: `Bearer ${mintToken(SECRET, { subject, ttl_seconds: 3_600, scope }, Date.now())}`,
});

/** A session that is lost, and its recording. */
function lost(sandbox: Sandbox): string {
  const session_id = id(1);
  leave(sandbox, `${session_id}.ndjson`, lines(life(1)));
  const file = recordingOf([[shown(0, "text")]], { session_id });
  keep(sandbox, file, session_id);
  return session_id;
}

interface Watched {
  watcher: string;
  address: string | null;
  end_time: string | null;
  said_by: string | null;
}

async function watches(sandbox: Sandbox, session_id: string) {
  const { stdout } = await sandbox.run(["show-session", session_id, "--json"]);
  return ((JSON.parse(stdout) as { watches?: Watched[] }).watches ?? []).map(
    ({ watcher, address, end_time, said_by }) => ({
      ...{ watcher, address, said_by, over: end_time !== null },
    }),
  );
}

async function look(url: string, headers = {}): Promise<void> {
  await using client = await CastClient.open(url, headers);
  await client.over();
  expect(client.shown).toBe("text");
}

describe("over HTTP", () => {
  test("once by each who watches, however often it loads", async () => {
    using sandbox = new Sandbox();
    const session_id = lost(sandbox);
    await using server = await TestServer.start(sandbox, { env: ENV });
    const before = await sandbox.only();
    expect(before.status).toBe("lost");
    const url = `${server.origin}/recordings/${session_id}.cast`;
    for (let i = 0; i < 5; i++) await look(url, bearer("alice"));
    await look(url, bearer("bob"));
    const from = { address: "127.0.0.1", said_by: null, over: false };
    expect(await watches(sandbox, session_id)).toEqual([
      { watcher: "alice", ...from },
      { watcher: "bob", ...from },
    ]);
    // Nothing of its life: it is lost as it was, and seen when it was.
    expect(await sandbox.only()).toEqual(before);
    const text = await sandbox.run(["show-session", session_id]);
    expect(text.stdout).toMatch(
      /^watched:\n  \S+ by alice from 127\.0\.0\.1\n  \S+ by bob from 127\.0\.0\.1$/m,
    );
    const events = await sandbox.run(["list-events", session_id]);
    expect(events.stdout).toMatch(
      /server\s+watch_start\s+by\\x20alice\\x20from\\x20127/,
    );
  });

  test("a live look has an end, also of a server that stops", async () => {
    using sandbox = new Sandbox();
    await using server = await TestServer.start(sandbox);
    const wait = "echo id $SESSION_BUDDY_SESSION_ID; exec sleep 1000";
    const record = [BINARY, "shell", "--quiet", "--record", "--"];
    await using pty = new Pty(sandbox, [...record, "sh", "-c", wait]);
    const [, session_id] = await pty.expect(/^id (\S+)\s/m);
    // It is shown before it is recorded.
    await until("its recording", () => begun(sandbox, session_id));
    const url = `${server.origin}/recordings/${session_id}.cast?follow`;
    for (let i = 0; i < 3; i++) {
      await using client = await CastClient.open(url);
      await client.expect(/^id /m);
    }
    await using last = await CastClient.open(url);
    await last.expect(/^id /m);
    const watcher = passwdEntry()!.username;
    const watch = { watcher, address: "127.0.0.1", said_by: null };
    expect(await watches(sandbox, session_id!)).toEqual([
      { ...watch, over: false },
    ]);
    expect(await server.stop()).toBe(0);
    expect(await watches(sandbox, session_id!)).toEqual([
      { ...watch, over: true },
    ]);
    expect((await sandbox.only()).status).toBe("active");
  });

  test("who is refused has watched nothing", async () => {
    using sandbox = new Sandbox();
    const session_id = lost(sandbox);
    await using server = await TestServer.start(sandbox, { env: ENV });
    const url = `${server.origin}/recordings/${session_id}.cast`;
    expect((await fetch(url)).status).toBe(401);
    expect(
      (await fetch(`${url}?follow`, { headers: bearer("ann") })).status,
    ).toBe(410);
    const site = { "sec-fetch-site": "cross-site" };
    expect(
      (await fetch(url, { headers: { ...bearer("ann"), ...site } })).status,
    ).toBe(403);
    expect(await watches(sandbox, session_id)).toEqual([]);
  });

  test.each(["another", "the reporter of the session"])(
    "%s does not say it in the server's name, or takes it back",
    async (who) => {
      using sandbox = new Sandbox();
      await using server = await TestServer.start(sandbox, { env: ENV });
      const mallory = bearer("mallory", "write");
      const session_id =
        who === "another" ? lost(sandbox) : await reported(server, mallory);
      const file = recordingOf([[shown(0, "text")]], { session_id });
      keep(sandbox, file, session_id);
      const url = `${server.origin}/recordings/${session_id}.cast`;
      await look(url, bearer("alice"));
      const listed = await server.call(
        ...(["list_events", { session_id }, bearer("x")] as const),
      );
      const events = listed.result["events"] as { event: Event }[];
      const { event } = events.find(
        ({ event }) => event.event_type === "watch_start",
      )!;
      const forged = [
        // Under the id that the server's has; by another; and its end.
        { ...event, watcher: "nobody" },
        { ...event, event_id: crypto.randomUUID(), watcher: "carol" },
        {
          ...{ ...event, event_id: crypto.randomUUID(), of: event.event_id },
          event_type: "watch_end",
        },
      ];
      const sent = { sent_at: new Date().toISOString(), events: forged };
      await server.call("track_events", sent, mallory);
      const from = { address: "127.0.0.1", over: false };
      expect(await watches(sandbox, session_id)).toEqual([
        { watcher: "alice", ...from, said_by: null },
        { watcher: "carol", ...from, said_by: "token:mallory" },
      ]);
    },
  );
});

/** A session that a token reports. */
async function reported(
  server: TestServer,
  bearer: Record<string, string>,
): Promise<string> {
  const start = startArguments({ hostname: "elsewhere" });
  const { result } = await server.call("track_session_start", start, bearer);
  return String(result["session_id"]);
}

describe.each(["alone", "with a server"])("at a terminal, %s", (how) => {
  test("who plays it is recorded, and until when", async () => {
    using sandbox = new Sandbox();
    const session_id = lost(sandbox);
    await using _ = how === "alone" ? null : await TestServer.start(sandbox);
    const before = await sandbox.only();
    for (let i = 0; i < 2; i++) {
      await using pty = new Pty(sandbox, [BINARY, "replay", session_id]);
      await pty.expect("] end");
      pty.type("q");
      expect(await pty.ended()).toEqual({ code: 0, signal: null });
    }
    const watcher = passwdEntry()!.username;
    const watch = { watcher, address: null, said_by: null };
    expect(await watches(sandbox, session_id)).toEqual([
      { ...watch, over: true },
    ]);
    expect(await sandbox.only()).toEqual(before);
    const text = await sandbox.run(["show-session", session_id]);
    const line = new RegExp(`^  \\S+ by ${watcher}, until [\\d:]{8}$`, "m");
    expect(text.stdout).toMatch(line);
  });

  test("who reads it in a pipe is, too; of a file from elsewhere nothing is known", async () => {
    using sandbox = new Sandbox();
    const session_id = lost(sandbox);
    await using _ = how === "alone" ? null : await TestServer.start(sandbox);
    const path = join(sandbox.data, "recordings", `${session_id}.rec`);
    const file = await sandbox.run(["replay", path]);
    expect([file.stdout, file.stderr]).toEqual(["text\n", ""]);
    expect(await watches(sandbox, session_id)).toEqual([]);
    const piped = await sandbox.run(["replay", session_id]);
    expect([piped.stdout, piped.stderr]).toEqual(["text\n", ""]);
    expect(await watches(sandbox, session_id)).toMatchObject([{ over: false }]);
  });
});
