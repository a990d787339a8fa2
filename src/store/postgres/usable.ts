/** Whether a database can hold our tables as they are meant, and others keep out. */
import { type Failure, fail } from "../../model/failure.ts";
import type { Connection } from "./connect.ts";

const OLDEST = 140_000;

/** What others make in a schema of ours may be taken for PostgreSQL's own functions. */
const FACTS = `SELECT current_setting('server_version') AS version,
    current_setting('server_version_num')::integer AS number,
    current_setting('server_encoding') AS encoding,
    current_schema()::text AS schema,
    NOT pg_is_in_recovery()
      AND current_setting('transaction_read_only')::boolean AS read_only,
    (SELECT n.nspname::text
      FROM pg_namespace AS n, aclexplode(n.nspacl) AS a
      WHERE n.nspname = ANY (current_schemas(false))
        AND a.grantee = 0 AND a.privilege_type = 'CREATE' LIMIT 1) AS open`;

interface Facts {
  version: string;
  number: number;
  encoding: string;
  schema: string | null;
  read_only: boolean;
  open: string | null;
}

/**
 * @param name of the database, for people
 * @throws Failure (storage) that says what has to be changed, once
 */
export async function requireUsable(
  connection: Connection,
  name: string,
): Promise<void> {
  const [facts] = await connection.ask<Facts>(FACTS);
  const failure = problemOf(facts!, name);
  if (failure) throw failure;
}

function problemOf(facts: Facts, name: string): Failure | null {
  const { version, number, encoding, schema, read_only, open } = facts;
  if (number < OLDEST)
    return fail.storage(
      `${name} is of PostgreSQL ${version}, which is too old`,
      "use PostgreSQL 14 or newer",
    );
  if (encoding !== "UTF8")
    return fail.storage(
      `${name} has the encoding ${encoding}, which does not hold all texts`,
      "make another one: CREATE DATABASE … TEMPLATE template0 ENCODING 'UTF8'",
    );
  if (schema === null)
    return fail.storage(
      `${name} has no schema for our tables: its search_path names none that is there`,
      "for the role of store.url: ALTER ROLE … SET search_path = public",
    );
  if (read_only)
    return fail.storage(
      `${name} may only be read: default_transaction_read_only is on`,
      "set it to off for the role of store.url, events wait in the spool",
    );
  if (open !== null)
    return fail.storage(
      `in ${name} everybody may make functions in the schema '${open}', which would run as ours`,
      `as its owner: REVOKE CREATE ON SCHEMA "${open.replaceAll('"', '""')}" FROM PUBLIC`,
    );
  return null;
}
