/**
 * Where a simulation runs: real servers, each with a home of its own, over one
 * PostgreSQL or, one alone, over DuckDB. Its database can be taken away.
 */
import { join } from "node:path";
import { DATABASE, Node, OWNER } from "../crash/postgres/node.ts";
import { configure } from "../support/host.ts";
import { Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { cpuSeconds } from "./parts.ts";

/** As for a small machine that has this to do. */
const CONFIGURATION = `
fsync = on
shared_buffers = 512MB
max_connections = 100
max_wal_size = 2GB
wal_compression = on
`;

export class Site implements AsyncDisposable {
  /** By servers that have ended. */
  private spent = 0;
  /** By PostgreSQL, up to when it was taken away last. */
  private postgres_spent = 0;
  private away = false;

  private constructor(
    readonly postgres: Node | null,
    readonly sandboxes: readonly Sandbox[],
    private servers: TestServer[],
  ) {}

  /**
   * @param servers over PostgreSQL; null: one over DuckDB
   * @param settings of all of them, as YAML
   */
  static async start(servers: number | null, settings = ""): Promise<Site> {
    const postgres = servers === null ? null : await Node.copy(false);
    postgres?.configure(CONFIGURATION);
    await postgres?.start();
    const sandboxes = Array.from({ length: servers ?? 1 }, () => new Sandbox());
    const store = postgres
      ? `store:\n  url: postgres://${OWNER}@127.0.0.1:${postgres.port}/${DATABASE}\n`
      : "";
    for (const sandbox of sandboxes) configure(sandbox, store + settings);
    const started = await Promise.all(
      sandboxes.map((sandbox) => TestServer.start(sandbox)),
    );
    return new Site(postgres, sandboxes, started);
  }

  get urls(): string[] {
    return this.servers.map(({ url }) => url);
  }

  get origins(): string[] {
    return this.servers.map(({ origin }) => origin);
  }

  get pids(): number[] {
    return this.servers.map(({ child }) => child.pid);
  }

  /** Processor seconds of the servers, and of PostgreSQL. */
  get cpu(): { servers: number; postgres: number } {
    return {
      servers: this.pids.reduce(
        (sum, pid) => sum + cpuSeconds(pid),
        this.spent,
      ),
      postgres:
        this.postgres && !this.away
          ? this.postgres_spent + cpuSeconds(this.postgres.postmaster)
          : this.postgres_spent,
    };
  }

  /** Takes the database away; a server over DuckDB goes with it. */
  async leave(): Promise<void> {
    if (this.postgres) {
      this.postgres_spent += cpuSeconds(this.postgres.postmaster);
      this.away = true;
      await this.postgres.stop("immediate");
    } else {
      this.spent += cpuSeconds(this.servers[0]!.child.pid);
      await this.servers[0]!.stop("SIGKILL");
    }
  }

  async comeBack(): Promise<void> {
    if (this.postgres) {
      await this.postgres.start();
      this.away = false;
      return;
    }
    const [{ sandbox, port }] = this.servers as [TestServer];
    const flags = ["--port", `${port}`];
    this.servers = [await TestServer.start(sandbox, { flags })];
  }

  /** Bytes of the database. */
  async size(): Promise<number> {
    if (!this.postgres) {
      const [{ database }] = this.sandboxes as [Sandbox];
      return Bun.file(database).size + Bun.file(`${database}.wal`).size;
    }
    await using sql = this.postgres.connect();
    const [row] = await sql`SELECT pg_database_size(${DATABASE}) AS bytes`;
    return Number((row as { bytes: string }).bytes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.servers) await server[Symbol.asyncDispose]();
    for (const sandbox of this.sandboxes) sandbox[Symbol.dispose]();
    await this.postgres?.[Symbol.asyncDispose]();
  }
}

/** The process that the shells of a simulation live in. */
export const SHELLS = join(import.meta.dir, "shells.ts");
