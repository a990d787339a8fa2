/** The events themselves, and what sessions come to; part of the suite in store.ts. */
import { describe, expect, test } from "bun:test";
import type { Event } from "../../src/model/event.ts";
import type { EventFilter, SessionFilter } from "../../src/model/filter.ts";
import type { Session } from "../../src/model/session.ts";
import type { SessionStats, SessionStore } from "../../src/model/store.ts";
import {
  ID,
  annotation,
  at,
  command,
  end,
  recovered,
  start,
} from "../support/events.ts";
import { Random } from "../support/random.ts";
import { id, listed } from "./expected.ts";

export function eventsAndStats(
  store: () => SessionStore,
  reopen: () => Promise<void>,
): void {
  const eventsOf = (filter: EventFilter) =>
    Array.fromAsync(store().events(filter));

  describe("events", () => {
    test("come in the order of their arrival, as they went in", async () => {
      const events: Event[] = [
        end(9, { metadata: { text: "ключ 👩‍💻 \u2028 \\u0000 \0" } }),
        start({ metadata: { deep: [[{ a: 1.5e300 }]] } }),
        command(3, { command: "x".repeat(64 * 1024) }),
      ];
      for (const event of events) await store().append([event]);
      await store().append(events);
      await reopen();
      const stored = await eventsOf({});
      expect(stored.map(({ event }) => event)).toEqual(events);
      const seqs = stored.map(({ seq }) => seq);
      expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
      for (const { received_at } of stored) {
        expect(new Date(received_at).toISOString()).toBe(received_at);
        expect(Math.abs(Date.now() - Date.parse(received_at))).toBeLessThan(
          60_000,
        );
      }
    });

    test("are chosen by each filter", async () => {
      const other = id(7);
      const events: Event[] = [
        start(),
        start({ session_id: other, timestamp: at(1) }),
        command(2),
        command(3, { session_id: other }),
        annotation(4),
        end(5),
      ];
      await store().append(events);
      const seqs = (await eventsOf({})).map(({ seq }) => seq);
      const cases: [EventFilter, number[]][] = [
        [{ session_id: ID }, [0, 2, 4, 5]],
        [{ session_id: "' OR 1=1 --" }, []],
        [{ kinds: ["session_start"] }, [0, 1]],
        [{ kinds: ["command_start", "session_end"] }, [2, 3, 5]],
        [{ kinds: [] }, []],
        [{ after: at(3) }, [3, 4, 5]],
        [{ before: at(3) }, [0, 1, 2]],
        [{ after: at(1), before: at(4), session_id: ID }, [2]],
        [{ after_seq: seqs[3]! }, [4, 5]],
        [{ after_seq: seqs[5]! }, []],
        [{ limit: 2 }, [0, 1]],
        [{ limit: 0 }, []],
        [{ limit: 1, after_seq: seqs[0]!, session_id: other }, [1]],
      ];
      for (const [filter, places] of cases)
        expect([
          filter,
          (await eventsOf(filter)).map(({ event }) => event),
        ]).toEqual([filter, places.map((n) => events[n]!)]);
    });

    test("of a kind that no program knows are chosen by it", async () => {
      const kinds = ["\0", "\ue000", "{}", '"'];
      const events = kinds.map((event_type) => command(1, { event_type }));
      await store().append([start(), ...events]);
      for (const [n, kind] of kinds.entries())
        expect(
          (await eventsOf({ kinds: [kind] })).map(({ event }) => event),
        ).toEqual([events[n]!]);
    });

    test("stream, many of them, while more are stored", async () => {
      const events = [
        start(),
        ...Array.from({ length: 5_000 }, (_, n) => command(n)),
      ];
      await store().append(events);
      let n = 0;
      for await (const { event } of store().events({ limit: 4_500 })) {
        expect(event.event_id).toBe(events[n++]!.event_id);
        if (n % 1_000 === 0) await store().append([command(n)]);
      }
      expect(n).toBe(4_500);
      expect(await eventsOf({})).toHaveLength(5_005);
    });
  });

  describe("stats", () => {
    test("of nothing are nothing", async () => {
      expect(await store().stats({})).toEqual({
        sessions: 0,
        by_status: { active: 0, ended: 0, lost: 0 },
        failed: 0,
        duration_seconds: null,
        by_component: [],
        first_start: null,
        last_start: null,
      });
    });

    test("are those of the sessions that the same filter lists", async () => {
      const random = Random.seeded("stats");
      const events = Array.from({ length: 120 }, (_, n): Event[] => {
        const session_id = random.chance(0.2)
          ? `chan_${random.hex(12)}`
          : id(n);
        const component_name = random.pick(["bash", "zsh", "o'brien"]);
        const begun = random.int(0, 50);
        const life = [
          start({ session_id, component_name, timestamp: at(begun) }),
        ];
        const last = begun + random.int(-2, 4_000) / 8;
        const exit_code = random.pick([0, 0, 1, 255]);
        const signal = random.pick([null, null, "SIGKILL"]);
        return random.pick([
          life,
          [...life, recovered(last, { session_id })],
          [...life, end(last, { session_id, exit_code })],
          [...life, end(last, { session_id, exit_code: null, signal })],
        ]);
      }).flat();
      await store().append(events);
      const filters: SessionFilter[] = [
        {},
        { component_name: "o'brien" },
        { status: "active" },
        { status: "lost", after: at(20) },
        { incomplete: true },
        { reference: "chan_" },
        { username: "nobody" },
        { limit: 1, from: { start_time: at(3), session_id: "x" } },
      ];
      for (const filter of filters) {
        const { limit: _l, from: _f, ...which } = filter;
        const sessions = await listed(store(), which);
        expect([filter, await store().stats(filter)]).toEqual([
          filter,
          statsOf(sessions),
        ]);
      }
    });
  });
}

/** By hand what the store shall find. */
function statsOf(sessions: readonly Session[]): SessionStats {
  const failed = (of: readonly Session[]) =>
    of.filter((s) => (s.exit_code ?? 0) !== 0 || s.signal !== null).length;
  const having = (status: Session["status"]) =>
    sessions.filter((s) => s.status === status).length;
  const took = sessions
    .filter((s) => s.end_time !== null)
    .map((s) => s.duration_seconds)
    .sort((a, b) => a - b);
  const quantile = (share: number) => {
    const place = (took.length - 1) * share;
    const [low, high] = [took[Math.floor(place)]!, took[Math.ceil(place)]!];
    return low + (high - low) * (place - Math.floor(place));
  };
  const total = took.reduce((sum, s) => sum + s, 0);
  const close = (n: number) => expect.closeTo(n, 6) as number;
  const byComponent = Map.groupBy(sessions, (s) => s.component_name);
  const starts = sessions.map((s) => s.start_time).sort();
  return {
    sessions: sessions.length,
    by_status: {
      active: having("active"),
      ended: having("ended"),
      lost: having("lost"),
    },
    failed: failed(sessions),
    duration_seconds:
      took.length === 0
        ? null
        : {
            total: close(total),
            mean: close(total / took.length),
            median: close(quantile(0.5)),
            p95: close(quantile(0.95)),
            max: close(took.at(-1)!),
          },
    by_component: [...byComponent]
      .map(([component_name, of]) => ({
        component_name,
        sessions: of.length,
        failed: failed(of),
      }))
      .sort(
        (a, b) =>
          b.sessions - a.sessions ||
          (a.component_name < b.component_name ? -1 : 1),
      ),
    first_start: starts[0] ?? null,
    last_start: starts.at(-1) ?? null,
  };
}
