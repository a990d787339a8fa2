/** A place in a database where some events are stored to see how long that takes. */
import { fail } from "../../model/failure.ts";
import type { Address } from "./address.ts";
import { HostsPool } from "./connect.ts";
import { Presence } from "./presence.ts";
import { WITHOUT_VIEWS } from "./schema.ts";
import { PostgresStore } from "./store.ts";

/** One at a time: what a killed one has left goes first. */
const SCHEMA = "session_buddy_sample";
const TIMEOUT_MS = 60_000;

/** Hands over an empty store, in a schema of its own that is dropped afterwards. */
export async function withSample<T>(
  address: Address,
  use: (store: PostgresStore) => Promise<T>,
): Promise<T> {
  if (address.pgbouncer)
    throw fail.usage(
      "a dry run needs the database itself, not its pooler",
      "give it the database's own port, without pgbouncer=true",
    );
  const pool = new HostsPool(address, {
    ...{ size: 1, statement_timeout_ms: TIMEOUT_MS },
  });
  const ask = (sql: string) =>
    new Presence(address.name).of(0, () => pool.ask(sql));
  try {
    await ask(`DROP SCHEMA IF EXISTS ${SCHEMA} CASCADE`);
    await ask(`CREATE SCHEMA ${SCHEMA}`);
    try {
      const store = await PostgresStore.open(address, {
        ...{ schema: SCHEMA, migrations: WITHOUT_VIEWS },
      });
      try {
        return await use(store);
      } finally {
        await store.close();
      }
    } finally {
      await ask(`DROP SCHEMA ${SCHEMA} CASCADE`);
    }
  } finally {
    await pool.end();
  }
}
