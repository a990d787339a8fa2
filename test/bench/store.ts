/**
 * The store at size: what commands ask, over many sessions. Run it with the
 * number of sessions: `bun test/bench/store.ts 1000000`. It prints medians in
 * milliseconds; on a shared machine compare them with each other alone.
 */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SessionFilter } from "../../src/model/filter.ts";
import { DuckDBStore } from "../../src/store/duckdb/store.ts";
import { end, start } from "../support/events.ts";
import { fillStore } from "./fill.ts";

const SESSIONS = Number(process.argv[2] ?? 1_000_000);
const home = mkdtempSync(join(tmpdir(), "sb-bench-"));
process.on("exit", () => rmSync(home, { recursive: true, force: true }));
const path = join(home, "sessions.duckdb");

const sessionId = (n: number) => {
  const time = new Date(Date.UTC(2025, 0, 1) + n * 30_000).toISOString();
  const digits = time.slice(0, 19).replace(/[-:]/g, "").replace("T", "-");
  const hex = Bun.hash.crc32(`${n}`).toString(16).padStart(8, "0");
  return { id: `mahavishnu-${digits}-${hex}`, time };
};

await fillStore(path, SESSIONS);
const store = await timed("open", 1, () => DuckDBStore.open(path));
const latest: SessionFilter = { limit: 50 };
await timed("list: latest 50", 15, () => drained(latest));
await timed("list: latest 50 lost", 15, () =>
  drained({ ...latest, status: "lost" }),
);
await timed("list: 50 of one user", 15, () =>
  drained({ ...latest, username: "user7" }),
);
await timed("list: one hour", 15, () =>
  drained({
    after: sessionId(SESSIONS / 2).time,
    before: sessionId(SESSIONS / 2 + 120).time,
  }),
);
await timed("list: who was in", 15, () =>
  drained({ at: sessionId(SESSIONS / 2).time }),
);
await timed("list: took longer than two hours", 15, () =>
  drained({ ...latest, duration_greater: 7_198_000 }),
);
await timed("get", 15, (n) => store.get(sessionId(n * 1_000).id));
await timed("list: by prefix", 15, (n) =>
  drained({ reference: sessionId(n * 1_000).id.slice(0, 26), limit: 11 }),
);
await timed("list: by last 8 hex", 15, (n) =>
  drained({ reference: sessionId(n * 1_000).id.slice(-8), limit: 11 }),
);
await timed("summary: of a closed session", 15, (n) =>
  store.summary(sessionId(n * 1_000).id),
);
await timed("summary: of a new session", 15, (n) =>
  store.summary(sessionId(SESSIONS + n).id),
);
await timed("stats: all", 5, () => store.stats({}));
await timed("stats: of one user", 5, () => store.stats({ username: "user7" }));
await timed("events: of one session", 5, (n) =>
  Array.fromAsync(store.events({ session_id: sessionId(n * 1_000).id })),
);
await timed("events: the first 1,000", 5, () =>
  Array.fromAsync(store.events({ limit: 1_000 })),
);
await timed("append: start of a new session", 15, (n) => {
  const { id, time } = sessionId(SESSIONS + n);
  return store.append([start({ session_id: id, timestamp: time })]);
});
await timed("append: its end", 15, (n) => {
  const { id, time } = sessionId(SESSIONS + n);
  return store.append([end(0, { session_id: id, timestamp: time })]);
});
await timed("append: a session, start and end", 15, (n) => {
  const { id, time } = sessionId(SESSIONS + 100 + n);
  return store.append([
    start({ session_id: id, timestamp: time }),
    end(0, { session_id: id, timestamp: time }),
  ]);
});
await timed("append and list it", 15, async (n) => {
  const { id, time } = sessionId(SESSIONS + 200 + n);
  await store.append([start({ session_id: id, timestamp: time })]);
  await drained({ limit: 1 });
});
await timed("list: all", 1, () => drained({}));
await timed("close", 1, () => store.close());
console.log(`${(statSync(path).size / SESSIONS).toFixed(0)} bytes a session`);

async function drained(filter: SessionFilter): Promise<void> {
  for await (const _ of store.list(filter));
}

async function timed<T>(
  what: string,
  times: number,
  work: (n: number) => Promise<T>,
): Promise<T> {
  const took: number[] = [];
  let result!: T;
  for (let n = 0; n < times; n++) {
    const begun = performance.now();
    result = await work(n);
    took.push(performance.now() - begun);
  }
  took.sort((a, b) => a - b);
  const at = (share: number) =>
    took[Math.floor((took.length - 1) * share)]!.toFixed(1);
  console.log(
    `${what.padEnd(34)} ${at(0.5).padStart(8)} ms  (${at(0)}–${at(1)})`,
  );
  return result;
}
