/**
 * How fast events are stored: 64 callers with 50 events each, 64 with one, one
 * with one. The peer, in the same run, is bun:sqlite with synchronous=FULL and
 * an index on the ids, which commits all that waits in one transaction too; it
 * folds nothing. Run it with the seconds a measurement takes:
 * `bun test/bench/append.ts 5`. Trust the ratios, and on a busy machine the CPU.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Event } from "../../src/model/event.ts";
import { sessionIdOf } from "../../src/model/id.ts";
import { DuckDBStore } from "../../src/store/duckdb/store.ts";
import { command, end, processOf, start } from "../support/events.ts";
import { quantile } from "./figures.ts";
import { Peer } from "./sqlite.ts";

const MEASURE_MS = Number(process.argv[2] ?? 5) * 1_000;
const home = mkdtempSync(join(tmpdir(), "sb-bench-"));
process.on("exit", () => rmSync(home, { recursive: true, force: true }));

type Append = (events: readonly Event[]) => Promise<unknown>;

/** Whole lives of sessions, as they would come now. */
function* lives(): Generator<Event> {
  for (;;) {
    const now = new Date();
    const timestamp = now.toISOString();
    const event_id = crypto.randomUUID();
    const session_id = sessionIdOf("mahavishnu", now, event_id);
    yield start({ session_id, event_id, timestamp, lease_seconds: 120 });
    yield processOf(0, { session_id, timestamp });
    yield command(0, {
      session_id,
      timestamp,
      command: `git show ${event_id}`,
    });
    yield end(0, { session_id, timestamp });
  }
}

interface Measured {
  events_per_second: number;
  /** Of all threads, the making of the events included. */
  cpu_us_per_event: number;
  p50_ms: number;
  p99_ms: number;
  max_ms: number;
}

async function measure(
  append: Append,
  callers: number,
  events: number,
): Promise<Measured> {
  const source = lives();
  const took: number[] = [];
  const before = process.cpuUsage();
  const begun = performance.now();
  const until = begun + MEASURE_MS;
  await Promise.all(
    Array.from({ length: callers }, async () => {
      while (performance.now() < until) {
        const batch = taken(source, events);
        const asked = performance.now();
        await append(batch);
        took.push(performance.now() - asked);
      }
    }),
  );
  const seconds = (performance.now() - begun) / 1_000;
  const cpu = process.cpuUsage(before);
  return {
    events_per_second: (took.length * events) / seconds,
    cpu_us_per_event: (cpu.user + cpu.system) / (took.length * events),
    p50_ms: quantile(took, 0.5),
    p99_ms: quantile(took, 0.99),
    max_ms: quantile(took, 1),
  };
}

function taken(source: Generator<Event>, n: number): Event[] {
  return Array.from({ length: n }, () => source.next().value as Event);
}

const commits: number[] = [];
const store = await DuckDBStore.open(join(home, "sessions.duckdb"), {
  onCommit: (_seconds, events) => commits.push(events),
});
const peer = new Peer(join(home, "peer.sqlite"));
const append: Append = (events) => store.append(events);
for (const [callers, events] of [
  [64, 50],
  [64, 1],
  [1, 1],
] as const) {
  await measure(append, callers, events);
  commits.length = 0;
  const ours = await measure(append, callers, events);
  const theirs = await measure(
    (events) => peer.append(events),
    callers,
    events,
  );
  const ratio = ours.events_per_second / theirs.events_per_second;
  const mean = commits.reduce((sum, n) => sum + n, 0) / commits.length;
  const line = (name: string, m: Measured) =>
    `  ${name.padEnd(10)} ${m.events_per_second.toFixed(0).padStart(8)} events/s  ${m.cpu_us_per_event.toFixed(1).padStart(6)} µs CPU each   p50 ${m.p50_ms.toFixed(1)}  p99 ${m.p99_ms.toFixed(1)}  max ${m.max_ms.toFixed(1)} ms`;
  console.log(
    `${callers} × ${events}: ${ratio.toFixed(2)} of bun:sqlite (${mean.toFixed(0)} events a commit)`,
  );
  console.log(line("store", ours));
  console.log(line("bun:sqlite", theirs));
}
await store.close();
