/** The commands of sessions; part of the suite in store.ts. */
import { describe, expect, test } from "bun:test";
import type { Command, CommandFilter } from "../../src/model/command.ts";
import type { Event } from "../../src/model/event.ts";
import type { SessionFilter } from "../../src/model/filter.ts";
import type { SessionStore } from "../../src/model/store.ts";
import { ID, at, command, end, recovered, start } from "../support/events.ts";
import { Random } from "../support/random.ts";
import { expectFold, id, listed } from "./expected.ts";

const SHELL = { pid: 101, shell_started_us: 1_000 };

/** A command of a shell, and its end so many seconds later, if it has one. */
function ran(
  seq: number,
  seconds: number,
  text: string | null,
  exit_code: number | null = 0,
  more: object = {},
): Event[] {
  const of = { ...SHELL, seq, ...more };
  const events = [command(seconds, { cwd: "/srv", ...of, text })];
  if (exit_code !== null)
    events.push(
      command(seconds + 0.5, {
        ...of,
        ...{ event_type: "command_end", exit_code, duration_ms: 500.25 },
      }),
    );
  return events;
}

export function commandsOfSessions(
  store: () => SessionStore,
  reopen: () => Promise<void>,
): void {
  const all = (filter: CommandFilter = {}): Promise<Command[]> =>
    Array.fromAsync(store().commands(filter));
  const texts = async (filter: CommandFilter = {}) =>
    (await all(filter)).map(({ text }) => text);

  describe("commands", () => {
    const other = id(7);
    const life: Event[] = [
      start(),
      start({
        ...{ session_id: other, timestamp: at(1), component_name: "zsh" },
        ...{ hostname: "ops-1", user: { username: "ann", home: "/" } },
      }),
      ...ran(1, 2, "make all", 2, { pipe_status: [0, 2] }),
      ...ran(2, 3, "echo 100%_'", 0, { cwd: "/srv/www" }),
      ...ran(3, 4, null, 0, { mark: "private" }),
      ...ran(1, 5, "MAKE clean", 130, { session_id: other, cwd: "/srvx" }),
      ...ran(4, 6, "vim", null),
    ];

    test("have what their start and their end say, newest first", async () => {
      await store().append(life);
      await reopen();
      const found = await all();
      const times = found.map(({ start_time }) => start_time);
      expect(times).toEqual(times.toSorted().toReversed());
      expect(found.at(-1)).toEqual({
        ...{ session_id: ID, event_seq: found.at(-1)!.event_seq },
        ...{ username: "les", hostname: "host" },
        ...{ seq: 1, pid: 101, depth: null, text: "make all", cwd: "/srv" },
        ...{ start_time: at(2), end_time: at(2.5), duration_seconds: 0.50025 },
        ...{ exit_code: 2, pipe_status: [0, 2], mark: null },
      });
      expect(found[0]).toMatchObject({
        ...{ text: "vim", end_time: null, duration_seconds: null },
        exit_code: null,
      });
      expect(found[2]).toMatchObject({ text: null, mark: "private" });
      expect(found[1]).toMatchObject({ username: "ann", hostname: "ops-1" });
    });

    test("are chosen by each filter", async () => {
      await store().append(life);
      const [vim, clean, secret, echo, make] = await all();
      const cases: [CommandFilter, (Command | undefined)[]][] = [
        [{ session_id: ID }, [vim, secret, echo, make]],
        [{ session_id: "' OR 1=1 --" }, []],
        [{ text: "make" }, [clean, make]],
        [{ text: "0%_'" }, [echo]],
        [{ text: "%" }, [echo]],
        [{ exit_code: 2 }, [make]],
        [{ exit_code: 0 }, [secret, echo]],
        [{ failed: true }, [clean, make]],
        [{ failed: true, limit: 1 }, [clean]],
        [{ cwd: "/srv" }, [vim, secret, echo, make]],
        [{ cwd: "/srv/" }, [vim, secret, echo, make]],
        [{ cwd: "/srv/www" }, [echo]],
        [{ after: at(4) }, [vim, clean, secret]],
        [{ before: at(4) }, [echo, make]],
        [{ in_since: at(4.2) }, [vim, clean, secret]],
        [{ in_since: at(4.2), after: at(4.1) }, [vim, clean]],
        [{ in_since: at(4.2), before: at(5) }, [secret]],
        [{ in_since: at(4.5), before: at(4.501) }, [secret]],
        [{ in_since: at(4.501), before: at(5) }, []],
        [{ in_since: at(60) }, [vim]],
        [{ in_since: at(60), session_id: ID, text: "VI", cwd: "/srv" }, [vim]],
        [{ in_since: at(60), session_id: other }, []],
        [{ in_since: at(2.3), failed: true }, [clean, make]],
        [{ in_since: at(5.3), failed: true, limit: 1 }, [clean]],
        [{ in_since: at(5.3), limit: 1 }, [vim]],
        [{ in_since: at(5.3), from: vim! }, [clean]],
        [{ in_since: at(5.3), user: "ann", host: "ops-1" }, [clean]],
        [{ in_since: at(5.3), component: "bash" }, [vim]],
        [{ user: "ann" }, [clean]],
        [{ host: "host", failed: true }, [make]],
        [{ component: "zsh", host: "ops-1", user: "ann" }, [clean]],
        [{ component: "zsh", host: "host" }, []],
        [{ user: "' OR 1=1 --" }, []],
        [{ limit: 2 }, [vim, clean]],
        [{ from: secret! }, [echo, make]],
        [{ from: secret!, text: "make", failed: true, limit: 9 }, [make]],
      ];
      for (const [filter, wanted] of cases)
        expect([filter, await all(filter)]).toEqual([
          filter,
          wanted as Command[],
        ]);
    });

    test("without an end are closed with their session, exit unknown", async () => {
      await store().append([...life, end(60)]);
      expect((await all({ session_id: ID, limit: 1 }))[0]).toMatchObject({
        ...{ text: "vim", end_time: at(60), duration_seconds: 54 },
        exit_code: null,
      });
      expect(await texts({ in_since: at(60) })).toEqual(["vim"]);
      expect(await texts({ in_since: at(60.001) })).toEqual([]);
      expect((await store().get(ID))!.failed_commands).toBe(1);
    });

    test("of a shell that began anew under its pid are told apart", async () => {
      const anew = { shell_started_us: 2_000 };
      await store().append([
        start(),
        ...ran(1, 1, "exec bash", null),
        ...ran(1, 2, "ls", 0, anew),
        ...ran(1, 3, "false", 1, { pid: 102 }),
      ]);
      const exits = (await all()).map(({ text, exit_code }) => [
        text,
        exit_code,
      ]);
      expect(exits).toEqual([
        ["false", 1],
        ["ls", 0],
        ["exec bash", null],
      ]);
    });

    test("of who does not tell when a shell began have the next end each", async () => {
      const untold = { shell_started_us: undefined };
      await store().append([
        start(),
        ...ran(1, 1, "a", 1, untold),
        ...ran(1, 2, "b", 2, untold),
      ]);
      expect(
        (await all()).map(({ text, exit_code }) => [text, exit_code]),
      ).toEqual([
        ["b", 2],
        ["a", 1],
      ]);
    });

    test("of one moment come in the order of their arrival, page by page too", async () => {
      const events = Array.from({ length: 50 }, (_, n) =>
        ran(n, 5, `c${n}`, null),
      ).flat();
      await store().append([start(), ...events]);
      const wanted = Array.from({ length: 50 }, (_, n) => `c${49 - n}`);
      expect(await texts()).toEqual(wanted);
      const paged: (string | null)[] = [];
      let from: CommandFilter["from"];
      for (;;) {
        const page = await all({ limit: 7, ...(from && { from }) });
        if (page.length === 0) break;
        paged.push(...page.map(({ text }) => text));
        from = page.at(-1)!;
      }
      expect(paged).toEqual(wanted);
    });

    test("of a year come newest first, each once, from wherever a page begins", async () => {
      const random = Random.seeded("year");
      const year = 365 * 86_400;
      const moments = Array.from({ length: 300 }, () =>
        // Most in the last hour, some on a span's edge.
        random.pick([
          year - random.int(0, 3_600),
          random.int(0, year),
          year - 3_600 * random.pick([1, 8, 9, 72, 73]),
        ]),
      );
      await store().append([
        start(),
        ...moments.flatMap((moment, n) =>
          ran(n, moment, `c${n}`, random.pick([0, 1])),
        ),
      ]);
      const found = await all();
      expect(found).toHaveLength(moments.length);
      const keys = found.map(({ start_time, event_seq }) => [
        ...[Date.parse(start_time), event_seq],
      ]);
      const sorted = keys.toSorted((a, b) => b[0]! - a[0]! || b[1]! - a[1]!);
      expect(keys).toEqual(sorted);
      for (const n of [0, 60, 150, 299]) {
        const in_since = found[n]!.end_time!;
        const ran = found.filter(({ end_time }) => end_time! >= in_since);
        expect(await all({ in_since })).toEqual(ran);
        const rest = await all({ in_since, from: found[n >> 1]!, limit: 70 });
        const after = ran.indexOf(found[n >> 1]!) + 1;
        expect(rest).toEqual(ran.slice(after, after + 70));
      }
      const failed = found.filter(({ exit_code }) => exit_code === 1);
      expect(await all({ failed: true })).toEqual(failed);
      for (const n of [0, 1, 60, 150, 299]) {
        const rest = await all({ from: found[n]!, limit: 70 });
        expect(rest).toEqual(found.slice(n + 1, n + 71));
      }
      const bounds = { after: found[200]!.start_time, before: at(year - 60) };
      expect(await all(bounds)).toEqual(
        found.filter(
          ({ start_time }) =>
            start_time >= bounds.after && start_time < bounds.before,
        ),
      );
    });

    test("with any text in them come out as they went in, and are found by it", async () => {
      const odd = [
        "\0 zero",
        "\x1b]0;title\x07",
        "ключ 👩‍💻 \u2028",
        `"quoted" '$(x)' \\u0000`,
        "a\nb\tc",
      ];
      const events = odd.flatMap((text, n) => ran(n, n + 1, text));
      await store().append([start(), ...events]);
      expect((await texts()).toReversed()).toEqual(odd);
      for (const text of odd)
        expect(await texts({ text: text.slice(1) })).toEqual([text]);
    });

    test("find the sessions in which they ran", async () => {
      await store().append(life);
      const ids = async (ran: string) =>
        (await listed(store(), { ran })).map(({ session_id }) => session_id);
      expect(await ids("make")).toEqual([other, ID]);
      expect(await ids("MAKE ALL")).toEqual([ID]);
      expect(await ids("nothing")).toEqual([]);
      expect(await ids("%")).toEqual([ID]);
    });

    test("tell the sessions in which one failed from those that failed themselves", async () => {
      const fine = id(8);
      await store().append([
        ...life,
        start({ session_id: fine, timestamp: at(9) }),
        ...ran(1, 9, "true", 0, { session_id: fine }),
        end(10, { session_id: fine, exit_code: 1 }),
        start({ session_id: id(9), timestamp: at(10) }),
      ]);
      const ids = async (filter: SessionFilter) =>
        (await listed(store(), filter)).map(({ session_id }) => session_id);
      expect(await ids({ failed: true })).toEqual([fine]);
      expect(await ids({ failed_commands: true })).toEqual([other, ID]);
      expect(await ids({ failed_commands: true, failed: true })).toEqual([]);
      expect(await ids({ failed_commands: true, limit: 1 })).toEqual([other]);
    });

    test("make the same row in whatever order and pieces they come", async () => {
      const random = Random.seeded("commands");
      const of = (n: number, begun: number) => ({
        ...{ session_id: id(n), timestamp: at(begun) },
      });
      const lives = Array.from({ length: 12 }, (_, n) => [
        start({ session_id: id(n) }),
        ...Array.from({ length: random.int(0, 9) }, (_, seq) => {
          const begun = random.int(0, 4);
          const pid = random.pick([101, 102]);
          const text = random.pick([
            "a",
            "é".repeat(600),
            "👩‍💻".repeat(400),
            null,
          ]);
          return ran(seq, begun, text, random.pick([0, 1, null]), {
            ...of(n, begun),
            ...{ pid, event_id: undefined },
          }).map((event) => ({ ...event, event_id: random.uuid(7) }));
        }).flat(),
        ...random.pick([[], [end(9)], [recovered(2)]]).map((event) => ({
          ...event,
          session_id: id(n),
        })),
      ]).flat();
      const shuffled = random.shuffled(lives);
      for (let from = 0; from < shuffled.length;) {
        const to = from + random.int(1, 9);
        await store().append(shuffled.slice(Math.max(0, from - 2), to));
        from = to;
        if (random.chance(0.1)) await reopen();
      }
      await expectFold(store(), lives);
    });
  });
}
