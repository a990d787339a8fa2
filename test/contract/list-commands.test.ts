/** The tool that finds commands, in any session. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { commandCursor, eventCursor } from "../../src/model/cursor.ts";
import { ID, at, command, start } from "../support/events.ts";
import { ToolHost } from "../support/mcp.ts";
import { id } from "./expected.ts";

let host: ToolHost;
const COUNT = 25;

beforeAll(async () => {
  host = await ToolHost.start();
  const other = id(1, "zsh");
  await host.store.append([
    start(),
    start({ session_id: other }),
    ...Array.from({ length: COUNT }, (_, n) => {
      const of = {
        ...{ session_id: n % 5 === 0 ? other : ID, pid: 7, seq: n },
        ...{ cwd: n < 10 ? "/srv" : "/home/les", shell_started_us: 1 },
      };
      return [
        command(n, { ...of, text: `make part-${n}` }),
        command(n + 0.1, {
          ...{ ...of, event_type: "command_end", exit_code: n % 3 },
          duration_ms: 100,
        }),
      ];
    }).flat(),
  ]);
});
afterAll(() => host[Symbol.asyncDispose]());

const ask = (args: object = {}) => host.call("list_commands", args);
const seqs = async (args: object): Promise<number[]> =>
  (await ask(args)).result["commands"].map(({ seq }: { seq: number }) => seq);
const descending = Array.from({ length: COUNT }, (_, n) => COUNT - 1 - n);

test.each([
  [{}, descending],
  [{ session_id: "zsh-20260206" }, [20, 15, 10, 5, 0]],
  [{ text: "PART-2" }, [24, 23, 22, 21, 20, 2]],
  [{ exit: 2, cwd: "/srv" }, [8, 5, 2]],
  [{ exit: "2", cwd: "/srv/" }, [8, 5, 2]],
  [{ failed: true, before: at(6) }, [5, 4, 2, 1]],
  [{ failed: false, limit: 2 }, [24, 23]],
  [{ after: at(23) }, [24, 23]],
  [{ at: at(6.1) }, [6]],
  [{ at: at(6) }, [6]],
  [{ at: at(6.2) }, []],
  [{ during: `${at(6.1)}..${at(8)}` }, [7, 6]],
  [{ during: `${at(22.1)}..` }, [24, 23, 22]],
  [{ during: `..${at(1)}`, before: at(5) }, [0]],
  [{ during: `${at(6.1)}..${at(9)}`, before: at(8), after: at(6.5) }, [7]],
  [{ after: at(10), before: at(12), cwd: "/home" }, [11, 10]],
])("%p finds them, newest first", async (args, wanted) => {
  expect(await seqs(args)).toEqual(wanted);
});

test("page by page, each once", async () => {
  for (const more of [{}, { failed: true }, { during: `${at(3.1)}..` }]) {
    const seen: number[] = [];
    let cursor: string | null = null;
    do {
      const { result } = await ask({
        ...more,
        limit: 4,
        ...(cursor && { cursor }),
      });
      seen.push(...result["commands"].map(({ seq }: { seq: number }) => seq));
      expect(result["count"]).toBe(result["commands"].length);
      cursor = result["next_cursor"];
    } while (cursor !== null);
    expect(seen).toEqual(await seqs(more));
  }
});

test.each([
  [{ session_id: "nobody" }, "no session 'nobody'"],
  [{ after: "soon" }, "after: 'soon' is not a time"],
  [{ during: "today" }, "during: 'today' is not a span of time"],
  [{ at: "soon" }, "at: 'soon' is not a time"],
  [{ cursor: "x" }, "cursor: not one that this list gave"],
  [{ cursor: eventCursor(3) }, "cursor: not one that this list gave"],
  [{ exit: "high" }, "exit"],
])("%p says what is wrong", async (args, sentence) => {
  const { isError, text } = await ask(args);
  expect([isError, text]).toEqual([true, expect.stringContaining(sentence)]);
});

test("a cursor of it is no list of events'", async () => {
  const cursor = commandCursor({ start_time: at(1), event_seq: 3 });
  expect((await host.call("list_events", { cursor })).isError).toBe(true);
});
