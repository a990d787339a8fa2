/** Which sessions a list holds; part of the suite in store.ts. */
import { describe, expect, test } from "bun:test";
import type { Event } from "../../src/model/event.ts";
import type { SessionFilter } from "../../src/model/filter.ts";
import type { Session } from "../../src/model/session.ts";
import type { SessionStore } from "../../src/model/store.ts";
import { at, end, recovered, start } from "../support/events.ts";
import { Random } from "../support/random.ts";
import { id, listed } from "./expected.ts";

export function listing(
  store: () => SessionStore,
  reopen: () => Promise<void>,
): void {
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
      [{ hostname: "host", failed: true }, ""],
      [{ exit: 0 }, "b"],
      [{ at: at(300) }, "cda"],
      [{ at: at(361) }, "da"],
      [{ at: at(99) }, ""],
      [{ in_since: at(361) }, "da"],
      [{ in_since: at(360) }, "cda"],
      [{ in_since: at(250), before: at(300) }, "ba"],
      [{ in_since: at(250), offset: 1, limit: 2 }, "db"],
      [{ in_since: at(250), limit: 1 }, "c"],
      [{ in_since: at(250), reverse: true, limit: 3 }, "abd"],
      [{ in_since: at(250), reverse: true, offset: 1 }, "bdc"],
      [{ duration_greater: 59_999 }, "cdba"],
      [{ duration_greater: 60_000 }, "da"],
      [{ duration_less: 60_001 }, "cb"],
      [{ tag: ["prod"] }, ""],
      [{ cwd: "/srv/" }, "cdba"],
      [{ cwd: "/sr" }, ""],
      [{ reverse: true }, "abdc"],
      [{ reverse: true, limit: 2 }, "ab"],
      [{ reverse: true, offset: 1, limit: 2 }, "bd"],
      [{ offset: 1 }, "dba"],
      [{ offset: 9 }, ""],
      [{ limit: 2 }, "cd"],
      [{ limit: 0 }, ""],
      [{ limit: 99 }, "cdba"],
      [{ component_name: "bash", status: "lost", after: at(0), limit: 5 }, "c"],
    ];
    const names = new Map(
      Object.entries(lives).map(([letter, [first]]) => [
        first!.session_id,
        letter,
      ]),
    );
    test("takes each filter, newest start first, ties by id", async () => {
      await store().append(Object.values(lives).flat());
      for (const round of ["open", "reopened"]) {
        for (const [filter, letters] of cases) {
          const seen = await listed(store(), filter);
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

    test("goes on after any of its rows", async () => {
      const random = Random.seeded("cursor");
      const ids = Array.from({ length: 40 }, (_, n) =>
        random.chance(0.3) ? `chan_${random.hex(12)}` : id(n),
      );
      await store().append(
        ids.flatMap((session_id): Event[] => {
          // Many begin in the same moment: their ids tell the order.
          const begun = random.int(0, 5);
          const timestamp = at(begun);
          return [
            start({ session_id, timestamp }),
            ...(random.chance(0.6) ? [end(begun + 9, { session_id })] : []),
          ];
        }),
      );
      for (const filter of [
        {},
        { status: "ended" },
        { reverse: true },
      ] as SessionFilter[]) {
        const all = await listed(store(), filter);
        const pages: Session[] = [];
        while (pages.length < all.length) {
          const from = pages.at(-1);
          const limit = random.int(1, 7);
          const page = await listed(store(), {
            ...filter,
            limit,
            ...(from && { from }),
          });
          expect(page.length).toBe(Math.min(limit, all.length - pages.length));
          pages.push(...page);
        }
        const names = (of: Session[]) => of.map((s) => s.session_id);
        expect(names(pages)).toEqual(names(all));
        expect(await listed(store(), { ...filter, from: all.at(-1)! })).toEqual(
          [],
        );
        expect(
          names(await listed(store(), { ...filter, from: all[3]! })),
        ).toEqual(names(all.slice(4)));
      }
    });

    test("may be left in the middle, and asked again", async () => {
      const starts = Array.from({ length: 5_000 }, (_, n) =>
        start({ session_id: id(n), timestamp: at(n) }),
      );
      await store().append(starts);
      for (let n = 0; n < 3; n++)
        for await (const session of store().list({})) {
          expect(session.session_id).toBe(id(4_999));
          break;
        }
      expect(await listed(store())).toHaveLength(5_000);
    });

    test("shows the last sign of life of those that live on, and of no other", async () => {
      await store().append([...lives["a"]!, ...lives["b"]!]);
      const late = at(1_000);
      await store().seen(
        new Map([
          [id(1), late],
          [id(2, "zsh"), late],
        ]),
      );
      const seen = await listed(store());
      expect(seen.map(({ last_seen }) => last_seen)).toEqual([at(260), late]);
      await store().seen(new Map([[id(1), at(1)]]));
      // An older one moves nothing back.
      expect((await store().get(id(1)))?.last_seen).toBe(late);
    });
  });
}
