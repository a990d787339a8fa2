/** Rows as a Parquet file, which is made beside and sent to wherever the output goes. */
import { closeSync, openSync } from "node:fs";
import type { Settings } from "../config/load.ts";
import type { QueryColumn, QueryRow } from "../model/query.ts";
import { copy } from "../os/copy.ts";
import { type Output, goneOnSignal } from "../os/output.ts";
import { Scratch, temporaryFolder } from "../os/scratch.ts";
import { loadDuckDB } from "./claim.ts";

export async function sendParquet(
  settings: Settings,
  columns: readonly QueryColumn[],
  rows: AsyncIterable<QueryRow>,
  output: Output,
): Promise<void> {
  await loadDuckDB(settings);
  const { writeParquet } = await import("../store/duckdb/parquet.ts");
  using scratch = Scratch.beside(`${temporaryFolder()}/any`);
  const stay = goneOnSignal(scratch);
  try {
    const file = scratch.at("rows.parquet");
    await writeParquet(scratch.at("."), file, columns, rows);
    const from = openSync(file, "r");
    try {
      copy(from, (bytes) => output.writeBytes(bytes));
    } finally {
      closeSync(from);
    }
  } finally {
    stay();
  }
}
