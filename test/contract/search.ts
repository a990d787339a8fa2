/** What a search finds in what a store has; part of the suite in store.ts. */
import { describe, expect, test } from "bun:test";
import { hitCursor, readHitCursor } from "../../src/model/cursor.ts";
import type { Event } from "../../src/model/event.ts";
import type { Hit, SearchFilter } from "../../src/model/search.ts";
import type { SessionStore } from "../../src/model/store.ts";
import { ID, annotation, at, command, end, start } from "../support/events.ts";
import { Random } from "../support/random.ts";
import { expected, id } from "./expected.ts";

const SHELL = { pid: 101, shell_started_us: 1_000 };

function ran(
  seq: number,
  seconds: number,
  text: string,
  exit_code: number | null = 0,
  more: object = {},
): Event[] {
  const of = { ...SHELL, seq, ...more };
  const begun = command(seconds, { ...of, text });
  if (exit_code === null) return [begun];
  const ended = { event_type: "command_end", exit_code };
  return [begun, command(seconds + 0.5, { ...of, ...ended })];
}

export function searches(store: () => SessionStore): void {
  const all = (filter: SearchFilter): Promise<Hit[]> =>
    Array.fromAsync(store().search(filter));
  const found = async (text: string, more: Partial<SearchFilter> = {}) =>
    (await all({ text, ...more })).map(({ field, text }) => [field, text]);

  describe("search", () => {
    const other = id(7, "zsh");
    const life: Event[] = [
      start({
        ...{ name: "Deploy of shop", reason: "OPS-17: deploy" },
        ...{ tags: ["deploy", "prod"], metadata: { target: "Deploy", n: 17 } },
      }),
      start({
        ...{ session_id: other, component_name: "zsh", timestamp: at(1) },
        ...{ hostname: "web1", user: { username: "ann", home: "/home/ann" } },
        metadata: { adapters: ["deploy\n", 'a "quoted" one'], deploy: 1 },
      }),
      ...ran(1, 2, "make DEPLOY", 2),
      ...ran(1, 3, "deploy --all", 0, { session_id: other }),
      annotation(4, { note: "the deploy hung" }),
      annotation(5, { metadata: { later: "deployed" } }),
      ...ran(2, 6, "deploy again", null),
      end(60, { exit_code: 3 }),
    ];

    test("finds it in each field, newest first, with session, time and exit status", async () => {
      await store().append(life);
      const hits = await all({ text: "deploy" });
      expect(
        hits.map(({ time, session_id, field, text, exit_code }) => [
          ...[time, session_id, field, text, exit_code],
        ]),
      ).toEqual([
        [at(6), ID, "command", "deploy again", null],
        [at(4), ID, "note", "the deploy hung", null],
        [at(3), other, "command", "deploy --all", 0],
        [at(2), ID, "command", "make DEPLOY", 2],
        [
          ...[at(1), other, "metadata.adapters"],
          ...['["deploy\\n","a \\"quoted\\" one"]', null],
        ],
        [at(0), ID, "metadata.later", "deployed", 3],
        [at(0), ID, "metadata.target", "Deploy", 3],
        [at(0), ID, "name", "Deploy of shop", 3],
        [at(0), ID, "reason", "OPS-17: deploy", 3],
        [at(0), ID, "tag", "deploy", 3],
      ]);
      const [again, note, , made] = hits;
      expect([again, note, made].map((hit) => hit!.matches)).toEqual([
        ...[["deploy"], ["deploy"], ["DEPLOY"]],
      ]);
      expect(again).toMatchObject({
        ...{ component_name: "bash", username: "les", hostname: "host" },
      });
      const { seq } = (
        await Array.fromAsync(store().events({ kinds: ["annotation"] }))
      )[0]!;
      expect(note!.event_seq).toBe(seq);
      expect(hits.at(-1)!.event_seq).toBeNull();
    });

    test("is narrowed by each filter", async () => {
      await store().append(life);
      const hits = await all({ text: "deploy" });
      const where = (wanted: (hit: Hit) => boolean) => hits.filter(wanted);
      const cases: [Partial<SearchFilter>, Hit[]][] = [
        [{ user: "ann" }, where((hit) => hit.username === "ann")],
        [{ host: "host" }, where((hit) => hit.hostname === "host")],
        [{ component: "zsh" }, where((hit) => hit.component_name === "zsh")],
        [{ user: "ann", host: "host" }, []],
        [{ user: "' OR 1=1 --" }, []],
        [{ after: at(3) }, hits.slice(0, 3)],
        [{ before: at(3) }, hits.slice(3)],
        [{ after: at(1), before: at(3) }, hits.slice(3, 5)],
        [{ after: at(50) }, []],
        [{ before: at(-50) }, []],
        [{ limit: 4 }, hits.slice(0, 4)],
        [{ from: hits[6]! }, hits.slice(7)],
        [{ from: hits[0]!, limit: 2, host: "host" }, [hits[1]!, hits[3]!]],
      ];
      for (const [filter, wanted] of cases)
        expect([filter, await all({ text: "deploy", ...filter })]).toEqual([
          ...[filter, wanted],
        ]);
    });

    test("takes a text as it stands, and a regular expression as one", async () => {
      const odd = [
        "\0 zero",
        "\x1b]0;title\x07",
        "Ключ 👩‍💻 \u2028 İ",
        `"quoted" '$(x)' \\u0000 \\n`,
        "a\nb\tc",
        "100%_ .*",
      ];
      const events = odd.flatMap((text, n) => ran(n, n + 1, text));
      await store().append([
        start({ metadata: { odd: odd[3]!, in: { it: [odd[3]!] } } }),
        ...events,
      ]);
      for (const text of odd) {
        const commands = (await found(text)).filter(([f]) => f === "command");
        expect(commands).toEqual([["command", text]]);
      }
      expect(await found(odd[3]!)).toContainEqual(["metadata.odd", odd[3]!]);
      expect(await found(`"it":["`)).toEqual([
        ["metadata.in", JSON.stringify({ it: [odd[3]] })],
      ]);
      expect(await found("КЛЮЧ")).toHaveLength(1);
      expect(await found("event_type")).toEqual([]);
      expect(await found(".*")).toEqual([["command", odd[5]!]]);
      const regex = { regex: true };
      expect(await found("^a\nb", regex)).toEqual([["command", odd[4]!]]);
      expect(await found("^1.*\\*$", regex)).toEqual([["command", odd[5]!]]);
      expect(await found("TITLE", regex)).toEqual([]);
      const [hit] = await all({ text: "(?i)T[A-Z]t|l.", ...regex });
      expect(hit!.matches).toEqual(["tit", "le"]);
      expect((await all({ text: "x*", ...regex }))[0]!.matches).toEqual([]);
      expect(await found(".", { user: "nobody", ...regex })).toEqual([]);
    });

    test("takes each letter for itself, wherever it stands in a word", async () => {
      const greek = ["ΟΔΟΣ", "οδος", "οδοσ", "İzmir"];
      await store().append([
        start(),
        ...greek.flatMap((text, n) => ran(n, n + 1, text)),
      ]);
      const texts = async (text: string) => {
        const commands = store().commands({ text });
        const listed = await Array.fromAsync(commands, ({ text }) => text);
        const hits = (await found(text)).map(([, each]) => each);
        expect([text, hits]).toEqual([text, listed as string[]]);
        return listed.toReversed();
      };
      expect(await texts("δοσ")).toEqual(["ΟΔΟΣ", "οδοσ"]);
      expect(await texts("ΔΟΣ")).toEqual(["ΟΔΟΣ", "οδοσ"]);
      expect(await texts("δος")).toEqual(["οδος"]);
      expect(await texts("izm")).toEqual(["İzmir"]);
    });

    test("finds letters of private use in what was said of a session", async () => {
      const odd = "\ue000e \ue0000 \0";
      await store().append([start({ metadata: { odd, ["\ue000e"]: 1 } })]);
      expect(await found("\ue000")).toEqual([["metadata.odd", odd]]);
      expect(await found("1")).toEqual([["metadata.\ue000e", "1"]]);
    });

    test("finds half of a pair as it is stored", async () => {
      const [half, stored] = ["\ud83d half", "\ufffd half"];
      await store().append([start({ reason: half }), ...ran(1, 1, half)]);
      const both = [
        ["command", stored],
        ["reason", stored],
      ];
      expect(await found(half)).toEqual(both);
      expect(await found(half, { regex: true })).toEqual(both);
      const listed = await Array.fromAsync(store().commands({ text: half }));
      expect(listed.map(({ text }) => text)).toEqual([stored]);
    });

    test("says what is wrong with a regular expression", async () => {
      await store().append(life);
      expect(all({ text: "a(", regex: true })).rejects.toThrow(
        "'a(' is no regular expression: missing ): a(",
      );
      expect(await all({ text: "a(" })).toEqual([]);
    });

    test("has each of several tags on a page, wherever that ends", async () => {
      const tags = ["tag c", "no", "a tag", "tag z\0", "tag b"];
      await store().append([start({ tags }), ...ran(1, 2, "tag it")]);
      const hits = await all({ text: "tag" });
      expect(hits.map(({ text }) => text)).toEqual([
        ...["tag it", "a tag", "tag b", "tag c", "tag z\0"],
      ]);
      for (const limit of [1, 2, 3, 4]) {
        const paged: Hit[] = [];
        for (let page: Hit[]; paged.length < hits.length; paged.push(...page)) {
          const last = paged.at(-1);
          const from = last && readHitCursor(hitCursor(last));
          page = await all({ text: "tag", limit, ...(from && { from }) });
          if (page.length === 0) break;
        }
        expect([limit, paged]).toEqual([limit, hits]);
      }
    });

    test("of a database without a session finds nothing", async () => {
      expect(await all({ text: "a" })).toEqual([]);
      await store().append(ran(1, 1, "early"));
      expect(await all({ text: "early" })).toMatchObject([
        { session_id: ID, component_name: null, username: null, exit_code: 0 },
      ]);
      expect(await all({ text: "early", user: "les" })).toEqual([]);
    });

    test("finds what a plain walk over everything does, all at once and page by page", async () => {
      const random = Random.seeded("search");
      const words = ["make", "Make all", "ls -l", "MAKE it", '\\make"', "é"];
      // Years apart, and many in one second.
      const moments = [0, 0, 0.001, 5, 3_600, 86_400, 4e7, 1.2e8];
      const lives = Array.from({ length: 20 }, (_, n) => {
        const begun = random.pick(moments);
        const session_id = id(n);
        const commands = Array.from({ length: random.int(0, 30) }, (_, seq) =>
          ran(
            ...[seq, begun + random.pick(moments)],
            ...[random.pick(words), random.pick([0, 1, null])],
            { session_id },
          ),
        ).flat();
        return [
          start({
            ...{ session_id, timestamp: at(begun), tags: [random.pick(words)] },
            ...{
              name: random.pick(words),
              metadata: { w: random.pick(words) },
            },
            user: { username: random.pick(["les", "ann"]), home: "" },
          }),
          ...commands,
        ] as Event[];
      }).flat();
      await store().append(random.shuffled(lives));
      const naive = await walk(store(), lives);
      for (let round = 0; round < 15; round++) {
        const text = random.pick(["make", "l", "E", "é", '\\make"', "nothing"]);
        const user = random.pick([undefined, "les", "nobody"]);
        const [after, before] = [random.pick(moments), random.pick(moments)];
        const filter: SearchFilter = {
          text,
          ...(user !== undefined && { user }),
          ...(random.chance(0.3) && { after: at(after) }),
          ...(random.chance(0.3) && { before: at(before) }),
        };
        const wanted = naive.filter(
          (hit) =>
            hit.text.toLowerCase().includes(text.toLowerCase()) &&
            (user === undefined || hit.username === user) &&
            (filter.after === undefined || hit.time >= filter.after) &&
            (filter.before === undefined || hit.time < filter.before),
        );
        const shape = ({ matches: _, ...hit }: Hit) => hit;
        expect([filter, (await all(filter)).map(shape)]).toEqual([
          ...[filter, wanted],
        ]);
        const paged: Hit[] = [];
        for (let page; (page = await pageAfter(filter, paged)).length > 0;)
          paged.push(...page);
        expect(paged.map(shape)).toEqual(wanted);
      }
    });

    const pageAfter = (filter: SearchFilter, before: readonly Hit[]) =>
      all({
        ...{ ...filter, limit: 17 },
        ...(before.length > 0 && { from: before.at(-1)! }),
      });
  });
}

