/** Several stores over one PostgreSQL database: one truth, whatever they do at once. */
import { SQL } from "bun";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Event } from "../../src/model/event.ts";
import { foldBrought } from "../../src/model/fold.ts";
import type { Provenance } from "../../src/model/reporter.ts";
import { settle } from "../../src/model/session.ts";
import type { SessionStore, StoredEvent } from "../../src/model/store.ts";
import { addressOf } from "../../src/store/postgres/address.ts";
import { HostsPool } from "../../src/store/postgres/connect.ts";
import { MIGRATIONS } from "../../src/store/postgres/schema.ts";
import type { PostgresStore } from "../../src/store/postgres/store.ts";
import { needsPostgres } from "../crash/postgres/node.ts";
import { CUTS, PostgresRelay } from "../crash/postgres/relay.ts";
import {
  ID,
  annotation,
  at,
  command,
  end,
  processOf,
  randomLife,
  start,
} from "../support/events.ts";
import { type TestDatabase, emptyDatabase } from "../support/postgres.ts";
import { Random } from "../support/random.ts";
import { openPostgres, sharedDatabase } from "../support/stores.ts";
import { until } from "../support/wait.ts";
import { id } from "./expected.ts";

const by = (subject: string, more: Partial<Provenance> = {}): Provenance => ({
  ...{ via: "tcp", uid: null, subject, address: "192.0.2.7" },
  reporter: `token:${subject}`,
  ...more,
});
const web = by("web01");

const poolOf = ({ url }: TestDatabase) =>
  new HostsPool(addressOf(url, null, null), {
    ...{ size: 3, statement_timeout_ms: 30_000 },
  });

/** A relay before a database, and the URL that leads through it. */
async function relayTo({ url }: TestDatabase) {
  const through = new URL(url);
  const relay = new PostgresRelay(Number(through.port));
  await relay.listening;
  through.port = String(relay.port);
  return Object.assign(relay, { url: through.href });
}

const allEvents = (store: SessionStore) => Array.fromAsync(store.events({}));

/** Each event once and numbered, each row the fold of its session's events. */
async function expectOneTruth(
  store: SessionStore,
  sent: readonly Event[],
): Promise<StoredEvent[]> {
  const stored = await allEvents(store);
  const keyOf = ({ session_id, event_id }: Event) =>
    `${session_id} ${event_id}`;
  expect(stored.map(({ event }) => keyOf(event)).sort()).toEqual(
    [...new Set(sent.map(keyOf))].sort(),
  );
  const seqs = stored.map(({ seq }) => seq);
  expect(seqs).toEqual([...new Set(seqs)].toSorted((a, b) => a - b));
  const wanted = [
    ...Map.groupBy(stored, ({ event }) => event.session_id),
  ].flatMap(([session_id, of]) => {
    const brought = of.map(({ event, provenance }) => ({
      ...{ event, from: provenance },
    }));
    return settle(foldBrought(session_id, brought)) ?? [];
  });
  const rows = (await Array.fromAsync(store.list({}))).map(
    ({ status: _, duration_seconds: __, ...row }) => row,
  );
  const plain = (all: typeof rows) =>
    all
      .map((row) =>
        JSON.stringify(
          Object.entries(row).toSorted(([a], [b]) => (a < b ? -1 : 1)),
        ),
      )
      .toSorted();
  expect(plain(rows)).toEqual(plain(wanted));
  return stored;
}

/** Reads the tail as it grows, until it is told that no more comes. */
async function follow(
  store: SessionStore,
  over: Promise<unknown>,
): Promise<string[]> {
  const seen: string[] = [];
  let after_seq = 0;
  let last = false;
  void over.finally(() => (last = true));
  for (let rest = false; !rest;) {
    rest = last;
    for await (const { seq, event } of store.events({ after_seq })) {
      after_seq = seq;
      seen.push(`${event.session_id} ${event.event_id}`);
    }
  }
  return seen;
}

