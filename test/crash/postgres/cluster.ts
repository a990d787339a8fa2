/**
 * A primary and its synchronous standby, with a relay before each: what the servers
 * under test take for the database's two hosts. A commit is acknowledged once both
 * have it.
 */
import type { SQL } from "bun";
import { until } from "../../support/wait.ts";
import { DATABASE, Node, OWNER } from "./node.ts";
import { PostgresRelay } from "./relay.ts";

export class Cluster implements AsyncDisposable {
  /** Where writes go now. */
  primary: Node;
  promoted = false;

  private constructor(
    private readonly first: Node,
    readonly standby: Node,
    readonly relays: readonly PostgresRelay[],
  ) {
    this.primary = first;
  }

  /**
   * @param small the primary is on a disk that can be filled
   * @param connections how many it takes, beside those of replication
   */
  static async start(small: boolean, connections = 60): Promise<Cluster> {
    const first = await Node.copy(small);
    const standby = await Node.copy(false);
    for (const node of [first, standby])
      node.configure(`max_connections = ${connections}`);
    standby.follow(first);
    await first.start();
    await using sql = first.connect("postgres");
    await sql`SELECT pg_create_physical_replication_slot('standby', true)`;
    await standby.start();
    await until("the standby to follow", async () => {
      const rows = await sql`SELECT state FROM pg_stat_replication`;
      return rows.some(({ state }: { state: string }) => state === "streaming");
    });
    // Only now: without a standby nothing at all could be written.
    await sql`ALTER SYSTEM SET synchronous_standby_names = 'standby'`;
    await sql`SELECT pg_reload_conf()`;
    await until("commits to wait for the standby", async () => {
      const rows = await sql`SELECT sync_state FROM pg_stat_replication`;
      return rows.some(
        (row: { sync_state: string }) => row.sync_state === "sync",
      );
    });
    const relays = [first, standby].map(({ port }) => new PostgresRelay(port));
    await Promise.all(relays.map((relay) => relay.listening));
    return new Cluster(first, standby, relays);
  }

  /** Both hosts, in the order in which they are tried. */
  get url(): string {
    const hosts = this.relays.map(({ port }) => `127.0.0.1:${port}`);
    return `postgres://${OWNER}@${hosts.join(",")}/${DATABASE}`;
  }

  /** Before who takes writes. */
  get relay(): PostgresRelay {
    return this.relays[this.promoted ? 1 : 0]!;
  }

  /** Straight to who takes writes. */
  connect(): SQL {
    return this.primary.connect();
  }

  /** `pg_ctl restart -m immediate`: no checkpoint, recovery from the log. */
  async restart(): Promise<void> {
    await this.primary.stop("immediate");
    await this.primary.start();
  }

  /** The old primary is off before the standby takes writes. */
  async failOver(): Promise<void> {
    await this.first.stop("immediate");
    if (!(await this.standby.runs())) await this.standby.start();
    await this.standby.promote();
    this.primary = this.standby;
    this.promoted = true;
  }

  /** Without the standby commits wait, and none is acknowledged. */
  async stopStandby(): Promise<void> {
    await this.standby.stop("fast");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const relay of this.relays) await relay[Symbol.asyncDispose]();
    await this.standby[Symbol.asyncDispose]();
    await this.first[Symbol.asyncDispose]();
  }
}
