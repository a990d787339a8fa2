/**
 * Connections to the database, by Bun's own driver. Several hosts may be named: the
 * next is tried where one is not there or cannot be written. Where no answer comes the
 * connections are given up, so that nobody waits for a host that has gone silent.
 */
import { fail } from "../../model/failure.ts";
import { Gate } from "../gate.ts";
import type { Address } from "./address.ts";
import { Clients } from "./clients.ts";
import {
  type Client,
  type ClientOptions,
  alone,
  connectionTo,
} from "./driver.ts";
import { Standby, Unanswered, meaningOf, stateOf } from "./retry.ts";

/** Arrays go as text, see `arrayOf`; a text that is cast to a time as `$1::text::timestamptz`. */
export type Value = string | number | boolean | null;

export interface Connection {
  /**
   * Runs one statement. A bigint comes back as text, a time as a Date.
   * @throws the driver's error, see `meaningOf`
   */
  ask<T>(sql: string, values?: readonly Value[]): Promise<T[]>;
}

export interface Pool extends Connection {
  /** Runs statements in one transaction, which an error rolls back. */
  transaction<T>(use: (connection: Connection) => Promise<T>): Promise<T>;
  /** Closes its connections, and fails what runs on them. */
  end(): Promise<void>;
}

export interface PoolOptions extends ClientOptions {
  /** Connections at once, at most: one is made when it is needed. */
  size: number;
  /** Another host has answered than the last one that did. */
  onMoved?: () => void;
}

/** The server's own timeout comes first, with a better sentence. */
const GRACE_MS = 5_000;
/**
 * How long the first answer, BEGIN and COMMIT may take, which no timeout of the server
 * is for: a commit waits for as long as a synchronous standby is away.
 */
const TRANSACTION_MS = 10_000;
/**
 * The host that the pools of one address use: what one of them finds out the others need
 * not, and none goes on reading from a standby that another could not write to.
 */
const USED = new WeakMap<Address, { at: number }>();

function usedOf(address: Address): { at: number } {
  let used = USED.get(address);
  if (!used) USED.set(address, (used = { at: 0 }));
  return used;
}

export class HostsPool implements Pool {
  private clients: Clients;
  private readonly used: { at: number };
  /** The host that they are connected to. */
  private at: number;
  /** Those that are known to be connected to no standby. */
  private readonly primaries = new WeakSet<Bun.SQL>();
  /** The one that answered last; null before the first answer. */
  private answered: number | null = null;
  private ended = false;
  /** Who waits for a connection waits here: the driver's time is that of the answer. */
  private readonly gate: Gate;

  constructor(
    private readonly address: Address,
    private readonly options: PoolOptions,
  ) {
    this.gate = new Gate(options.size);
    this.used = usedOf(address);
    this.at = this.used.at;
    this.clients = this.connected();
  }

  ask<T>(sql: string, values: readonly Value[] = []): Promise<T[]> {
    return this.using((client) => this.answer<T>(client, sql, values));
  }

  transaction<T>(use: (connection: Connection) => Promise<T>): Promise<T> {
    return this.using(async (client) => {
      // BEGIN and COMMIT are the driver's own, and may get no answer either.
      const began = limit(TRANSACTION_MS);
      const committed = limit(TRANSACTION_MS);
      try {
        began.start();
        const done = client.begin(async (own) => {
          began.stop();
          const result = await explained((note) =>
            use({
              ask: <R>(sql: string, values: readonly Value[] = []) =>
                note(this.answer<R>(own, sql, values)),
            }),
          );
          committed.start();
          return result;
        }) as Promise<T>;
        return await Promise.race([done, began.late, committed.late]);
      } finally {
        began.stop();
        committed.stop();
      }
    });
  }

  async end(): Promise<void> {
    this.ended = true;
    await this.clients.close();
  }

  private async answer<T>(
    client: Client,
    sql: string,
    values: readonly Value[],
    ms = this.options.statement_timeout_ms + GRACE_MS,
  ): Promise<T[]> {
    const answered = limit(ms);
    answered.start();
    try {
      return await Promise.race([
        (values.length > 0
          ? client.unsafe(sql, [...values])
          : client(alone(sql))) as Promise<T[]>,
        answered.late,
      ]);
    } finally {
      answered.stop();
    }
  }

  private using<T>(use: (client: Bun.SQL) => Promise<T>): Promise<T> {
    const { address, options } = this;
    const ms = options.statement_timeout_ms + GRACE_MS;
    const late = () => allBusy(address.name, options.size, ms);
    return this.gate.pass(() => this.tried(use), { ms, late });
  }

