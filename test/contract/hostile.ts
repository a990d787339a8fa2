/** Texts that break careless stores; part of the suite in store.ts. */
import { describe, expect, test } from "bun:test";
import type { Event, JsonObject } from "../../src/model/event.ts";
import type { SessionStore } from "../../src/model/store.ts";
import { annotation, at, command, end, start } from "../support/events.ts";
import { Random } from "../support/random.ts";
import { expectFold, id, listed } from "./expected.ts";

export function hostileText(
  store: () => SessionStore,
  reopen: () => Promise<void>,
): void {
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
      // What cannot be made smaller.
      new Random(1).hex(64 * 1024),
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
        command(n, { session_id: id(n), cwd: text }),
        ...(n % 2 ? [end(n + 1, { session_id: id(n), signal: text })] : []),
      ]);
      await store().append(events);
      await expectFold(store(), events);
      await reopen();
      await expectFold(store(), events);
      const [first] = await listed(store(), { component_name: HOSTILE[0]! });
      expect(first?.session_id).toBe(id(0));
      const last = HOSTILE.at(-1)!;
      for (const filter of [
        { component_name: last },
        { username: last },
        { name: last },
        { tag: [last] },
        { cwd: last },
      ])
        expect(await listed(store(), filter)).toMatchObject([
          { session_id: id(HOSTILE.length - 1) },
        ]);
      const [nul] = await listed(store(), { username: HOSTILE[1]! });
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
      expect((await store().append([...broken, neighbour])).size).toBe(3);
      expect((await store().append(broken)).size).toBe(0);
      await reopen();
      expect(await listed(store())).toHaveLength(2);
      const seen = (await store().get(id(2)))!;
      expect(seen).toMatchObject({
        name: "a\ufffdb",
        tags: ["\ufffd\\ud800"],
        last_seen: at(2),
      });
      expect(seen.metadata).toMatchObject({
        "key\ufffd": "value\ufffd",
        good: "👍",
      });
      // The fold of it goes on in another process.
      await store().append([
        annotation(4, { session_id: id(2), metadata: { x: 1 } }),
      ]);
      expect((await store().get(id(2)))?.metadata).toMatchObject({
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
      await store().append(events);
      await reopen();
      events.push(annotation(1, { metadata: hostile() }));
      await store().append(events);
      await expectFold(store(), events);
      await reopen();
      events.push(end(2));
      await store().append(events);
      await expectFold(store(), events);
    });

    test("nested deep comes back", async () => {
      let deep: JsonObject = {};
      for (let n = 0; n < 95; n++) deep = { a: deep };
      const events = [start({ metadata: { deep } }), end(1)];
      await store().append(events);
      await expectFold(store(), events);
    });
  });
}
