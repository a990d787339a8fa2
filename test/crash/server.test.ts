/**
 * A server under many clients, killed with -9 in between: what it acknowledged
 * is there, each event once, whatever was sent again.
 */
import { expect, test } from "bun:test";
import { query } from "../support/database.ts";
import { Random } from "../support/random.ts";
import { Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";

const CLIENTS = 200;
const CALLS = 10;
const EVENTS_A_CALL = 10;
const EVENTS = CLIENTS * CALLS * EVENTS_A_CALL;
const KILLS = 2;

interface Sent {
  event_id: string;
  session_id: string;
}

/** The events of one client: a session with commands, in portions. */
function portions(client: number): object[][] {
  const event_id = crypto.randomUUID();
  const at = (n: number) =>
    new Date(Date.UTC(2026, 1, 6, 12, 0, client, n)).toISOString();
  const stamp = at(0).slice(0, 19).replace(/[-:]/g, "").replace("T", "-");
  const session_id = `load-${stamp}-${event_id.slice(0, 8)}`;
  const base = { event_version: "1.0", session_id };
  const start = {
    ...{ ...base, event_id, event_type: "session_start", timestamp: at(0) },
    ...{ session_type: "admin_shell", component_name: "load" },
    ...{ shell_type: "bash", hostname: "elsewhere", pid: 1000 + client },
    user: { username: "les", home: "/home/les" },
    environment: { python_version: null, platform: "Linux", cwd: "/" },
    metadata: {},
  };
  const events: object[] = [start];
  for (let n = 1; n < CALLS * EVENTS_A_CALL; n++)
    events.push({
      ...{ ...base, event_id: Bun.randomUUIDv7(), timestamp: at(n) },
      ...{ event_type: "command_start", text: `command ${n}` },
    });
  return Array.from({ length: CALLS }, (_, i) =>
    events.slice(i * EVENTS_A_CALL, (i + 1) * EVENTS_A_CALL),
  );
}

test(`${CLIENTS} clients, ${EVENTS} events, ${KILLS} kills -9: what was acknowledged is there once`, async () => {
  using sandbox = new Sandbox();
  const random = Random.seeded("server kills");
  let server = await TestServer.start(sandbox);
  const { port, url } = server;
  const acknowledged = new Map<string, string>();
  let refused = 0;
  const kills = Array.from({ length: KILLS }, (_, n) =>
    random.int((EVENTS * n) / KILLS, (EVENTS * (n + 1)) / KILLS - 1_000),
  );
  let killing: Promise<void> | null = null;
  const maybeKill = () => {
    if (killing || kills.length === 0 || acknowledged.size < kills[0]!) return;
    kills.shift();
    killing = (async () => {
      await server.stop("SIGKILL");
      server = await TestServer.start(sandbox, {
        flags: ["--port", `${port}`],
      });
      killing = null;
    })();
  };
  const client = async (number: number) => {
    for (const events of portions(number))
      for (;;) {
        if (killing) await killing;
        const results = await send(url, events);
        if (!results) {
          refused++;
          await Bun.sleep(0);
          continue;
        }
        for (const { event_id, status } of results) {
          expect(["stored", "duplicate"]).toContain(status);
          acknowledged.set(event_id, status);
        }
        maybeKill();
        break;
      }
  };
  await Promise.all(Array.from({ length: CLIENTS }, (_, n) => client(n)));
  expect(kills).toEqual([]);
  expect(await server.stop()).toBe(0);
  expect(acknowledged.size).toBe(EVENTS);
  console.log(`${EVENTS} events, ${KILLS} kills, ${refused} calls sent again`);
  const rows = await query<Sent>(
    sandbox.database,
    "SELECT event_id::VARCHAR AS event_id, session_id FROM events",
  );
  expect(rows).toHaveLength(EVENTS);
  expect(new Set(rows.map(({ event_id }) => event_id))).toEqual(
    new Set(acknowledged.keys()),
  );
  const sessions = await sandbox.list("--component", "load");
  expect(sessions).toHaveLength(CLIENTS);
  for (const { command_count } of sessions)
    expect(command_count).toBe(CALLS * EVENTS_A_CALL - 1);
}, 400_000);

test("/health answers throughout an ingest at full rate", async () => {
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  let sending = true;
  const ingest = Promise.all(
    Array.from({ length: 64 }, async (_, n) => {
      for (const events of portions(n))
        expect(await send(server.url, events)).not.toBeNull();
    }),
  ).finally(() => (sending = false));
  let answers = 0;
  while (sending) {
    const response = await fetch(`${server.origin}/health`);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ status: "ok" });
    answers++;
  }
  await ingest;
  expect(answers).toBeGreaterThan(0);
});

/** @returns null when the server went away under the call */
async function send(
  url: string,
  events: object[],
): Promise<{ event_id: string; status: string }[] | null> {
  const sent_at = new Date().toISOString();
  const params = { name: "track_events", arguments: { sent_at, events } };
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        ...{ jsonrpc: "2.0", id: 1, method: "tools/call", params },
      }),
    });
    const { result } = (await response.json()) as {
      result?: { structuredContent?: { results: never[] } };
    };
    return result?.structuredContent?.results ?? null;
  } catch {
    // Killed, or not yet listening again: nothing was acknowledged.
    return null;
  }
}
