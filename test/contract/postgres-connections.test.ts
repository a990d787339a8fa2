/** How many connections a store has, and what it does without one. */
import { SQL } from "bun";
import { expect, test } from "bun:test";
import { addressOf } from "../../src/store/postgres/address.ts";
import { HostsPool } from "../../src/store/postgres/connect.ts";
import { needsPostgres } from "../crash/postgres/node.ts";
import { start } from "../support/events.ts";
import { openPostgres, sharedDatabase } from "../support/stores.ts";
import { until } from "../support/wait.ts";

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
  400_000,
);

test.skipIf(!needsPostgres())(
  "however many want the tail numbered that somebody keeps, others write meanwhile",
  async () => {
    await using database = await sharedDatabase();
    const store = await openPostgres(database);
    await using sql = new SQL(database.url, { max: 2 });
    const event = (n: number) =>
      start({
        session_id: `web-20260206-120000-0000000${n}`,
        event_id: `0000000${n}-0000-4000-8000-000000000000`,
      });
    await store.append([event(1)]);
    let asked: Promise<unknown>[] = [];
    await sql.begin(async (tx) => {
      await tx`SELECT last FROM tail FOR UPDATE`;
      asked = Array.from({ length: 20 }, () => store.catchUp());
      const waits = () => sql`SELECT 1 FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'`;
      await until("one to wait", async () => (await waits()).length > 0);
      expect((await store.append([event(2)])).size).toBe(1);
      expect((await waits()).length).toBe(1);
    });
    await Promise.all(asked);
    const seqs = await Array.fromAsync(store.events({}), ({ seq }) => seq);
    expect(seqs).toEqual([1, 2]);
    await store.close();
  },
  400_000,
);

test.skipIf(!needsPostgres())(
  "a connection is made when it is needed, and used again",
  async () => {
    await using database = await sharedDatabase();
    const address = addressOf(database.url, null, null);
    const pool = new HostsPool(address, {
      size: 4,
      statement_timeout_ms: 60_000,
    });
    await using sql = new SQL(database.url, { max: 1 });
    const made = async () =>
      (
        await sql`SELECT 1 FROM pg_stat_activity
          WHERE datname = current_database() AND pid <> pg_backend_pid()
            AND backend_type = 'client backend'`
      ).length;
    for (let i = 0; i < 3; i++) await pool.ask("SELECT 1");
    expect(await made()).toBe(1);
    const all = Array.from({ length: 9 }, () =>
      pool.ask("SELECT pg_sleep(0.1)"),
    );
    await Promise.all(all);
    expect(await made()).toBe(4);
    await pool.end();
    await until("their end", async () => (await made()) === 0);
    await expect(pool.ask("SELECT 1")).rejects.toThrow("Connection closed");
  },
  400_000,
);
