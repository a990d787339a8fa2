/**
 * The traffic of many shells on real servers: starts, heartbeats, commands, ends, and
 * the storm of all hosts after an outage. It prints where each part stands, every few
 * seconds and at the end, and that nothing was lost and nothing doubled.
 *
 *   bun run simulate --hosts 20 --shells 200 --seconds 30
 *     --postgres           over a PostgreSQL made for this; one DuckDB server else
 *     --servers 3          how many servers the hosts send to, with --postgres
 *     --outage 10          so long the database is away, from the middle on
 *     --heartbeat 30 --life 3600 --command 60   seconds: means, but the heartbeat's
 *     --ramp 10            within it all shells begin
 */
import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import { Random } from "./support/random.ts";
import { Site } from "./simulate/site.ts";
import { report } from "./simulate/report.ts";

const { values } = parseArgs({
  options: {
    hosts: { type: "string", default: "20" },
    shells: { type: "string", default: "200" },
    servers: { type: "string", default: "2" },
    seconds: { type: "string", default: "30" },
    outage: { type: "string", default: "0" },
    heartbeat: { type: "string", default: "30" },
    life: { type: "string", default: "3600" },
    command: { type: "string", default: "60" },
    ramp: { type: "string", default: "10" },
    postgres: { type: "boolean", default: false },
  },
});
const number = (name: Exclude<keyof typeof values, "postgres">) =>
  Number(values[name]);
const ms = (name: Exclude<keyof typeof values, "postgres">) =>
  number(name) * 1_000;

const { seed } = Random.seeded("simulate");
console.log(`load average ${loadavg()[0]!.toFixed(1)}`);
await using site = await Site.start(values.postgres ? number("servers") : null);
const right = await report(site, {
  plan: {
    ...{ urls: site.urls, seed },
    ...{ hosts: number("hosts"), shells: number("shells") },
    ...{ heartbeat_ms: ms("heartbeat"), life_ms: ms("life") },
    ...{ command_ms: ms("command"), ramp_ms: ms("ramp") },
    longest_pause_ms: 10_000,
  },
  seconds: number("seconds"),
  outage_seconds: number("outage"),
});
console.log(`load average ${loadavg()[0]!.toFixed(1)}`);
process.exitCode = right ? 0 : 1;
