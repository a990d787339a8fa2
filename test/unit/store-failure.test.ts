/** What DuckDB says is told as what it is, with what to do. */
import { expect, test } from "bun:test";
import { DuckDBInstance } from "@duckdb/node-api";
import { storeFailure } from "../../src/store/duckdb/failure.ts";

test("too little memory passes, and is no fault of the disk", async () => {
  const options = { memory_limit: "2MB" };
  const instance = await DuckDBInstance.create(":memory:", options);
  const connection = await instance.connect();
  const error = await connection
    .run("SELECT list(range) FROM range(10000000)")
    .catch((error: Error) => error);
  const memory = {
    code: "overloaded",
    sentence: "there is not enough memory for '/db' just now",
    hint: "try again, events wait in the spool",
  };
  expect(storeFailure("/db", error)).toMatchObject(memory);
  expect(storeFailure("/db", new Error("std::bad_alloc"))).toMatchObject(
    memory,
  );
  connection.closeSync();
  instance.closeSync();
});
