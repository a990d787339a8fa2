/** The lanes and the axis of the dashboard's timeline. */
import { expect, test } from "bun:test";
import { marksOf } from "../../src/server/web/page/axis.ts";
import {
  type Bar,
  ROW,
  laneAt,
  lanesOf,
} from "../../src/server/web/page/lanes.ts";

const HOUR = 3_600_000;
const bar = (
  username: string,
  hostname: string,
  from: number,
  to: number | null,
): Bar => ({
  ...{ session_id: `${username}-${from}`, username, hostname, from, to },
  ...{ component: "bash", look: "well", failed_commands: 0 },
});

test("those that overlap stand below each other, four at most, and a row that is free is taken", () => {
  const [lane] = lanesOf(
    [
      bar("les", "a", 0, 10),
      bar("les", "a", 20, null),
      bar("les", "a", 5, 30),
      bar("les", "a", 21, 22),
      bar("les", "a", 21, 23),
      bar("les", "a", 21, 24),
    ],
    "user_host",
  );
  expect(lane!.bars.map(({ from }) => from)).toEqual([0, 5, 20, 21, 21, 21]);
  expect(lane!.rows).toEqual([0, 1, 0, 2, 3, 3]);
});

test("a lane is of a user and host, of a user, or of a host", () => {
  const bars = [
    bar("les", "a", 0, 1),
    bar("les", "b", 0, 1),
    bar("maria", "b", 0, 1),
  ];
  const names = (group: Parameters<typeof lanesOf>[1]) =>
    lanesOf(bars, group).map(({ name }) => name);
  expect(names("user_host")).toEqual(["les@a", "les@b", "maria@b"]);
  expect(names("user")).toEqual(["les", "maria"]);
  expect(names("host")).toEqual(["a", "b"]);
});

test("a lane is found by its place", () => {
  const lanes = lanesOf(
    [bar("a", "x", 0, 9), bar("a", "x", 1, 9), bar("b", "x", 0, 9)],
    "user",
  );
  expect(lanes.map(({ top }) => top)).toEqual([0, 2 * ROW + 8]);
  expect(laneAt(lanes, -1)).toBe(-1);
  expect(laneAt(lanes, 0)).toBe(0);
  expect(laneAt(lanes, 2 * ROW + 7)).toBe(0);
  expect(laneAt(lanes, 2 * ROW + 8)).toBe(1);
  expect(laneAt(lanes, 1e6)).toBe(1);
  expect(laneAt([], 5)).toBe(-1);
});

test.each([...[1, 8, 24, 72, 24 * 9, 24 * 40, 24 * 200, 24 * 1_000]])(
  "of %d hours there are a few marks, in order, in view, at whole times",
  (hours) => {
    const from = Date.parse("2026-02-06T12:34:56Z");
    const to = from + hours * HOUR;
    const marks = marksOf({ from, to }, 12);
    expect(marks.length).toBeGreaterThan(1);
    expect(marks.length).toBeLessThanOrEqual(14);
    const times = marks.map(({ at }) => at);
    expect(times).toEqual([...new Set(times)].sort((a, b) => a - b));
    expect(times[0]!).toBeGreaterThanOrEqual(from);
    expect(times.at(-1)!).toBeLessThanOrEqual(to);
    for (const { at } of marks) expect(at % 60_000).toBe(0);
  },
);
