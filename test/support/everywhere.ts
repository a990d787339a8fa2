/** Looks for words in every file below a sandbox's home, in what is compressed there too. */
import { readFileSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { played } from "./recorded-screen.ts";
import type { Sandbox } from "./sandbox.ts";

/** @returns `FILE: WORD` of each that is found; nobody may have the database open */
export async function wordsLeft(
  sandbox: Sandbox,
  words: readonly string[],
): Promise<string[]> {
  const found: string[] = [];
  for (const entry of readdirSync(sandbox.home, {
    recursive: true,
    withFileTypes: true,
  })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const bytes = readFileSync(path).toString("latin1");
    const text = bytes + (await contentOf(path, bytes));
    const name = relative(sandbox.home, path);
    found.push(
      ...words
        .filter((word) => text.includes(word))
        .map((word) => `${name}: ${word}`),
    );
  }
  return found.sort();
}

/** What columns hold may be compressed. */
async function contentOf(path: string, bytes: string): Promise<string> {
  if (bytes.startsWith("\x5b\x2a\x4d\x18")) {
    const { shown } = played(path);
    const text = shown.toString("latin1");
    return `${text}\n${Bun.stripANSI(text)}`;
  }
  if (bytes.startsWith("PAR1"))
    return rows(`FROM read_parquet('${quoted(path)}')`);
  if (bytes.slice(8, 12) !== "DUCK") return "";
  // Killed before it had its three headers: there is no block yet.
  if (bytes.length < 3 * 4_096) return "";
  const tables = (await ask(
    `SELECT table_name FROM duckdb_tables() WHERE database_name = 'it'`,
    path,
  )) as { table_name: string }[];
  const texts = tables.map((t) => rows(`FROM it.${t.table_name}`, path));
  return (await Promise.all(texts)).join("");
}

const quoted = (text: string) => text.replaceAll("'", "''");

const rows = async (sql: string, path?: string) =>
  JSON.stringify(await ask(sql, path));

async function ask(sql: string, path?: string): Promise<unknown> {
  const instance = await DuckDBInstance.create(":memory:");
  const db = await instance.connect();
  try {
    if (path !== undefined)
      await db.run(`ATTACH '${quoted(path)}' AS it (READ_ONLY)`);
    return (await db.runAndReadAll(sql)).getRowObjectsJson();
  } finally {
    db.closeSync();
    instance.closeSync();
  }
}