describe.skipIf(!needsPostgres()).each([
  { name: "with locks", locks: true },
  { name: "without locks", locks: false },
])("two stores over one database, $name:", ({ locks }) => {
  let database: TestDatabase;
  let one: PostgresStore;
  let two: PostgresStore;

  beforeEach(async () => {
    database = await sharedDatabase();
    one = await openPostgres(database, { locks, server: "one" });
    two = await openPostgres(database, { locks, server: "two" });
  });
  afterEach(async () => {
    await Promise.all([one.close(), two.close()]);
    await database[Symbol.asyncDispose]();
  });

  test("write of the same sessions at once, and whoever follows misses nothing", async () => {
    const random = Random.seeded("two writers");
    for (let round = 0; round < 6; round++) {
      const ids = Array.from({ length: 8 }, (_, n) => id(100 * round + n));
      const sent: Event[] = [];
      const write = async (store: PostgresStore, events: Event[]) => {
        for (const batch of random.batches(random.shuffled(events))) {
          sent.push(...batch);
          await store.append(batch);
        }
      };
      const lives = ids.flatMap((session_id) => randomLife(random, session_id));
      // Some come to both.
      const both = lives.filter(() => random.chance(0.3));
      const [some, others] = [[], []] as [Event[], Event[]];
      for (const event of lives)
        (random.chance(0.5) ? some : others).push(event);
      const before = (await allEvents(one)).map(({ event }) => event);
      const written = Promise.all([
        write(one, [...some, ...both]),
        write(one, some.slice(0, 3)),
        write(two, [...others, ...both]),
        write(two, others.slice(0, 3)),
      ]);
      const [followed] = await Promise.all([follow(two, written), written]);
      const stored = await expectOneTruth(one, [...before, ...sent]);
      expect(followed).toEqual(
        stored.map(({ event }) => `${event.session_id} ${event.event_id}`),
      );
    }
  }, 400_000);

  test("number the tail at once, each event once", async () => {
    const events = Array.from({ length: 400 }, (_, n) =>
      start({ session_id: id(n) }),
    );
    await Promise.all(
      events.map((event, n) => (n % 2 ? one : two).append([event])),
    );
    const read = await Promise.all(
      [one, two, one, two].map((store) => allEvents(store)),
    );
    for (const stored of read) expect(stored).toEqual(read[0]!);
    expect(read[0]!.map(({ seq }) => seq)).toEqual(events.map((_, n) => n + 1));
  });

  test("tell a session's owner from a stranger, whichever of them it asks", async () => {
    const mallory = by("mallory");
    for (let n = 0; n < 10; n++) {
      const session_id = id(n);
      const outcomes = await Promise.allSettled<unknown>([
        one.append([start({ session_id })], web),
        two.append([start({ session_id, timestamp: at(-9) })], mallory),
      ]);
      // Whoever came second is rejected.
      const refused = outcomes.filter(({ status }) => status === "rejected");
      expect([n, refused.length]).toEqual([n, 1]);
      const { reporter } = (await one.get(session_id))!;
      const first = outcomes[0]!.status === "fulfilled";
      expect(reporter).toBe(first ? "token:web01" : "token:mallory");
    }
    expect(await allEvents(two)).toHaveLength(10);
  });

  test("the spool outranks the wire, also while that writes", async () => {
    for (let n = 0; n < 10; n++) {
      const session_id = id(n);
      await Promise.allSettled([
        one.append(
          [start({ session_id }), command(2, { session_id })],
          by("mallory"),
        ),
        two.append([
          start({ session_id, hostname: "own" }),
          processOf(1, { session_id }),
        ]),
      ]);
      expect(await one.get(session_id)).toMatchObject({
        ...{ reporter: "spool", hostname: "own" },
      });
    }
    const stored = await allEvents(one);
    await expectOneTruth(
      two,
      stored.map(({ event }) => event),
    );
  });

  test("give sessions that begin at once an id each, and one again the same", async () => {
    const ids = Array.from({ length: 20 }, (_, n) => id(n));
    const begun = await Promise.all(
      ids.map((_, n) =>
        (n % 2 ? one : two).begin(start({ session_id: "" }), ids, web),
      ),
    );
    expect(begun.map(({ session_id }) => session_id).toSorted()).toEqual(ids);
    const again = start({ session_id: "" });
    const more = [...ids, id(20), id(21)];
    const same = await Promise.all(
      [one, two, one, two].map((store) => store.begin(again, more, web)),
    );
    expect(new Set(same.map(({ session_id }) => session_id))).toEqual(
      new Set([id(20)]),
    );
    expect(same.map(({ how }) => how).toSorted()).toEqual([
      ...["known", "known", "known", "new"],
    ] as (typeof same)[number]["how"][]);
    expect(await allEvents(one)).toHaveLength(21);
  });

  test("are told of a sign of life that came to the other", async () => {
    await one.append([start({ lease_seconds: 60 })], web);
    await two.seen(new Map([[ID, at(40)]]), web);
    expect((await one.get(ID))?.last_seen).toBe(at(40));
    await one.seen(new Map([[ID, at(30)]]), web);
    expect((await two.get(ID))?.last_seen).toBe(at(40));
    expect([
      ...(await two.seen(new Map([[ID, at(50)]]), by("mallory"))),
    ]).toEqual([ID]);
    expect((await one.get(ID))?.last_seen).toBe(at(40));
  });

  test("sessions that one ends while the other hears of them live on", async () => {
    const opened_ms = Date.now();
    const iso = (ms: number) => new Date(opened_ms + ms).toISOString();
    const ids = Array.from({ length: 40 }, (_, n) => id(n));
    await one.append(
      ids.map((session_id) =>
        start({ session_id, timestamp: iso(0), lease_seconds: 60 }),
      ),
      web,
    );
    for (let ms = 2_000; ms <= 60_000; ms += 2_000)
      expect(await one.expireLeases(opened_ms + ms, 1e9)).toBe(0);
    const sign = iso(61_000);
    const [lost] = await Promise.all([
      one.expireLeases(opened_ms + 62_000, 1e9),
      ...ids.map((session_id) => two.seen(new Map([[session_id, sign]]), web)),
    ]);
    console.log(`${lost} of ${ids.length} were ended, and came back`);
    for (const session_id of ids)
      expect(await two.get(session_id)).toMatchObject({
        ...{ session_id, status: "active", last_seen: sign },
      });
  });
});

