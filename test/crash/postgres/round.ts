/**
 * One round over PostgreSQL: some hosts with a server each, all of one database, their
 * wrappers and programs that report to any of the servers, and for a while things
 * befall both. Then all is mended, everybody is waited for, and the books are compared.
 */
import { Random } from "../../support/random.ts";
import { Actors } from "../actors.ts";
import { Books } from "../books.ts";
import { checkShown, checkTyped } from "../check-typed.ts";
import { checkLiving, leftIn } from "../check.ts";
import { drainsOver } from "../drains.ts";
import { Leftovers } from "../leftovers.ts";
import type { Fate } from "../process.ts";
import { Reporter } from "../reporter.ts";
import type { Means, Played } from "../round.ts";
import { Server } from "../server.ts";
import { SHELLS, furnish } from "../typing.ts";
import { checkShared } from "./check.ts";
import { Cluster } from "./cluster.ts";
import { Faults } from "./faults.ts";
import { Host } from "./host.ts";
import { Tail } from "./tail.ts";

const LANES = 3;
/** Of the servers together, each of which wants some. */
const FEW_CONNECTIONS = 44;
const LONG_LEASE_SECONDS = 600;
/** Some rounds go on for longer than this. */
const SHORT_LEASE_SECONDS = 15;
const BEAT_MS = 1_000;

/**
 * Plays the round of a number.
 * @param seed the run's; with the number it makes the round's own chance
 */
export async function playRound(
  seed: number,
  number: number,
  { root }: Means,
): Promise<Played> {
  const random = new Random(seed + number * 0x9e3779b9);
  const books = new Books();
  const small = root && random.chance(0.4);
  const few = random.chance(0.2);
  const short = random.chance(0.3);
  if (small) books.count("round with a small disk");
  if (few) books.count("round with few connections");
  if (short) books.count("round with a short lease");
  const cluster = await Cluster.start(small, few ? FEW_CONNECTIONS : 60);
  const round = new Round(random, books, cluster, short);
  try {
    await round.play();
  } catch (error) {
    books.blame(
      `the round itself: ${error instanceof Error ? error.stack : error}`,
    );
  } finally {
    for (const { cuts, commits } of cluster.relays) {
      books.count("COMMITs cut", cuts);
      books.count("COMMITs", commits);
    }
    await round.end();
  }
  const { counts, violations, story } = books;
  if (violations.length > 0)
    books.tell(`the database said:\n${cluster.primary.log.slice(-5_000)}`);
  await cluster[Symbol.asyncDispose]();
  return { counts, violations, story, place: round.place };
}

class Round {
  private readonly hosts: Host[];
  private readonly servers: Server[];
  private readonly actors: Actors[];
  private readonly leftovers: Leftovers[];
  private readonly reporter: Reporter;
  private readonly tail: Tail;
  private readonly faults: Faults;
  private readonly first: Host;
  /** One of the hosts has no server: it sends what it has to another one's. */
  private readonly distant: boolean;
  private steps: number;

  constructor(
    private readonly random: Random,
    private readonly books: Books,
    private readonly cluster: Cluster,
    short: boolean,
  ) {
    const shared = {
      ...{ url: cluster.url, books },
      lease_seconds: short ? SHORT_LEASE_SECONDS : LONG_LEASE_SECONDS,
      stored: () => this.everything(),
    };
    const n = random.int(2, 3);
    // While a circuit breaker waits no sign of life comes from there.
    this.distant = !short && random.chance(0.5);
    this.hosts = Array.from({ length: n }, () => new Host(random, shared));
    this.first = this.hosts[0]!;
    this.servers = this.hosts
      .slice(0, this.distant && n > 2 ? n - 1 : n)
      .map((host) => new Server(host, true));
    this.actors = this.hosts.map((host) => new Actors(host));
    this.leftovers = this.hosts.map((host) => new Leftovers(host));
    for (const host of this.hosts) furnish(host.sandbox.home);
    this.reporter = new Reporter(this.first, this.servers, true);
    this.tail = new Tail(this.first, this.reporter);
    this.faults = new Faults(cluster, this.first, this.tail, () => this.some());
    this.steps = random.int(8, 24);
  }

  get place(): string {
    return this.hosts.map(({ sandbox }) => sandbox.home).join(" ");
  }

