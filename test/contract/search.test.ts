/** The tool that finds a text in whatever was recorded. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { commandCursor, hitCursor } from "../../src/model/cursor.ts";
import { ID, at, command, start } from "../support/events.ts";
import { ToolHost } from "../support/mcp.ts";

let host: ToolHost;
const COUNT = 25;

beforeAll(async () => {
  host = await ToolHost.start();
  await host.store.append([
    start({ name: "make it" }),
    ...Array.from({ length: COUNT }, (_, n) =>
      command(n, { pid: 7, seq: n, shell_started_us: 1, text: `make p${n}` }),
    ),
  ]);
});
afterAll(() => host[Symbol.asyncDispose]());

const ask = (args: object) => host.call("search", args);

test("finds it newest first, and says which field it is", async () => {
  const { result } = await ask({ text: "P2", user: "les", before: at(24) });
  const { hits, count, next_cursor } = result;
  expect(hits.map(({ text }: { text: string }) => text)).toEqual([
    ...["make p23", "make p22", "make p21", "make p20", "make p2"],
  ]);
  expect([count, next_cursor]).toEqual([5, null]);
  expect(hits[0]).toMatchObject({
    ...{ session_id: ID, field: "command", time: at(23), matches: ["p2"] },
    ...{ username: "les", hostname: "host", component_name: "bash" },
  });
  const named = await ask({ text: "^make (it|p3)$", regex: "true" });
  expect(
    named.result["hits"].map(({ field }: { field: string }) => field),
  ).toEqual(["command", "name"]);
});

test("page by page, each once", async () => {
  const seen: string[] = [];
  let cursor: string | null = null;
  do {
    const { result } = await ask({
      ...{ text: "make", limit: 4 },
      ...(cursor && { cursor }),
    });
    seen.push(...result["hits"].map(({ text }: { text: string }) => text));
    expect(result["count"]).toBe(result["hits"].length);
    cursor = result["next_cursor"];
  } while (cursor !== null);
  const parts = Array.from({ length: COUNT }, (_, n) => `make p${n}`);
  // The session's name and its first command are of one moment.
  expect(seen).toEqual([...parts.toReversed(), "make it"]);
});

test.each([
  [{}, "text"],
  [{ text: "" }, "text: there is nothing to look for"],
  [{ text: "a", after: "soon" }, "after: 'soon' is not a time"],
  [{ text: "a(", regex: true }, "'a(' is no regular expression: missing )"],
  [{ text: "a", cursor: "x" }, "cursor: not one that this list gave"],
  [
    {
      text: "a",
      cursor: commandCursor({ start_time: at(1), event_seq: 3 }),
    },
    "cursor: not one that this list gave",
  ],
  [{ text: "a", limit: 0 }, "limit"],
])("%p says what is wrong", async (args, sentence) => {
  const { isError, text } = await ask(args);
  expect([isError, text]).toEqual([true, expect.stringContaining(sentence)]);
});

test("a cursor of it is no list of commands'", async () => {
  const place = { time: at(1), session_id: ID, field: "name" };
  const numbers = { event_seq: null, recording_line: null };
  const cursor = hitCursor({ ...place, ...numbers });
  expect((await host.call("list_commands", { cursor })).isError).toBe(true);
  expect((await ask({ text: "make", cursor })).result["count"]).toBe(2);
});

test.each(["search", "analytics"])(
  "%s works for nobody who has gone",
  async (tool) => {
    const args = tool === "search" ? { text: "make" } : { metric: "commands" };
    const ask = (more: object) =>
      host.tools.call(tool, args, { ...host.caller, ...more });
    expect(await ask({})).toMatchObject({ count: expect.any(Number) });
    await expect(ask({ gone: AbortSignal.abort() })).rejects.toMatchObject({
      ...{ code: "unreachable" },
      sentence: "nobody waits for the answer any more",
    });
  },
);
