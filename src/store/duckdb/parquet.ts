/** Writes rows to a Parquet file, by a database of its own that nobody else sees. */
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import type { QueryColumn, QueryRow } from "../../model/query.ts";
import { OPTIONS, withFile } from "./connection.ts";
import { quoted } from "./copy.ts";

const BATCH_ROWS = 2_048;
/** Types whose values JSON can be made into again; others are written as JSON. */
const KEPT =
  /^(BOOLEAN|U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL\(\d+,\s?\d+\)|VARCHAR|JSON|DATE|TIME|TIMESTAMP(_S|_MS|_NS| WITH TIME ZONE)?|UUID)(\[\])*$/;

/**
 * @param folder private, and gone afterwards; DuckDB makes its own files there too
 * @param file where the rows are written to, in it
 */
export async function writeParquet(
  folder: string,
  file: string,
  columns: readonly QueryColumn[],
  rows: AsyncIterable<QueryRow>,
): Promise<void> {
  await withFile(`${folder}/rows.duckdb`, "READ_WRITE", async (connection) => {
    const types = columns.map(({ type }) => (KEPT.test(type) ? type : "JSON"));
    const names = columns.map(({ name }) => `"${name.replaceAll('"', '""')}"`);
    await connection.run("SET TimeZone = 'UTC'");
    await connection.run(
      `CREATE TABLE rows (${names.map((name, i) => `${name} ${types[i]}`).join(", ")})`,
    );
    const values = types.map((type, i) => valueOf(type, i)).join(", ");
    const insert = `INSERT INTO rows SELECT ${values}
      FROM (SELECT unnest(string_split($1, chr(10)))::JSON AS line)`;
    let batch: QueryRow[] = [];
    for await (const row of rows) {
      if (batch.push(row) < BATCH_ROWS) continue;
      await add(connection, insert, batch);
      batch = [];
    }
    await add(connection, insert, batch);
    await connection.run(
      `COPY rows TO ${quoted(file)} (FORMAT parquet, COMPRESSION zstd)`,
    );
  });
}

/** A text has to lose its quotes, and null of JSON is none; others are cast as they are. */
function valueOf(type: string, i: number): string {
  if (type === "VARCHAR") return `json_extract_string(line, '$[${i}]')`;
  const value = `json_extract(line, '$[${i}]')`;
  return type === "JSON"
    ? `nullif(${value}::VARCHAR, 'null')::JSON`
    : `${value}::${type}`;
}

async function add(
  connection: DuckDBConnection,
  insert: string,
  rows: readonly QueryRow[],
): Promise<void> {
  if (rows.length === 0) return;
  await connection.run(insert, [
    rows.map((row) => JSON.stringify(row)).join("\n"),
  ]);
}

/**
 * Who brought each event of an exported part, and the event, as JSON.
 * @param folder as above
 */
export async function* readParquet(
  folder: string,
  file: string,
): AsyncGenerator<[provenance: string | null, event: string]> {
  const path = `${folder}/rows.duckdb`;
  const instance = await DuckDBInstance.create(path, OPTIONS);
  const connection = await instance.connect();
  try {
    const result = await connection.stream(
      `SELECT provenance::VARCHAR, event::VARCHAR
        FROM read_parquet(${quoted(file)}) ORDER BY seq`,
    );
    for await (const rows of result.yieldRowsJson())
      for (const [provenance, event] of rows) {
        if (typeof event !== "string") throw new Error("an event is null");
        yield [provenance as string | null, event];
      }
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}
