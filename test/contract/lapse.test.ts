/** Sessions that came over the wire: how they are lost, and come back. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { SessionStart } from "../../src/model/event.ts";
import { bootId, pidNamespace, processStat } from "../../src/os/proc.ts";
import type { KeptStore } from "../../src/model/store.ts";
import { command, end, start } from "../support/events.ts";
import { type KeptPlace, STORES } from "../support/stores.ts";
import { gone } from "../support/wait.ts";
import { listed } from "./expected.ts";

const DAY_MS = 86_400_000;

const iso = (ms: number) => new Date(ms).toISOString();
const channel = (n: number) => `chan_${n.toString(16).padStart(12, "0")}`;

describe.each(STORES)("$kind:", ({ kind, place: makePlace }) => {
  const shared = kind !== "DuckDB";
  let place: KeptPlace;
  let store: KeptStore;
  let opened_ms: number;
  let looked_ms: number;

  const open = async () => {
    opened_ms = looked_ms = Date.now();
    store = await place.open();
  };
  beforeEach(async () => {
    place = await makePlace();
    await open();
  });
  afterEach(async () => {
    await store.close();
    await place[Symbol.asyncDispose]();
  });
  const reopen = async () => {
    await store.close();
    await open();
  };

  const lapse = (after_ms: number) =>
    store.expireLeases(opened_ms + after_ms, DAY_MS);

  /** Goes on looking until then, as often as a server does. */
  async function listen(until_ms: number): Promise<number> {
    let lost = 0;
    do {
      looked_ms = Math.min(until_ms, looked_ms + 1_000);
      lost += await store.expireLeases(looked_ms, DAY_MS);
    } while (looked_ms < until_ms);
    return lost;
  }

  /** A session of the wire, begun when the store was opened. */
  async function begin(
    session_id: string,
    facts: Partial<SessionStart>,
  ): Promise<string> {
    const timestamp = iso(opened_ms);
    await store.append([start({ session_id, timestamp, ...facts })]);
    return timestamp;
  }

  /**
   * A store of its own whose clock is moved, with a look each second, and a session
   * that has just begun.
   */
  async function withOwnClock(facts: Partial<SessionStart>) {
    let now_ms = opened_ms;
    const own = await makePlace();
    const now = () => now_ms;
    let moved = await own.open({ now });
    await moved.append([start({ timestamp: iso(now_ms), ...facts })]);
    return {
      get store() {
        return moved;
      },
      now,
      async reopen() {
        await moved.close();
        moved = await own.open({ now });
      },
      async listen(ms: number): Promise<number> {
        let lost = 0;
        for (const until_ms = now_ms + ms; now_ms < until_ms; now_ms += 1_000)
          lost += await moved.expireLeases(now_ms, DAY_MS);
        return lost;
      },
      async [Symbol.asyncDispose]() {
        await moved.close();
        await own[Symbol.asyncDispose]();
      },
    };
  }

  const ends = async () =>
    (await Array.fromAsync(store.events({ kinds: ["session_end"] }))).length;

  describe("a session with a lease", () => {
    const ID = channel(1);
    const lapse = (after_ms: number) => listen(opened_ms + after_ms);

    test("is lost at its last sign of life once the lease has run out", async () => {
      await begin(ID, { lease_seconds: 60 });
      const sign = iso(opened_ms + 30_000);
      await store.seen(new Map([[ID, sign]]));
      expect(await lapse(80_000)).toBe(0);
      expect((await store.get(ID))?.status).toBe("active");
      expect(await lapse(95_000)).toBe(1);
      const lost = {
        status: "lost",
        end_source: "recovered",
        end_time: sign,
        last_seen: sign,
        duration_seconds: 30,
        metadata: { exit_reason: "lost" },
      };
      expect(await store.get(ID)).toMatchObject(lost);
      // Once is enough, in this process and the next.
      expect(await lapse(99_000)).toBe(0);
      await reopen();
      expect(await lapse(600_000)).toBe(0);
      expect(await store.get(ID)).toMatchObject(lost);
      expect(await ends()).toBe(1);
    });

    test("is closed once by two who see it at once", async () => {
      await begin(ID, { lease_seconds: 60 });
      expect(
        (await Promise.all([lapse(99_000), lapse(99_000)])).toSorted(),
      ).toEqual([0, 1]);
      expect(await ends()).toBe(1);
    });

    test("lives while signs of life come in time, by the store's clock", async () => {
      const begun = { session_id: ID, lease_seconds: 60 };
      await using lived = await withOwnClock(begun);
      const { listen } = lived;
      for (let i = 0; i < 5; i++) {
        expect(await listen(59_000)).toBe(0);
        await lived.store.seen(new Map([[ID, iso(lived.now())]]));
      }
      expect(await lived.store.get(ID)).toMatchObject({
        status: "active",
        last_seen: iso(lived.now()),
      });
      expect(await listen(59_000)).toBe(0);
      expect(await listen(20_000)).toBe(1);
      expect((await lived.store.get(ID))?.status).toBe("lost");
    });

    test("has one lease from the moment that the store was opened", async () => {
      const timestamp = iso(opened_ms - 3_600_000);
      const begun = { session_id: ID, lease_seconds: 60, timestamp };
      await using lived = await withOwnClock(begun);
      await lived.reopen();
      expect(await lived.listen(50_000)).toBe(0);
      expect(await lived.listen(30_000)).toBe(1);
      expect((await lived.store.get(ID))?.end_time).toBe(timestamp);
    });

    test("is watched although the first that came of it was not stored", async () => {
      const begun = { session_id: ID, lease_seconds: 60 };
      await using lived = await withOwnClock(begun);
      await lived.reopen();
      const broken = command(0, { session_id: ID, timestamp: "1 o'clock" });
      await expect(lived.store.append([broken])).rejects.toThrow();
      expect(await lived.listen(80_000)).toBe(1);
    });

    test("lives by our clock, however wrong its own", async () => {
      const begun = { session_id: ID, lease_seconds: 60 };
      await using lived = await withOwnClock(begun);
      const { listen } = lived;
      expect(await listen(40_000)).toBe(0);
      // Its clock stands an hour behind.
      const behind = iso(opened_ms - 3_600_000);
      const sent = command(0, { session_id: ID, timestamp: behind });
      await lived.store.append([sent]);
      expect(await listen(50_000)).toBe(0);
      await lived.store.seen(new Map([[ID, behind]]));
      expect(await listen(50_000)).toBe(0);
      expect(await listen(20_000)).toBe(1);
    });

    test("comes back with a later event", async () => {
      await begin(ID, { lease_seconds: 60 });
      await lapse(99_000);
      const timestamp = iso(opened_ms + 100_000);
      await store.append([command(0, { session_id: ID, timestamp })]);
      expect(await store.get(ID)).toMatchObject({
        status: "active",
        end_time: null,
        last_seen: timestamp,
      });
      // And may be lost again.
      expect(await lapse(150_000)).toBe(0);
      expect(await lapse(180_000)).toBe(1);
      expect((await store.get(ID))?.end_time).toBe(timestamp);
    });

    for (const [when, pause] of [
      ["at once", async () => {}],
      ["when its row is written", () => store.idle()],
      ["after a restart", () => reopen()],
    ] as const)
      test(`comes back with a later sign of life, ${when}`, async () => {
        const begun = await begin(ID, { lease_seconds: 60 });
        await lapse(99_000);
        await pause();
        // Not with one that is no news.
        await store.seen(new Map([[ID, begun]]));
        expect((await store.get(ID))?.status).toBe("lost");
        const signs = [100_000, 110_000, 120_000].map((ms) =>
          iso(Date.parse(begun) + ms),
        );
        for (const sign of signs) {
          await store.seen(new Map([[ID, sign]]));
          expect(await store.get(ID)).toMatchObject({
            status: "active",
            end_source: null,
            last_seen: sign,
          });
        }
        // The first of them alone was worth an event.
        const kinds = (await Array.fromAsync(store.events({}))).map(
          ({ event }) => event.event_type,
        );
        expect(kinds).toEqual(["session_start", "session_end", "annotation"]);
        await reopen();
        expect(await store.get(ID)).toMatchObject({
          status: "active",
          // The last ones are kept where others read them, too.
          last_seen: shared ? signs[2] : signs[0],
        });
      });

    test("comes back with a sign that comes while it is being closed", async () => {
      const begun = { session_id: ID, lease_seconds: 60 };
      await using lived = await withOwnClock(begun);
      const { store } = lived;
      expect(await lived.listen(50_000)).toBe(0);
      let over = false;
      const lapsing = lived.listen(30_000).finally(() => (over = true));
      while (store.facts().queued_events === 0 && !over)
        await new Promise(setImmediate);
      const sign = iso(opened_ms + 60_500);
      await store.seen(new Map([[ID, sign]]));
      expect(await lapsing).toBe(1);
      expect(await store.get(ID)).toMatchObject({
        status: "active",
        last_seen: sign,
      });
    });

    test("has a whole lease after the server was stopped, suspended or misled by its clock", async () => {
      await begin(ID, { lease_seconds: 60 });
      expect(await lapse(50_000)).toBe(0);
      // Nobody looked for an hour; then an hour forward, and a day back.
      for (const jump_ms of [3_600_000, 7_200_000, -DAY_MS]) {
        looked_ms = opened_ms + jump_ms;
        expect(await store.expireLeases(looked_ms, DAY_MS)).toBe(0);
        expect(await listen(looked_ms + 50_000)).toBe(0);
      }
      expect(await listen(looked_ms + 20_000)).toBe(1);
      expect((await store.get(ID))?.status).toBe("lost");
    });

    test("whose clock is ahead comes back with the next sign of life, too", async () => {
      const ahead = iso(opened_ms + 3_600_000);
      const begun = { session_id: ID, lease_seconds: 60, timestamp: ahead };
      await using lived = await withOwnClock(begun);
      const { listen, reopen } = lived;
      expect(await listen(80_000)).toBe(1);
      const lost = { status: "lost", end_time: ahead, duration_seconds: 0 };
      expect(await lived.store.get(ID)).toMatchObject(lost);
      // One from before it was found lost is no news.
      const before = iso(opened_ms - 1_000);
      for (const pause of [async () => {}, () => lived.store.idle(), reopen]) {
        await pause();
        await lived.store.seen(new Map([[ID, before]]));
        expect(await lived.store.get(ID)).toMatchObject(lost);
      }
      // A database dates what comes to it by a clock of its own.
      const sign = iso(Math.max(lived.now(), Date.now()));
      await lived.store.seen(new Map([[ID, sign]]));
      expect(await lived.store.get(ID)).toMatchObject({
        status: "active",
        end_time: null,
      });
      // And may be lost again.
      expect(await listen(50_000)).toBe(0);
      expect(await listen(30_000)).toBe(1);
      expect((await lived.store.get(ID))?.status).toBe("lost");
    });

    test("that has ended stays so, whatever signs still come", async () => {
      const begun = await begin(ID, { lease_seconds: 60 });
      await store.append([end(0, { session_id: ID, timestamp: begun })]);
      for (const pause of [async () => {}, () => store.idle(), reopen]) {
        await pause();
        const sign = iso(Date.parse(begun) + 50_000);
        await store.seen(new Map([[ID, sign]]));
        expect(await store.get(ID)).toMatchObject({
          status: "ended",
          last_seen: begun,
        });
        expect(await lapse(600_000)).toBe(0);
      }
      expect(await Array.fromAsync(store.events({}))).toHaveLength(2);
    });
  });

  describe("a session that never sends a heartbeat", () => {
    const ID = channel(2);

    test("is lost after the timeout", async () => {
      const begun = await begin(ID, { lease_seconds: null });
      for (const _ of ["memory", "rows"]) {
        expect(
          await store.expireLeases(Date.parse(begun) + DAY_MS, DAY_MS),
        ).toBe(0);
        expect((await store.get(ID))?.status).toBe("active");
        await reopen();
      }
      // Where it is kept when it was heard of, that was later than it began.
      const later_ms = shared ? 60_000 : 1;
      expect(
        await store.expireLeases(Date.parse(begun) + DAY_MS + later_ms, DAY_MS),
      ).toBe(1);
      expect(await store.get(ID)).toMatchObject({
        status: "lost",
        end_time: begun,
      });
    });

    test("whose start came late from a clock long past is not lost at once", async () => {
      await begin(ID, { lease_seconds: null, timestamp: iso(opened_ms - 9e9) });
      expect(await lapse(3_600_000)).toBe(0);
      expect((await store.get(ID))?.status).toBe("active");
    });

    test("whose start came from a clock far ahead is lost after the timeout too", async () => {
      await begin(ID, {
        lease_seconds: null,
        timestamp: iso(opened_ms + 9e11),
      });
      expect(await lapse(DAY_MS - 1_000)).toBe(0);
      await reopen();
      expect(await lapse(DAY_MS - 1_000)).toBe(0);
      expect(await lapse(DAY_MS + 60_000)).toBe(1);
    });

    const processFacts = (pid: number) => ({
      pid,
      lease_seconds: null,
      start_ticks: processStat(pid)!.start_ticks,
      pid_namespace: pidNamespace(),
      boot_id: bootId(),
    });

    test("lives as long as its process on this host does", async () => {
      const child = Bun.spawn(["sleep", "600"]);
      await begin(ID, processFacts(child.pid));
      expect(await lapse(1_000)).toBe(0);
      await reopen();
      // Beyond any timeout, and each look is a sign of life.
      const sign = iso(opened_ms + 9 * DAY_MS);
      expect(await lapse(9 * DAY_MS)).toBe(0);
      expect(await store.get(ID)).toMatchObject({
        status: "active",
        last_seen: sign,
      });
      child.kill();
      await gone(child.pid);
      await child.exited;
      expect(await lapse(9 * DAY_MS + 1_000)).toBe(1);
      expect(await store.get(ID)).toMatchObject({
        status: "lost",
        end_time: sign,
      });
    });

    test("waits for the timeout when its process cannot be seen from here", async () => {
      await begin(ID, {
        ...processFacts(process.pid),
        pid_namespace: "pid:[another]",
      });
      expect(await lapse(DAY_MS - 1_000)).toBe(0);
      expect(await lapse(DAY_MS + 60_000)).toBe(1);
    });

    test("is not timed out by a clock that was set back", async () => {
      await begin(ID, { lease_seconds: null });
      expect(await lapse(-9 * DAY_MS)).toBe(0);
      expect(await lapse(DAY_MS - 1_000)).toBe(0);
      expect(await lapse(DAY_MS + 60_000)).toBe(1);
    });

    test("every one of very many is looked for in time", async () => {
      const child = Bun.spawn(["sleep", "600"]);
      const ended = processFacts(child.pid);
      child.kill();
      await child.exited;
      await store.append(
        Array.from({ length: 300 }, (_, n) =>
          start({
            session_id: channel(n),
            timestamp: iso(opened_ms),
            ...(n === 290 ? ended : processFacts(process.pid)),
          }),
        ),
      );
      let lost = 0;
      for (let second = 1; second <= 3; second++)
        lost += await lapse(second * 1_000);
      expect(lost).toBe(1);
      expect((await store.get(channel(290)))?.status).toBe("lost");
      expect(await listed(store, { status: "active" })).toHaveLength(299);
    });

    test("from before a boot is gone with it; from another host's it may live", async () => {
      const boot_id = "another";
      await begin(ID, { ...processFacts(process.pid), boot_id });
      expect(await lapse(1_000)).toBe(shared ? 0 : 1);
      expect(await lapse(DAY_MS + 60_000)).toBe(shared ? 1 : 0);
    });
  });

  test("a session of this host's spool is left to the spool", async () => {
    await begin(channel(3), {});
    expect(await lapse(99 * DAY_MS)).toBe(0);
    await reopen();
    expect(await lapse(99 * DAY_MS)).toBe(0);
    expect((await store.get(channel(3)))?.status).toBe("active");
  });
});
