/**
 * Time that does not go as it should: a clock that was set, a machine that was
 * suspended. Statuses stay right, and no duration is negative.
 */
import { describe, expect, test } from "bun:test";
import { rmSync, utimesSync } from "node:fs";
import { join } from "node:path";
import type { Event } from "../../src/model/event.ts";
import type { Session } from "../../src/model/session.ts";
import { ensureSpool } from "../../src/spool/write.ts";
import { annotation, command, end } from "../support/events.ts";
import { Live } from "../support/live.ts";
import { NO_JIT, Sandbox } from "../support/sandbox.ts";
import { id, leave, life, lines } from "../support/spool.ts";
import { stopped } from "../support/wait.ts";

const DAY_MS = 86_400_000;
const at = (ms: number) => new Date(ms).toISOString();

/** A session whose wrapper and program are gone, by what they left. */
async function left(
  events: Event[],
  touched_ms: number,
): Promise<{ sandbox: Sandbox; session: Session }> {
  const sandbox = new Sandbox();
  const file = leave(sandbox, `${id(1)}.ndjson`, lines(events));
  utimesSync(file, new Date(touched_ms), new Date(touched_ms));
  return { sandbox, session: await sandbox.only() };
}

/** A life that begins at a moment, and what happens in it. */
function begun(at_ms: number, ...more: Event[]): Event[] {
  return life(1, ...more).map((event, n) =>
    n < 2 ? { ...event, timestamp: at(at_ms + n) } : event,
  );
}

describe("the clock was set while a session ran that was killed:", () => {
  const now = Date.now();
  const hour_ago = now - 3_600_000;
  const cases: [string, Event[], number, string, number][] = [
    [
      "back, so that it began in times to come",
      begun(now + DAY_MS),
      now,
      at(now + DAY_MS + 1),
      0.001,
    ],
    [
      "back, so that things happened in times to come",
      begun(hour_ago, command(0, { timestamp: at(now + DAY_MS) })),
      now,
      at(now + DAY_MS),
      90_000,
    ],
    [
      "forward and back, so that its events are out of order",
      begun(
        hour_ago,
        command(0, { timestamp: at(hour_ago + 60_000) }),
        annotation(0, { timestamp: at(hour_ago - 60_000) }),
      ),
      hour_ago + 30_000,
      at(hour_ago + 60_000),
      60,
    ],
    [
      "back, so that its last sign of life lies before its start",
      begun(hour_ago),
      hour_ago - DAY_MS,
      at(hour_ago + 1),
      0.001,
    ],
    [
      "forward, a day between two signs of life",
      begun(now - DAY_MS),
      now - 1_000,
      at(now - 1_000),
      86_399,
    ],
  ];
  test.each(cases)("%s", async (_, events, touched_ms, end_time, seconds) => {
    const { sandbox, session } = await left(events, touched_ms);
    expect(session).toMatchObject({
      status: "lost",
      end_source: "recovered",
      end_time,
      last_seen: end_time,
      duration_seconds: seconds,
    });
    // What was found stays so.
    expect(await sandbox.only()).toEqual(session);
    sandbox[Symbol.dispose]();
  });

  test("back, so that its last sign of life lies in times to come: it ends now at most", async () => {
    const before = Date.now();
    const { sandbox, session } = await left(begun(hour_ago), before + DAY_MS);
    expect(session.status).toBe("lost");
    const end_ms = Date.parse(session.end_time!);
    expect(end_ms).toBeGreaterThanOrEqual(before);
    expect(end_ms).toBeLessThanOrEqual(Date.now());
    sandbox[Symbol.dispose]();
  });
});

test("an end that lies before the start counts, with no duration and a note", async () => {
  const now = Date.now();
  const ending = end(0, { timestamp: at(now - DAY_MS), exit_code: 3 });
  const { sandbox, session } = await left(begun(now, ending), now);
  expect(session).toMatchObject({
    status: "ended",
    exit_code: 3,
    end_time: at(now - DAY_MS),
    duration_seconds: 0,
    metadata: { clock_skew: true },
  });
  sandbox[Symbol.dispose]();
});

test("an end that lies before other events of its session counts", async () => {
  const now = Date.now();
  const { sandbox, session } = await left(
    begun(
      now - 60_000,
      command(0, { timestamp: at(now + DAY_MS) }),
      end(0, { timestamp: at(now), exit_code: 0 }),
    ),
    now,
  );
  expect(session).toMatchObject({ status: "ended", duration_seconds: 60 });
  sandbox[Symbol.dispose]();
});

test("a session under way that was touched in times to come was last seen now", async () => {
  using sandbox = new Sandbox();
  await using live = await Live.begin(sandbox);
  await live.quiet();
  const before = Date.now();
  const future = new Date(before + DAY_MS);
  utimesSync(live.file, future, future);
  const session = await sandbox.only();
  expect(session.status).toBe("active");
  const seen_ms = Date.parse(session.last_seen);
  expect(seen_ms).toBeGreaterThanOrEqual(before);
  expect(seen_ms).toBeLessThanOrEqual(Date.now());
});

test("what was touched in times to come, by nobody knows whom, is no sign of life", async () => {
  using sandbox = new Sandbox();
  const name = `${id(1)}.ndjson`;
  const hour_ago = Date.now() - 3_600_000;
  utimesSync(
    leave(sandbox, name, lines(life(1))),
    hour_ago / 1_000,
    hour_ago / 1_000,
  );
  const lost = await sandbox.only();
  expect(lost.status).toBe("lost");
  // As a drain without locks reads it, while another finds that it is lost.
  const future = new Date(Date.now() + DAY_MS);
  utimesSync(leave(sandbox, name, lines(life(1))), future, future);
  await sandbox.run(["drain"], { env: NO_JIT });
  rmSync(join(ensureSpool(sandbox.data), name));
  expect(await sandbox.only()).toEqual(lost);
});

describe("suspended, as with a laptop:", () => {
  for (const env of [{}, NO_JIT])
    test(`a session stays active however long, and goes on (${Object.keys(env).length ? "without" : "with"} locks)`, async () => {
      using sandbox = new Sandbox();
      await using live = await Live.begin(sandbox, env);
      await live.quiet();
      live.wrapper.kill("SIGSTOP");
      process.kill(live.child, "SIGSTOP");
      await stopped(live.wrapper.pid);
      await stopped(live.child);
      const long_ago = new Date(Date.now() - 30 * DAY_MS);
      utimesSync(live.file, long_ago, long_ago);
      expect((await sandbox.only()).status).toBe("active");
      // A wrapper that wakes beside a program that is stopped stops with it.
      process.kill(live.child, "SIGCONT");
      live.wrapper.kill("SIGCONT");
      await live.end(6);
      expect(await sandbox.only()).toMatchObject({
        status: "ended",
        end_source: "observed",
        exit_code: 6,
      });
    });

  test("a session whose wrapper was killed stays active while its program is stopped", async () => {
    using sandbox = new Sandbox();
    await using live = await Live.begin(sandbox);
    await live.killWrapper();
    process.kill(live.child, "SIGSTOP");
    await stopped(live.child);
    expect((await sandbox.only()).status).toBe("active");
    process.kill(live.child, "SIGCONT");
    await live.endChild();
    expect((await sandbox.only()).status).toBe("lost");
  });
});