  /** Where nothing has begun, because a host is not there, the others are tried at once. */
  private async tried<T>(use: (client: Bun.SQL) => Promise<T>): Promise<T> {
    let left = this.address.hosts.length;
    for (;;) {
      if (this.at !== this.used.at && !this.ended) this.reconnect();
      const { clients } = this;
      const client = clients.take();
      try {
        await this.requirePrimary(client);
        const done = await use(client);
        if (clients.has(client)) this.heard();
        return done;
      } catch (error) {
        if (meaningOf(error) !== "away") throw error;
        const full = stateOf(error) === TOO_MANY;
        if (full && (await clients.without(client))) continue;
        this.leave(client, error);
        if (--left < 1 || !isElsewhere(error)) throw error;
      } finally {
        clients.giveBack(client);
      }
    }
  }

  /** A standby would answer who reads, with less than was acknowledged. */
  private async requirePrimary(client: Bun.SQL): Promise<void> {
    if (this.primaries.has(client)) return;
    const [row] = await this.answer<{ is_standby: boolean }>(
      ...([client, IS_STANDBY, [], TRANSACTION_MS] as const),
    );
    if (row!.is_standby) throw new Standby("it is a standby, and read-only");
    this.primaries.add(client);
  }

  private heard(): void {
    const { answered, at } = this;
    this.answered = at;
    if (answered !== null && answered !== at) this.options.onMoved?.();
  }

  /** Another host from now on, or new connections to the same. */
  private leave(client: Bun.SQL, error: unknown): void {
    const silent = error instanceof Unanswered;
    const other = this.address.hosts.length > 1 && !isCut(error);
    if (this.ended || !this.clients.has(client) || !(silent || other)) return;
    // Unless another pool has left it already.
    if (other && this.used.at === this.at)
      this.used.at = (this.at + 1) % this.address.hosts.length;
    this.reconnect();
  }

  private reconnect(): void {
    const before = this.clients;
    this.at = this.used.at;
    this.clients = this.connected();
    // What still runs there fails, and is done again.
    void before.close().catch(() => {});
  }

  private connected(): Clients {
    const { address, at, options } = this;
    return new Clients(() => {
      const client = connectionTo(address, at, options);
      // Nothing is asked any more, and who asks is told so.
      if (this.ended) void client.close({ timeout: 0 });
      return client;
    });
  }
}

const allBusy = (name: string, connections: number, ms: number) =>
  fail.overloaded(
    `all ${connections} connections to ${name} were busy for ${ms / 1_000} s`,
    "try again in a moment",
  );

/** SQLSTATE of too_many_connections. */
const TOO_MANY = "53300";
/** SQLSTATE of in_failed_sql_transaction. */
const ABORTED = "25P02";

/**
 * Of statements that are sent at once the first that fails makes the others fail, whose
 * errors say nothing of the cause and may be heard before it.
 * @param use notes what it asks for
 * @throws the cause
 */
async function explained<T>(
  use: (note: <R>(answer: Promise<R>) => Promise<R>) => Promise<T>,
): Promise<T> {
  const open = new Set<Promise<unknown>>();
  let cause: unknown = null;
  const note = <R>(answer: Promise<R>): Promise<R> => {
    const heard = answer
      .catch((error) => {
        if (stateOf(error) !== ABORTED) cause ??= error;
      })
      .finally(() => open.delete(heard));
    open.add(heard);
    return answer;
  };
  try {
    return await use(note);
  } catch (error) {
    if (stateOf(error) !== ABORTED) throw error;
    await Promise.all(open);
    throw cause ?? error;
  }
}

/** @returns `late` rejects once so much time has gone by since the start */
function limit(ms: number) {
  const { promise, reject } = Promise.withResolvers<never>();
  // Where nobody waits for it any more.
  promise.catch(() => {});
  let timer: ReturnType<typeof setTimeout> | undefined;
  return {
    late: promise,
    start: () => {
      timer = setTimeout(
        () => reject(new Unanswered(`no answer within ${ms} ms`)),
        ms,
      );
    },
    stop: () => clearTimeout(timer),
  };
}

const IS_STANDBY = "SELECT pg_is_in_recovery() AS is_standby";

/** The host is not there, or is a standby: nothing was done. */
const isElsewhere = (error: unknown): boolean =>
  error instanceof Standby ||
  ["25006", "57P03"].includes(stateOf(error) ?? "") ||
  /^ERR_POSTGRES_CONNECTION_(REFUSED|FAILED|TIMEOUT)$/.test(
    String((error as { code?: unknown }).code),
  );

/** A connection that was cut: its host may well be there. */
const isCut = (error: unknown): boolean =>
  stateOf(error) === null &&
  (error as { code?: unknown }).code === "ERR_POSTGRES_CONNECTION_CLOSED";
