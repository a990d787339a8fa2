/**
 * What every store must do: one suite, run against each backend.
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Event, JsonObject } from "../../src/model/event.ts";
import type { SessionFilter } from "../../src/model/filter.ts";
import {
  type Session,
  fold,
  present,
  settle,
} from "../../src/model/session.ts";
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

/** A place where a store keeps its things, for one test. */
export interface Place {
  /** Opens the store; again after a close, on what was stored. */
  open(): Promise<SessionStore>;
  dispose(): void;
}

/** The sessions that events make, newest start first, ties by id. */
export function expected(events: readonly Event[]): Map<string, Session> {
  const byId = Map.groupBy(
    new Map(events.map((event) => [event.event_id, event])).values(),
    (event) => event.session_id,
  );
  const rows = [...byId]
    .map(([id, of]) => settle(fold(id, of)))
    .filter((row) => row !== null)
    .map((row) => present(row, Date.now()))
    .sort((a, b) =>
      a.start_time !== b.start_time
        ? a.start_time < b.start_time
          ? 1
          : -1
        : a.session_id < b.session_id
          ? -1
          : 1,
    );
  return new Map(rows.map((row) => [row.session_id, row]));
}

export async function listed(
  store: SessionStore,
  filter: SessionFilter = {},
): Promise<Session[]> {
  return Array.fromAsync(store.list(filter));
}

/** Holds a store to what the fold says of the same events. */
export async function expectFold(
  store: SessionStore,
  events: readonly Event[],
): Promise<void> {
  const seen = await listed(store);
  const wanted = expected(events);
  expect(seen.map((session) => session.session_id)).toEqual([...wanted.keys()]);
  for (const session of seen)
    expect(fields(session)).toEqual(fields(wanted.get(session.session_id)!));
}

