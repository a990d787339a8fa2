/**
 * Verifies a database: it opens, its schema is known, and its sessions are the folds
 * of their events.
 */
import { rmSync } from "node:fs";
import type { DuckDBConnection } from "@duckdb/node-api";
import { type Warn, fail } from "../../model/failure.ts";
import { foldBrought } from "../../model/fold.ts";
import { SILENT, type Steps } from "../../model/progress.ts";
import { parseMetadata } from "../../model/metadata.ts";
import { settle } from "../../model/session.ts";
import { mendCheckpoint } from "./checkpoint.ts";
import { rowsOf, withFile } from "./connection.ts";
import { quoted } from "./copy.ts";
import { Database } from "./database.ts";
import { newerSchema, storeFailure } from "./failure.ts";
import { Folds } from "./folds.ts";
import { withOwnLog } from "./foreign-log.ts";
import { type BroughtRow, type ReadRow, broughtOf } from "../rows.ts";
import { MIGRATIONS } from "./schema.ts";
import { SESSION_READ, SQL } from "./statements.ts";
import { Tombstones } from "./tombstones.ts";

/** About how many sessions are folded again; of more, a sample. */
const COMPARED_SESSIONS = 16_384;
const PORTION_SESSIONS = 1_024;
const BREATH_SESSIONS = 64;

const TABLES = [
  "schema_version",
  "events",
  "sessions",
  "open_sessions",
  "folded",
];

export interface Verified {
  sessions: number;
  events: number;
  /** Sessions that were folded again, and are the same. */
  compared: number;
  /** The version of the schema that it had. */
  schema: number;
}

export interface VerifyOptions {
  /** What to do about an inconsistent one. */
  hint: string;
  /** Is told what of the log was left out. */
  warn?: Warn;
  /** Is given each connection, so that it can be interrupted. */
  joins?: (connection: DuckDBConnection) => void;
  /** Hears how far it is. */
  steps?: Steps;
}

/**
 * Verifies a scratch copy, and migrates it.
 * @param path the copy
 * @param shown the file that it is a copy of
 * @throws Failure (storage) naming `shown`
 */
export async function verify(
  path: string,
  shown: string,
  options: VerifyOptions,
): Promise<Verified> {
  const { warn = () => {}, steps = SILENT } = options;
  try {
    mendCheckpoint(path);
    const look = () => inspect(path, shown, options);
    const schema = await withOwnLog(path, warn, look);
    steps.at("opening", 0.1);
    await openAsStore(path, warn);
    rmSync(`${path}.schema-${schema}`, { force: true });
    return { schema, ...(await readThrough(path, shown, options)) };
  } catch (error) {
    throw storeFailure(shown, error);
  }
}

/** Opens it as a store does. */
async function openAsStore(path: string, warn: Warn): Promise<void> {
  const db = await Database.open(path, MIGRATIONS, warn);
  try {
    await db.inTurn(async () => {
      const folds = new Folds(db, () => {});
      await folds.open();
      await new Tombstones(db, folds).open();
      await folds.flush();
    });
  } finally {
    await db.close();
  }
}

/** Queries a file that may be anything. */
const asking = <T>(
  path: string,
  { joins }: VerifyOptions,
  work: (ask: <R>(sql: string) => Promise<R[]>) => Promise<T>,
) =>
  withFile(path, "READ_ONLY", (connection) => {
    joins?.(connection);
    return work((sql) => rowsOf(connection, sql));
  });

/** @returns the schema's version */
function inspect(
  path: string,
  shown: string,
  options: VerifyOptions,
): Promise<number> {
  return asking(path, options, async (ask) => {
    const tables = await ask<{ name: string }>(
      "SELECT table_name AS name FROM duckdb_tables() WHERE schema_name = 'main'",
    );
    const names = new Set(tables.map(({ name }) => name));
    const missing = TABLES.filter((name) => !names.has(name));
    if (missing.length > 0)
      throw fail.storage(
        `'${shown}' is a DuckDB file, but no database of session-buddy: it has no table ${missing[0]}`,
        "give a file that `session-buddy backup` wrote",
      );
    const [{ value }] = (await ask(SQL.schemaVersion)) as [{ value: number }];
    if (value > MIGRATIONS.length)
      throw newerSchema(shown, value, MIGRATIONS.length);
    return value;
  });
}

