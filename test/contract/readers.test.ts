/** Reading beside the writer: who leaves early, who is cut short, who waits. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { pbkdf2 } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { Database } from "../../src/store/duckdb/database.ts";
import { DuckDBStore } from "../../src/store/duckdb/store.ts";
import { MIGRATIONS } from "../../src/store/duckdb/schema.ts";
import { at, start } from "../support/events.ts";
import { id } from "./expected.ts";

const hash = promisify(pbkdf2);
let home: string;
const path = () => join(home, "sessions.duckdb");
beforeEach(() => void (home = mkdtempSync(join(tmpdir(), "sb-readers-"))));
afterEach(() => rmSync(home, { recursive: true }));

async function filled(): Promise<DuckDBStore> {
  const store = await DuckDBStore.open(path());
  await store.append(
    Array.from({ length: 8_000 }, (_, n) =>
      start({ session_id: id(n), timestamp: at(n) }),
    ),
  );
  return store;
}

/** What another program says that opens the file. */
async function another(): Promise<string> {
  const program = join(import.meta.dir, "../support/duckdb.ts");
  const child = Bun.spawn([process.execPath, program, path(), "SELECT 42"], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  await child.exited;
  return (await child.stdout.text()) + (await child.stderr.text());
}

test("a list that is left in its midst does not keep the file open", async () => {
  const store = await filled();
  for await (const _ of store.list({})) break;
  for await (const _ of store.events({})) break;
  const suspended = store.list({})[Symbol.asyncIterator]();
  expect((await suspended.next()).done).toBeFalse();
  await store.close();
  expect(await another()).toBe("done\n");
  // Who has read on slowly hears of it once what he has got is used up.
  const rest = (async () => {
    while (!(await suspended.next()).done);
  })();
  await expect(rest).rejects.toMatchObject({ code: "storage" });
  await expect(store.get(id(1))).rejects.toMatchObject({ code: "storage" });
});

test("a list that was begun before the file was replaced is cut short, others go on", async () => {
  const db = await Database.open(path(), MIGRATIONS);
  const numbers = "SELECT i FROM range(100_000) AS r(i)";
  const suspended = db.read(numbers);
  await suspended.next();
  const other = `${path()}.other`;
  await (await Database.open(other, MIGRATIONS)).close();
  await db.inTurn(() => db.replaceBy(other));
  const rest = (async () => {
    while (!(await suspended.next()).done);
  })();
  await expect(rest).rejects.toMatchObject({ code: "storage" });
  expect(await Array.fromAsync(db.read(numbers))).toHaveLength(100_000);
  await db.close();
  expect(await another()).toBe("done\n");
});

test("a question under way when the store is closed ends, however far it has come", async () => {
  for (const turns of [0, 1, 2, 4, 8, 16, Infinity]) {
    const db = await Database.open(path(), MIGRATIONS);
    const slow = Array.fromAsync(
      db.read("SELECT sum(hash(i)) FROM range(100_000_000_000) AS r(i)"),
    ).catch((error: unknown) => error);
    if (turns === Infinity) await Array.fromAsync(db.read("SELECT 42"));
    else for (let n = 0; n < turns; n++) await null;
    await db.close();
    expect([turns, await slow]).toMatchObject([turns, { code: "storage" }]);
  }
  expect(await another()).toBe("done\n");
});

test("a question that has not even begun when the store is closed ends", async () => {
  const db = await Database.open(path(), MIGRATIONS);
  const slow = Array.fromAsync(
    db.read("SELECT sum(hash(i)) FROM range(100_000_000_000) AS r(i)"),
  ).catch((error: unknown) => error);
  // Once it is connected, every thread of the runtime is busy for a while.
  const busy = Array.from({ length: navigator.hardwareConcurrency }, () =>
    hash("a password", "salt", 500_000, 32, "sha256"),
  );
  for (let n = 0; n < 20; n++)
    await new Promise((resolve) => setImmediate(resolve));
  await db.close();
  expect(await slow).toMatchObject({ code: "storage" });
  await Promise.all(busy);
});

test("a question that nobody waits for any more ends, and others have its place", async () => {
  const db = await Database.open(path(), MIGRATIONS);
  const endless = "SELECT sum(hash(i)) FROM range(100_000_000_000) AS r(i)";
  for (const turns of [0, 1, 4, 16, Infinity]) {
    // More than run at a time: the last waits for its turn.
    const asked = Array.from({ length: 3 }, () => {
      const going = new AbortController();
      const said = db
        .ask(endless, [], going.signal)
        .catch((error: unknown) => error);
      return { going, said };
    });
    if (turns === Infinity) await db.inTurn(() => db.run("SELECT 42"));
    else for (let n = 0; n < turns; n++) await null;
    for (const { going } of asked) going.abort();
    for (const { said } of asked)
      expect([turns, await said]).toMatchObject([
        turns,
        {
          code: "unreachable",
          sentence: "nobody waits for the answer any more",
        },
      ]);
    expect(await db.ask("SELECT 42 AS n", [])).toEqual([{ n: 42 }]);
  }
  const { signal } = new AbortController();
  const others = Array.from({ length: 20 }, () =>
    db.ask("SELECT 42 AS n", [], signal),
  );
  expect(await Promise.all(others)).toEqual(Array(20).fill([{ n: 42 }]));
  await db.close();
});
