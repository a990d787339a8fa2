/** The tool that tells what sessions and commands come to. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { METRICS, METRIC_NAMES } from "../../src/model/analytics.ts";
import { at, command, end, start } from "../support/events.ts";
import { ToolHost } from "../support/mcp.ts";
import { id } from "./expected.ts";

let host: ToolHost;

beforeAll(async () => {
  host = await ToolHost.start();
  const of = { pid: 7, seq: 1, shell_started_us: 1 };
  await host.store.append([
    start(),
    start({ session_id: id(1, "zsh"), component_name: "zsh" }),
    command(1, { ...of, text: "make all" }),
    command(2, { ...of, event_type: "command_end", exit_code: 2 }),
    end(60, { exit_code: 1 }),
  ]);
});
afterAll(() => host[Symbol.asyncDispose]());

const FEBRUARY = {
  ...{ after: "2026-02-01T00:00:00Z", before: "2026-03-01T00:00:00Z" },
  utc_offsets: [{ from: null, minutes: 0 }],
};
const ask = (args: object) => host.call("analytics", { ...FEBRUARY, ...args });

test("answers each question with its columns", async () => {
  for (const metric of METRIC_NAMES) {
    const { result, isError } = await ask({ metric });
    expect([metric, isError]).toEqual([metric, false]);
    expect(result["rows"].length).toBeGreaterThan(0);
    expect(result["count"]).toBe(result["rows"].length);
    expect(Object.keys(result["rows"][0])).toEqual(
      METRICS[metric].map(({ name }) => name),
    );
  }
});

test("takes local time, a period, filters and a limit", async () => {
  const { result } = await ask({
    ...{ metric: "sessions", period: "month", component: "zsh" },
  });
  expect(result).toMatchObject({
    ...{ metric: "sessions", period: "month", count: 1 },
    after: "2026-02-01T00:00:00.000Z",
    rows: [{ period: "2026-02", sessions: 1, active: 1, failed: 0 }],
  });
  const east = [
    { from: null, minutes: 0 },
    { from: at(-60), minutes: 720 },
  ];
  const hours = await ask({ metric: "peak_hours", utc_offsets: east });
  expect(
    hours.result["rows"].filter((row: { sessions: number }) => row.sessions),
  ).toMatchObject([{ hour: "00", sessions: 2, failed: 1 }]);
  const few = await ask({ metric: "components", limit: 1 });
  expect(few.result["rows"]).toMatchObject([{ component_name: "bash" }]);
});

test("counts the last days where no time is given", async () => {
  const { result } = await host.call("analytics", { metric: "sessions" });
  const { after, before, count, period } = result;
  const days = (Date.parse(before) - Date.parse(after)) / 86_400_000;
  expect([Math.floor(days), count, period]).toEqual([30, 31, "day"]);
  const today = await host.call("analytics", { metric: "hosts", days: 0 });
  expect(today.result["rows"]).toEqual([]);
});

test.each([
  [{}, "metric"],
  [{ metric: "moods" }, "metric"],
  [{ metric: "hosts", after: "soon" }, "after: 'soon' is not a time"],
  [
    { metric: "sessions", period: "hour", after: "1990-01-01" },
    "10000 periods",
  ],
  [{ metric: "hosts", utc_offsets: [] }, "utc_offsets"],
  [
    { metric: "hosts", utc_offsets: [{ from: at(1), minutes: 0 }] },
    "utc_offsets",
  ],
  [
    { metric: "hosts", utc_offsets: [{ from: null, minutes: 9_999 }] },
    "utc_offsets",
  ],
  [
    {
      metric: "hosts",
      utc_offsets: [
        ...[
          { from: null, minutes: 0 },
          { from: "' OR 1", minutes: 0 },
        ],
      ],
    },
    "utc_offsets",
  ],
])("%p says what is wrong", async (args, sentence) => {
  const { isError, text } = await ask(args);
  expect([isError, text]).toEqual([true, expect.stringContaining(sentence)]);
});
