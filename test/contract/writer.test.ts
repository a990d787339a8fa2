/** Group commit, and what memory knows of stored events. */
import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Event } from "../../src/model/event.ts";
import { type Provenance, SPOOL } from "../../src/model/reporter.ts";
import type { StoreOptions } from "../../src/store/duckdb/facts.ts";
import { DuckDBStore } from "../../src/store/duckdb/store.ts";
import { annotation, at, command, end, start } from "../support/events.ts";
import { Random } from "../support/random.ts";
import { expectFold, id } from "./expected.ts";

const home = mkdtempSync(join(tmpdir(), "sb-writer-"));
const path = join(home, "sessions.duckdb");
let store: DuckDBStore;

async function opened(options: StoreOptions = {}): Promise<DuckDBStore> {
  store = await DuckDBStore.open(path, options);
  return store;
}

afterEach(async () => {
  await store.close();
  for (const file of [path, `${path}.wal`]) rmSync(file, { force: true });
});
process.on("exit", () => rmSync(home, { recursive: true, force: true }));

const stored = async () =>
  (await Array.fromAsync(store.events({}))).map(({ event }) => event);

/** What no schema lets through: its statement fails. */
const broken = () => ({ ...command(1), timestamp: "1 o'clock" });

describe("group commit", () => {
  test("takes all that waits together, and tells each caller of his own", async () => {
    const commits: number[] = [];
    await opened({ onCommit: (_, events) => commits.push(events) });
    const calls = Array.from({ length: 64 }, (_, n) => [
      start({ session_id: id(n), timestamp: at(n) }),
      end(n + 1, { session_id: id(n) }),
    ]);
    const told = await Promise.all(calls.map((events) => store.append(events)));
    expect(told.map((ids) => [...ids])).toEqual(
      calls.map((events) => events.map(({ event_id }) => event_id)),
    );
    expect(commits).toEqual([128]);
    await expectFold(store, calls.flat());
  });

  test("splits what is much, by number and by length", async () => {
    const commits: number[] = [];
    await opened({ onCommit: (_, events) => commits.push(events) });
    const many = Array.from({ length: 5_000 }, (_, n) => command(n));
    expect((await store.append(many)).size).toBe(5_000);
    expect(commits).toEqual([4_096, 904]);
    const note = "x".repeat(250 * 1024);
    const long = Array.from({ length: 100 }, (_, n) =>
      annotation(n, { metadata: { note } }),
    );
    expect((await store.append(long)).size).toBe(100);
    expect(commits.slice(2).length).toBeGreaterThan(1);
    expect(await stored()).toEqual([...many, ...long]);
  });

  test("an event that is on its way already is new to one caller alone", async () => {
    await opened();
    const [a, b, c] = [start(), command(1), command(2)];
    const first = store.append([a, b]);
    // Both while the first waits, and once its commit is under way.
    const second = store.append([b, c]);
    const third = new Promise((resolve) => setImmediate(resolve)).then(() =>
      store.append([a, b, c]),
    );
    const ids = (set: ReadonlySet<string>) => [...set];
    expect(ids(await first)).toEqual([a.event_id, b.event_id]);
    expect(ids(await second)).toEqual([c.event_id]);
    expect(ids(await third)).toEqual([]);
    expect(await stored()).toEqual([a, b, c]);
  });

  test("that fails fails all who were in it, and is as if it had not been", async () => {
    await opened();
    await store.append([start()]);
    const good = [command(1), end(2)];
    const told = await Promise.allSettled([
      store.append(good),
      store.append([broken()]),
      store.append([good[0]!]),
    ]);
    expect(told.map(({ status }) => status)).toEqual(Array(3).fill("rejected"));
    expect(store.facts()).toMatchObject({
      last_commit_ok: false,
      queued_events: 0,
    });
    expect(await store.summary(id(0))).toBeNull();
    expect((await store.get(start().session_id))?.status).toBe("active");
    expect((await store.append(good)).size).toBe(2);
    expect(store.facts().last_commit_ok).toBeTrue();
    expect(await stored()).toHaveLength(3);
  });

  test("the rest of a call that failed is not tried, others go on", async () => {
    await opened();
    const many = Array.from({ length: 10_000 }, (_, n): Event => command(n));
    many[5_000] = broken();
    const other = start({ session_id: id(1) });
    const told = await Promise.allSettled([
      store.append(many),
      store.append([other]),
    ]);
    expect(told.map(({ status }) => status)).toEqual(["rejected", "fulfilled"]);
    expect(store.facts().queued_events).toBe(0);
    expect(await stored()).toEqual([...many.slice(0, 4_096), other]);
  });

  test("refuses what the queue has no room for, and keeps what is in it", async () => {
    await opened();
    const wave = () => Array.from({ length: 30_000 }, (_, n) => command(n));
    const waiting = [store.append(wave()), store.append(wave())];
    await expect(store.append(wave())).rejects.toMatchObject({
      code: "overloaded",
    });
    const note = "x".repeat(250 * 1024);
    const long = Array.from({ length: 600 }, (_, n) =>
      annotation(n, { metadata: { note } }),
    );
    await expect(store.append(long)).rejects.toMatchObject({
      code: "overloaded",
    });
    expect(store.facts().queued_events).toBe(60_000);
    expect((await Promise.all(waiting)).map(({ size }) => size)).toEqual([
      30_000, 30_000,
    ]);
    expect((await store.append([start()])).size).toBe(1);
  });

  test("a close stores what was accepted, and no more is taken", async () => {
    await opened();
    const events = [start(), end(5)];
    const waiting = store.append(events);
    const closed = store.close();
    await expect(store.append([command(1)])).rejects.toMatchObject({
      code: "storage",
    });
    await closed;
    expect((await waiting).size).toBe(2);
    await opened();
    await expectFold(store, events);
  });
});

