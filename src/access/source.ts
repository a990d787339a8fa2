/** Where a list of sessions is read from, and what its output may not replace. */
import type { Settings } from "../config/load.ts";
import type { Column, Type } from "../model/column.ts";
import { COLUMNS, type Session } from "../model/columns.ts";
import type { Json } from "../model/event.ts";
import type { Warn } from "../model/failure.ts";
import type { SessionFilter } from "../model/filter.ts";
import { sessionShape } from "../model/json.ts";
import type { Output } from "../os/output.ts";
import { withReadable } from "./open.ts";
import { requireNotOwn } from "./own-files.ts";
import { sendParquet } from "./parquet.ts";

/** As the views of `query` have them. */
const PARQUET_TYPES: Record<Type, string> = {
  text: "VARCHAR",
  time: "TIMESTAMP",
  integer: "INTEGER",
  short: "SMALLINT",
  seconds: "DOUBLE",
  texts: "VARCHAR[]",
  object: "JSON",
};

export function sessionSource(settings: Settings, warn: Warn) {
  return {
    /** Opens the store for so long as its rows are used. */
    read: <T>(
      filter: SessionFilter,
      use: (rows: AsyncIterable<Session>) => Promise<T>,
    ): Promise<T> =>
      withReadable(settings, warn, (store) => use(store.list(filter))),
    requireFree: (path: string) => requireNotOwn(settings, path),
    /** @param keys of the JSON, in the order of the columns */
    parquet: (
      keys: readonly string[],
      rows: AsyncIterable<Session>,
      output: Output,
    ): Promise<void> => {
      const types: Record<string, Column> = COLUMNS;
      const columns = keys.map((name) => ({
        ...{ name, type: PARQUET_TYPES[types[name]!.type] },
      }));
      return sendParquet(settings, columns, valuesOf(keys, rows), output);
    },
  };
}

async function* valuesOf(
  keys: readonly string[],
  rows: AsyncIterable<Session>,
): AsyncIterable<Json[]> {
  const shape = sessionShape(keys);
  for await (const session of rows)
    yield Object.values(shape(session)) as Json[];
}
