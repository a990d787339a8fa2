import { expect, test } from "bun:test";
import type { Event } from "../../src/model/event.ts";
import { fold, view } from "../../src/model/session.ts";
import { anyProcessWith } from "../../src/os/proc.ts";
import { query } from "../support/database.ts";
import { Random } from "../support/random.ts";
import { Sandbox } from "../support/sandbox.ts";
import { until } from "../support/wait.ts";
import { Harness } from "./harness.ts";

const KILLS = 200;
const OF_EACH = 50;

test(`${KILLS} kills at any moment lose no event, double none, and leave nobody active`, async () => {
  const random = Random.seeded("kill -9");
  using sandbox = new Sandbox();
  // The native library is unpacked once, not under fire.
  await sandbox.run(["list-sessions"]);
  const harness = new Harness(sandbox, random);
  const { kills } = harness;
  const total = () => kills.wrapper + kills.drain + kills.reader;
  while (total() < KILLS || Math.min(...Object.values(kills)) < OF_EACH) {
    const wrappers = kills.wrapper < OF_EACH || random.chance(0.2);
    await Promise.all([
      wrappers && random.chance(0.5) ? harness.killWrapper() : null,
      wrappers && random.chance(0.3) ? harness.killWrapper() : null,
      kills.drain < OF_EACH && (kills.reader >= OF_EACH || random.chance(0.6))
        ? harness.killDrain()
        : harness.killReader(),
    ]);
  }
  console.log(`kill -9: ${JSON.stringify(kills)}`);

  const wrapped = new Set([...harness.seen.values()].map((e) => e.session_id));
  await until("the wrapped programs to end", () =>
    [...wrapped].every(
      (id) => !anyProcessWith(`SESSION_BUDDY_SESSION_ID=${id}`),
    ),
  );
  harness.look();
  const sessions = await sandbox.list();
  harness.look();

  const stored = (
    await query<{ payload: string }>(
      sandbox.database,
      "SELECT payload FROM events",
    )
  ).map(({ payload }) => JSON.parse(payload) as Event);
  const ids = new Set(stored.map((event) => event.event_id));
  expect(stored).toHaveLength(ids.size);
  const missing = [...harness.seen.keys()].filter((id) => !ids.has(id));
  expect(missing).toEqual([]);
  // Nothing is there that was in no file.
  const invented = stored.filter((event) => !harness.seen.has(event.event_id));
  expect(invented).toEqual([]);

  const byId = Map.groupBy(stored, (event) => event.session_id);
  const wanted = [...byId].flatMap(
    ([id, events]) => view(fold(id, events), 0) ?? [],
  );
  const summary = (s: {
    session_id: string;
    status: string;
    end_time: string | null;
    command_count?: number | null;
  }) => `${s.session_id} ${s.status} ${s.end_time} ${s.command_count}`;
  expect(sessions.map(summary).sort()).toEqual(wanted.map(summary).sort());
  expect(sessions.filter((session) => session.status === "active")).toEqual([]);
  console.log(
    `kill -9: ${stored.length} events, ${sessions.length} sessions, all accounted for`,
  );
}, 180_000);