/** Every text that there is, in the order of hits. */
async function walk(
  store: SessionStore,
  events: readonly Event[],
): Promise<Omit<Hit, "matches">[]> {
  const sessions = expected(events);
  const hits: Omit<Hit, "matches">[] = [];
  const add = (
    session_id: string,
    field: string,
    text: string | null,
    more: Partial<Hit> = {},
  ) => {
    const session = sessions.get(session_id)!;
    const { component_name, username, hostname, exit_code } = session;
    if (text !== null)
      hits.push({
        ...{ session_id, component_name, username, hostname, field },
        ...{ time: session.start_time, text, exit_code, event_seq: null },
        ...{ recording_ms: null, recording_line: null },
        ...more,
      });
  };
  for (const {
    session_id,
    name,
    reason,
    tags,
    metadata,
  } of sessions.values()) {
    add(session_id, "name", name);
    add(session_id, "reason", reason);
    for (const tag of tags) add(session_id, "tag", tag);
    for (const [key, value] of Object.entries(metadata))
      add(
        ...[session_id, `metadata.${key}`],
        typeof value === "object" ? value && JSON.stringify(value) : `${value}`,
      );
  }
  for await (const of of store.commands({})) {
    const { session_id, text, start_time: time, exit_code, event_seq } = of;
    add(session_id, "command", text, { time, exit_code, event_seq });
  }
  const order = (a: string | number, b: string | number) =>
    a < b ? -1 : a > b ? 1 : 0;
  return hits.sort(
    (a, b) =>
      order(b.time, a.time) ||
      order(a.session_id, b.session_id) ||
      order(a.field, b.field) ||
      order(b.event_seq ?? -1, a.event_seq ?? -1),
  );
}
