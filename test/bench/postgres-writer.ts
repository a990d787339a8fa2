/**
 * One who writes for so long, in a process of its own, and says on one line of JSON how
 * much: whole lives of sessions, by so many callers with so many events each.
 *
 *   bun test/bench/postgres-writer.ts WAY WHERE SECONDS CALLERS EVENTS
 *
 * WAY is `duckdb` (a file), `postgres` (our store) or `floor`: a plain INSERT of the same
 * events into a table with the same key, which commits all that waits in one
 * transaction too and folds nothing.
 */
import { SQL } from "bun";
import type { Event } from "../../src/model/event.ts";
import { sessionIdOf } from "../../src/model/id.ts";
import { addressOf } from "../../src/store/postgres/address.ts";
import { PostgresStore } from "../../src/store/postgres/store.ts";
import { DuckDBStore } from "../../src/store/duckdb/store.ts";
import { arrayOf } from "../../src/store/postgres/text.ts";
import { command, end, processOf, start } from "../support/events.ts";
import { quantile } from "./figures.ts";

export interface Written {
  events: number;
  seconds: number;
  cpu_seconds: number;
  p50_ms: number;
  p99_ms: number;
}

/** A transaction takes no more. */
const MAX_BATCH = 4_096;

interface Writer {
  append(events: readonly Event[]): Promise<unknown>;
  close(): Promise<void>;
}

class Floor implements Writer {
  private waiting: { events: readonly Event[]; done: () => void }[] = [];
  private running: Promise<void> | null = null;
  private constructor(private readonly sql: SQL) {}

  static async open(url: string): Promise<Floor> {
    const sql = new SQL(url, { max: 1 });
    await sql.unsafe(
      `CREATE TABLE IF NOT EXISTS floor (session_id text COLLATE "C", event_id uuid,
        kind text, timestamp timestamptz, payload text, PRIMARY KEY (session_id, event_id))`,
    );
    return new Floor(sql);
  }

  append(events: readonly Event[]): Promise<void> {
    return new Promise((done) => {
      this.waiting.push({ events, done });
      this.running ??= this.run();
    });
  }

  private async run(): Promise<void> {
    while (this.waiting.length > 0) {
      await new Promise((next) => setImmediate(next));
      let n = 0;
      const taken = this.waiting.findIndex(
        ({ events }) => (n += events.length) > MAX_BATCH,
      );
      const calls = this.waiting.splice(0, taken < 0 ? Infinity : taken);
      const all = calls.flatMap(({ events }) => events);
      const list = (of: (event: Event) => string) => arrayOf(all.map(of));
      await this.sql.unsafe(
        `INSERT INTO floor SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[],
          $4::timestamptz[], $5::text[])`,
        [
          list(({ session_id }) => session_id),
          list(({ event_id }) => event_id),
          list(({ event_type }) => event_type),
          list(({ timestamp }) => timestamp),
          list((event) => JSON.stringify(event)),
        ],
      );
      for (const { done } of calls) done();
    }
    this.running = null;
  }

  async close(): Promise<void> {
    await this.sql.close();
  }
}

/** Whole lives of sessions, as they come now. */
function* lives(): Generator<Event> {
  for (;;) {
    const now = new Date();
    const timestamp = now.toISOString();
    const event_id = crypto.randomUUID();
    const session_id = sessionIdOf("mahavishnu", now, event_id);
    yield start({ session_id, event_id, timestamp, lease_seconds: 120 });
    yield processOf(0, { session_id, timestamp });
    yield command(0, { session_id, timestamp, text: `git show ${event_id}` });
    yield end(0, { session_id, timestamp });
  }
}

const [way, where, seconds, callers, perCall] = process.argv.slice(2) as [
  "duckdb" | "postgres" | "floor",
  string,
  ...string[],
];
const writer: Writer =
  way === "duckdb"
    ? await DuckDBStore.open(where)
    : way === "floor"
      ? await Floor.open(where)
      : await PostgresStore.open(addressOf(where, null, null));
const source = lives();
const taken = () =>
  Array.from({ length: Number(perCall) }, () => source.next().value as Event);

const took: number[] = [];
// All writers begin at once.
console.log("ready");
await new Promise((go) => process.stdin.once("data", go));
const before = process.cpuUsage();
const began = performance.now();
const until = began + Number(seconds) * 1_000;
await Promise.all(
  Array.from({ length: Number(callers) }, async () => {
    while (performance.now() < until) {
      const events = taken();
      const asked = performance.now();
      await writer.append(events);
      took.push(performance.now() - asked);
    }
  }),
);
const cpu = process.cpuUsage(before);
const written: Written = {
  events: took.length * Number(perCall),
  seconds: (performance.now() - began) / 1_000,
  cpu_seconds: (cpu.user + cpu.system) / 1e6,
  p50_ms: quantile(took, 0.5),
  p99_ms: quantile(took, 0.99),
};
console.log(JSON.stringify(written));
await writer.close();
process.exit(0);
