/**
 * PostgreSQL as the store, beside the DuckDB path and a plain INSERT in one run, each
 * figure a ratio where it can be one: compare those.
 *
 *   bun test/bench/postgres.ts writes [SECONDS] [ROUNDS]
 *   bun test/bench/postgres.ts reads SESSIONS [COMMANDS] [0]
 *     with 0 commands: sessions alone; with 0 behind them: without their events
 *   bun test/bench/postgres.ts beats [SHELLS] [SECONDS]    signs of life, one in 30 s each
 */
import { mkdtempSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { SPOOL } from "../../src/model/reporter.ts";
import { addressOf } from "../../src/store/postgres/address.ts";
import { PostgresStore } from "../../src/store/postgres/store.ts";
import { DATABASE, Node } from "../crash/postgres/node.ts";
import { cpuSeconds } from "../simulate/parts.ts";
import { quantile, ratios, spread } from "./figures.ts";
import { fillPostgres } from "./postgres-fill.ts";
import { compareReads, copyToDuckDB, readCommands } from "./postgres-reads.ts";
import type { Written } from "./postgres-writer.ts";

/** As for a small machine that has this to do; commits are synced. */
const CONFIGURATION = `
fsync = on
shared_buffers = 2GB
max_connections = 200
max_wal_size = 4GB
checkpoint_timeout = 15min
maintenance_work_mem = 1GB
wal_compression = on
`;

const home = mkdtempSync(join(tmpdir(), "sb-bench-"));
process.on("exit", () => rmSync(home, { recursive: true, force: true }));
const say = (what: string, value: string) =>
  console.log(`${what.padEnd(36)} ${value}`);

console.log(`load average ${loadavg()[0]!.toFixed(1)}`);
await using node = await Node.copy(false);
node.configure(CONFIGURATION);
await node.start();
const url = `postgres://postgres@127.0.0.1:${node.port}/${DATABASE}`;
const open = () => PostgresStore.open(addressOf(url, null, null));
const [what = "writes", ...given] = process.argv.slice(2);
const numbers = given.map(Number);
if (what === "writes") await writes(numbers[0], numbers[1]);
else if (what === "reads")
  await reads(numbers[0]!, numbers[1], numbers[2] !== 0);
else await beats(numbers[0], numbers[1]);
console.log(`load average ${loadavg()[0]!.toFixed(1)}`);

interface Round extends Written {
  postgres_seconds: number;
}

/** So many writers at once, each a process with its share of 64 callers. */
async function write(
  way: "duckdb" | "postgres" | "floor",
  writers: number,
  seconds: number,
): Promise<Round> {
  const where = way === "duckdb" ? join(home, "sessions.duckdb") : url;
  const children = Array.from({ length: writers }, () =>
    Bun.spawn(
      [
        ...[process.execPath, join(import.meta.dir, "postgres-writer.ts"), way],
        ...[where, `${seconds}`, `${64 / writers}`, "50"],
      ],
      { stdin: "pipe", stdout: "pipe", stderr: "inherit" },
    ),
  );
  const outputs = children.map(({ stdout }) => linesOf(stdout));
  for (const output of outputs) await output.next();
  const before = cpuSeconds(node.postmaster);
  for (const { stdin } of children) {
    stdin.write("go\n");
    void stdin.flush();
  }
  const all: Written[] = [];
  for (const output of outputs)
    all.push(JSON.parse((await output.next()).value as string) as Written);
  const postgres_seconds = cpuSeconds(node.postmaster) - before;
  await Promise.all(children.map(({ exited }) => exited));
  const sum = (of: (one: Written) => number) =>
    all.reduce((total, one) => total + of(one), 0);
  return {
    ...{ events: sum(({ events }) => events), postgres_seconds },
    seconds: Math.max(...all.map((one) => one.seconds)),
    cpu_seconds: sum(({ cpu_seconds }) => cpu_seconds),
    p50_ms: quantile(
      all.map(({ p50_ms }) => p50_ms),
      0.5,
    ),
    p99_ms: Math.max(...all.map(({ p99_ms }) => p99_ms)),
  };
}

async function* linesOf(stream: ReadableStream<Uint8Array>) {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of stream) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
}

