/**
 * Brings the tables up to this program's schema. Several servers may start at once: one
 * row, locked, says which version there is; each step is one transaction.
 */
import { type Failure, fail } from "../../model/failure.ts";
import type { Connection, Pool } from "./connect.ts";
import type { Reach } from "./reach.ts";
import { Stale, retried } from "./retry.ts";
import { MIGRATIONS } from "./schema.ts";
import { requireUsable } from "./usable.ts";

const KNOWN = `SELECT to_regclass('schema_version') IS NOT NULL AS there`;
const MAKE = [
  `CREATE TABLE IF NOT EXISTS schema_version (
    id integer PRIMARY KEY, version integer NOT NULL)`,
  `INSERT INTO schema_version VALUES (1, 0) ON CONFLICT DO NOTHING`,
];
const VERSION = `SELECT version FROM schema_version WHERE id = 1`;
const SET = `UPDATE schema_version SET version = $1::integer WHERE id = 1`;

/** How long others that are at it are waited for. */
const OTHERS_MS = 60_000;

interface MigrateOptions {
  /** How long it is tried while the database is away. */
  patience_ms?: number;
  migrations?: readonly (readonly string[])[];
}

/** @throws Failure when the database cannot be used, or is of a newer program */
export async function prepare(
  { address, reads, pool, presence, patience_ms }: Reach,
  migrations?: readonly (readonly string[])[],
): Promise<void> {
  await requireUsable(reads, address.name);
  await presence.of(patience_ms, (patience_ms) =>
    migrate(pool, address.name, {
      patience_ms,
      ...(migrations && { migrations }),
    }),
  );
}

/**
 * @param name of the database, for people
 * @throws Failure (storage) when it is of a newer program
 */
export async function migrate(
  pool: Pool,
  name: string,
  { patience_ms = 0, migrations = MIGRATIONS }: MigrateOptions = {},
): Promise<void> {
  const work = async () => {
    const [known] = await pool.ask<{ there: boolean }>(KNOWN);
    const have = known!.there ? await versionOf(pool, "") : null;
    if (have === null) for (const sql of MAKE) await pool.ask(sql);
    else if (have > migrations.length)
      throw newerSchema(name, have, migrations.length);
    // A role that may only write finds the tables made, and needs no more.
    else if (have === migrations.length) return;
    while (await pool.transaction((tx) => step(tx, migrations)));
  };
  await retried(patience_ms, work, OTHERS_MS);
}

/** @returns whether there may be another */
async function step(
  tx: Connection,
  migrations: readonly (readonly string[])[],
): Promise<boolean> {
  const have = await versionOf(tx, "FOR UPDATE");
  // Another makes the row just now.
  if (have === null) throw new Stale("no version yet");
  const next = migrations[have];
  if (!next) return false;
  for (const sql of next) await tx.ask(sql);
  await tx.ask(SET, [have + 1]);
  return true;
}

async function versionOf(
  connection: Connection,
  lock: "FOR UPDATE" | "",
): Promise<number | null> {
  const [row] = await connection.ask<{ version: number }>(`${VERSION} ${lock}`);
  return row?.version ?? null;
}

const newerSchema = (name: string, have: number, known: number): Failure =>
  fail.storage(
    `${name} has schema version ${have}, this session-buddy knows ${known}`,
    "use the newer session-buddy that wrote it, events wait in the spool",
  );
