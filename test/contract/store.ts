/**
 * What every store must do: one suite, run against each backend.
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Event } from "../../src/model/event.ts";
import type { SessionFilter } from "../../src/model/filter.ts";
import type { SessionStore } from "../../src/model/store.ts";
import {
  ID,
  annotation,
  at,
  command,
  end,
  processOf,
  randomLife,
  recovered,
  start,
} from "../support/events.ts";
import { Random } from "../support/random.ts";
import type { KeptPlace, Kind } from "../support/stores.ts";
import { analyses } from "./analytics.ts";
import { commandsOfSessions } from "./commands.ts";
import { expectFold, expected, id, listed } from "./expected.ts";
import { eventsAndStats } from "./events.ts";
import { hostileText } from "./hostile.ts";
import { searches } from "./search.ts";
import { listing } from "./listing.ts";
import { queries } from "./queries.ts";

export function storeContract({ kind, place: makePlace }: Kind): void {
  describe(`${kind}:`, () => {
    let place: KeptPlace;
    let store: SessionStore;

    beforeEach(async () => {
      place = await makePlace();
      store = await place.open();
    });
    afterEach(async () => {
      await store.close();
      await place[Symbol.asyncDispose]();
    });
    const reopen = async () => {
      await store.close();
      store = await place.open();
    };

    describe("append", () => {
      test("of nothing stores nothing", async () => {
        expect((await store.append([])).size).toBe(0);
        expect(await listed(store)).toEqual([]);
      });

      test("stores an event once: within a batch, across batches, across a reopen", async () => {
        const events = [start(), command(1), command(2), end(9)];
        expect((await store.append([...events, ...events])).size).toBe(4);
        expect((await store.append(events)).size).toBe(0);
        const more = command(3);
        expect((await store.append([events[1]!, more, events[3]!])).size).toBe(
          1,
        );
        await reopen();
        expect((await store.append([...events, more])).size).toBe(0);
        await expectFold(store, [...events, more]);
        expect((await store.get(ID))?.command_count).toBe(3);
      });

      test("says which were new", async () => {
        const events = [start(), command(1), command(2)];
        const ids = events.map(({ event_id }) => event_id);
        expect([...(await store.append(events.slice(0, 2)))].sort()).toEqual(
          ids.slice(0, 2).sort(),
        );
        expect([...(await store.append(events))]).toEqual([ids[2]!]);
      });

      test("of a heartbeat keeps nothing", async () => {
        const beat = command(9, { event_type: "heartbeat" });
        const first = start();
        expect([...(await store.append([beat, first]))]).toEqual([
          first.event_id,
        ]);
        expect((await store.append([beat])).size).toBe(0);
        expect(await Array.fromAsync(store.events({}))).toHaveLength(1);
        await expectFold(store, [first]);
      });

      test("called many times at once stores each event once", async () => {
        const events = [
          start(),
          ...[1, 2, 3, 4].map((n) => command(n)),
          end(9),
        ];
        const counts = await Promise.all(
          Array.from({ length: 8 }, () => store.append(events)),
        );
        expect(counts.reduce((sum, { size }) => sum + size, 0)).toBe(6);
        await expectFold(store, events);
      });

      test("may go on while others list and get", async () => {
        const starts = Array.from({ length: 6_000 }, (_, n) =>
          start({ session_id: id(n), timestamp: at(n) }),
        );
        await store.append(starts);
        let rows = 0;
        for await (const session of store.list({})) {
          if (rows++ % 1_000 === 0) {
            expect(await store.get(session.session_id)).not.toBeNull();
            await store.append([
              end(9_000, { session_id: session.session_id }),
            ]);
          }
        }
        expect(rows).toBe(6_000);
        expect(await listed(store, { status: "ended" })).toHaveLength(6);
      });

      test("in any order and any batching makes the sessions of the fold", async () => {
        const random = Random.seeded(`${kind}: batching`);
        for (let round = 0; round < 12; round++) {
          const events = Array.from({ length: random.int(1, 8) }, () =>
            randomLife(random),
          ).flat();
          const before = await listed(store);
          expect(before).toEqual([]);
          for (const batch of random.batches(random.shuffled(events))) {
            await store.append(batch);
            if (random.chance(0.3)) await listed(store, { limit: 1 });
            if (random.chance(0.2)) await reopen();
          }
          await expectFold(store, events);
          await store.close();
          await place[Symbol.asyncDispose]();
          place = await makePlace();
          store = await place.open();
        }
      });
    });

    describe("a late event", () => {
      test("of a closed session rewrites its row and never doubles it", async () => {
        const events: Event[] = [start(), recovered(5)];
        await store.append(events);
        await expectFold(store, events);
        for (const late of [
          command(3),
          end(7, { exit_code: 4 }),
          annotation(6),
        ]) {
          await reopen();
          events.push(late);
          expect((await store.append([late])).size).toBe(1);
          await expectFold(store, events);
          await expectFold(store, events);
        }
        expect((await store.get(ID))?.exit_code).toBe(4);
      });

      test("may reopen a session, which may be lost again", async () => {
        const events: Event[] = [start(), recovered(5)];
        await store.append(events);
        expect((await store.get(ID))?.status).toBe("lost");
        for (const [late, status] of [
          [command(6), "active"],
          [recovered(8), "lost"],
          [end(9), "ended"],
        ] as const) {
          await store.append([late]);
          events.push(late);
          expect((await store.get(ID))?.status).toBe(status);
          await expectFold(store, events);
          await reopen();
          await expectFold(store, events);
        }
      });

      test("that comes twice leaves the row alone", async () => {
        const events = [start(), end(5)];
        await store.append(events);
        await reopen();
        expect((await store.append([events[1]!])).size).toBe(0);
        expect((await store.append([events[0]!])).size).toBe(0);
        await expectFold(store, events);
      });

      test("an end before its start is kept, and joined when that comes", async () => {
        const last = end(9, { exit_code: 7 });
        await store.append([last]);
        expect(await listed(store)).toEqual([]);
        expect(await store.get(ID)).toBeNull();
        await reopen();
        expect(await listed(store)).toEqual([]);
        const first = start();
        await store.append([first]);
        await expectFold(store, [first, last]);
        expect((await store.get(ID))?.duration_seconds).toBe(9);
      });
    });

    listing(() => store, reopen);

    describe("a reference", () => {
      const open = (component: string, tail: string, seconds: number) =>
        start({
          session_id: `${component}-20260206-123456-${tail}`,
          timestamp: at(seconds),
        });
      test("is the id, a prefix of it, or its last 8 hex", async () => {
        const a = open("bash", "0000000a", 1);
        const b = open("bash", "0000000b", 2);
        const longer = open("bash", "0000000a00", 3);
        const zsh = open("zsh", "0000000b", 4);
        await store.append([
          a,
          b,
          longer,
          zsh,
          end(9, { session_id: b.session_id }),
        ]);
        const ids = (...of: Event[]) => of.map(({ session_id }) => session_id);
        const idsOf = async (filter: SessionFilter) =>
          (await listed(store, filter)).map(({ session_id }) => session_id);
        const check = async (reference: string, ...of: Event[]) =>
          expect([reference, await idsOf({ reference, limit: 10 })]).toEqual([
            reference,
            ids(...of),
          ]);
        await check(a.session_id, longer, a);
        await check(b.session_id, b);
        await check("bash-", longer, b, a);
        await check("z", zsh);
        await check("0000000b", zsh, b);
        await check("0000000a", a);
        await check("000000b");
        await check("bash-20260206-123456-0000000c");
        await check("%");
        await check("_ash");
        await check("' OR 1=1 --");
        expect(await idsOf({ reference: "bash-", limit: 2 })).toEqual(
          ids(longer, b),
        );
        expect(await store.get(a.session_id)).toMatchObject({
          session_id: a.session_id,
        });
        expect(await store.get("bash-")).toBeNull();
      });
    });

    queries(
      () => store,
      kind.startsWith("PostgreSQL") ? "PostgreSQL" : "DuckDB",
    );
    commandsOfSessions(() => store, reopen);
    eventsAndStats(() => store, reopen);
    searches(() => store);
    analyses(() => store);
    hostileText(() => store, reopen);

    test("an id that names another time than the start's, or none, is as good", async () => {
      const random = Random.seeded(`${kind}: odd ids`);
      const ids = [
        "20250101-000000",
        "20260230-000000",
        "99999999-999999",
        "20260206-123456",
      ].map((time, n) => `sh-${time}-0000000${n}`);
      ids.push("chan_0123456789ab", "chan_ba9876543210");
      const events: Event[] = [];
      const more = [
        ...ids.map((session_id) => start({ session_id })),
        ...ids.map((session_id) => end(5, { session_id })),
        ...ids.map((session_id) => command(3, { session_id })),
        // Another start moves the session out of the second that its id names.
        ...ids.map((session_id) => start({ session_id, timestamp: at(-60) })),
      ];
      for (const batch of random.batches(more)) {
        events.push(...batch);
        await store.append(batch);
        await expectFold(store, events);
        for (const [session_id, session] of expected(events))
          expect(await store.get(session_id)).toMatchObject({
            session_id,
            status: session.status,
            command_count: session.command_count,
          });
        if (random.chance(0.5)) await reopen();
      }
      for (const nobody of ["", "x", "sh-20260206-123456-0000000f"])
        expect(await store.get(nobody)).toBeNull();
    });

    test("bounds of numbers and times come back", async () => {
      const events = [
        start({
          session_id: id(1),
          timestamp: "9999-12-31T23:59:59.999Z",
          pid: 4_194_304,
        }),
        start({
          session_id: id(2),
          timestamp: "0999-01-01T00:00:00.001Z",
          ppid: 0,
          pid: 1,
        }),
        end(0, {
          session_id: id(2),
          exit_code: 255,
          timestamp: "1969-12-31T23:59:59.999Z",
        }),
        processOf(1, { session_id: id(1), pid: 4_194_303, ppid: 4_194_304 }),
      ];
      await store.append(events);
      await expectFold(store, events);
    });

    test("many sessions in one append are many sessions", async () => {
      const events = Array.from({ length: 5_000 }, (_, n): Event[] => [
        start({ session_id: id(n), timestamp: at(n % 50) }),
        ...(n % 3 ? [end(60, { session_id: id(n) })] : []),
      ]).flat();
      expect((await store.append(events)).size).toBe(events.length);
      await expectFold(store, events);
    });
  });
}