async function writes(seconds = 5, rounds = 5): Promise<void> {
  const ways = [
    ["the DuckDB path", "duckdb", 1],
    ["plain INSERT, 1 writer", "floor", 1],
    ["plain INSERT, 4 writers", "floor", 4],
    ["ours, 1 writer", "postgres", 1],
    ["ours, 4 writers", "postgres", 4],
    ["ours, 8 writers", "postgres", 8],
  ] as const;
  // As in use: a database of which PostgreSQL knows how large it is.
  await (await open()).close();
  await using filled = node.connect();
  await fillPostgres(filled, { sessions: 100_000, commands: 2, open: 1_000 });
  const results = new Map<string, Round[]>(ways.map(([name]) => [name, []]));
  for (let round = -1; round < rounds; round++)
    for (const [name, way, writers] of ways) {
      const one = await write(way, writers, round < 0 ? 1 : seconds);
      // The first makes the tables, and warms up.
      if (round >= 0) results.get(name)!.push(one);
    }
  const rate = ({ events, seconds }: Round) => events / seconds;
  const duckdb = results.get("the DuckDB path")!.map(rate);
  console.log(
    `whole lives, 64 callers × 50 events, ${rounds} × ${seconds} s each:`,
  );
  for (const [name, all] of results) {
    const mine = all.map(rate);
    const each = (of: (one: Round) => number) =>
      spread(
        all.map((one) => (of(one) / one.events) * 1e6),
        0,
      );
    say(`  ${name}, events/s`, spread(mine, 0));
    if (name !== "the DuckDB path")
      say("    ÷ the DuckDB path", spread(ratios(mine, duckdb)));
    say(
      "    CPU of the writers, µs each",
      each((one) => one.cpu_seconds),
    );
    say(
      "    of PostgreSQL",
      each((one) => one.postgres_seconds),
    );
    say(
      "    a call, ms p50 / p99",
      `${spread(
        all.map((one) => one.p50_ms),
        1,
      )} / ${spread(
        all.map((one) => one.p99_ms),
        1,
      )}`,
    );
  }
}

async function reads(
  sessions: number,
  commands = 2,
  events = true,
): Promise<void> {
  await (await open()).close();
  await using sql = node.connect();
  const began = performance.now();
  await fillPostgres(sql, { sessions, commands, events, open: 1_000 });
  const seconds = (performance.now() - began) / 1_000;
  const tables = (await sql`
    SELECT relname AS name, pg_total_relation_size(oid)::float8 AS bytes FROM pg_class
    WHERE relname IN ('events', 'sessions', 'commands') AND relkind = 'r'
      AND relnamespace = 'public'::regnamespace ORDER BY 1`) as {
    name: string;
    bytes: number;
  }[];
  console.log(
    `${sessions} sessions with ${commands} commands each, made in ${seconds.toFixed(0)} s: ${tables.map(({ name, bytes }) => `${name} ${(bytes / 1e9).toFixed(2)} GB`).join(", ")}`,
  );
  const csv = join(node.folder, "sessions.csv");
  const duckdb = await copyToDuckDB(sql, csv, home);
  rmSync(csv);
  const postgres = await open();
  await compareReads(sql, sessions, postgres, duckdb);
  if (commands > 0) await readCommands(sql, sessions, postgres);
  await postgres.close();
  await duckdb.close();
}

/** Of so many shells each sends a sign of life every 30 s. */
async function beats(shells = 100_000, seconds = 20): Promise<void> {
  await (await open()).close();
  await using sql = node.connect();
  await fillPostgres(sql, { sessions: shells, commands: 0, open: shells });
  await sql`UPDATE sessions SET lease_seconds = 120, heard_at = now(), heard_by = 1`;
  await sql`VACUUM FULL ANALYZE sessions`;
  const rows = (await sql`SELECT session_id FROM sessions`) as {
    session_id: string;
  }[];
  const ids = rows.map(({ session_id }) => session_id);
  const store = await open();
  const per_second = Math.ceil(shells / 30);
  const took: number[] = [];
  const looks: number[] = [];
  let sent = 0;
  let lost = 0;
  const one = async () => {
    const time = new Date().toISOString();
    const signs = new Map<string, string>();
    for (let n = 0; n < per_second; n++)
      signs.set(ids[sent++ % ids.length]!, time);
    const asked = performance.now();
    await store.seen(signs, SPOOL);
    took.push(performance.now() - asked);
  };
  const look = async () => {
    const asked = performance.now();
    lost += await store.expireLeases(Date.now(), 86_400_000);
    looks.push(performance.now() - asked);
  };
  // Each has a row from now on.
  while (sent < ids.length) await one();
  await sql`VACUUM ANALYZE signs`;
  await look();
  took.length = looks.length = 0;
  const before = cpuSeconds(node.postmaster);
  const own = process.cpuUsage();
  const began = performance.now();
  for (let second = 0; second < seconds; second++) {
    await one();
    await look();
    await Bun.sleep(
      Math.max(0, began + (second + 1) * 1_000 - performance.now()),
    );
  }
  const postgres = cpuSeconds(node.postmaster) - before;
  const cpu = process.cpuUsage(own);
  console.log(`${per_second} signs of life a second, of ${shells} shells:`);
  say("  one statement a second, ms", spread(took, 0));
  say("  a look for those that are lost, ms", spread(looks, 0));
  say("  lost by mistake", `${lost}`);
  const a_second = (value: number) => ((value / seconds) * 1_000).toFixed(0);
  say("  CPU of PostgreSQL, ms a second", a_second(postgres));
  say("  of the server", a_second((cpu.user + cpu.system) / 1e6));
  await Bun.sleep(1_500);
  const [hot] = (await sql`
    SELECT n_tup_upd::float8 AS updated, n_tup_hot_upd::float8 AS hot,
      pg_total_relation_size('signs')::float8 AS bytes
    FROM pg_stat_user_tables WHERE relname = 'signs'`) as [
    { updated: number; hot: number; bytes: number },
  ];
  say("  updated in place (HOT)", (hot.hot / hot.updated).toFixed(3));
  say("  size of the table, MB", (hot.bytes / 1e6).toFixed(0));
  await store.close();
}
