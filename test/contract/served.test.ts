/** What a server asks of its own store. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Event } from "../../src/model/event.ts";
import type { Provenance } from "../../src/model/reporter.ts";
import type { Conversation, KeptStore } from "../../src/model/store.ts";
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
        start({ session_id: id(1), timestamp: "1 o'clock" }),
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

  describe("a beginning", () => {
    const ids = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => id(n));
    const by = (subject: string): Provenance => ({
      ...{ via: "tcp", uid: null, subject, address: "192.0.2.7" },
      reporter: `token:${subject}`,
    });
    const web = by("web01");
    const begun = () => start({ session_id: "" });

    test("takes the first id that no other has, and the same one again", async () => {
      await store.append([start({ session_id: ids[0]! })]);
      const one = begun();
      const taken = { session_id: ids[1]!, how: "new" as const };
      expect(await store.begin(one, ids, web)).toEqual(taken);
      for (const _ of ["memory", "rows"]) {
        expect(await store.begin(one, ids, web)).toEqual({
          ...{ ...taken, how: "known" },
        });
        await reopen();
      }
      expect(await store.get(ids[1]!)).toMatchObject({
        ...{ status: "active", reporter: "token:web01" },
      });
      expect((await Array.fromAsync(store.events({}))).length).toBe(2);
    });

    test("of many at once gives each its own", async () => {
      const all = await Promise.all(
        ids.map(() => store.begin(begun(), ids, web)),
      );
      expect(all.map(({ session_id }) => session_id).sort()).toEqual(ids);
      const same = begun();
      const more = [...ids, id(10), id(11)];
      const known = await Promise.all(
        [1, 2, 3].map(() => store.begin(same, more, web)),
      );
      expect(known.map(({ session_id }) => session_id)).toEqual(
        Array(3).fill(id(10)),
      );
      expect(known.filter(({ how }) => how === "new")).toHaveLength(1);
    });

    test("takes an id of which its own end came first, and no other's", async () => {
      await store.append([end(9, { session_id: ids[0]! })], by("other"));
      await store.append([end(9, { session_id: ids[1]! })], web);
      const { session_id } = await store.begin(begun(), ids, web);
      expect(session_id).toBe(ids[1]!);
    });

    test("of a conversation is one until that has ended", async () => {
      const spoken = (name: string): Conversation => ({
        ...{ username: "U01", keys: [name, `old ${name}`] },
        keyOf: ({ metadata }) => `old ${metadata["channel_id"]}`,
      });
      const of = (n: number, channel_id: string) =>
        start({
          ...{ session_id: id(n), session_type: "channel", timestamp: at(n) },
          user: { username: "U01", home: "" },
          metadata: { channel_id },
        });
      // From before anybody kept what it is known by.
      await store.append([of(20, "past")]);
      expect(await store.going(spoken("now"))).toBeNull();
      const [first, second] = [of(1, "now"), of(2, "now")];
      expect(await store.begin(first, ids, web, spoken("now"))).toEqual({
        ...{ session_id: ids[0]!, how: "new" },
      });
      for (const _ of ["memory", "rows"]) {
        expect(await store.going(spoken("now"))).toBe(ids[0]!);
        expect(await store.going(spoken("past"))).toBe(id(20));
        expect(await store.begin(second, ids, web, spoken("now"))).toEqual({
          ...{ session_id: ids[0]!, how: "going" },
        });
        expect(
          (await store.begin(of(3, "past"), ids, web, spoken("past"))).how,
        ).toBe("going");
        await reopen();
      }
      expect(await store.going(spoken("now"))).toBe(ids[0]!);
      await store.bring([recovered(9, { session_id: ids[0]! })], null);
      expect(await store.going(spoken("now"))).toBe(ids[0]!);
      await store.append([end(10, { session_id: ids[0]! })], web);
      for (const _ of ["memory", "rows"]) {
        expect(await store.going(spoken("now"))).toBeNull();
        await reopen();
      }
      const next = await store.begin(second, ids, web, spoken("now"));
      expect(next).toEqual({ session_id: ids[1]!, how: "new" });
      // Nor is a start that was sent again another one.
      const again = await store.begin(first, ids, web, spoken("now"));
      expect(again).toEqual({ session_id: ids[0]!, how: "known" });
      const at_once = await Promise.all(
        [4, 5, 6].map((n) => store.begin(of(n, "x"), ids, web, spoken("x"))),
      );
      expect(new Set(at_once.map(({ session_id }) => session_id)).size).toBe(1);
    });
  });
});
