/**
 * A primary and its synchronous standby, with a relay before each: what the servers
 * under test take for the database's two hosts. A commit is acknowledged once both
 * have it.
 */
import { readFileSync, readdirSync } from "node:fs";
import type { SQL } from "bun";
import { until } from "../../support/wait.ts";
import { DATABASE, Node } from "./node.ts";
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

  /** @param small the primary is on a disk that can be filled */
  static async start(small: boolean): Promise<Cluster> {
    const first = await Node.copy(small);
    const standby = await Node.copy(false);
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
    return `postgres://postgres@${hosts.join(",")}/${DATABASE}`;
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
    await this.standby.promote();
    this.primary = this.standby;
    this.promoted = true;
  }

  /** Stops what receives the primary's log: commits wait, none is acknowledged. */
  freezeStandby(): () => void {
    const pids = [
      this.standby.postmaster,
      ...childrenOf(this.standby.postmaster),
    ].filter((pid) => nameOf(pid).includes("walreceiver"));
    for (const pid of pids) signal(pid, "SIGSTOP");
    return () => {
      for (const pid of pids) signal(pid, "SIGCONT");
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const relay of this.relays) await relay[Symbol.asyncDispose]();
    await this.standby[Symbol.asyncDispose]();
    await this.first[Symbol.asyncDispose]();
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended meanwhile.
  }
}

const childrenOf = (pid: number): number[] =>
  readdirSync("/proc")
    .map(Number)
    .filter((one) => one > 0 && parentOf(one) === pid);

function parentOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return 0;
  }
}

function nameOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1");
  } catch {
    return "";
  }
}
