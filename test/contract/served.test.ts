/** What a server asks of its own store. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Event } from "../../src/model/event.ts";
import type { KeptStore } from "../../src/model/store.ts";
import {
  ID,
  annotation,
  at,
  command,
  end,
  recovered,
  start,
} from "../support/events.ts";
import { type KeptPlace, STORES } from "../support/stores.ts";
import { id } from "./expected.ts";

describe.each(STORES)("$kind:", ({ place: makePlace }) => {
  let place: KeptPlace;
  let store: KeptStore;

  beforeEach(async () => {
    place = await makePlace();
    store = await place.open();
  });
  afterEach(async () => {
    await store.close();
    await place[Symbol.asyncDispose]();
  });

  async function reopen(): Promise<void> {
    await store.close();
    store = await place.open();
  }

  describe("a summary", () => {
    const channel = "chan_0123456789ab";
    /** A start that its id does not name. */
    const odd = "sh-20250101-000000-0000000a";
    const first = (session_id: string) => start({ session_id });
    const starts = [ID, channel, odd].map(first);

    test("of what nobody has heard of is none", async () => {
      await store.append([starts[0]!]);
      for (const nobody of ["", "x", id(9), channel, odd]) {
        expect([nobody, await store.summary(nobody)]).toEqual([nobody, null]);
        await reopen();
        expect([nobody, await store.summary(nobody)]).toEqual([nobody, null]);
      }
    });

    test("says the start and whether an end is known, from memory and from the rows", async () => {
      const check = async (ended: boolean) => {
        for (const { session_id, event_id } of starts)
          expect([session_id, await store.summary(session_id)]).toEqual([
            session_id,
            { start_event_id: event_id, ended, reporter: "spool" },
          ]);
      };
      const steps: [(session_id: string) => Event, boolean][] = [
        [(session_id) => command(1, { session_id }), false],
        [(session_id) => recovered(2, { session_id }), false],
        [(session_id) => annotation(3, { session_id }), false],
        [(session_id) => recovered(4, { session_id }), false],
        [(session_id) => end(5, { session_id, end_source: "declared" }), true],
        [(session_id) => end(6, { session_id }), true],
      ];
      await store.append(starts);
      await check(false);
      for (const [event, ended] of steps) {
        await store.append(starts.map(({ session_id }) => event(session_id)));
        await check(ended);
        // Their rows are written, and memory lets go of what is closed.
        await store.idle();
        await check(ended);
        await reopen();
        await check(ended);
      }
    });

    test("of an end before its start knows no start yet", async () => {
      await store.append([end(9)]);
      for (const round of ["memory", "rows"]) {
        expect([round, await store.summary(ID)]).toEqual([
          round,
          { start_event_id: null, ended: true, reporter: "spool" },
        ]);
        await reopen();
      }
      const begun = start();
      await store.append([begun]);
      expect(await store.summary(ID)).toEqual({
        start_event_id: begun.event_id,
        ended: true,
        reporter: "spool",
      });
    });

    test("knows what is about to be stored, and forgets what failed", async () => {
      const [one, two] = [start(), start()];
      const storing = store.append([one]);
      expect(await store.summary(ID)).toEqual({
        start_event_id: one.event_id,
        ended: false,
        reporter: "spool",
      });
      const more = store.append([two, end(5)]);
      expect(await store.summary(ID)).toMatchObject({ ended: true });
      await Promise.all([storing, more]);
      const begun = [one, two].map(({ event_id }) => event_id).sort()[0]!;
      expect(await store.summary(ID)).toEqual({
        start_event_id: begun,
        ended: true,
        reporter: "spool",
      });
      const failing = store.append([
        start({ session_id: id(1) }),
        { ...command(1), timestamp: "1 o'clock" },
      ]);
      expect(await store.summary(id(1))).not.toBeNull();
      await expect(failing).rejects.toThrow();
      expect(await store.summary(id(1))).toBeNull();
    });

    test("of one among very many is right, when memory has let it go", async () => {
      const ids = Array.from({ length: 30_000 }, (_, n) => id(n));
      const begun = ids.map((session_id, n) =>
        start({ session_id, timestamp: at((n % 900) / 1_000) }),
      );
      const ends = ids
        .slice(0, 20_000)
        .map((session_id) => end(9, { session_id }));
      await store.append(begun);
      await store.append(ends);
      await store.idle();
      for (let n = 0; n < ids.length; n += 997)
        expect([n, await store.summary(ids[n]!)]).toEqual([
          n,
          {
            start_event_id: begun[n]!.event_id,
            ended: n < 20_000,
            reporter: "spool",
          },
        ]);
      // A late event finds its session all the same.
      await store.append([command(3, { session_id: ids[20_001]! })]);
      await store.append([command(3, { session_id: ids[1]! })]);
      for (const n of [1, 20_001])
        expect(await store.get(ids[n]!)).toMatchObject({
          status: n === 1 ? "ended" : "active",
          command_count: 1,
        });
      expect(await store.summary(id(30_001))).toBeNull();
      expect((await store.stats({})).sessions).toBe(30_000);
    });
  });

  test("the open sessions of a type are those without an end, newest first", async () => {
    const channel = (n: number) =>
      start({
        session_id: `chan_00000000000${n}`,
        session_type: "channel",
        timestamp: at(n),
      });
    await store.append([
      start(),
      ...[1, 2, 3, 4].map(channel),
      end(9, { session_id: "chan_000000000002" }),
      recovered(9, { session_id: "chan_000000000003" }),
    ]);
    await store.seen(new Map([["chan_000000000001", at(99)]]));
    for (const _ of ["memory", "rows"]) {
      const open = await store.open("channel");
      expect(open.map(({ session_id }) => session_id)).toEqual([
        "chan_000000000004",
        "chan_000000000001",
      ]);
      await store.idle();
    }
    expect((await store.open("channel"))[1]?.last_seen).toBe(at(99));
    expect(await store.open("ci_job")).toEqual([]);
  });
});
