/** How often it is recorded that somebody watches, in a real store. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Log } from "../../src/log/log.ts";
import type { Provenance } from "../../src/model/reporter.ts";
import { Watches } from "../../src/server/watches.ts";
import { DuckDBStore } from "../../src/store/duckdb/store.ts";
import { until } from "../support/wait.ts";

let folder: string;
let store: DuckDBStore;
let log: Log;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "sb-watches-"));
  store = await DuckDBStore.open(join(folder, "sessions.duckdb"));
  log = new Log(join(folder, "logs"), "info");
});
afterEach(async () => {
  log.close();
  await store.close();
  rmSync(folder, { recursive: true });
});

const session_id = "bash-20260206-123456-1a2b3c4d";
const peer: Provenance = {
  ...{ via: "tcp", uid: null, subject: "ann", address: "10.0.0.5" },
  reporter: "token:ann",
};
const look = (more: { session_id?: string; watcher?: string } = {}) => ({
  ...{ session_id, watcher: "ann", peer, live: true, ...more },
});

async function recorded(): Promise<string[]> {
  const all = await Array.fromAsync(store.events({}));
  return all.map(({ event }) => event.event_type);
}

test("looks that meet are one; the next one after them is another", async () => {
  const watches = new Watches(store, log, Date.now, 1);
  const [first, second] = await Promise.all([
    watches.begin(look()),
    watches.begin(look()),
  ]);
  first();
  // Told twice, as a stream that is cancelled and gone tells it.
  first();
  expect(await recorded()).toEqual(["watch_start"]);
  second();
  await until("its end", async () => (await recorded()).length === 2);
  await watches.begin(look());
  await watches.close();
  const pair = ["watch_start", "watch_end"];
  expect(await recorded()).toEqual([...pair, ...pair]);
});

test("who comes again soon watches still, and its end is when it was left", async () => {
  let now = Date.parse("2026-02-06T12:00:00Z");
  const watches = new Watches(store, log, () => now);
  for (let i = 0; i < 50; i++) {
    const left = await watches.begin(look());
    now += 1_000;
    left();
  }
  now += 30_000;
  await watches.close();
  const all = await Array.fromAsync(store.events({}));
  expect(all.map(({ event }) => [event.event_type, event.timestamp])).toEqual([
    ["watch_start", "2026-02-06T12:00:00.000Z"],
    ["watch_end", "2026-02-06T12:00:50.000Z"],
  ]);
  expect(all[0]!.provenance).toMatchObject({
    ...{ reporter: "server", subject: "ann", address: "10.0.0.5" },
  });
});

test("nobody fills the store by watching one after the other", async () => {
  // However long it takes to begin so many, it is the same minute.
  const watches = new Watches(store, log, Date.now, 3_600_000);
  const of = (i: number) => ({
    session_id: `${session_id.slice(0, -3)}${String(i).padStart(3, "0")}`,
  });
  for (let i = 0; i < 120; i++) (await watches.begin(look(of(i))))();
  await expect(watches.begin(look(of(120)))).rejects.toThrow("within a minute");
  // Another does, and the same of what it has begun.
  await watches.begin(look({ watcher: "bob" }));
  await watches.begin(look(of(0)));
});

test("what cannot be recorded is not shown", async () => {
  const watches = new Watches(store, log);
  await store.close();
  expect(watches.begin(look())).rejects.toThrow();
  store = await DuckDBStore.open(join(folder, "sessions.duckdb"));
});
