/** Small texts beside the events: in files, and in a database that several servers share. */
import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Displaced, type Documents } from "../../src/model/documents.ts";
import type { Duty } from "../../src/model/store.ts";
import { FileDocuments } from "../../src/os/documents.ts";
import { needsPostgres } from "../crash/postgres/node.ts";
import { openPostgres, sharedDatabase } from "../support/stores.ts";

const none = (name: string, reason: string) => {
  throw new Error(`${name}: ${reason}`);
};

interface Place extends AsyncDisposable {
  documents: Documents;
}

const places: Record<string, () => Promise<Place>> = {
  async files() {
    const folder = mkdtempSync(join(tmpdir(), "sb-documents-"));
    return {
      documents: new FileDocuments(join(folder, "place")),
      async [Symbol.asyncDispose]() {
        rmSync(folder, { recursive: true });
      },
    };
  },
  async PostgreSQL() {
    const database = await sharedDatabase();
    const store = await openPostgres(database);
    return {
      documents: store.documents("place", null),
      async [Symbol.asyncDispose]() {
        await store.close();
        await database[Symbol.asyncDispose]();
      },
    };
  },
};

describe.each(Object.keys(places))("in %s", (kind) => {
  const there = test.skipIf(kind !== "files" && !needsPostgres());

  there(
    "a text is what was written last, and gone when it is removed",
    async () => {
      await using place = await places[kind]!();
      const { documents } = place;
      expect(await documents.all(() => true, none)).toEqual(new Map());
      documents.make();
      expect(await documents.read("a")).toBeNull();
      await documents.write("a", "first");
      await documents.write("a", "{}\n\0\u20ac");
      await documents.write("b.json", "x".repeat(200_000));
      expect(await documents.read("a")).toBe("{}\n\0\u20ac");
      const chosen = await documents.all(
        (name) => name.endsWith(".json"),
        none,
      );
      expect([...chosen.keys()]).toEqual(["b.json"]);
      await documents.remove("a");
      await documents.remove("a");
      expect(await documents.read("a")).toBeNull();
    },
  );
});

test("what a duty is needed for is written by whoever has it, and by him alone", async () => {
  if (!needsPostgres()) return;
  await using database = await sharedDatabase();
  const duty: Duty = "alerts";
  let ahead_ms = 0;
  const ours = await openPostgres(database);
  const theirs = await openPostgres(database, {
    now: () => Date.now() + ahead_ms,
  });
  const term = (await ours.take(duty))!;
  const mine = ours.documents("alerts", { duty, term });
  expect([await theirs.take(duty), theirs.holds(duty)]).toEqual([null, false]);
  await mine.write("state", "1");
  expect(await ours.take(duty)).toBe(term);
  // Our time is over.
  ahead_ms = 60_000;
  const next = (await theirs.take(duty))!;
  expect(next).not.toBe(term);
  await expect(mine.write("state", "2")).rejects.toBeInstanceOf(Displaced);
  await expect(mine.remove("state")).rejects.toBeInstanceOf(Displaced);
  const yours = theirs.documents("alerts", { duty, term: next });
  expect(await yours.read("state")).toBe("1");
  await yours.write("state", "3");
  // Anybody's is not asked for it.
  await ours.documents("alerts", null).write("ack", "mine");
  await theirs.close();
  // Had again, and not as before.
  const again = (await ours.take(duty))!;
  expect(again).not.toBe(term);
  await expect(mine.write("state", "4")).rejects.toBeInstanceOf(Displaced);
  const anew = ours.documents("alerts", { duty, term: again });
  expect(await anew.read("state")).toBe("3");
  await anew.write("state", "5");
  expect(await mine.read("state")).toBe("5");
  await ours.close();
});
