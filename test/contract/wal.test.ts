/**
 * A write-ahead log as a loss of power or a bad disk leaves it: every commit
 * before the damage is there, event by event, and what was left out is told and
 * kept.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  copyFileSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBStore } from "../../src/store/duckdb/store.ts";
import { headerOf } from "../../src/store/duckdb/log-header.ts";
import { tornLog } from "../../src/store/duckdb/wal.ts";
import { annotation, command, start } from "../support/events.ts";
import { Random } from "../support/random.ts";

const root = mkdtempSync(join(tmpdir(), "sb-wal-"));
afterAll(() => rmSync(root, { recursive: true }));

const COMMITS = 6;
const original = join(root, "sessions.duckdb");
/** The log's length after each commit, and the events by then. */
const commits: { bytes: number; events: string[] }[] = [];
let log: Buffer;

beforeAll(async () => {
  const store = await DuckDBStore.open(original);
  const events: string[] = [];
  for (let n = 0; n < COMMITS; n++) {
    const some = [
      n === 0 ? start() : command(n),
      annotation(n, { metadata: { note: "x".repeat(n * 37) } }),
    ];
    await store.append(some);
    events.push(...some.map(({ event_id }) => event_id));
    const bytes = readFileSync(`${original}.wal`).length;
    commits.push({ bytes, events: [...events] });
  }
  copyFileSync(original, join(root, "crashed"));
  log = readFileSync(`${original}.wal`);
  await store.close();
});

interface Opened {
  events: string[];
  said: string[];
  kept: Buffer[];
}

let places = 0;

/** Opens the database with a log of these bytes beside it. */
async function openedWith(bytes: Buffer): Promise<Opened> {
  const home = join(root, `place-${places++}`);
  const path = join(home, "sessions.duckdb");
  await Bun.write(path, readFileSync(join(root, "crashed")));
  writeFileSync(`${path}.wal`, bytes);
  const said: string[] = [];
  const tell = (sentence: string) => void said.push(sentence);
  const store = await DuckDBStore.open(path, { warn: tell });
  const stored = await Array.fromAsync(store.events({}));
  // It can be written as any other.
  await store.append([command(99)]);
  await store.close();
  const again = await DuckDBStore.open(path, { warn: tell });
  expect(await Array.fromAsync(again.events({}))).toHaveLength(
    stored.length + 1,
  );
  await again.close();
  const kept = readdirSync(home)
    .filter((name) => /^sessions\.duckdb\.wal\.(damaged|foreign)-/.test(name))
    .map((name) => readFileSync(join(home, name)));
  rmSync(home, { recursive: true });
  return { events: stored.map(({ event }) => event.event_id), said, kept };
}

/** What was committed in the first so many bytes. */
const committedIn = (bytes: number) =>
  commits.filter((commit) => commit.bytes <= bytes).at(-1)?.events ?? [];

test("a log that is whole is left alone", async () => {
  const path = join(root, "whole.duckdb");
  writeFileSync(`${path}.wal`, log);
  expect(tornLog(path)).toBeNull();
  const { events, said, kept } = await openedWith(log);
  expect([events, said, kept]).toEqual([commits.at(-1)!.events, [], []]);
});

test("zeros at its end cost nothing that was committed", async () => {
  for (const zeros of [1, 15, 16, 17, 4_096, 100_000])
    for (const { bytes, events } of [commits[2]!, commits.at(-1)!]) {
      const whole = log.subarray(0, bytes);
      const damaged = Buffer.concat([whole, Buffer.alloc(zeros)]);
      const opened = await openedWith(damaged);
      expect(opened.events).toEqual(events);
      expect(opened.said).toEqual([
        expect.stringContaining(`its last ${zeros} bytes`),
      ]);
      expect(opened.kept.map((kept) => kept.equals(damaged))).toEqual([true]);
    }
}, 400_000);

test("cut off anywhere, each whole commit is there", async () => {
  const random = Random.seeded("cut logs");
  const places = new Set<number>([1, 7, 8, 9, log.length - 1]);
  for (const { bytes } of commits)
    for (const near of [-1, 0, 1, 15, 16]) places.add(bytes + near);
  for (let n = 0; n < 15; n++) places.add(random.int(0, log.length - 1));
  for (const at of places) {
    if (at > log.length) continue;
    const { events } = await openedWith(log.subarray(0, at));
    expect([at, events]).toEqual([at, committedIn(at)]);
  }
}, 400_000);

/** Of a damaged header nothing is lost; but another count of checkpoints is that of an older or a newer log. */
const isRestored = (at: number, bit: number) =>
  at < headerOf(log)!.bytes && (at !== countAt() || bit === MORE_FOLLOWS);