const shared = describe.skipIf(!needsPostgres());

shared("a database that several use", () => {
  test("is made by all that come first, once", async () => {
    await using database = await emptyDatabase();
    const stores = await Promise.all(
      Array.from({ length: 6 }, () => openPostgres(database)),
    );
    await Promise.all(
      stores.map((store, n) => store.append([start({ session_id: id(n) })])),
    );
    expect((await stores[0]!.stats({})).sessions).toBe(6);
    await Promise.all(stores.map((store) => store.close()));
  });

  test("of a newer program is left alone, with both versions named", async () => {
    await using database = await emptyDatabase();
    const newer = [...MIGRATIONS, ["CREATE TABLE moons (phase integer)"]];
    const store = await openPostgres(database, { migrations: newer });
    await store.append([start()]);
    await expect(openPostgres(database)).rejects.toMatchObject({
      code: "storage",
      message: expect.stringContaining(
        `has schema version ${newer.length}, this session-buddy knows ${MIGRATIONS.length} (`,
      ),
    });
    expect((await store.append([end(1)])).size).toBe(1);
    await store.close();
  });

  test("is brought up in steps that are done or not", async () => {
    await using database = await emptyDatabase();
    const broken = [
      ...MIGRATIONS,
      ["CREATE TABLE moons (phase integer)", "SELECT no_such_column"],
    ];
    await expect(
      openPostgres(database, { migrations: broken }),
    ).rejects.toThrow(/no_such_column/);
    const store = await openPostgres(database);
    expect((await store.append([start()])).size).toBe(1);
    await store.close();
  });

  test("a COMMIT that was cut off stores each event once, and says what was new", async () => {
    await using database = await sharedDatabase();
    await using relay = await relayTo(database);
    const store = await openPostgres({ ...database, url: relay.url });
    const sent: Event[] = [];
    for (const [round, cut] of [...CUTS, ...CUTS, ...CUTS].entries()) {
      const session_id = id(round);
      const events = [
        start({ session_id }),
        ...[1, 2, 3].map((n) => command(n, { session_id })),
      ];
      sent.push(...events);
      relay.cutNext(cut);
      const stored = await store.append(events);
      expect([cut, [...stored].toSorted()]).toEqual([
        cut,
        events.map(({ event_id }) => event_id).toSorted(),
      ]);
      // One that begins, too.
      const begun = start({ session_id: "" });
      relay.cutNext(cut);
      expect(await store.begin(begun, [id(100 + round)], web)).toEqual({
        ...{ session_id: id(100 + round), how: "new" },
      });
      sent.push({ ...begun, session_id: id(100 + round) });
    }
    expect(relay.cuts).toBe(2 * 3 * CUTS.length);
    await expectOneTruth(store, sent);
    await store.close();
  });

  test("a start that is stored while its row is read is known", async () => {
    await using database = await sharedDatabase();
    await using relay = await relayTo(database);
    const store = await openPostgres({ ...database, url: relay.url });
    // Two connections that have asked it before: what comes next is the row's.
    await Promise.all([store.summary(ID), store.summary(ID)]);
    await using sql = new SQL(database.url, { max: 1 });
    await sql.unsafe("BEGIN; LOCK TABLE events IN SHARE MODE");
    const begun = start();
    const storing = store.append([begun]);
    await until("the writer to wait", async () => {
      const waits = await sql.unsafe(
        "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'events'::regclass",
      );
      return waits.length > 0;
    });
    const kept = relay.keepNext();
    const asked = store.summary(ID);
    const pass = await kept;
    await sql.unsafe("COMMIT");
    await storing;
    pass();
    expect(await asked).toMatchObject({ start_event_id: begun.event_id });
    await store.close();
  });

  test("that gives a store no connection refuses it, and serves one that gets a few", async () => {
    await using database = await sharedDatabase();
    const pool = poolOf(database);
    const role = `few_${process.pid}`;
    await pool.ask(`CREATE ROLE ${role} LOGIN CONNECTION LIMIT 3`);
    for (const what of ["TABLES", "SEQUENCES"])
      await pool.ask(`GRANT ALL ON ALL ${what} IN SCHEMA public TO ${role}`);
    const few = {
      ...database,
      url: database.url.replace("postgres@", `${role}@`),
    };
    // One connection each, for certain: one pool may do all on fewer.
    const others = [1, 2, 3].map(() => new SQL(few.url, { max: 1 }));
    await Promise.all(others.map((other) => other`SELECT 1`));
    const there = `SELECT 1 FROM pg_stat_activity WHERE usename = '${role}'`;
    const connected = (count: number) =>
      until(`${count} connections`, async () => {
        return (await pool.ask(there)).length === count;
      });
    await connected(3);
    const next = () => openPostgres(few, { patience_ms: 0 });
    await expect(next()).rejects.toMatchObject({
      code: "overloaded",
      message: expect.stringContaining("too many connections"),
    });
    await Promise.all(others.map((other) => other.close()));
    const store = await until("a connection", () => next().catch(() => null));
    await store.close();
    // Those that are closed count until their backends are gone.
    await connected(0);
    // With fewer than it would like to have it goes on with those that it has.
    const one = await openPostgres(few);
    const ids = Array.from({ length: 60 }, (_, n) => id(n));
    const work = ids.map(async (session_id) => {
      await one.append([start({ session_id })]);
      expect((await one.get(session_id))?.status).toBe("active");
    });
    await Promise.all(work);
    expect((await one.stats({})).sessions).toBe(60);
    await one.close();
    await pool.ask(`DROP OWNED BY ${role}`);
    await pool.ask(`DROP ROLE ${role}`);
    await pool.end();
  });

  test("a batch that is in a deadlock with others is done again", async () => {
    await using database = await sharedDatabase();
    const pool = poolOf(database);
    const { pathname } = new URL(database.url);
    // Who waits looks for one once: not before there is one.
    await pool.ask(
      `ALTER DATABASE ${pathname.slice(1)} SET deadlock_timeout = '4s'`,
    );
    const store = await openPostgres(database);
    await store.append([1, 2].map((n) => start({ session_id: id(n) })));
    const touch =
      "UPDATE sessions SET username = username WHERE session_id = $1::text";
    const waits = `SELECT 1 FROM pg_stat_activity
      WHERE datname = current_database() AND wait_event_type = 'Lock'`;
    const added = [1, 2].map((n) => command(n, { session_id: id(n) }));
    let stored: Promise<ReadonlySet<string>> | null = null;
    await pool.transaction(async (tx) => {
      // Of the two the other one is to find it.
      await tx.ask("SET LOCAL deadlock_timeout = '60s'");
      await tx.ask(touch, [id(2)]);
      stored = store.append(added);
      // It has the first, and waits for the second.
      await until("the batch", async () => (await pool.ask(waits)).length > 0);
      await tx.ask(touch, [id(1)]);
    });
    expect((await stored!).size).toBe(2);
    await until("the deadlock", async () => {
      const [row] = await pool.ask<{ deadlocks: string }>(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()",
      );
      return Number(row!.deadlocks) > 0;
    });
    await pool.end();
    await store.close();
  });

  test("whose sessions two want to end at once ends them once", async () => {
    await using database = await sharedDatabase();
    const one = await openPostgres(database);
    const two = await openPostgres(database);
    const opened_ms = Date.now();
    const begun = Array.from({ length: 50 }, (_, n) =>
      start({
        session_id: id(n),
        timestamp: new Date(opened_ms).toISOString(),
        lease_seconds: 60,
      }),
    );
    await one.append(begun, web);
    const look = (ms: number) =>
      Promise.all(
        [one, two].map((store) => store.expireLeases(opened_ms + ms, 1e9)),
      );
    for (let ms = 1_000; ms < 60_000; ms += 1_000)
      expect(await look(ms)).toEqual([0, 0]);
    let ended = 0;
    let ms = 60_000;
    // They were heard a little later than they began; a pause between looks is added.
    for (; ended < 50 && ms < 600_000; ms += 1_000)
      for (const lost of await look(ms)) ended += lost;
    expect(ended).toBe(50);
    for (const until_ms = ms + 5_000; ms < until_ms; ms += 1_000)
      expect(await look(ms)).toEqual([0, 0]);
    const kinds = (await allEvents(one)).map(({ event }) => event.event_type);
    expect(kinds.filter((kind) => kind === "session_end")).toHaveLength(50);
    await Promise.all([one.close(), two.close()]);
  });

  test("sessions of a server that is away wait for it, but not for ever", async () => {
    await using database = await sharedDatabase();
    const opened_ms = Date.now();
    let ahead_ms = 0;
    const now = () => Date.now() + ahead_ms;
    const named = (server: string) => openPostgres(database, { server, now });
    const one = await named("one");
    let two = await named("two");
    const begin = (store: PostgresStore, session_id: string) =>
      store.append(
        [
          start({
            session_id,
            timestamp: new Date(opened_ms).toISOString(),
            lease_seconds: 60,
          }),
        ],
        web,
      );
    await begin(one, id(1));
    await begin(two, id(2));
    await two.close();
    /** Looks as a server does, until then. */
    let looked_ms = 0;
    const look = async (until_ms: number, ...stores: PostgresStore[]) => {
      let lost = 0;
      for (; looked_ms < until_ms; looked_ms += 1_000) {
        ahead_ms = opened_ms + looked_ms - Date.now();
        for (const store of stores)
          lost += await store.expireLeases(opened_ms + looked_ms, 1e9);
      }
      return lost;
    };
    /** Until one is lost: when that is depends on pauses of the machine, which are added. */
    const lookOn = async (...stores: PostgresStore[]) => {
      let lost = 0;
      for (const last_ms = looked_ms + 600_000; !lost && looked_ms < last_ms;)
        lost = await look(looked_ms + 1_000, ...stores);
      return lost;
    };
    const status = async (n: number) => (await one.get(id(n)))?.status;
    expect(await look(300_000, one)).toBe(1);
    expect([await status(1), await status(2)]).toEqual(["lost", "active"]);
    // It is there again: who lives has a lease to say so.
    two = await named("two");
    expect(await look(356_000, one, two)).toBe(0);
    expect(await lookOn(one, two)).toBe(1);
    expect(await status(2)).toBe("lost");
    // One that does not come back is not waited for longer than it takes to go elsewhere.
    await begin(two, id(3));
    await two.close();
    expect(await look(900_000, one)).toBe(0);
    expect(await lookOn(one)).toBe(1);
    await one.close();
  }, 400_000);

  test("a duty goes to another when who has it ends, or is not heard of", async () => {
    await using database = await sharedDatabase();
    let ahead_ms = 0;
    const now = () => Date.now() + ahead_ms;
    const one = await openPostgres(database, { now });
    const two = await openPostgres(database, { now });
    const held = () => [one.holds("alerts"), two.holds("alerts")];
    for (const store of [one, two]) await store.take("alerts");
    expect(held()).toEqual([true, false]);
    ahead_ms = 6_000;
    for (const store of [two, one]) await store.take("alerts");
    expect(held()).toEqual([false, true]);
    await two.close();
    expect(await one.take("alerts")).not.toBeNull();
    expect(one.holds("alerts")).toBeTrue();
    await one.close();
  });

  test("texts that are removed at one are not taken in again at another", async () => {
    await using database = await sharedDatabase();
    const one = await openPostgres(database);
    const two = await openPostgres(database);
    const secret = "cat /srv/secret";
    await one.append([start(), command(1, { text: secret, cwd: "/" })]);
    const maintenance = one.maintenance({
      ...{ spooled: () => [], requireNotOwn: () => {}, alone: false },
      warn: () => {},
    });
    const request = { session_id: ID, event_ids: null, user: "les" };
    expect(await maintenance.removeTexts(request)).toMatchObject({ events: 1 });
    await two.append([command(2, { text: secret, cwd: "/" }), annotation(3)]);
    for (const store of [one, two])
      expect(JSON.stringify(await allEvents(store))).not.toContain("secret");
    await Promise.all([one.close(), two.close()]);
  });
});
