/** The migrations that files have gone through are never edited. */
import { expect, test } from "bun:test";
import { MIGRATIONS } from "../../src/store/duckdb/schema.ts";

/** CRC-32 of those that have been released. */
const FROZEN = ["6b2b85fd", "e05574fc", "d706ff45", "8be4a59b", "57fbf0ca"];

test("a migration that exists stays as it is", () => {
  const hashes = MIGRATIONS.map((sql) =>
    Bun.hash.crc32(sql).toString(16).padStart(8, "0"),
  );
  expect(hashes.slice(0, FROZEN.length)).toEqual(FROZEN);
});
