/** A sign of life that comes while leases are looked at, or just before, is one. */
import { expect, test } from "bun:test";
import { SQL } from "bun";
import { addressOf } from "../../src/store/postgres/address.ts";
import { PostgresStore } from "../../src/store/postgres/store.ts";
import { needsPostgres } from "../crash/postgres/node.ts";
import { start } from "../support/events.ts";
import { emptyDatabase } from "../support/postgres.ts";

test.skipIf(!needsPostgres())(
  "a sign that comes after the duty was taken, and before leases are read, keeps a session alive",
  async () => {
    await using database = await emptyDatabase();
    const address = addressOf(database.url, null, null);
    const store = await PostgresStore.open(address);
    const begun = start({ lease_seconds: 600 });
    await store.append([begun]);
    await store.seen(new Map([[begun.session_id, begun.timestamp]]));
    await store.expireLeases(Date.now(), 1e9);
    await using sql = new SQL(database.url, { max: 1 });
    // Leases have run for long, and something of it is heard as the duty is taken.
    await sql`UPDATE duties SET since = since - interval '1 hour'`;
    await sql`UPDATE sessions SET heard_at = heard_at - interval '1 hour'`;
    await sql`UPDATE signs SET heard_at = heard_at - interval '1 hour'`;
    await sql.unsafe(`
      CREATE FUNCTION hear() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        UPDATE signs SET heard_at = clock_timestamp(), last_sign = clock_timestamp();
        RETURN NULL;
      END $$`);
    await sql.unsafe(
      "CREATE TRIGGER hear AFTER UPDATE ON duties EXECUTE FUNCTION hear()",
    );
    expect(await store.expireLeases(Date.now(), 1e9)).toBe(0);
    expect(await store.get(begun.session_id)).toMatchObject({
      status: "active",
    });
    await store.close();
  },
  400_000,
);

test.skipIf(!needsPostgres())(
  "a sign that comes after the time of a look keeps a session alive",
  async () => {
    await using database = await emptyDatabase();
    const store = await PostgresStore.open(addressOf(database.url, null, null));
    const begun = start({ lease_seconds: 1 });
    await store.append([begun]);
    await store.expireLeases(Date.now(), 1e9);
    await using sql = new SQL(database.url, { max: 1 });
    await sql`UPDATE duties SET since = since - interval '1 hour'`;
    await sql`UPDATE servers SET since = since - interval '1 hour'`;
    // Whoever looks was kept for less than clocks may differ by.
    const look_ms = Date.now() - 900;
    await store.seen(new Map([[begun.session_id, begun.timestamp]]));
    expect(await store.expireLeases(look_ms, 1e9)).toBe(0);
    await store.close();
  },
  400_000,
);
