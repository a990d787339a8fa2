/** How soon leases are looked at again, after a look that took some time. */
import { afterEach, expect, mock, spyOn, test } from "bun:test";
import type { Connection } from "../../src/store/postgres/connect.ts";
import type { Duties } from "../../src/store/postgres/duties.ts";
import { Lapse } from "../../src/store/postgres/lapse.ts";
import type { Servers } from "../../src/store/postgres/servers.ts";
import type { Signs } from "../../src/store/postgres/signs.ts";

afterEach(() => mock.restore());

test.each([
  { took_ms: 40, rest_ms: 0 },
  { took_ms: 550, rest_ms: 10_000 },
  // It has waited for others: nobody waits for as long again twenty times.
  { took_ms: 60_000, rest_ms: 30_000 },
])("after $took_ms ms leases rest for $rest_ms ms", async (told) => {
  const { took_ms, rest_ms } = told;
  let looks = 0;
  let moment_ms = 0;
  spyOn(performance, "now").mockImplementation(() => moment_ms);
  const ask = async (sql: string) => {
    if (!sql.includes("lease_seconds")) return [];
    looks++;
    moment_ms += took_ms;
    return [];
  };
  const held = { since: "2026-11-01T00:00:00.000Z", now: "", term: "1" };
  const lapse = new Lapse(
    ask as Connection["ask"],
    { seen: async () => {} } as unknown as Servers,
    { take: async () => held } as unknown as Duties,
    {} as Signs,
    async () => new Set(),
  );
  const begun_ms = Date.parse(held.since);
  const looksAt = async (after_ms: number) => {
    const before = looks;
    await lapse.expire(begun_ms + after_ms, 1e9);
    return looks > before;
  };
  expect(await looksAt(0)).toBe(true);
  if (rest_ms > 0) expect(await looksAt(rest_ms - 1)).toBe(false);
  expect(await looksAt(rest_ms)).toBe(true);
  // A clock that is set back is not waited for.
  expect(await looksAt(-1)).toBe(true);
});