/** Reads every row, and folds a bounded number of sessions again. */
function readThrough(path: string, shown: string, options: VerifyOptions) {
  return asking(path, options, async (ask) => {
    const count = async (sql: string) =>
      (await ask<{ n: number }>(`SELECT (${sql})::DOUBLE AS n`))[0]!.n;
    const inconsistent = (what: string) =>
      fail.storage(`'${shown}' is not consistent: ${what}`, options.hint);
    const { steps = SILENT } = options;
    steps.at("reading back", 0.2);
    // The hash makes DuckDB read every block.
    await ask("SELECT sum(hash(e)) FROM events AS e");
    const events = await count("SELECT count(*) FROM events");
    const twice = await count(
      `SELECT count(*) FROM (SELECT 1 FROM events WHERE event_id IN
          (SELECT event_id FROM events GROUP BY event_id HAVING count(*) > 1)
        GROUP BY event_id, session_id, timestamp HAVING count(*) > 1)`,
    );
    if (twice > 0) throw inconsistent(`${twice} events are in it twice`);
    const sessions = await count("SELECT count(*) FROM all_sessions");
    const astray = await count(
      `SELECT count(*) FROM (
        (SELECT session_id FROM all_sessions EXCEPT ALL
          SELECT DISTINCT session_id FROM events WHERE kind = 'session_start')
        UNION ALL
        (SELECT DISTINCT session_id FROM events WHERE kind = 'session_start'
          EXCEPT (SELECT session_id FROM all_sessions UNION ALL
            SELECT session_id FROM open_sessions WHERE json_extract(state, '$.outranked')::INTEGER > 0)))`,
    );
    if (astray > 0)
      throw inconsistent(
        `of ${astray} sessions the row or the start is missing`,
      );
    const each = Math.ceil(sessions / COMPARED_SESSIONS) || 1;
    const rows = await ask<ReadRow>(
      `SELECT ${SESSION_READ} FROM all_sessions
        WHERE hash(session_id) % ${each} = 0`,
    );
    for (let at = 0; at < rows.length; at += PORTION_SESSIONS) {
      steps.at("comparing sessions", 0.5 + (0.5 * at) / rows.length);
      const odd = await firstOdd(rows.slice(at, at + PORTION_SESSIONS), ask);
      if (odd) throw inconsistent(`${odd} is not what its events come to`);
    }
    const compared = rows.length;
    return { sessions, events, compared };
  });
}

/** The id of the first session whose row is not the fold of its events. */
async function firstOdd(
  rows: readonly ReadRow[],
  ask: <R>(sql: string) => Promise<R[]>,
): Promise<string | null> {
  const ids = rows.map(({ session_id }) => quoted(session_id)).join(",");
  const lines = await ask<BroughtRow>(
    `SELECT payload, provenance FROM events
      WHERE session_id IN (SELECT unnest([${ids}])) ORDER BY seq`,
  );
  const of = Map.groupBy(broughtOf(lines), ({ event }) => event.session_id);
  for (const [n, row] of rows.entries()) {
    // A server answers meanwhile.
    if (n % BREATH_SESSIONS === 0) await Bun.sleep(0);
    const want = settle(
      foldBrought(row.session_id, of.get(row.session_id) ?? []),
    );
    const have = { ...row, metadata: parseMetadata(row.metadata) };
    // By JSON: a map without a prototype is as good as one with.
    if (!Bun.deepEquals(plain(want), plain(have))) return row.session_id;
  }
  return null;
}

const plain = (value: object | null) =>
  JSON.parse(JSON.stringify(value)) as unknown;
