/**
 * The server beside its budgets, each as a ratio to a peer or a floor of the
 * same run: calls and events from 64 clients beside bun:sqlite behind the same
 * kind of handler, its start and the commands that ask it beside an empty
 * program. Load comes from a process of its own, and so does the peer.
 *
 *   bun test/bench/server.ts [ROUNDS] [SECONDS] [SESSIONS]
 *   bun test/bench/server.ts --against EXECUTABLE [ROUNDS] [CALLS]
 *
 * The second compares the tail of single calls with that of another build.
 */
import { mkdirSync, readFileSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import {
  Client,
  StreamableHTTPClientTransport,
} from "@modelcontextprotocol/client";
import { startArguments } from "../support/server.ts";
import { quantile, ratios, spread } from "./figures.ts";
import { fillStore } from "./fill.ts";
import { buildEmpty } from "./floor.ts";
import { against } from "./against.ts";
import type { Load } from "./load.ts";
import {
  CLIENTS,
  type Measured,
  type Serving,
  cpuNanoseconds,
  firstAddress,
  folder,
  healthOf,
  homeOf,
  measured,
  probed,
  run,
  say,
  serve,
  stop,
  timed,
  loaded,
} from "./serving.ts";

if (process.argv[2] === "--against") {
  await against(process.argv[3]!, process.argv.slice(4).map(Number));
  process.exit();
}

const [ROUNDS = 5, SECONDS = 3, SESSIONS = 1_000_000] = process.argv
  .slice(2)
  .map(Number);
const EVENTS = 50;
const STARTS = 15;
/** What a terminal shows; into a pipe all would go. */
const LIST = ["list-sessions", "--limit", "50"];
const REST_SECONDS = 15;

console.log(`load average ${loadavg()[0]!.toFixed(1)}`);
const empty = await buildEmpty(folder);
const home = homeOf("first");
// Unpacks the library, which happens once.
run(home, ["list-sessions"]);
await starts();
const server = await serve(home);
try {
  await rest(server);
  const peer = await servePeer();
  try {
    await load(server, peer, EVENTS);
    await load(server, peer, 0);
  } finally {
    peer.child.kill();
    await peer.child.exited;
  }
  await oneCaller(server);
  memory(server, "after load");
} finally {
  await stop(server);
}
await listing(1_000);
await listing(SESSIONS);
console.log(`load average ${loadavg()[0]!.toFixed(1)}`);

async function servePeer(): Promise<Serving> {
  const child = Bun.spawn(
    [
      process.execPath,
      join(import.meta.dir, "sqlite.ts"),
      join(folder, "peer.sqlite"),
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  return { child, url: await firstAddress(child.stdout, /\n/) };
}

/** From nothing to an answer of /health. */
async function starts(): Promise<void> {
  const ours: number[] = [];
  const floor: number[] = [];
  for (let round = 0; round < STARTS; round++) {
    floor.push(run(home, [], empty));
    const begun = performance.now();
    const server = await serve(home);
    await (await fetch(healthOf(server))).text();
    ours.push(performance.now() - begun);
    await stop(server);
  }
  say("mcp start to /health, ms", spread(ours, 0), "≤ 250");
  say("  ÷ an empty program", spread(ratios(ours, floor), 1));
}

async function rest(server: Serving): Promise<void> {
  memory(server, "at rest", "≤ 120");
  const before = cpuNanoseconds(server.child.pid);
  await Bun.sleep(REST_SECONDS * 1_000);
  const ms = (cpuNanoseconds(server.child.pid) - before) / 1e6;
  say("CPU at rest, ms a minute", ((ms * 60) / REST_SECONDS).toFixed(0));
}

function memory({ child }: Serving, when: string, budget?: string): void {
  const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
  const mb = (field: string) =>
    (Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)![1]) / 1024).toFixed(
      0,
    );
  say(`memory ${when}, MB resident`, mb("VmRSS"), budget);
  say("  of that its own, not of files", mb("RssAnon"));
}

/** @param events a call; 0 for single calls */
async function load(
  server: Serving,
  peer: Serving,
  events: number,
): Promise<void> {
  const ours: Measured[] = [];
  const theirs: Measured[] = [];
  const health: number[] = [];
  await loaded(server, { events, seconds: 1 });
  for (let round = 0; round < ROUNDS; round++) {
    const under = measured(server, { events, seconds: SECONDS });
    health.push(...(await probed(server, under)));
    ours.push(await under);
    theirs.push(await measured(peer, { events, seconds: SECONDS }));
  }
  const what = events === 0 ? "calls" : "events";
  const rate = ({ calls_per_second, events_per_second }: Load) =>
    events === 0 ? calls_per_second : events_per_second;
  const [mine, its] = [ours.map(rate), theirs.map(rate)];
  console.log(
    `${CLIENTS} clients, ${events || "one"} a call, ${ROUNDS} × ${SECONDS} s:`,
  );
  say(
    `  ${what} a second`,
    spread(mine, 0),
    events === 0 ? "≥ 3000" : "≥ 80000",
  );
  say("  ÷ bun:sqlite", spread(ratios(mine, its)), events === 0 ? "" : "≥ 1.4");
  const cpu = (loads: Measured[]) => loads.map((one) => one.cpu_us);
  say("  CPU of the server, µs each", spread(cpu(ours), 1));
  say("    ÷ bun:sqlite", spread(ratios(cpu(ours), cpu(theirs)), 1));
  const bounds = { p50_ms: "< 10", p99_ms: "< 25", max_ms: "< 100" } as const;
  for (const [key, budget] of Object.entries(bounds)) {
    const of = (loads: Load[]) => loads.map((one) => one[key as keyof Load]);
    say(`  ${key}`, spread(of(ours), 1), events === 0 ? budget : "");
    say("    bun:sqlite", spread(of(theirs), 1));
  }
  say("  /health p50_ms", quantile(health, 0.5).toFixed(1));
  say("  /health p99_ms", quantile(health, 0.99).toFixed(1), "≤ 15");
}

/** One client that waits for each answer: by bare POSTs and by the SDK's client. */
async function oneCaller({ url }: Serving): Promise<void> {
  const client = new Client({ name: "bench", version: "1" });
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  const call = () => ({
    name: "track_session_start",
    arguments: startArguments({ timestamp: new Date().toISOString() }),
  });
  const bare: number[] = [];
  const sdk: number[] = [];
  for (let n = 0; n < 300; n++) {
    bare.push(
      await timed(async () => {
        const body = {
          jsonrpc: "2.0",
          id: 1,
          method: "tools/call",
          params: call(),
        };
        const headers = { "content-type": "application/json" };
        const init = { method: "POST", headers, body: JSON.stringify(body) };
        await (await fetch(url, init)).json();
      }),
    );
    sdk.push(await timed(() => client.callTool(call())));
  }
  await client.close();
  console.log("one client, one call at a time:");
  say("  bare POST, ms", spread(bare));
  say("  ÷ the SDK's client", spread(ratios(bare, sdk)));
}

/** `list-sessions` as a whole process, with and without a server. */
async function listing(sessions: number): Promise<void> {
  const served = homeOf(`served-${sessions}`);
  const alone = homeOf(`alone-${sessions}`);
  for (const home of [served, alone]) {
    const data = join(home, ".local/share/session-buddy");
    mkdirSync(data, { recursive: true, mode: 0o700 });
    await fillStore(join(data, "sessions.duckdb"), sessions);
  }
  const server = await serve(served);
  const times = {
    served: [] as number[],
    alone: [] as number[],
    floor: [] as number[],
  };
  for (let round = -2; round < 20; round++) {
    const one = {
      served: run(served, LIST),
      alone: run(alone, LIST),
      floor: run(home, [], empty),
    };
    if (round < 0) continue;
    for (const name of ["served", "alone", "floor"] as const)
      times[name].push(one[name]);
  }
  await stop(server);
  console.log(`list-sessions, whole process, of ${sessions} sessions:`);
  say("  through the server, ms", spread(times.served, 1), "≤ 20");
  say("  ÷ an empty program", spread(ratios(times.served, times.floor), 1));
  say("  without a server, ms", spread(times.alone, 1), "≤ 120");
  say("  ÷ an empty program", spread(ratios(times.alone, times.floor), 1));
}