test("who brought an event is kept with it, as it was told", async () => {
  await opened();
  const from: Provenance = {
    via: "tcp",
    uid: 1_000,
    subject: `o'brien "x"\u2028`,
    address: "::1",
  };
  await Promise.all([
    store.append([start()], from),
    store.append([command(1)]),
    store.append([command(2)], { ...from, via: "socket", subject: null }),
  ]);
  const kept = await Array.fromAsync(store.events({}));
  expect(kept.map(({ provenance }) => provenance)).toEqual([
    from,
    SPOOL,
    { ...from, via: "socket", subject: null },
  ]);
});

test("no event is stored twice, nor taken for stored, however little is remembered", async () => {
  const random = Random.seeded("window");
  for (let round = 0; round < 6; round++) {
    const window_events = random.pick([0, 1, 3, 40]);
    await opened({ window_events });
    const all: Event[] = [];
    const known = new Set<string>();
    for (let step = 0; step < 25; step++) {
      const fresh = Array.from({ length: random.int(0, 4) }, () =>
        command(random.int(0, 6), { event_id: random.uuid() }),
      );
      all.push(...fresh);
      const calls = Array.from({ length: random.int(1, 3) }, () =>
        all.filter(() => random.chance(0.2)),
      );
      const told = await Promise.all(calls.map((call) => store.append(call)));
      const asked = calls.flat().map(({ event_id }) => event_id);
      const wanted = [...new Set(asked)].filter((it) => !known.has(it));
      expect(told.flatMap((ids) => [...ids]).sort()).toEqual(wanted.sort());
      for (const it of asked) known.add(it);
      if (random.chance(0.15)) {
        await store.close();
        await opened({ window_events });
      }
    }
    expect(new Set((await stored()).map((e) => e.event_id))).toEqual(known);
    expect(await stored()).toHaveLength(known.size);
    await store.close();
    rmSync(path);
  }
  await opened();
});
