/**
 * Another program that has a DuckDB file open: runs a statement, says so, and
 * holds the file until its input ends.
 * usage: bun duckdb.ts PATH STATEMENT
 */
import { DuckDBInstance } from "@duckdb/node-api";

const [path, statement] = process.argv.slice(2);
const instance = await DuckDBInstance.create(path!);
const db = await instance.connect();
await db.run(statement!);
console.log("done");
await Bun.stdin.text();
db.closeSync();
instance.closeSync();
