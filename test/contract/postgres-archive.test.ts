/** An archive whose COMMIT nobody heard of: what was removed is in its files. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeArchive } from "../../src/store/duckdb/archive-files.ts";
import { needsPostgres } from "../crash/postgres/node.ts";
import { CUTS, PostgresRelay } from "../crash/postgres/relay.ts";
import { ID, end, start } from "../support/events.ts";
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
