/** The spans by which PostgreSQL is walked through, over rows that are made up. */
import { expect, test } from "bun:test";
import type { Connection } from "../../src/store/postgres/connect.ts";
import { Spans } from "../../src/store/postgres/spans.ts";

const SECOND_MS = 1_000;
const BEGAN_MS = Date.parse("2025-01-01T00:00:00Z");

/**
 * Looks through rows, each of which takes a while.
 * @param times in milliseconds, ascending
 * @returns how long each span took
 */
async function walked(
  times: readonly number[],
  row_ms: number,
): Promise<number[]> {
  let now_ms = 0;
  let seen = 0;
  const within = (since: number, until: number) =>
    times.filter((time) => time >= since && time < until).length;
  const connection: Connection = {
    async ask<T>(sql: string, values: readonly unknown[] = []) {
      if (sql === "look") now_ms += Number(values[0]) * row_ms;
      const [given] = values as [string?];
      const until = given === "infinity" ? Infinity : Date.parse(given ?? "");
      const found = sql.includes("min(")
        ? times[0]
        : times.findLast((time) => time < until);
      return [{ t: found === undefined ? null : new Date(found) }] as T[];
    },
  };
  const spans = await Spans.of(connection, {}, ["commands"], () => now_ms);
  const took: number[] = [];
  for (let span; (span = await spans.next());) {
    const rows = within(...span);
    seen += rows;
    await spans.ask("look", [rows]);
    took.push(rows * row_ms);
  }
  expect(seen).toBe(times.length);
  return took;
}

/** A row each minute for two months. */
const ROWS = Array.from({ length: 86_400 }, (_, n) => BEGAN_MS + n * 60_000);

test("no span takes long, however much there is, and few are taken", async () => {
  const took = await walked(ROWS, 1);
  expect(Math.max(...took)).toBeLessThanOrEqual(4 * SECOND_MS);
  expect(took.length).toBeLessThan(200);
});

test("where looking takes no time they soon have all", async () => {
  expect((await walked(ROWS, 0)).length).toBeLessThan(6);
});

test("a clock that was wrong by far makes no span that has all others", async () => {
  const far = Date.parse("9998-01-01T00:00:00Z");
  const took = await walked([0, ...ROWS, far], 1);
  expect(Math.max(...took)).toBeLessThanOrEqual(4 * SECOND_MS);
  expect(took.length).toBeLessThan(200);
});

test("of nothing there are none", async () => {
  expect(await walked([], 1)).toEqual([]);
});
