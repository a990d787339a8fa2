/** Conversations in a database of many servers: which go on, and which are forgotten. */
import { SQL } from "bun";
import { expect, test } from "bun:test";
import type { Session } from "../../src/model/session.ts";
import type { Provenance } from "../../src/model/reporter.ts";
import { needsPostgres } from "../crash/postgres/node.ts";
import { end, start } from "../support/events.ts";
import { openPostgres, sharedDatabase } from "../support/stores.ts";

const DAY_MS = 86_400_000;
const FROM: Provenance = {
  ...{ via: "tcp", subject: "bot", uid: null, address: "192.0.2.1" },
};

const idOf = (n: number) =>
  `chat-20260206-120000-${String(n).padStart(8, "0")}`;
const eventOf = (n: number) =>
  `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
const begins = (n: number) =>
  start({
    ...{ session_id: idOf(n), event_id: eventOf(n), session_type: "channel" },
    ...{ metadata: { room: "one" } },
  });

const conversation = {
  username: "les",
  keys: ["bot one", "nobody one"],
  keyOf: ({ reporter, metadata }: Session) =>
    `${reporter === null ? "nobody" : "bot"} ${metadata["room"]}`,
};

test.skipIf(!needsPostgres())(
  "a conversation that was over long ago has no row any more; one that goes on has",
  async () => {
    await using database = await sharedDatabase();
    await using sql = new SQL(database.url, { max: 1 });
    let later_ms = 0;
    const now = () => Date.now() + later_ms;
    const store = await openPostgres(database, { now });
    const rows = async () =>
      (await sql`SELECT session_id FROM channels`).map(
        ({ session_id }: { session_id: string }) => session_id,
      );
    const begin = (n: number) =>
      store.begin(begins(n), [idOf(n)], FROM, conversation);
    const over = (n: number) => ({
      ...end(0, { session_id: idOf(n), event_id: eventOf(100 + n) }),
      timestamp: new Date(now()).toISOString(),
    });
    expect(await begin(1)).toEqual({ session_id: idOf(1), how: "new" });
    later_ms = 40 * DAY_MS;
    await store.catchUp();
    expect(await begin(2)).toEqual({ session_id: idOf(1), how: "going" });
    await store.append([over(1)], FROM);
    later_ms += 29 * DAY_MS;
    await store.catchUp();
    expect(await rows()).toEqual([idOf(1)]);
    later_ms += 2 * DAY_MS;
    await store.catchUp();
    expect(await rows()).toEqual([]);
    expect(await begin(3)).toEqual({ session_id: idOf(3), how: "new" });
    await store.close();
  },
);

test.skipIf(!needsPostgres())(
  "behind one that is over another one that nobody knows who has begun goes on",
  async () => {
    await using database = await sharedDatabase();
    const store = await openPostgres(database);
    await store.begin(begins(1), [idOf(1)], FROM, conversation);
    const over = { session_id: idOf(1), event_id: eventOf(101) };
    await store.append([end(1, over)], FROM);
    expect(await store.going(conversation)).toBe(null);
    await store.bring([begins(2)], null);
    expect(await store.going(conversation)).toBe(idOf(2));
    await store.close();
  },
);
