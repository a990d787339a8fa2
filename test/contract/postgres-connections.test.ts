/** A database that has no connection left is away, and is waited for as one. */
import { SQL } from "bun";
import { expect, test } from "bun:test";
import { needsPostgres } from "../crash/postgres/node.ts";
import { openPostgres, sharedDatabase } from "../support/stores.ts";

test.skipIf(!needsPostgres())(
  "with too few connections no store opens, and it is said at once",
  async () => {
    await using database = await sharedDatabase();
    await using sql = new SQL(database.url, { max: 1 });
    const role = `few_${process.pid}`;
    // One to read, none to write.
    await sql.unsafe(`CREATE ROLE ${role} LOGIN CONNECTION LIMIT 1
      IN ROLE pg_read_all_data`);
    try {
      const url = new URL(database.url);
      url.username = role;
      const opened = openPostgres(
        { ...database, url: url.href },
        { patience_ms: 100 },
      );
      await expect(opened).rejects.toMatchObject({
        code: "overloaded",
        sentence: expect.stringContaining(
          `is away: too many connections for role "${role}"`,
        ),
      });
    } finally {
      await sql.unsafe(`DROP ROLE ${role}`);
    }
  },
  30_000,
);