  async play(): Promise<void> {
    const { servers, hosts } = this;
    // All at once: one of them makes the tables.
    await Promise.all(servers.map((server) => server.start()));
    if (hosts.length > servers.length) {
      hosts.at(-1)!.endpoint = servers[0]!.url;
      this.books.count("round with a host without a server");
    }
    let over = false;
    const beats = (async () => {
      // A server that hangs keeps no sign of life from the next one.
      const all: Promise<void>[] = [];
      while (!over) {
        all.push(this.reporter.beat());
        await Bun.sleep(BEAT_MS);
      }
      await Promise.all(all);
    })();
    try {
      const lane = async () => {
        while (this.steps-- > 0) await this.step();
      };
      await Promise.all(Array.from({ length: LANES }, lane));
      await this.settle();
    } finally {
      over = true;
      await beats;
    }
    await this.compare();
  }

  /** A few steps of others, while something goes on. */
  private async some(): Promise<void> {
    for (let n = this.random.int(1, 4); n > 0; n--) await this.act();
  }

  private step(): Promise<void> {
    return this.random.chance(0.25) ? this.faults.befall() : this.act();
  }

  /** What somebody does who is no fault of the database's. */
  private async act(): Promise<void> {
    const { random, reporter, tail } = this;
    const n = random.int(0, this.hosts.length - 1);
    const actors = this.actors[n]!;
    const server = this.servers[n] ?? this.servers[0]!;
    const fate = random.pick<Fate>(["live", "live", "kill", "freeze"]);
    const steps: [weight: number, () => unknown][] = [
      [18, () => reporter.report()],
      [4, () => tail.next()],
      [3, () => actors.wrapShort(fate)],
      [2, () => actors.living.length < 2 && actors.wrapLong(fate)],
      [SHELLS.length > 0 ? 0.7 : 0, () => actors.typeCommands()],
      [1, () => actors.command("drain", fate)],
      [1, () => actors.command("reader", fate)],
      [0.7, () => this.leftovers[n]!.plant()],
      [
        server.runs ? 2 : 5,
        () => (server.runs ? server.kill() : server.start()),
      ],
      [server.runs ? 1 : 0, () => server.freeze()],
      [server.runs ? 0.7 : 0, () => server.stop()],
    ];
    let at = random.next() * steps.reduce((sum, [weight]) => sum + weight, 0);
    await steps.find(([weight]) => (at -= weight) < 0)![1]();
  }

  private async settle(): Promise<void> {
    const { hosts, servers, actors, reporter, tail, books } = this;
    books.tell("calm");
    await this.faults.mend();
    for (const server of servers)
      if (this.random.chance(0.3)) await server.kill();
    for (const server of servers)
      if (!(await server.start()))
        books.blame("a server does not start, with nothing wrong");
    await reporter.finish();
    await this.drainAll();
    for (const [i, host] of hosts.entries())
      await checkLiving(host, actors[i]!);
    for (const server of servers) await server.checkHealth();
    for (const one of actors) await one.endLiving();
    await this.drainAll();
    await tail.finish();
  }

  /** All that waits in the spools comes to the database. */
  private async drainAll(): Promise<void> {
    for (const [i, host] of this.hosts.entries()) {
      await drainsOver(host.sandbox.home);
      host.look();
      // A wrapper that lives keeps its file; a drain that was started meanwhile may
      // be at it still.
      const lives = this.actors[i]!.living.length > 0;
      for (let tries = 0; tries === 0 || !lives; tries++) {
        const drain = host.spawn("drain", ["drain"]);
        await drain.end();
        if (leftIn(host.spool).length === 0) break;
        if (tries > 20)
          throw new Error(
            `the spool of ${host.sandbox.home} is not taken: ${drain.stderr}`,
          );
      }
      host.look();
    }
  }

  private async compare(): Promise<void> {
    const { hosts, actors, tail, first } = this;
    await tail.finish();
    await using sql = this.cluster.connect();
    await checkShared(hosts, actors, tail, sql);
    for (const [i, host] of hosts.entries()) {
      await checkShown(host, actors[i]!);
      await checkTyped(host, actors[i]!);
    }
    first.count("rounds whose books agree", Number(!first.violations.length));
  }

  /** Read again from the first event on. */
  private async everything() {
    const tail = new Tail(this.first, this.reporter);
    await tail.finish();
    return [...tail.seen.values()];
  }

  async end(): Promise<void> {
    for (const host of this.hosts) await host.end();
    if (this.books.violations.length > 0) return;
    for (const host of this.hosts) host.remove();
  }
}
