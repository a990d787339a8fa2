/** The regular expressions of DuckDB, without a database, for a store of another kind. */
import {
  type DuckDBConnection,
  DuckDBInstance,
  listValue,
} from "@duckdb/node-api";
import { fail, reasonOf } from "../../model/failure.ts";
import type { Patterns } from "../patterns.ts";
import { OPTIONS } from "./connection.ts";

/** @throws Failure (refused) when the text is no regular expression */
export async function requirePattern(
  ask: (sql: string, values: string[]) => Promise<unknown>,
  text: string,
): Promise<void> {
  try {
    await ask("SELECT regexp_matches('', $1)", [text]);
  } catch (error) {
    const cause = error instanceof Error ? (error.cause ?? error) : error;
    const why = /Invalid Input Error: (.*)/.exec(reasonOf(cause))?.[1];
    if (why === undefined) throw error;
    throw fail.refused(
      `'${text}' is no regular expression: ${why}`,
      "see https://github.com/google/re2/wiki/Syntax, or search for it as it stands",
    );
  }
}

export class DuckDBPatterns implements Patterns {
  private connected: Promise<DuckDBConnection> | null = null;

  async require(pattern: string): Promise<void> {
    const connection = await this.connection();
    await requirePattern(
      (sql, values) => connection.runAndReadAll(sql, values),
      pattern,
    );
  }

  async matches(
    pattern: string,
    texts: readonly string[],
    most: number,
  ): Promise<(readonly string[] | null)[]> {
    // A list of none has no type.
    if (texts.length === 0) return [];
    const connection = await this.connection();
    const found = await connection.runAndReadAll(
      `SELECT CASE WHEN regexp_matches(text, $1) THEN
          to_json(regexp_extract_all(text, $1)[:$3])::VARCHAR END
        FROM (SELECT unnest($2::VARCHAR[]) AS text)`,
      [pattern, listValue([...texts]), most],
    );
    return found.getRows().map(([json]) => json && JSON.parse(String(json)));
  }

  private connection(): Promise<DuckDBConnection> {
    return (this.connected ??= DuckDBInstance.create(":memory:", {
      ...OPTIONS,
      memory_limit: "128MB",
      threads: "1",
    }).then((instance) => instance.connect()));
  }
}
