/**
 * How a store reaches its database: connections to write and to read, on which work is
 * tried again for a while as long as others, or the network, are in the way.
 */
import type { StoreEvents } from "../../model/store.ts";
import type { Address } from "./address.ts";
import { type Connection, HostsPool, type Pool } from "./connect.ts";
import { Presence } from "./presence.ts";
import { retried } from "./retry.ts";

/** Connections of one process. */
const WRITES = 4;
const READS = 8;
/**
 * Which way is shorter depends on what is asked for, and sums of all sessions are made
 * without files.
 */
const READING = { plan_cache_mode: "force_custom_plan", work_mem: "32MB" };
const STATEMENT_TIMEOUT_MS = 60_000;
const PATIENCE_MS = 5_000;

export interface ReachOptions extends Pick<StoreEvents, "onAway" | "onBack"> {
  /** How long work is tried. */
  patience_ms?: number;
  statement_timeout_ms?: number;
  /** Where its tables are, if not where the role's are by itself. */
  schema?: string;
}

export class Reach {
  readonly presence: Presence;
  readonly patience_ms: number;
  readonly pool: Pool;
  private readonly reading: Pool;
  /** Reads, and what may be written twice. */
  readonly reads: Connection;
  readonly writes: Connection;

  constructor(
    readonly address: Address,
    options: ReachOptions,
  ) {
    const { schema, statement_timeout_ms = STATEMENT_TIMEOUT_MS } = options;
    const { patience_ms = PATIENCE_MS, onBack } = options;
    this.presence = new Presence(address.name, options);
    this.patience_ms = patience_ms;
    const all = {
      statement_timeout_ms,
      ...(schema !== undefined && { schema }),
    };
    this.pool = new HostsPool(address, {
      ...{ ...all, size: WRITES },
      ...(onBack && { onMoved: onBack }),
    });
    this.reading = new HostsPool(address, {
      ...{ ...all, size: READS, settings: READING },
    });
    this.reads = this.tried(this.reading);
    this.writes = this.tried(this.pool);
  }

  /** One transaction, done again as a whole where others are in the way. */
  readonly transaction: Pool["transaction"] = (use) =>
    this.presence.of(this.patience_ms, (patience_ms) =>
      retried(patience_ms, () => this.pool.transaction(use)),
    );

  private tried(pool: Pool): Connection {
    return {
      ask: (sql, values) =>
        this.presence.of(this.patience_ms, (patience_ms) =>
          retried(patience_ms, () => pool.ask(sql, values)),
        ),
    };
  }

  async end(): Promise<void> {
    await Promise.all([this.pool.end(), this.reading.end()]);
  }
}
