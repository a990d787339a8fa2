/**
 * Queries that want more than the views: they are refused, end at their limit, leave
 * others their turn, and nothing of them stays.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBStore } from "../../src/store/duckdb/store.ts";
import { end, start } from "../support/events.ts";
import { listed } from "./expected.ts";
import { ENDLESS, HARMLESS, HUGE, REACHING } from "./hostile-queries.ts";
import { failureOf, rowsOf } from "./queries.ts";

/** Of an endless one; none of the others needs as much. */
const LIMIT_MS = 1_000;

const home = mkdtempSync(join(tmpdir(), "sb-hostile-"));
const secret = `secret-${crypto.randomUUID()}`;
const file = join(home, "secret.csv");
let store: DuckDBStore;

beforeAll(async () => {
  writeFileSync(file, `content\n${secret}\n`);
  process.env["SB_TEST_SECRET"] = secret;
  store = await DuckDBStore.open(join(home, "store.duckdb"));
  await store.append([start(), end(5)]);
});
afterAll(async () => {
  delete process.env["SB_TEST_SECRET"];
  await store.close();
  rmSync(home, { recursive: true });
});

const aimed = (sql: string) => sql.replaceAll("$FILE", file);

test.each(REACHING.map((sql) => [sql.slice(0, 70), sql]))(
  "refused: %s",
  async (_, sql) => {
    const failure = await failureOf(store, aimed(sql), 300_000);
    expect(failure?.code).toBe("usage");
    expect(failure!.message).not.toContain(secret);
  },
);

test("what sounds like it and is harmless has an answer", async () => {
  for (const sql of HARMLESS) {
    const rows = await rowsOf(store, aimed(sql));
    expect(JSON.stringify(rows)).not.toContain(secret);
  }
});

test("JSON that is deeper than any stack is the text that it is", async () => {
  for (const [level, deep] of [
    [200, false],
    [201, true],
    [1_000_000, true],
  ] as const) {
    const sql = `SELECT (repeat('[', ${level}) || '"[]"' || repeat(']', ${level}))::JSON AS j`;
    const [row] = (await rowsOf(store, sql)) as { j: unknown }[];
    expect([level, typeof row!.j === "string"]).toEqual([level, deep]);
  }
  const text = "[".repeat(300);
  const [row] = await rowsOf(store, `SELECT to_json('"${text}\\"') AS j`);
  expect(row).toEqual({ j: `"${text}\\"` });
});

test("nothing was made, changed or set by any", async () => {
  const made = readdirSync(home).filter((name) => !/^store\.duckdb/.test(name));
  expect(made).toEqual(["secret.csv"]);
  expect(await listed(store)).toHaveLength(1);
  expect(await rowsOf(store, "SELECT count(*) AS n FROM events")).toEqual([
    { n: 2 },
  ]);
});

test.each([...ENDLESS, ...HUGE].map((sql) => [sql.slice(0, 70), sql]))(
  "ends, and others are answered meanwhile: %s",
  async (_, sql) => {
    let ended = false;
    const failing = failureOf(store, sql, LIMIT_MS).finally(
      () => (ended = true),
    );
    await store.append([start()]);
    expect(await listed(store)).toHaveLength(1);
    const failure = await failing;
    expect(ended).toBe(true);
    expect(["timeout", "refused", "usage"]).toContain(failure!.code);
    expect(failure!.sentence).toMatch(
      /did not end within 1 s$|needs more memory|larger than/,
    );
    // It has left its place, and what it had.
    const more = Array.from({ length: 4 }, () =>
      rowsOf(store, "SELECT count(*) AS n FROM sessions", 120_000),
    );
    expect(await Promise.all(more)).toEqual(Array(4).fill([{ n: 1 }]));
  },
);

test("nobody who has gone is worked for", async () => {
  const going = new AbortController();
  const [sql] = ENDLESS;
  const asked = store.query({
    ...{ sql: sql!, timeout_ms: 600_000, gone: going.signal },
  });
  const taking = asked.then(({ rows }) => Array.fromAsync(rows));
  going.abort();
  const said = await taking.catch((error: Error) => error.message);
  expect(said).toContain("nobody waits for the answer");
});

test("rows that are not taken hold nothing", async () => {
  for (let times = 0; times < 4; times++) {
    const { rows } = await store.query({
      ...{ sql: "FROM range(100000000)", timeout_ms: 600_000 },
    });
    for await (const row of rows) {
      expect(row).toEqual([0]);
      break;
    }
  }
});

test("one that had no turn says so", async () => {
  const going = new AbortController();
  const [sql] = ENDLESS;
  const others = [1, 2].map(async () => {
    const request = { sql: sql!, timeout_ms: 600_000, gone: going.signal };
    const { rows } = await store.query(request);
    await Array.fromAsync(rows);
  });
  const failure = await failureOf(store, "SELECT 1", LIMIT_MS);
  expect(failure).toMatchObject({
    code: "timeout",
    sentence: "2 other queries did not end within 1 s",
  });
  going.abort();
  for (const { status } of await Promise.allSettled(others))
    expect(status).toBe("rejected");
});

test("a store that is closed ends its queries", async () => {
  const other = await DuckDBStore.open(join(home, "other.duckdb"));
  const asked = ENDLESS.slice(0, 3).map((sql) =>
    failureOf(other, sql, 600_000),
  );
  // Two run, and the third waits for a place.
  await Bun.sleep(0);
  await other.close();
  for (const failure of await Promise.all(asked))
    expect(failure?.sentence).toMatch(/interrupted|closed/);
  rmSync(join(home, "other.duckdb"));
});