/** Field by field, metadata as text: its order counts, and `__proto__` in it. */
function fields(session: Session): [string, unknown][] {
  return Object.entries(session)
    .filter(([key]) => key !== "duration_seconds" || session.end_time !== null)
    .map(([key, value]): [string, unknown] => [
      key,
      key === "metadata" ? JSON.stringify(value) : value,
    ])
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

const id = (n: number, component = "bash") =>
  `${component}-20260206-123456-${n.toString(16).padStart(8, "0")}`;

export function storeContract(name: string, makePlace: () => Place): void {
  describe(`${name}:`, () => {
    let place: Place;
    let store: SessionStore;

    beforeEach(async () => {
      place = makePlace();
      store = await place.open();
    });
    afterEach(async () => {
      await store.close();
      place.dispose();
    });
    const reopen = async () => {
      await store.close();
      store = await place.open();
    };

    describe("append", () => {
      test("of nothing stores nothing", async () => {
        expect(await store.append([])).toBe(0);
        expect(await listed(store)).toEqual([]);
      });

      test("stores an event once: within a batch, across batches, across a reopen", async () => {
        const events = [start(), command(1), command(2), end(9)];
        expect(await store.append([...events, ...events])).toBe(4);
        expect(await store.append(events)).toBe(0);
        const more = command(3);
        expect(await store.append([events[1]!, more, events[3]!])).toBe(1);
        await reopen();
        expect(await store.append([...events, more])).toBe(0);
        await expectFold(store, [...events, more]);
        expect((await store.get(ID))?.command_count).toBe(3);
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
        expect(counts.reduce((sum, n) => sum + n)).toBe(6);
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
        const random = Random.seeded(`${name}: batching`);
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
          place.dispose();
          place = makePlace();
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
          expect(await store.append([late])).toBe(1);
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
        expect(await store.append([events[1]!])).toBe(0);
        expect(await store.append([events[0]!])).toBe(0);
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

    describe("list", () => {
      const lives: Record<string, Event[]> = {
        a: [start({ session_id: id(1), timestamp: at(100) })],
        b: [
          start({
            session_id: id(2, "zsh"),
            timestamp: at(200),
            component_name: "zsh",
          }),
          end(260, { session_id: id(2, "zsh") }),
        ],
        c: [
          start({
            session_id: id(3),
            timestamp: at(300),
            session_type: "ci_job",
          }),
          recovered(360, { session_id: id(3) }),
        ],
        d: [
          start({
            session_id: id(4),
            timestamp: at(300),
            user: { username: "o'brien", home: "/" },
          }),
          end(390, {
            session_id: id(4),
            end_source: "declared",
            exit_code: null,
          }),
        ],
      };
      const cases: [SessionFilter, string][] = [
        [{}, "cdba"],
        [{ session_type: "admin_shell" }, "dba"],
        [{ session_type: "ci_job" }, "c"],
        [{ component_name: "zsh" }, "b"],
        [{ username: "o'brien" }, "d"],
        [{ username: "nobody" }, ""],
        [{ username: "' OR 1=1 --" }, ""],
        [{ status: "active" }, "a"],
        [{ status: "ended" }, "db"],
        [{ status: "lost" }, "c"],
        [{ incomplete: true }, "ca"],
        [{ incomplete: true, status: "ended" }, ""],
        [{ after: at(200) }, "cdb"],
        [{ after: at(201) }, "cd"],
        [{ before: at(200) }, "a"],
        [{ before: at(201) }, "ba"],
        [{ after: at(100), before: at(300) }, "ba"],
        [{ limit: 2 }, "cd"],
        [{ limit: 0 }, ""],
        [{ limit: 99 }, "cdba"],
        [
          { component_name: "bash", status: "lost", after: at(0), limit: 5 },
          "c",
        ],
      ];
      const names = new Map(
        Object.entries(lives).map(([letter, [first]]) => [
          first!.session_id,
          letter,
        ]),
      );
      test("takes each filter, newest start first, ties by id", async () => {
        await store.append(Object.values(lives).flat());
        for (const round of ["open", "reopened"]) {
          for (const [filter, letters] of cases) {
            const seen = await listed(store, filter);
            const found = seen.map(({ session_id }) => names.get(session_id));
            expect([round, filter, found.join("")]).toEqual([
              round,
              filter,
              letters,
            ]);
          }
          await reopen();
        }
      });

      test("may be left in the middle, and asked again", async () => {
        const starts = Array.from({ length: 5_000 }, (_, n) =>
          start({ session_id: id(n), timestamp: at(n) }),
        );
        await store.append(starts);
        for (let n = 0; n < 3; n++)
          for await (const session of store.list({})) {
            expect(session.session_id).toBe(id(4_999));
            break;
          }
        expect(await listed(store)).toHaveLength(5_000);
      });

      test("shows the last sign of life of those that live on, and of no other", async () => {
        await store.append([...lives["a"]!, ...lives["b"]!]);
        const late = at(1_000);
        store.seen(
          new Map([
            [id(1), late],
            [id(2, "zsh"), late],
          ]),
        );
        const seen = await listed(store);
        expect(seen.map(({ last_seen }) => last_seen)).toEqual([at(260), late]);
        store.seen(new Map([[id(1), at(1)]]));
        expect((await store.get(id(1)))?.last_seen).toBe(at(100));
      });
    });

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
        const check = async (reference: string, ...of: Event[]) =>
          expect([reference, await store.resolve(reference, 10)]).toEqual([
            reference,
            ids(...of),
          ]);
        // The very id comes first although another begins with it.
        await check(a.session_id, a, longer);
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
        expect(await store.resolve("bash-", 2)).toEqual(ids(longer, b));
        expect(await store.get(a.session_id)).toMatchObject({
          session_id: a.session_id,
        });
        expect(await store.get("bash-")).toBeNull();
      });
    });

    describe("hostile text", () => {
      const HOSTILE = [
        `'"\`; DROP TABLE events; --`,
        "\0 in the middle\0",
        "👩‍💻 日本語 ключ",
        "\u202e\u2028\x1b[31m",
        "\\ud800 is no surrogate, \\\\ no escape",
        "$1 {} [] null",
        "x".repeat(64 * 1024),
        "é".repeat(32 * 1024),
      ];

      test("comes back as it went in", async () => {
        const events = HOSTILE.flatMap((text, n): Event[] => [
          start({
            session_id: id(n),
            timestamp: at(n),
            component_name: text,
            name: text,
            reason: text,
            tags: [text, ""],
            user: { username: text, home: text },
            environment: { python_version: text, platform: text, cwd: text },
            metadata: { [text]: text, nested: [[{ [text]: [text] }]] },
          }),
          annotation(n, { session_id: id(n), metadata: { note: text } }),
          ...(n % 2 ? [end(n + 1, { session_id: id(n), signal: text })] : []),
        ]);
        await store.append(events);
        await expectFold(store, events);
        await reopen();
        await expectFold(store, events);
        const [first] = await listed(store, { component_name: HOSTILE[0]! });
        expect(first?.session_id).toBe(id(0));
        const [nul] = await listed(store, { username: HOSTILE[1]! });
        expect(nul?.session_id).toBe(id(1));
      });

      test("with half a surrogate pair is mended, in values, names and kinds", async () => {
        const neighbour = start({ session_id: id(1), timestamp: at(1) });
        const broken: Event[] = [
          start({
            session_id: id(2),
            timestamp: at(2),
            name: "a\ud800b",
            tags: ["\udfff\\ud800"],
            metadata: { "key\ud800": "value\udc00", good: "👍" },
          }),
          { ...command(3, { session_id: id(2) }), event_type: "\ud83d" },
        ];
        expect(await store.append([...broken, neighbour])).toBe(3);
        expect(await store.append(broken)).toBe(0);
        await reopen();
        expect(await listed(store)).toHaveLength(2);
        const seen = (await store.get(id(2)))!;
        expect(seen).toMatchObject({
          name: "a\ufffdb",
          tags: ["\ufffd\\ud800"],
          last_seen: at(3),
        });
        expect(seen.metadata).toMatchObject({
          "key\ufffd": "value\ufffd",
          good: "👍",
        });
        // The fold of it goes on in another process.
        await store.append([
          annotation(4, { session_id: id(2), metadata: { x: 1 } }),
        ]);
        expect((await store.get(id(2)))?.metadata).toMatchObject({
          "key\ufffd": "value\ufffd",
          x: 1,
        });
      });

      test("in names that objects know already is metadata, after a reopen too", async () => {
        const hostile = () =>
          JSON.parse(
            '{"__proto__":{"x":1},"constructor":1,"toString":2}',
          ) as JsonObject;
        const events: Event[] = [start()];
        await store.append(events);
        await reopen();
        events.push(annotation(1, { metadata: hostile() }));
        await store.append(events);
        await expectFold(store, events);
        await reopen();
        events.push(end(2));
        await store.append(events);
        await expectFold(store, events);
      });

      test("nested deep comes back", async () => {
        let deep: JsonObject = {};
        for (let n = 0; n < 95; n++) deep = { a: deep };
        const events = [start({ metadata: { deep } }), end(1)];
        await store.append(events);
        await expectFold(store, events);
      });
    });

    test("an id that names another time than the start's, or none, is as good", async () => {
      const random = Random.seeded(`${name}: odd ids`);
      const ids = [
        "20250101-000000",
        "20260230-000000",
        "99999999-999999",
        "20260206-123456",
      ].map((time, n) => `sh-${time}-0000000${n}`);
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
      expect(await store.append(events)).toBe(events.length);
      await expectFold(store, events);
    });
  });
}
