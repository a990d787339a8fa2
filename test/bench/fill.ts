/**
 * A large database in little time: rows as the store makes them, written by
 * DuckDB itself, three events a session.
 */
import { DuckDBInstance } from "@duckdb/node-api";
import { DuckDBStore } from "../../src/store/duckdb/store.ts";

const OPEN = 100;

/**
 * @param path where there is no database yet
 * @param sessions how many; the last 100 are open
 */
export async function fillStore(path: string, sessions: number): Promise<void> {
  await (await DuckDBStore.open(path)).close();
  const instance = await DuckDBInstance.create(path);
  const db = await instance.connect();
  const source = `
    SELECT i, TIMESTAMP '2025-01-01' + to_seconds(i * 30) AS t,
      'mahavishnu-' || strftime(t, '%Y%m%d-%H%M%S-') || lpad(to_hex(hash(i) & 4294967295), 8, '0') AS id
    FROM range(${sessions}) AS r(i)`;
  await db.run(`
    INSERT INTO events BY NAME
    SELECT i * 3 + k AS seq, uuid() AS event_id, id AS session_id,
      ['session_start', 'process', 'session_end'][k] AS kind,
      t + to_seconds(k) AS timestamp, t AS received_at,
      json_object('event_id', i, 'session_id', id, 'text', repeat('x', 200))::VARCHAR AS payload
    FROM (${source}), range(1, 4) AS ks(k) ORDER BY seq`);
  const row = `
    SELECT id AS session_id, 'admin_shell' AS session_type, 'mahavishnu' AS component_name,
      'bash' AS shell_type, t AS start_time,
      CASE WHEN i < ${sessions - OPEN} THEN t + to_seconds(i % 7200) END AS end_time,
      0 AS exit_code, 1000 + i % 30000 AS pid, 1 AS ppid, 'user' || i % 20 AS username,
      'host' || i % 10 AS hostname, '/dev/pts/1' AS tty, '/srv/app' || i % 100 AS working_directory,
      'Linux' AS platform, []::VARCHAR[] AS tags,
      CASE WHEN i >= ${sessions - OPEN} THEN NULL WHEN i % 50 = 0 THEN 'recovered' ELSE 'observed' END AS end_source,
      t AS last_seen, json_object('version', '5.2.' || i % 10, 'adapters', [], 'max_rss_bytes', i * 100)::VARCHAR AS metadata`;
  await db.run(
    `INSERT INTO sessions BY NAME ${row} FROM (${source}) WHERE i < ${sessions - OPEN} ORDER BY i`,
  );
  await db.run(
    `INSERT INTO open_sessions BY NAME ${row}, '{"given":{},"measured":{}}' AS state FROM (${source}) WHERE i >= ${sessions - OPEN}`,
  );
  await db.run(`UPDATE folded SET seq = ${sessions * 3}`);
  await db.run("CHECKPOINT");
  db.closeSync();
  instance.closeSync();
}
