/**
 * What befalls the database in a round, one thing at a time, while the others act. Each
 * is over when its call is; what cannot be undone is a standby that was promoted.
 */
import type { SQL } from "bun";
import type { World } from "../world.ts";
import type { Cluster } from "./cluster.ts";
import { DATABASE, OWNER } from "./node.ts";
import { CUTS } from "./relay.ts";
import type { Tail } from "./tail.ts";

export class Faults {
  private readonly taken: SQL[] = [];
  private under = false;
  /** What others still do. */
  private readonly others: Promise<void>[] = [];

  /** @param meanwhile what others do once something has befallen */
  constructor(
    private readonly cluster: Cluster,
    private readonly world: World,
    private readonly follower: Tail,
    private readonly meanwhile: () => Promise<void>,
  ) {}

  /** One that chance picks; nothing while another goes on. */
  async befall(): Promise<void> {
    if (this.under) return this.meanwhile();
    this.under = true;
    const { cluster, world } = this;
    const { promoted } = cluster;
    const kinds: [string, () => Promise<void>][] = [
      ["connection cut at COMMIT", () => this.cut()],
      ["connection cut at COMMIT", () => this.cut()],
      ["connections cut", async () => cluster.relay.cutAll()],
      ["database restarted", () => cluster.restart()],
      ["database away", () => this.away()],
      ["connections ended by the database", () => this.terminate()],
      ["network away", () => this.shut()],
      ["network silent", () => this.stall()],
      ["connections taken", () => this.exhaust()],
    ];
    if (!promoted)
      kinds.push(
        ["standby away", () => this.withoutStandby()],
        ["standby promoted", () => cluster.failOver()],
        ["standby promoted after a restart", () => this.restartAlone()],
      );
    if (cluster.primary.disk) kinds.push(["disk full", () => this.fill()]);
    const [name, work] = world.random.pick(kinds);
    world.count(name);
    world.tell(`fault: ${name}`);
    try {
      await work();
    } finally {
      this.under = false;
      world.tell(`over: ${name}`);
    }
  }

  /** Who waits for the database goes on once it is back. */
  private async meanwhileFor(most_ms: number): Promise<void> {
    const work = this.meanwhile();
    this.others.push(work);
    const pause_ms = 300 + this.world.random.next() * most_ms;
    await Promise.race([work, Bun.sleep(pause_ms)]);
  }

  private async cut(): Promise<void> {
    const { random } = this.world;
    for (let n = random.int(1, 4); n > 0; n--)
      this.cluster.relay.cutNext(random.pick(CUTS));
    await this.meanwhile();
  }

  private async away(): Promise<void> {
    const { primary } = this.cluster;
    await primary.stop(this.world.random.pick(["fast", "immediate"]));
    await this.meanwhile();
    await primary.start();
  }

  /** As an administrator does who wants them gone. */
  private async terminate(): Promise<void> {
    await using sql = this.cluster.connect();
    await sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE usename = ${OWNER} AND datname = ${DATABASE}`;
  }

  private async shut(): Promise<void> {
    for (const relay of this.cluster.relays) relay.close();
    await this.meanwhile();
    for (const relay of this.cluster.relays) relay.open();
  }

  private async stall(): Promise<void> {
    for (const relay of this.cluster.relays) relay.stall();
    await this.meanwhileFor(6_000);
    for (const relay of this.cluster.relays) relay.flow();
  }

  /** Others have all connections that the database takes. */
  private async exhaust(): Promise<void> {
    for (;;) {
      const sql = this.cluster.primary.connect(DATABASE, OWNER);
      try {
        await sql`SELECT 1`;
        this.taken.push(sql);
      } catch {
        // Too many clients: that was the last one.
        await sql.close();
        break;
      }
    }
    this.world.count("connections that were taken", this.taken.length);
    await this.meanwhile();
    for (const sql of this.taken.splice(0)) await sql.close();
  }

  private async fill(): Promise<void> {
    const { primary } = this.cluster;
    primary.disk!.fill();
    await this.meanwhile();
    primary.disk!.free();
    if (await primary.runs()) return;
    // Its log had no room: it has stopped, and stays so.
    this.world.count("database stopped by a full disk");
    await primary.start();
  }

  private async withoutStandby(): Promise<void> {
    await this.cluster.stopStandby();
    await this.meanwhileFor(4_000);
    await this.cluster.standby.start();
  }

  /**
   * What the primary has after its restart, and the standby has not, nobody may promise.
   * It is shown to who reads meanwhile, by PostgreSQL itself: nobody follows then.
   */
  private async restartAlone(): Promise<void> {
    await this.cluster.stopStandby();
    await this.meanwhileFor(2_000);
    await this.follower.pause();
    await this.cluster.restart();
    await this.meanwhileFor(2_000);
    await this.cluster.failOver();
    this.follower.paused = false;
  }

  /** In the end all is as it should be. */
  async mend(): Promise<void> {
    const { cluster } = this;
    for (const relay of cluster.relays) relay.forget();
    if (!(await cluster.primary.runs())) await cluster.primary.start();
    if (!cluster.promoted && !(await cluster.standby.runs()))
      await cluster.standby.start();
    await Promise.all(this.others);
  }
}
