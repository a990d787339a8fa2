/** A sample beside the tables of a database, and before there are any. */
import { expect, test } from "bun:test";
import { addressOf } from "../../src/store/postgres/address.ts";
import { withSample } from "../../src/store/postgres/sample.ts";
import { needsPostgres } from "../crash/postgres/node.ts";
import { ID, start } from "../support/events.ts";
import { emptyDatabase } from "../support/postgres.ts";
import { openPostgres } from "../support/stores.ts";
import { listed } from "./expected.ts";
import { rowsOf } from "./queries.ts";

test.skipIf(!needsPostgres())(
  "a sample leaves the database as it was",
  async () => {
    await using database = await emptyDatabase();
    const address = addressOf(database.url, null, null);
    const sampled = () =>
      withSample(address, async (store) => {
        await store.append([start({ session_id: "sample" })]);
        return listed(store);
      });
    expect(await sampled()).toMatchObject([{ session_id: "sample" }]);
    const store = await openPostgres(database);
    await store.append([start()]);
    expect(await sampled()).toHaveLength(1);
    expect(await listed(store)).toMatchObject([{ session_id: ID }]);
    expect(await rowsOf(store, "SELECT session_id FROM sessions")).toEqual([
      { session_id: ID },
    ]);
    await store.close();
  },
);