/** A count that fits a byte; with its highest bit it would go on in the next. */
const countAt = () => headerOf(log)!.bytes - 3;
const MORE_FOLLOWS = 7;

/** So that each has the time of a test. */
const PARTS = 8;
let all_flips: (readonly [at: number, bit: number])[] | null = null;

function madeFlips() {
  const random = Random.seeded("flipped logs");
  const places = new Set<number>();
  for (let at = 0; at < 40; at++) places.add(at);
  for (const { bytes } of commits)
    for (let near = -22; near < 18; near += 3) places.add(bytes + near);
  for (let n = 0; n < 20; n++) places.add(random.int(0, log.length - 1));
  const flips = [...places].map((at) => [at, random.int(0, 7)] as const);
  for (let bit = 0; bit < 8; bit++) flips.push([countAt(), bit]);
  return flips.filter(([at]) => at < log.length);
}

test.each(Array.from({ length: PARTS }, (_, n) => n + 1))(
  `of a flipped bit the commits before it are there, and that the others are not is said (%i of ${PARTS})`,
  async (part) => {
    const flips = (all_flips ??= madeFlips());
    for (let n = part - 1; n < flips.length; n += PARTS) {
      const [at, bit] = flips[n]!;
      const damaged = Buffer.from(log);
      damaged[at]! ^= 1 << bit;
      const { events, said, kept } = await openedWith(damaged);
      const before = isRestored(at, bit)
        ? commits.at(-1)!.events
        : committedIn(at);
      expect([at, bit, events]).toEqual([at, bit, before]);
      expect([at, bit, said.length, kept.length]).toEqual([at, bit, 1, 1]);
      expect(kept[0]!.equals(damaged)).toBeTrue();
    }
  },
  600_000,
);

test("zeros in the place of all of it leave the database as its last checkpoint", async () => {
  const { events, said } = await openedWith(Buffer.alloc(log.length));
  expect([events, said.length]).toEqual([[], 1]);
});

/** An entry that says of itself that it has so many bytes. */
const sized = (size: bigint) =>
  Buffer.concat([
    new Uint8Array(new BigUint64Array([size]).buffer),
    Buffer.alloc(24, 7),
  ]);

test.each([
  ["0xFF", Buffer.alloc(16, 0xff)],
  ["0xFF, more of it", Buffer.alloc(5_000, 0xff)],
  ...[2n ** 64n - 8n, 2n ** 63n, 2n ** 40n, 2n ** 32n, 300n * 2n ** 20n].map(
    (size) => [`an entry of ${size} bytes`, sized(size)] as const,
  ),
])(
  "garbage at its end (%s) costs nothing that was committed",
  async (_, tail) => {
    for (const { bytes, events } of [commits[2]!, commits.at(-1)!]) {
      const opened = await openedWith(
        Buffer.concat([log.subarray(0, bytes), tail]),
      );
      expect(opened.events).toEqual(events);
      expect([opened.said.length, opened.kept.length]).toEqual([1, 1]);
    }
  },
);

test.each([
  ["zeros", Buffer.alloc(4_096)],
  ["0xFF", Buffer.alloc(4_096, 0xff)],
  [
    "a header and zeros",
    () =>
      Buffer.concat([log.subarray(0, headerOf(log)!.bytes), Buffer.alloc(99)]),
  ],
  [
    "a commit and zeros",
    () => Buffer.concat([log.subarray(0, commits[1]!.bytes), Buffer.alloc(99)]),
  ],
])(
  "a log (%s) is kept once, however often it is opened to read",
  async (_, made) => {
    const home = join(root, `place-${places++}`);
    const path = join(home, "sessions.duckdb");
    await Bun.write(path, readFileSync(join(root, "crashed")));
    writeFileSync(`${path}.wal`, typeof made === "function" ? made() : made);
    const said: string[] = [];
    const tell = (sentence: string) => void said.push(sentence);
    for (const _ of [1, 2, 3]) {
      const store = await DuckDBStore.open(path, { warn: tell });
      await Array.fromAsync(store.events({}));
      await store.close();
    }
    const kept = readdirSync(home).filter((name) => name.includes(".damaged-"));
    expect([said.length, kept.length]).toEqual([1, 1]);
  },
);

test("a log that is longer than any of ours is refused by its name", async () => {
  const home = join(root, `place-${places++}`);
  const path = join(home, "sessions.duckdb");
  await Bun.write(path, readFileSync(join(root, "crashed")));
  writeFileSync(`${path}.wal`, "");
  truncateSync(`${path}.wal`, 2 ** 41);
  await expect(DuckDBStore.open(path)).rejects.toThrow(
    /sessions.duckdb.wal' has 2199023255552 bytes/,
  );
});
