/** Runs the shells of a simulation over a site, and prints where each part stands. */
import { quantile } from "../bench/figures.ts";
import { Follower } from "./follower.ts";
import { type Said, cpuSeconds, metricsOf, residentMb } from "./parts.ts";
import type { Heard, Plan } from "./shells.ts";
import { SHELLS, type Site } from "./site.ts";

export interface Run {
  plan: Plan;
  seconds: number;
  /** 0: none. */
  outage_seconds: number;
}

/** Every so often a line is printed. */
const EVERY_SECONDS = 5;
/** One sooner after the last would tell nothing of processors. */
const LEAST_SECONDS = 1;

/** @returns whether everything is stored, once */
export async function report(site: Site, run: Run): Promise<boolean> {
  const { plan, seconds, outage_seconds } = run;
  console.log(
    `${plan.shells} shells on ${plan.hosts} hosts, ${site.urls.length} ${site.postgres ? "servers over PostgreSQL" : "server over DuckDB"}, ${seconds} s`,
  );
  const shells = Bun.spawn([process.execPath, SHELLS, JSON.stringify(plan)], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  const follower = new Follower(site.urls);
  const following = follower.follow();
  const parts = new Parts(site, shells.pid, follower);
  const outage = outage_seconds > 0 ? (seconds - outage_seconds) / 2 : null;
  let at = 0;
  let gone = false;
  for await (const line of linesOf(shells.stdout)) {
    at++;
    const one = JSON.parse(line) as Heard;
    await parts.hear(one, at);
    if (outage !== null && !gone && at >= outage) {
      gone = true;
      console.log(`${at} s: the database is away for ${outage_seconds} s`);
      await site.leave();
      setTimeout(() => {
        console.log("the database comes back");
        void site.comeBack();
      }, outage_seconds * 1_000);
    }
    if (at === seconds) {
      shells.stdin.write("end\n");
      void shells.stdin.flush();
    }
    if (!one.done) continue;
    await follower.finish(following);
    return parts.sum(one.done, at);
  }
  throw new Error(`the shells ended with ${await shells.exited}`);
}

class Parts {
  private readonly all: Heard[] = [];
  private since: Heard[] = [];
  private before: { at: number; cpu: Cpu; said: Said };
  private readonly lags_ms: number[] = [];
  private worst = 0;

  constructor(
    private readonly site: Site,
    private readonly shells: number,
    private readonly follower: Follower,
  ) {
    this.before = { at: performance.now(), cpu: this.cpu(), said: NOTHING };
  }

  private cpu(): Cpu {
    return { ...this.site.cpu, shells: cpuSeconds(this.shells) };
  }

  async hear(one: Heard, at: number): Promise<void> {
    this.all.push(one);
    this.since.push(one);
    this.worst = Math.max(this.worst, one.waiting_events);
    const seconds = (performance.now() - this.before.at) / 1_000;
    if (at % EVERY_SECONDS === 0 && seconds >= LEAST_SECONDS)
      await this.print(at);
  }

  private async print(at: number): Promise<void> {
    const said = await this.said();
    const now = { at: performance.now(), cpu: this.cpu(), said };
    const { before } = this;
    const seconds = (now.at - before.at) / 1_000;
    const share = (of: keyof Cpu) =>
      `${(((now.cpu[of] - before.cpu[of]) / seconds) * 100).toFixed(0)} %`;
    const lags = this.follower.lags_ms.splice(0);
    this.lags_ms.push(...lags);
    const commits = said.commits - before.said.commits;
    const commit_ms =
      ((said.commit_seconds - before.said.commit_seconds) / commits) * 1_000;
    const { since } = this;
    const last = since.at(-1)!;
    const took = since.flatMap(({ took_ms }) => took_ms);
    const a_second = (of: Count) => perSecond(since, of).toFixed(0);
    console.log(
      [
        `${at} s`,
        `${last.alive} shells`,
        `${a_second("events")} events/s`,
        `${a_second("heartbeats")} heartbeats/s`,
        `${a_second("calls")} calls/s of p50 ${ms(quantile(took, 0.5))} p99 ${ms(quantile(took, 0.99))}`,
        `commit ${ms(commit_ms)}`,
        `queue ${said.queue}`,
        `waiting ${last.waiting_events} on ${last.waiting_hosts} hosts`,
        `refused ${sum(since, "refused")} unanswered ${sum(since, "unanswered")}`,
        `tail ${ms(quantile(lags, 0.5))}${this.follower.behind ? " and more behind" : ""}`,
        `CPU servers ${share("servers")} PostgreSQL ${share("postgres")} shells ${share("shells")}`,
      ].join(", "),
    );
    const wrong = since.findLast(({ said }) => said !== null)?.said;
    if (wrong) console.log(`  said: ${wrong}`);
    this.before = now;
    this.since = [];
  }

  /** Of all servers together. */
  private async said(): Promise<Said> {
    const all = await Promise.all(this.site.origins.map(metricsOf));
    const there = all.filter((one) => one !== null);
    const of = (key: keyof Said) =>
      there.reduce((sum, one) => sum + one[key], 0);
    return {
      ...{ queue: of("queue"), commits: of("commits"), events: of("events") },
      commit_seconds: of("commit_seconds"),
    };
  }

  /** @returns whether everything is stored, once */
  async sum(done: NonNullable<Heard["done"]>, seconds: number) {
    const { all, follower, site } = this;
    const took = all.flatMap(({ took_ms }) => took_ms);
    // Their process has ended.
    const cpu = { ...this.cpu(), shells: this.before.cpu.shells };
    const per = (of: number, n: number) => ((of / n) * 1e6).toFixed(0);
    const size = await site.size();
    const lags = [...this.lags_ms, ...follower.lags_ms];
    const at = (values: number[]) =>
      `p50 ${ms(quantile(values, 0.5))}, p99 ${ms(quantile(values, 0.99))}, max ${ms(quantile(values, 1))}`;
    say("seconds", `${seconds}`);
    say("sessions, events", `${done.sessions}, ${done.events}`);
    say("heartbeats", `${sum(all, "heartbeats")}`);
    say("calls", `${sum(all, "calls")}: ${at(took)}`);
    say(
      "refused, not answered",
      `${sum(all, "refused")}, ${sum(all, "unanswered")}`,
    );
    say("sent again", `${sum(all, "again")} calls`);
    say("most that waited on hosts", `${this.worst} events`);
    say("tail, after the event came", at(lags));
    say(
      "CPU of the servers",
      `${cpu.servers.toFixed(1)} s, ${per(cpu.servers, done.events)} µs an event`,
    );
    if (site.postgres)
      say(
        "CPU of PostgreSQL",
        `${cpu.postgres.toFixed(1)} s, ${per(cpu.postgres, done.events)} µs an event`,
      );
    say("CPU of the shells' process", `${cpu.shells.toFixed(1)} s`);
    say(
      "memory of the servers, MB",
      site.pids.map((pid) => residentMb(pid).toFixed(0)).join(", "),
    );
    say(
      "database",
      `${(size / 1e6).toFixed(1)} MB, ${(size / done.sessions).toFixed(0)} bytes a session`,
    );
    const { seen, gaps } = follower;
    const right = seen === done.events && gaps === 0;
    say(
      "the tail",
      `${seen} events, ${gaps} gaps: ${right ? "all that were acknowledged, once" : "WRONG"}`,
    );
    return right;
  }
}

interface Cpu {
  servers: number;
  postgres: number;
  shells: number;
}

const NOTHING: Said = { queue: 0, commits: 0, commit_seconds: 0, events: 0 };

type Count = {
  [K in keyof Heard]-?: Heard[K] extends number ? K : never;
}[keyof Heard];

const sum = (all: readonly Heard[], of: Count): number =>
  all.reduce((total, one) => total + one[of], 0);

/** By the seconds of those who told: what waited to be read comes at once. */
export const perSecond = (all: readonly Heard[], of: Count): number =>
  sum(all, of) / sum(all, "seconds");

const ms = (value: number) =>
  Number.isFinite(value) ? `${value.toFixed(1)} ms` : "none";

const say = (what: string, value: string) =>
  console.log(`${what.padEnd(32)} ${value}`);

async function* linesOf(stream: ReadableStream<Uint8Array>) {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of stream) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
}
