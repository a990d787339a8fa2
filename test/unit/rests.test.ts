/** How soon leases are looked at again, after a look that took some time. */
import { afterEach, expect, mock, spyOn, test } from "bun:test";
import type { Connection } from "../../src/store/postgres/connect.ts";
import type { Duties } from "../../src/store/postgres/duties.ts";
import { Lapse } from "../../src/store/postgres/lapse.ts";
import type { Servers } from "../../src/store/postgres/servers.ts";
import type { Signs } from "../../src/store/postgres/signs.ts";

afterEach(() => mock.restore());

const LOST = { session_id: "web-1", sign: new Date(0) };

/**
 * @param took_ms by look
 * @param lost how many each finds
 */
function setUp(took_ms: readonly number[], lost = 0) {
  let looks = 0;
  let moment_ms = 0;
  spyOn(performance, "now").mockImplementation(() => moment_ms);
  const ask = async (sql: string) => {
    if (!sql.includes("lease_seconds")) return [];
    moment_ms += took_ms[looks++] ?? 0;
    return Array.from({ length: lost }, () => LOST);
  };
  const held = { since: "2026-11-01T00:00:00.000Z", now: "", term: "1" };
  const lapse = new Lapse(
    ask as Connection["ask"],
    { seen: async () => {} } as unknown as Servers,
    { take: async () => held } as unknown as Duties,
    { reopenSeen: async () => {} } as unknown as Signs,
    async () => new Set(),
  );
  /** Whether they are looked at so long after the second look. */
  return async (after_ms: number) => {
    const before = looks;
    await lapse.expire(Date.parse(held.since) + after_ms, 1e9);
    return looks > before;
  };
}

test.each([
  { took_ms: [600, 40], rest_ms: 0 },
  // Once by chance.
  { took_ms: [40, 600], rest_ms: 0 },
  { took_ms: [600, 550], rest_ms: 10_000 },
  // They have waited for others: nobody waits for as long again twenty times.
  { took_ms: [60_000, 60_000], rest_ms: 30_000 },
  // There are more to be ended.
  { took_ms: [600, 600], lost: 4_096, rest_ms: 0 },
])("after looks of $took_ms ms is a rest of $rest_ms ms", async (told) => {
  const { took_ms, lost, rest_ms } = told;
  const looksAt = setUp(took_ms, lost);
  expect(await looksAt(-60_000)).toBe(true);
  expect(await looksAt(0)).toBe(true);
  if (rest_ms > 0) expect(await looksAt(rest_ms - 1)).toBe(false);
  expect(await looksAt(rest_ms)).toBe(true);
});

test("a clock that is set back ends the rest", async () => {
  const looksAt = setUp([600, 600]);
  expect(await looksAt(-60_000)).toBe(true);
  expect(await looksAt(0)).toBe(true);
  expect(await looksAt(1)).toBe(false);
  expect(await looksAt(-1)).toBe(true);
});
