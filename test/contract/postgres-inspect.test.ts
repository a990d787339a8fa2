/** What is said of how a database is set up, also to a role that may nearly nothing there. */
import { SQL } from "bun";
import { expect, test } from "bun:test";
import { addressOf } from "../../src/store/postgres/address.ts";
import { inspect } from "../../src/store/postgres/inspect.ts";
import { needsPostgres } from "../crash/postgres/node.ts";
import { start } from "../support/events.ts";
import { emptyDatabase } from "../support/postgres.ts";
import { openPostgres, sharedDatabase } from "../support/stores.ts";

test.skipIf(!needsPostgres())(
  "all that a role lacks is named, and the rest is told besides",
  async () => {
    await using database = await sharedDatabase();
    await using sql = new SQL(database.url, { max: 1 });
    const role = `bare_${process.pid}`;
    await sql.unsafe(`CREATE ROLE ${role} LOGIN`);
    try {
      const url = new URL(database.url);
      url.username = role;
      const found = await inspect(addressOf(url.href, null, null));
      expect(found).toMatchObject({ role, schema: { has: null } });
      expect(found.tables).toHaveLength(5);
      const all = "SELECT,INSERT,UPDATE,DELETE";
      for (const lack of [
        ...[`${all} on events`, `${all} on schema_version`],
        ...["USAGE on arrivals", "USAGE on batch_numbers"],
        ...["USAGE on the schema session_buddy_views", "SELECT on recordings"],
      ])
        expect(found.missing_grants).toContain(lack);
      // What draws numbers by itself needs no grant.
      expect(found.missing_grants.join()).not.toContain("servers_id_seq");
      const owners = await inspect(addressOf(database.url, null, null));
      expect(owners).toMatchObject({ schema: { has: 1 }, missing_grants: [] });
    } finally {
      await sql.unsafe(`DROP ROLE ${role}`);
    }
  },
);

test.skipIf(!needsPostgres())(
  "tables are found in a schema of any name",
  async () => {
    await using database = await emptyDatabase();
    await using sql = new SQL(database.url, { max: 1 });
    const name = new URL(database.url).pathname.slice(1);
    await sql.unsafe(`CREATE SCHEMA "Our own.one"`);
    await sql.unsafe(`ALTER DATABASE ${name} SET search_path = 'Our own.one'`);
    const store = await openPostgres(database);
    await store.append([start()]);
    const { events, bytes } = await store.contents().holding();
    expect([events, bytes > 0]).toEqual([1, true]);
    await store.close();
    const found = await inspect(addressOf(database.url, null, null));
    expect(found.schema.has).toBe(1);
    expect(found.tables).toHaveLength(5);
  },
);
