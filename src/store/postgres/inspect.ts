/** How a database is set up, for those who run it. */
import type { Address } from "./address.ts";
import { type Connection, HostsPool } from "./connect.ts";
import { LOWER } from "./filters.ts";
import { failureOf } from "./retry.ts";
import { MIGRATIONS, OURS } from "./schema.ts";
import { VIEW_SCHEMA } from "./schema-views.ts";

const TIMEOUT_MS = 10_000;

export interface Inspection {
  name: string;
  /** "15.8 (Debian 15.8-0+deb12u1)". */
  version: string;
  /** 150008. */
  version_number: number;
  role: string;
  /** Of its tables, null where the role may not read that, and of this program's. */
  schema: { has: number | null; knows: number };
  /** What the role lacks on tables, sequences and the views of queries. */
  missing_grants: string[];
  may_change_schema: boolean;
  /** Whether a COMMIT waits for a standby, as `synchronous_commit` says. */
  synchronous: boolean;
  /** Standbys that are connected, as far as the role may see. */
  standbys: number;
  /** Of its clock against ours, less the way there and back. */
  ahead_ms: number;
  /** How exactly that is known. */
  within_ms: number;
  bytes: number;
  /** The largest, with their indexes. */
  tables: { name: string; bytes: number; rows: number }[];
  has_trigrams: boolean;
  /** The statements that make their index. */
  make_trigrams: string;
}

const SERVER = `SELECT current_setting('server_version') AS version,
    current_setting('server_version_num')::integer AS version_number,
    current_user::text AS role,
    pg_database_size(current_database())::float8 AS bytes,
    has_schema_privilege(current_schema(), 'CREATE') AS may_change_schema,
    current_setting('synchronous_standby_names') <> ''
      AND current_setting('synchronous_commit') NOT IN ('off', 'local')
      AS synchronous,
    (SELECT count(*)::integer FROM pg_stat_replication) AS standbys`;

const CLOCK = "SELECT clock_timestamp() AS now";

const TABLES = `SELECT relname::text AS name, greatest(reltuples, 0)::float8 AS rows,
    pg_total_relation_size(oid)::float8 AS bytes,
    ARRAY(SELECT privilege FROM unnest('{SELECT,INSERT,UPDATE,DELETE}'::text[])
        AS privilege
      WHERE NOT has_table_privilege(oid, privilege))::text AS missing
  FROM pg_class WHERE ${OURS} AND relkind IN ('r', 'p')
  ORDER BY bytes DESC, name`;

/** Those that no column has for itself are drawn from by name. */
const OTHERS = `SELECT c.relname::text AS name, 'USAGE' AS missing
  FROM pg_class AS c WHERE ${OURS}
    AND CASE WHEN c.relkind = 'S'
      THEN NOT has_sequence_privilege(c.oid, 'USAGE') END
    AND NOT EXISTS (SELECT FROM pg_depend AS d
      WHERE d.objid = c.oid AND d.deptype = 'i')
  UNION ALL SELECT 'the schema ' || nspname, 'USAGE' FROM pg_namespace
  WHERE nspname = '${VIEW_SCHEMA}' AND NOT has_schema_privilege(oid, 'USAGE')
  UNION ALL SELECT c.relname::text, 'SELECT'
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
  WHERE n.nspname = '${VIEW_SCHEMA}' AND NOT has_table_privilege(c.oid, 'SELECT')
  ORDER BY name`;

/** Of the expression that is looked for, and of no other. */
const TRIGRAM_INDEX = `SELECT 1 FROM pg_index AS i
    JOIN pg_opclass AS o ON o.oid = ANY(i.indclass)
  WHERE i.indrelid = to_regclass('commands') AND i.indisvalid
    AND o.opcname = 'gin_trgm_ops'
    AND pg_get_expr(i.indexprs, i.indrelid) LIKE '%octet_length%und-x-icu%'`;

/** For those who look for parts of commands often: it is most of the table again. */
const MAKE_TRIGRAMS = `CREATE EXTENSION IF NOT EXISTS pg_trgm;
  CREATE INDEX CONCURRENTLY commands_trigrams ON commands
  USING gin (${LOWER("text")} gin_trgm_ops)`.replace(/\s+/g, " ");

const LARGEST = 5;

/** What a role may not do with something of a name. */
interface Lack {
  name: string;
  missing: string;
}

/** @returns 0 where there are no tables yet; null where the role may not read it */
async function versionOf(
  pool: Connection,
  tables: readonly Lack[],
): Promise<number | null> {
  const table = tables.find(({ name }) => name === "schema_version");
  if (!table) return 0;
  if (table.missing.includes("SELECT")) return null;
  const [row] = await pool.ask<{ version: number }>(
    "SELECT version FROM schema_version WHERE id = 1",
  );
  return row?.version ?? 0;
}

/** @throws Failure where it cannot be asked */
export async function inspect(address: Address): Promise<Inspection> {
  const options = { size: 1, statement_timeout_ms: TIMEOUT_MS };
  const pool = new HostsPool(address, options);
  try {
    type Server = Omit<
      Inspection,
      | "name"
      | "schema"
      | "missing_grants"
      | "tables"
      | "has_trigrams"
      | "make_trigrams"
    >;
    const [server] = await pool.ask<Server>(SERVER);
    const began_ms = Date.now();
    const [clock] = await pool.ask<{ now: Date }>(CLOCK);
    const took_ms = Date.now() - began_ms;
    const tables = await pool.ask<Inspection["tables"][number] & Lack>(TABLES);
    const others = await pool.ask<Lack>(OTHERS);
    const trigrams = await pool.ask(TRIGRAM_INDEX);
    return {
      ...server!,
      name: address.name,
      schema: {
        has: await versionOf(pool, tables),
        knows: MIGRATIONS.length,
      },
      missing_grants: [
        ...tables
          .filter(({ missing }) => missing !== "{}")
          .map(({ name, missing }) => `${missing.slice(1, -1)} on ${name}`),
        ...others.map(({ name, missing }) => `${missing} on ${name}`),
      ],
      ahead_ms: Math.round(clock!.now.getTime() - began_ms - took_ms / 2),
      within_ms: Math.ceil(took_ms / 2),
      tables: tables
        .slice(0, LARGEST)
        .map(({ name, bytes, rows }) => ({ name, bytes, rows })),
      has_trigrams: trigrams.length > 0,
      make_trigrams: MAKE_TRIGRAMS,
    };
  } catch (error) {
    throw failureOf(address.name, error);
  } finally {
    await pool.end();
  }
}
