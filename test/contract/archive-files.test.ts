/** An archive of sessions that PostgreSQL keeps is the one that DuckDB would make. */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { moveAll } from "../../src/access/move.ts";
import { SILENT } from "../../src/model/progress.ts";
import type { KeptStore } from "../../src/model/store.ts";
import { query } from "../support/database.ts";
import { fill } from "../support/filled.ts";
import { Random } from "../support/random.ts";
import { SHARED, STORES } from "../support/stores.ts";

const request = {
  ended_before: "2099-01-01T00:00:00.000Z",
  keep_tagged: true,
};
/** What the place of an event's storing gives it is its own. */
const OWN: Record<string, string> = {
  sessions: "",
  events: "EXCLUDE (seq, received_at)",
};

const archived = (store: KeptStore, folder: string) =>
  store
    .maintenance({
      ...{ spooled: () => [], requireNotOwn: () => {}, alone: false },
      warn: (reason) => expect(reason).toBe(""),
    })
    .archive(request, folder);

test.each(SHARED)(
  "$kind: its files have the same columns and rows",
  async ({ place }) => {
    const folder = mkdtempSync(join(tmpdir(), "sb-archive-"));
    await using there = await place();
    await using here = await STORES[0]!.place();
    const [ours, theirs] = [await here.open(), await there.open()];
    try {
      await fill(ours, Random.seeded("archived"), 200);
      await moveAll(ours, theirs, SILENT);
      const paths = ["ours", "theirs"].map((name) => join(folder, name));
      const [mine, other] = [
        await archived(ours, paths[0]!),
        await archived(theirs, paths[1]!),
      ];
      const counts = ({
        sessions,
        events,
        tagged,
        first_end,
      }: typeof mine) => ({
        ...{ sessions, events, tagged, first_end },
      });
      expect(counts(other)).toEqual(counts(mine));
      expect(other.sessions).toBeGreaterThan(5);
      expect(other.tagged).toBeGreaterThan(0);
      for (const [file, own] of Object.entries(OWN))
        for (const sql of [
          `DESCRIBE FROM '?/${file}.parquet'`,
          `SELECT * ${own} FROM '?/${file}.parquet' ORDER BY ALL`,
        ]) {
          const any = join(folder, "any.duckdb");
          const first = await query(any, sql.replace("?", paths[0]!));
          expect(first.length).toBeGreaterThan(0);
          expect(await query(any, sql.replace("?", paths[1]!))).toEqual(first);
        }

      // What is left says where they are, and what comes of them late is dropped.
      const all = await Array.fromAsync(theirs.list({}));
      expect(
        all.map(({ end_source, tags }) => !end_source || tags.length > 0),
      ).not.toContain(false);
      const [first] = await theirs.contents().tombstones(null);
      expect(first).toMatchObject({ folder: paths[1]!, late_events: 0 });
      expect(await theirs.get(first!.session_id)).toBe(null);
    } finally {
      await ours.close();
      await theirs.close();
      rmSync(folder, { recursive: true, force: true });
    }
  },
);
