/**
 * A PostgreSQL database that was set up otherwise: what its settings say of texts and
 * times changes no answer, and what would do harm is refused with what to change.
 */
import { expect, test } from "bun:test";
import { SQL } from "bun";
import type { Event } from "../../src/model/event.ts";
import { addressOf } from "../../src/store/postgres/address.ts";
import { withDatabaseDocuments } from "../../src/store/postgres/documents.ts";
import { needsPostgres } from "../crash/postgres/node.ts";
import { at, command, end, start } from "../support/events.ts";
import { type TestDatabase, emptyDatabase } from "../support/postgres.ts";
import { openPostgres } from "../support/stores.ts";

/** Runs a statement in a database; `$name` is its name. */
async function change({ url }: TestDatabase, sql: string): Promise<void> {
  await using client = new SQL(url, { max: 1 });
  const name = new URL(url).pathname.slice(1);
  await client.unsafe(sql.replaceAll("$name", name));
}

const LIFE: Event[] = [
  start({ name: String.raw`a\b'c`, tags: ["NULL", "null", "\\"] }),
  command(1, { text: String.raw`printf 'a\b%s_'`, cwd: "/", seq: 1, pid: 1 }),
  end(5),
];

for (const settings of [
  ["standard_conforming_strings = off"],
  ["array_nulls = off"],
  ["DateStyle = 'SQL, DMY'", "TimeZone = 'America/St_Johns'"],
  ["default_transaction_isolation = 'serializable'"],
])
  test(`a database with ${settings.join(", ")} is like any other`, async () => {
    if (!needsPostgres()) return;
    await using database = await emptyDatabase();
    for (const setting of settings)
      await change(database, `ALTER DATABASE $name SET ${setting}`);
    const store = await openPostgres(database);
    await store.append(LIFE);
    expect(await Array.fromAsync(store.list({ tag: ["NULL"] }))).toMatchObject([
      { name: "a\\b'c", tags: ["NULL", "null", "\\"], end_time: at(5) },
    ]);
    const listed = store.commands({ text: "A\\B%S_" });
    expect(await Array.fromAsync(listed)).toMatchObject([
      { text: "printf 'a\\b%s_'", exit_code: null, start_time: at(1) },
    ]);
    await store.close();
  });

const REFUSED: [change: string, said: RegExp][] = [
  ["GRANT CREATE ON SCHEMA public TO PUBLIC", /everybody may make functions/],
  [
    "ALTER DATABASE $name SET default_transaction_read_only = on",
    /may only be read/,
  ],
  ["ALTER DATABASE $name SET search_path = ''", /has no schema for our tables/],
];
for (const [sql, said] of REFUSED)
  test(`after ${sql} it is refused`, async () => {
    if (!needsPostgres()) return;
    await using database = await emptyDatabase();
    await change(database, sql);
    await expect(openPostgres(database)).rejects.toThrow(said);
    const address = addressOf(database.url, null, null);
    const asked = withDatabaseDocuments(address, "alerts", (documents) =>
      documents.read("any"),
    );
    await expect(asked).rejects.toThrow(said);
  });

for (const encoding of ["SQL_ASCII", "LATIN1"])
  test(`a database of ${encoding} is refused`, async () => {
    if (!needsPostgres()) return;
    await using database = await emptyDatabase();
    const { pathname } = new URL(database.url);
    const other = new URL(database.url);
    other.pathname = `${pathname}_other`;
    const name = other.pathname.slice(1);
    await change(
      database,
      `CREATE DATABASE ${name} TEMPLATE template0 ENCODING '${encoding}'
        LC_COLLATE 'C' LC_CTYPE 'C'`,
    );
    try {
      await expect(
        openPostgres({ ...database, url: other.href }),
      ).rejects.toThrow(`has the encoding ${encoding}`);
    } finally {
      await change(database, `DROP DATABASE ${name} WITH (FORCE)`);
    }
  });
