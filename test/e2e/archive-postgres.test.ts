/** Old sessions go from PostgreSQL to the same files, by a server and without one. */
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { needsPostgres } from "../crash/postgres/node.ts";
import { query } from "../support/database.ts";
import { expectFailure } from "../support/host.ts";
import { archivedIn, old, settled } from "../support/keeping.ts";
import { emptyDatabase } from "../support/postgres.ts";
import { Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";

for (const served of [false, true])
  test(`archived ${served ? "by a server" : "without a server"}, with what terminals showed`, async () => {
    if (!needsPostgres()) return;
    await using database = await emptyDatabase();
    using sandbox = new Sandbox();
    sandbox.env["SESSION_BUDDY_STORE_URL"] = database.url;
    const ids = (await settled(sandbox, old(5))).sort();
    const [first] = ids as [string];
    const recordings = join(sandbox.data, "recordings");
    mkdirSync(recordings, { mode: 0o700, recursive: true });
    writeFileSync(join(recordings, `${first}.rec`), "shown", { mode: 0o600 });
    const server = served ? await TestServer.start(sandbox) : null;
    try {
      const folder = join(sandbox.home, "archived");
      const words = ["archive-sessions", "--days", "30", "--json"];
      const plan = await sandbox.run([...words, "--dry-run"]);
      expect([plan.exitCode, plan.stderr]).toEqual([0, ""]);
      expect(JSON.parse(plan.stdout)).toMatchObject({ sessions: 5 });
      const done = await sandbox.run([...words, "-y", "-o", folder]);
      expect([done.exitCode, done.stderr]).toEqual([0, ""]);
      expect(JSON.parse(done.stdout)).toMatchObject({
        ...{ sessions: 5, folder, compacted: false },
        recordings: { files: 1, bytes: 5 },
      });
      expect(await archivedIn(sandbox, folder)).toEqual(ids);
      const shown = join(folder, "recordings", `${first}.rec`);
      expect(readFileSync(shown, "utf8")).toBe("shown");
      expect(existsSync(join(recordings, `${first}.rec`))).toBe(false);

      expect(await sandbox.list()).toEqual([]);
      const gone = await sandbox.run(["show-session", first]);
      expectFailure(gone, 1, /archived/);
      // What an archive holds is redacted there.
      const removed = await sandbox.run(["redact", first, "--yes", "--json"]);
      expect([removed.exitCode, removed.stderr.includes("error")]).toEqual([
        0,
        false,
      ]);
      const [{ n }] = (await query<{ n: number }>(
        join(sandbox.home, "any.duckdb"),
        `SELECT count(*)::INTEGER AS n FROM '${folder}/events.parquet'
          WHERE kind = 'redaction' AND session_id = '${first}'`,
      )) as [{ n: number }];
      expect(n).toBeGreaterThan(0);
      const copy = await sandbox.run(["backup", "copy.dump"]);
      expectFailure(copy, 64, /pg_dump -Fc -f '.*copy\.dump' 'postgres:\/\//);
      const back = await sandbox.run(["restore", "--yes", "copy.dump"]);
      expectFailure(back, 5, /pg_restore/);
    } finally {
      await server?.[Symbol.asyncDispose]();
    }
  });
