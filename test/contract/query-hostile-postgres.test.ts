/**
 * Queries of users to a PostgreSQL store that want more than the views: they are
 * refused, end at their limit, leave others their turn, and nothing of them stays.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync, chmodSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KeptStore } from "../../src/model/store.ts";
import { end, start } from "../support/events.ts";
import { type KeptPlace, SHARED } from "../support/stores.ts";
import { listed } from "./expected.ts";
import { ENDLESS, HARMLESS, REACHING } from "./hostile-postgres.ts";
import { failureOf, rowsOf } from "./queries.ts";

/** Of an endless one; none of the others needs as much. */
const LIMIT_MS = 1_000;
/** Of all the others, on a machine that is busy. */
const PATIENCE_MS = 120_000;

const home = mkdtempSync(join(tmpdir(), "sb-hostile-"));
const secret = `secret-${crypto.randomUUID()}`;
const file = join(home, "secret.csv");
let place: KeptPlace;
let store: KeptStore;

const [kind] = SHARED;

beforeAll(async () => {
  // The server of the database may read it.
  chmodSync(home, 0o755);
  writeFileSync(file, `content\n${secret}\n`);
  if (!kind) return;
  place = await kind.place();
  store = await place.open();
  await store.append([start(), end(5)]);
});
afterAll(async () => {
  await store?.close();
  await place?.[Symbol.asyncDispose]();
  rmSync(home, { recursive: true });
});

const aimed = (sql: string) => sql.replaceAll("$FILE", file);

test.skipIf(!kind).each(REACHING.map((sql) => [sql.slice(0, 70), sql]))(
  "refused: %s",
  async (_, sql) => {
    const failure = await failureOf(store, aimed(sql), PATIENCE_MS);
    expect(failure?.code).toBe("usage");
    expect(failure!.message).not.toContain(secret);
    expect(failure!.sentence).not.toContain("\n");
  },
);

test.skipIf(!kind)(
  "what sounds like it and is harmless has an answer",
  async () => {
    for (const sql of HARMLESS) {
      const rows = await rowsOf(store, aimed(sql), PATIENCE_MS);
      expect(JSON.stringify(rows)).not.toContain(secret);
    }
  },
);

test.skipIf(!kind)("nothing was made, changed or set by any", async () => {
  expect(await listed(store)).toHaveLength(1);
  expect(await rowsOf(store, "SELECT count(*) AS n FROM events")).toEqual([
    { n: 2 },
  ]);
});

test.skipIf(!kind).each(ENDLESS.map((sql) => [sql.slice(0, 70), sql]))(
  "ends, and others are answered meanwhile: %s",
  async (_, sql) => {
    const failing = failureOf(store, sql, LIMIT_MS);
    await store.append([start()]);
    expect(await listed(store)).toHaveLength(1);
    const failure = await failing;
    // The database may be faster to say so than we are.
    expect(failure?.code).toBe("timeout");
    // It has left its place, and what it had.
    const more = Array.from({ length: 4 }, () =>
      rowsOf(store, "SELECT count(*) AS n FROM sessions", PATIENCE_MS),
    );
    expect(await Promise.all(more)).toEqual(Array(4).fill([{ n: 1 }]));
  },
);

test.skipIf(!kind)("a row that is larger than any is, is refused", async () => {
  const sql =
    "SELECT string_agg(a::text, '') AS t FROM generate_series(1, 2000000) AS a";
  expect(await failureOf(store, sql, PATIENCE_MS)).toMatchObject({
    code: "refused",
    sentence: expect.stringContaining("larger than 4194304 bytes"),
  });
});

test.skipIf(!kind)("nobody who has gone is worked for", async () => {
  const going = new AbortController();
  const asked = store.query({
    ...{ sql: ENDLESS[0]!, timeout_ms: 600_000, gone: going.signal },
  });
  const taking = asked.then(({ rows }) => Array.fromAsync(rows));
  going.abort();
  const said = await taking.catch((error: Error) => error.message);
  expect(said).toContain("nobody waits for the answer");
});

test.skipIf(!kind)("rows that are not taken hold nothing", async () => {
  for (let times = 0; times < 4; times++) {
    const { rows } = await store.query({
      ...{ sql: "SELECT generate_series(0, 100000000)", timeout_ms: 600_000 },
    });
    for await (const row of rows) {
      expect(row).toEqual([0]);
      break;
    }
  }
});

test.skipIf(!kind)("one that had no turn says so", async () => {
  const going = new AbortController();
  const others = [1, 2].map(async () => {
    const request = {
      sql: ENDLESS[0]!,
      timeout_ms: 600_000,
      gone: going.signal,
    };
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

test.skipIf(!kind)("a store that is closed ends its queries", async () => {
  const other = await place.open();
  const asked = [1, 2, 3].map(() => failureOf(other, ENDLESS[0]!, 600_000));
  // Two run, and the third waits for a place.
  await Bun.sleep(0);
  await other.close();
  for (const failure of await Promise.all(asked))
    expect(failure?.sentence).toMatch(/interrupted|closed/);
});
