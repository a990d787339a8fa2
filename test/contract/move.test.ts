/** A moved database is the one that it was: by events, by folds, and by who brought them. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compare } from "../../src/access/compare.ts";
import { moveAll } from "../../src/access/move.ts";
import type { Failure } from "../../src/model/failure.ts";
import { SILENT } from "../../src/model/progress.ts";
import type { KeptStore, StoredEvent } from "../../src/model/store.ts";
import { DuckDBStore } from "../../src/store/duckdb/store.ts";
import { ID, annotation, command, end, start } from "../support/events.ts";
import { fill } from "../support/filled.ts";
import { Random } from "../support/random.ts";
import { type KeptPlace, type Kind, STORES } from "../support/stores.ts";

/** Sessions that are under way are of one age on both sides. */
const now = () => Date.parse("2026-02-06T13:00:00.000Z");

const [duckdb, ...shared] = STORES;
const WAYS = [
  [duckdb!, duckdb!],
  ...shared.flatMap((each) => [
    [duckdb!, each],
    [each, duckdb!],
  ]),
].map((kinds) => ({ way: kinds.map(({ kind }) => kind).join(" to "), kinds }));

let folder: string;
let places: KeptPlace[];
let from: KeptStore;
let to: KeptStore;
const begin = async (kinds: readonly Kind[]) => {
  places = await Promise.all(kinds.map((kind) => kind.place()));
  [from, to] = (await Promise.all(
    places.map((place) => place.open({ now })),
  )) as [KeptStore, KeptStore];
};
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "sb-move-"))));
afterEach(async () => {
  await from.close();
  await to.close();
  for (const place of places) await place[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const told = async (store: KeptStore) =>
  (await Array.fromAsync(store.events({}))).map(
    ({ seq: _, received_at: __, ...rest }: StoredEvent) => rest,
  );
const rows = (store: KeptStore) => Array.fromAsync(store.list({}));
const keeper = (store: KeptStore) =>
  store.maintenance({
    ...{ spooled: () => [], requireNotOwn: () => {}, alone: false },
    warn: (reason) => expect(reason).toMatch(/^(PostgreSQL's files keep .*)?$/),
  });

test.each(WAYS)(
  "$way: all of it arrives, once, also after a part of it",
  async ({ kinds }) => {
    await begin(kinds);
    await fill(from, Random.seeded("moved"), 300);
    const request = {
      ended_before: "2026-02-06T12:40:00.000Z",
      keep_tagged: true,
    };
    const archived = await keeper(from).archive(request, join(folder, "old"));
    expect(archived.sessions).toBeGreaterThan(10);
    const bare = { session_id: ID, user: "les", event_ids: null };
    await from.append([start({ reason: "unforgettable" }), end(900)]);
    await keeper(from).removeTexts(bare);

    const { stored, reason } = await moveAll(from, to, SILENT, 500);
    expect([stored, reason]).toEqual([500, null]);
    const rest = await moveAll(from, to, SILENT);
    expect(rest).toMatchObject({
      ...{ moved_before: 500, not_stored: 0, reason: null },
      archived_sessions: archived.sessions,
    });
    expect(rest.stored).toBe(rest.events - 500);
    const whole = await from.contents().wholes({ after: null, upto: null });
    const ranges = await from.contents().ranges(64);
    expect(ranges.length).toBeGreaterThan(5);
    const parts = await Promise.all(
      ranges.map((range) => from.contents().wholes(range)),
    );
    expect(parts.flat()).toEqual(whole);
    expect(await told(to)).toEqual(await told(from));
    expect(await rows(to)).toEqual(await rows(from));
    const compared = await compare(from.contents(), to.contents(), SILENT);
    expect(compared).toMatchObject({ events: rest.events, more: 0, odd: 0 });
    expect(compared.sessions).toBeGreaterThan(200);

    // What comes late of an archived session is dropped there, too.
    const [gone] = await from.contents().tombstones(null);
    await to.append([command(1, { session_id: gone!.session_id })]);
    const [late] = await to.contents().tombstones(null);
    expect(late).toEqual({ ...gone!, late_events: gone!.late_events + 1 });
    // So is what was removed.
    await to.append([annotation(1, { note: "unforgettable" })]);
    const all = JSON.stringify(await told(to));
    expect(all.includes("unforgettable")).toBe(false);

    const again = await moveAll(from, to, SILENT);
    expect(again).toMatchObject({ moved_before: rest.events, stored: 0 });
    expect(await compare(from.contents(), to.contents(), SILENT)).toMatchObject(
      {
        ...{ sha256: compared.sha256, more: 1 },
      },
    );
  },
);

test.each(STORES)(
  "$kind: a part of a database is of so many events, however long sessions are",
  async (kind) => {
    await begin([kind, kind]);
    const ids = ["aa", "bb", "cc", "dd", "ee", "ff"].map(
      (end) => `${ID}${end}`,
    );
    for (const session_id of ids) {
      const those = { session_id };
      const commands = Array.from({ length: 40 }, (_, n) => command(n, those));
      await from.append([start(those), ...commands]);
    }
    const contents = from.contents();
    const parts = await Promise.all(
      (await contents.ranges(64)).map((range) => contents.wholes(range)),
    );
    const sizes = parts.map((part) => part.map(({ events }) => events.length));
    // The last session of one may have begun before so many were.
    expect(sizes).toEqual([[41, 41], [41, 41], [41], [41]]);
    expect(parts.flat().map(({ session_id }) => session_id)).toEqual(ids);
  },
);

test.each(WAYS)(
  "$way: what is there already stays, and is told of",
  async ({ kinds }) => {
    await begin(kinds);
    const ours = start({ session_id: `${ID}ff` });
    await to.append([ours, end(4, { session_id: `${ID}ff` })]);
    await from.append([start(), end(1)]);
    const moved = await moveAll(from, to, SILENT);
    expect(moved).toMatchObject({ stored: 2, not_stored: 0 });
    const theirs = to.contents();
    const read: string[] = [];
    const wholes = theirs.wholes.bind(theirs);
    theirs.wholes = async (those) => {
      const found = await wholes(those);
      read.push(...found.map(({ session_id }) => session_id));
      return found;
    };
    expect(await compare(from.contents(), theirs, SILENT)).toMatchObject({
      ...{ sessions: 1, events: 2, more: 0 },
    });
    // There may be millions of others.
    expect(read).toEqual([ID]);
    expect((await rows(to)).length).toBe(2);
  },
);

test.each(WAYS)(
  "$way: what comes after some of it went to an archive arrives",
  async ({ kinds }) => {
    await begin(kinds);
    const other = { session_id: `${ID}ff` };
    await from.append([start(), start(other), command(1, other)]);
    await from.append([command(2, other), end(3, other)]);
    await moveAll(from, to, SILENT);
    const request = { ended_before: new Date(now()).toISOString() };
    const went = await keeper(from).archive(
      { ...request, keep_tagged: true },
      join(folder, "old"),
    );
    expect(went).toMatchObject({ sessions: 1, events: 4 });
    await from.append([command(5), end(6)]);
    expect(await moveAll(from, to, SILENT)).toMatchObject({ stored: 2 });
    expect(await compare(from.contents(), to.contents(), SILENT)).toMatchObject(
      { sessions: 1, events: 3 },
    );
  },
);

test("an event that is missing, another, or another's is found", async () => {
  await begin([duckdb!, duckdb!]);
  const events = [start(), annotation(1, { note: "a" }), end(2)];
  const whole = async (given: typeof events, by?: string) => {
    const path = join(folder, `${crypto.randomUUID()}.duckdb`);
    const store = await DuckDBStore.open(path);
    try {
      const from = { via: "tcp", uid: null, address: null } as const;
      await store.append(given, by ? { ...from, subject: by } : undefined);
      return await compareWith(store);
    } finally {
      await store.close();
    }
  };
  const compareWith = async (store: KeptStore) => {
    try {
      return await compare(from.contents(), store.contents(), SILENT);
    } catch (error) {
      return (error as Failure).sentence;
    }
  };
  await from.append(events);
  const [first, second, last] = events as [never, never, never];
  expect(await whole(events)).toMatchObject({ sessions: 1, events: 3 });
  const said = `${ID} is not the same after the move`;
  const { event_id } = events[1]!;
  expect(await whole([first, last])).toBe(
    `${said}: event ${event_id} is missing`,
  );
  expect(
    await whole([first, { ...events[1]!, note: "b" } as never, last]),
  ).toBe(`${said}: event ${event_id} is another`);
  expect(await whole([second, first, last])).toBe(
    `${said}: event ${event_id} is in another place`,
  );
  expect(await whole(events, "web01")).toBe(
    `${said}: event ${events[0]!.event_id} is another`,
  );
});
