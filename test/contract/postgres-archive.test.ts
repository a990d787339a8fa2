/**
 * Archives: one whose COMMIT nobody heard of has what was removed in its files; and how
 * much of the sessions is read at once.
 */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeArchive } from "../../src/store/duckdb/archive-files.ts";
import { addressOf } from "../../src/store/postgres/address.ts";
import { type Going, read } from "../../src/store/postgres/archive.ts";
import { HostsPool } from "../../src/store/postgres/connect.ts";
import { needsPostgres } from "../crash/postgres/node.ts";
import { CUTS, PostgresRelay } from "../crash/postgres/relay.ts";
import { ID, command, end, start } from "../support/events.ts";
import { openPostgres, sharedDatabase } from "../support/stores.ts";

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "sb-archive-"))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test
  .skipIf(!needsPostgres())
  .each([
    ...CUTS.map((cut) => ({ cut, locks: true })),
    { cut: "after" as const, locks: false },
  ])(
  "cut $cut its COMMIT, with locks: $locks, it is done, once",
  async ({ cut, locks }) => {
    await using database = await sharedDatabase();
    const url = new URL(database.url);
    await using relay = new PostgresRelay(Number(url.port));
    await relay.listening;
    url.port = String(relay.port);
    const through = { ...database, url: url.href };
    const store = await openPostgres(through, { locks, writeArchive });
    await store.append([start(), end(9)]);
    await store.catchUp();
    const maintenance = store.maintenance({
      ...{ spooled: () => [], requireNotOwn: () => {}, alone: false },
      warn: (reason) => expect(reason).toBe(""),
    });
    relay.cutNext(cut);
    const request = { ended_before: "2026-03-01T00:00:00.000Z" };
    const done = await maintenance.archive(
      { ...request, keep_tagged: false },
      join(folder, "old"),
    );
    expect(relay.cuts).toBe(1);
    expect(done).toMatchObject({ sessions: 1, events: 2 });
    expect(await maintenance.archived(ID)).toMatchObject([
      { folder: join(folder, "old"), late_events: 0 },
    ]);
    expect(readdirSync(join(folder, "old")).sort()).toEqual([
      ...["events.parquet", "sessions.parquet"],
    ]);
    await store.close();
  },
);

test.skipIf(!needsPostgres())(
  "of long sessions few are read at once",
  async () => {
    await using database = await sharedDatabase();
    const store = await openPostgres(database);
    const ids = ["aa", "bb", "cc", "dd", "ee"].map((last) => `${ID}${last}`);
    for (const session_id of ids) {
      const those = { session_id };
      const commands = Array.from({ length: 38 }, (_, n) => command(n, those));
      await store.append([start(those), ...commands, end(99, those)]);
    }
    await store.close();
    const pool = new HostsPool(addressOf(database.url, null, null), {
      ...{ size: 1, statement_timeout_ms: 60_000 },
    });
    const request = {
      ended_before: "2026-03-01T00:00:00.000Z",
      keep_tagged: false,
    };
    const going: Going[] = [];
    const parts = await Array.fromAsync(read(pool, request, [], going, 64));
    expect(parts.map((part) => part.length)).toEqual([2, 2, 1]);
    expect(parts.flat().map(({ session_id }) => session_id)).toEqual(ids);
    expect(parts.flat().every(({ events }) => events.length === 40)).toBe(true);
    expect(going.map(({ events }) => events)).toEqual(Array(5).fill(40));
    await pool.end();
  },
);
