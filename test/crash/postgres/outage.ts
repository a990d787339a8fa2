/**
 * The database is away for as long as five leases, while many shells go on: hosts keep
 * what they record, shells begin and end as ever, and when it is back everything comes
 * once and nobody was taken for lost.
 *
 *   bun test/crash/postgres/outage.ts
 *
 * plays it as it would be, with all settings as they are, ten minutes away.
 */
import { SQL } from "bun";
import { configure } from "../../support/host.ts";
import { Random } from "../../support/random.ts";
import { BINARY, Sandbox } from "../../support/sandbox.ts";
import { until } from "../../support/wait.ts";
import { Follower } from "../../simulate/follower.ts";
import type { Heard, Plan } from "../../simulate/shells.ts";
import { SHELLS, Site } from "../../simulate/site.ts";

export interface Outage {
  /** On other hosts, of programs that speak as a drain does. */
  shells: number;
  hosts: number;
  /** Real ones, on each host with a server. */
  wrapped: number;
  /** Real ones, on a host without: its drain waits half a minute after a failure. */
  distant: number;
  lease_ms: number;
  heartbeat_ms: number;
  /** Means, of the shells. */
  life_ms: number;
  command_ms: number;
  away_ms: number;
}

export interface Outcome {
  /** What came while the database was away, and waited. */
  waited: number;
  refused: number;
  unanswered: number;
  /** Acknowledged, and in the tail. */
  acknowledged: number;
  tail: number;
  gaps: number;
  /** Ends that somebody made up. */
  recovered: number;
  /** Wrapped programs that came to their end while it was away, with their own status. */
  ended_meanwhile: number;
  /** Of all that were wrapped: how many sessions there are, by end. */
  wrapped: Record<string, number>;
}

const STATUS = 7;
const PATIENCE_MS = 60_000;

export async function playOutage(outage: Outage): Promise<Outcome> {
  const settings = `session:\n  lease: ${outage.lease_ms}ms\n  heartbeat: ${outage.heartbeat_ms}ms\n`;
  await using site = await Site.start(2, settings);
  using distant = new Sandbox();
  configure(distant, settings);
  distant.env["SESSION_BUDDY_MCP_ENDPOINT"] = site.urls[0]!;
  const places = [...site.sandboxes, distant];
  const living = places.flatMap((place) =>
    Array.from(
      { length: place === distant ? outage.distant : outage.wrapped },
      () => wrap(place, "cat"),
    ),
  );
  const plan: Plan = {
    ...{ urls: site.urls, hosts: outage.hosts, shells: outage.shells },
    ...{ heartbeat_ms: outage.heartbeat_ms, life_ms: outage.life_ms },
    ...{ command_ms: outage.command_ms, ramp_ms: outage.heartbeat_ms },
    longest_pause_ms: outage.lease_ms / 4,
    seed: Random.seeded("outage").seed,
  };
  const shells = new Shells(plan);
  await until(
    "all shells to live",
    () => shells.all.some(({ alive }) => alive >= outage.shells),
    plan.ramp_ms + PATIENCE_MS,
  );
  const follower = new Follower(site.urls);
  const following = follower.follow();
  await shells.next();

  await site.leave();
  const back = Bun.sleep(outage.away_ms);
  let ended_meanwhile = 0;
  for (const place of places) {
    // While the database is away: it comes back only once they have ended.
    const child = wrap(place, `exit ${STATUS}`);
    ended_meanwhile += Number((await child.exited) === STATUS);
  }
  await back;
  const { waiting_events: waited } = await shells.next();
  await site.comeBack();

  // Longer than a lease: who sends no sign of life now would be lost.
  const enough = performance.now() + 2 * outage.lease_ms;
  await until(
    "leases to expire",
    () => performance.now() > enough,
    outage.lease_ms * 4,
  );
  for (const child of living) child.stdin.end();
  for (const child of living) await child.exited;
  const done = await shells.finish();
  await distant.run(["drain"]);
  const wrapped = await until("what was wrapped to end", async () => {
    const ends = await endsOfWrapped(site);
    return (ends["observed"] ?? 0) === living.length + places.length && ends;
  });
  await follower.finish(following);
  await using sql = site.postgres!.connect();
  const all = shells.all;
  return {
    ...{ waited, ended_meanwhile, wrapped },
    refused: all.reduce((sum, { refused }) => sum + refused, 0),
    unanswered: all.reduce((sum, { unanswered }) => sum + unanswered, 0),
    acknowledged: done.events + (await eventsOfWrapped(sql)),
    ...{ tail: follower.seen, gaps: follower.gaps },
    recovered: await count(
      sql,
      "SELECT count(*)::integer AS n FROM events WHERE kind = 'session_end' AND payload LIKE '%recovered%'",
    ),
  };
}

/** A shell whose program runs until its stdin ends, or at once. */
const wrap = (place: Sandbox, script: string) =>
  Bun.spawn(
    [BINARY, "shell", "--component", "wrapped", "--", "sh", "-c", script],
    {
      env: place.env,
      cwd: place.home,
      stdin: "pipe",
      stdout: "ignore",
      stderr: "inherit",
    },
  );

async function endsOfWrapped(site: Site): Promise<Record<string, number>> {
  await using sql = site.postgres!.connect();
  const rows = (await sql`
    SELECT coalesce(end_source, 'none') AS how, count(*)::integer AS n
    FROM sessions WHERE component_name = 'wrapped' GROUP BY 1`) as {
    how: string;
    n: number;
  }[];
  return Object.fromEntries(rows.map(({ how, n }) => [how, n]));
}

/** Their spools are empty: what they recorded is what is stored. */
const eventsOfWrapped = (sql: SQL) =>
  count(
    sql,
    "SELECT count(*)::integer AS n FROM events WHERE session_id LIKE 'wrapped-%'",
  );

async function count(sql: SQL, query: string): Promise<number> {
  const [{ n }] = (await sql.unsafe(query)) as [{ n: number }];
  return n;
}

/** The process that the shells live in. */
class Shells {
  readonly all: Heard[] = [];
  private readonly child;
  private readonly over: Promise<void>;

  constructor(plan: Plan) {
    this.child = Bun.spawn([process.execPath, SHELLS, JSON.stringify(plan)], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "inherit",
    });
    this.over = this.read();
  }

  private async read(): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const bytes of this.child.stdout) {
      const text = rest + decoder.decode(bytes, { stream: true });
      const lines = text.split("\n");
      rest = lines.pop()!;
      for (const line of lines) this.all.push(JSON.parse(line) as Heard);
    }
  }

  /** What they say next. */
  next(): Promise<Heard> {
    const heard = this.all.length;
    return until("the shells to say how they are", () => this.all[heard]);
  }

  /** Has all of it delivered. */
  async finish(): Promise<NonNullable<Heard["done"]>> {
    this.child.stdin.write("end\n");
    void this.child.stdin.flush();
    await this.over;
    return this.all.at(-1)!.done!;
  }
}

if (import.meta.main) {
  const minute = 60_000;
  const outcome = await playOutage({
    ...{ shells: 200, hosts: 20, wrapped: 10, distant: 10 },
    ...{ lease_ms: 2 * minute, heartbeat_ms: minute / 2 },
    ...{ life_ms: 10 * minute, command_ms: 10_000, away_ms: 10 * minute },
  });
  console.log(outcome);
  const { recovered, acknowledged, tail, gaps, ended_meanwhile } = outcome;
  const right = recovered + gaps === 0 && tail === acknowledged;
  process.exit(right && ended_meanwhile === 3 ? 0 : 1);
}
