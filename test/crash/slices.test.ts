/**
 * A server with more sessions than it writes rows of at once, killed with -9
 * while slices of them are under way: each that was acknowledged is there as it
 * was told, though its row was not written or was written half a life ago.
 */
import { expect, test } from "bun:test";
import { query } from "../support/database.ts";
import { Random } from "../support/random.ts";
import { Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";

const ROUNDS = 3;
/** Sessions a call. */
const CALL = 50;
/** Rows are written from here on. */
const DIRTY = 4_096;

interface Life {
  session_id: string;
  exit_code: number | null;
}

let made = 0;

/** A call's starts, and the ends of those of another call. */
function eventsOf(ending: readonly Life[]): { starts: Life[]; sent: object[] } {
  const timestamp = "2026-02-06T12:00:00.000Z";
  const base = { event_version: "1.0", timestamp };
  const starts: Life[] = [];
  const sent: object[] = [];
  for (let n = 0; n < CALL; n++) {
    const event_id = crypto.randomUUID();
    const session_id = `slice-20260206-120000-${event_id.slice(0, 8)}`;
    starts.push({ session_id, exit_code: null });
    sent.push({
      ...{ ...base, event_id, session_id, event_type: "session_start" },
      ...{ session_type: "admin_shell", component_name: "slice" },
      ...{ shell_type: "bash", hostname: "elsewhere", pid: 1_000 },
      user: { username: "les", home: "/home/les" },
      environment: { python_version: null, platform: "Linux", cwd: "/" },
      metadata: {},
    });
  }
  for (const life of ending) {
    const { session_id } = life;
    const exit_code = ++made % 200;
    sent.push({
      ...{ ...base, event_id: Bun.randomUUIDv7(), session_id },
      ...{ timestamp: "2026-02-06T12:00:09.000Z", event_type: "session_end" },
      ...{ end_source: "observed", exit_code, signal: null, metadata: {} },
    });
    life.exit_code = exit_code;
  }
  return { starts, sent };
}

test(`${ROUNDS} kills -9 between slices: every acknowledged session is as it was told`, async () => {
  const random = Random.seeded("slices");
  using sandbox = new Sandbox();
  const acknowledged = new Map<string, number | null>();
  let behind = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const server = await TestServer.start(sandbox);
    const killAt = acknowledged.size + DIRTY + random.int(500, 3_000);
    const client = async () => {
      let last: Life[] = [];
      while (acknowledged.size < killAt) {
        const { starts, sent } = eventsOf(last.slice(0, CALL / 2));
        const ended = last.slice(0, CALL / 2);
        const sent_at = new Date().toISOString();
        const { result } = await server.call("track_events", {
          ...{ sent_at, events: sent },
        });
        const results = result["results"] as { status: string }[];
        expect(results.every(({ status }) => status === "stored")).toBeTrue();
        for (const life of [...starts, ...ended])
          acknowledged.set(life.session_id, life.exit_code);
        last = starts;
      }
      await server.stop("SIGKILL");
    };
    // Of calls under way at the kill nothing is known: they are not counted.
    await Promise.allSettled(Array.from({ length: 16 }, client));
    expect(server.child.signalCode).toBe("SIGKILL");
    const [lag] = await query<{ lag: number }>(
      sandbox.database,
      `SELECT ((SELECT max(seq) FROM events) - (SELECT seq FROM folded))::INT AS lag`,
    );
    behind += lag!.lag > 0 ? 1 : 0;

    const told = new Map(
      (await sandbox.list("--component", "slice")).map((session) => [
        session.session_id,
        session.exit_code,
      ]),
    );
    for (const [session_id, exit_code] of acknowledged)
      // An end that was sent and not acknowledged may be there.
      expect(told.get(session_id)).toBe(exit_code ?? told.get(session_id));
    expect([...acknowledged.keys()].filter((id) => !told.has(id))).toEqual([]);
  }
  // Else no slice was left to be made good.
  expect(behind).toBe(ROUNDS);
}, 600_000);
