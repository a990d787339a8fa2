/**
 * Connections to the database, by Bun's own driver. Several hosts may be named: the
 * next is tried where one is not there or cannot be written. Where no answer comes the
 * connections are given up, so that nobody waits for a host that has gone silent.
 */
import { fail } from "../../model/failure.ts";
import { Gate } from "../gate.ts";
import type { Address } from "./address.ts";
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

export interface PoolOptions {
  /** Connections at once. */
  size: number;
  /** How long one statement may take, by the server and by our own clock. */
  statement_timeout_ms: number;
  /** Is said to the server, where it can be. */
  application_name?: string;
  /** Refuses to write. */
  read_only?: true;
  /** Where its tables are, if not where the role's are by itself. */
  schema?: string;
  /** Settings of its sessions, where it can have some. */
  settings?: Readonly<Record<string, string>>;
  /** Another host has answered than the last one that did. */
  onMoved?: () => void;
}

/** How texts are read there, whatever the role or the database has been set to. */
const LANGUAGE = {
  client_encoding: "UTF8",
  standard_conforming_strings: "on",
  DateStyle: "ISO, MDY",
  TimeZone: "UTC",
};
const READING = {
  array_nulls: "on",
  IntervalStyle: "postgres",
  default_transaction_isolation: "read committed",
  idle_in_transaction_session_timeout: "0",
  lock_timeout: "0",
};

const CONNECT_SECONDS = 5;
/** The driver tries one that is not there for as long, and others may be. */
const NEXT_HOST_SECONDS = 2;
/** The server's own timeout comes first, with a better sentence. */
const GRACE_MS = 5_000;
/**
 * How long the first answer, BEGIN and COMMIT may take, which no timeout of the server
 * is for: a commit waits for as long as a synchronous standby is away.
 */
const TRANSACTION_MS = 10_000;
/**
 * How long a lock is waited for: who was given up at its COMMIT has its locks for as long
 * as the standby is away.
 */
const LOCK_MS = 10_000;

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
  private sql: Bun.SQL;
  private readonly used: { at: number };
  /** The host that `sql` is connected to. */
  private at: number;
  /** What is known to be connected to no standby. */
  private primary: Bun.SQL | null = null;
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
    this.sql = this.connected();
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
    await this.sql.close({ timeout: 0 });
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
    for (let left = this.address.hosts.length; ; left--) {
      if (this.at !== this.used.at && !this.ended) this.reconnect();
      const client = this.sql;
      try {
        await this.requirePrimary(client);
        const done = await use(client);
        if (client === this.sql) this.heard();
        return done;
      } catch (error) {
        if (meaningOf(error) !== "away") throw error;
        this.leave(client, error);
        if (left <= 1 || !isElsewhere(error)) throw error;
      }
    }
  }

  /** A standby would answer who reads, with less than was acknowledged. */
  private async requirePrimary(client: Bun.SQL): Promise<void> {
    if (client === this.primary) return;
    const [row] = await this.answer<{ is_standby: boolean }>(
      ...([client, IS_STANDBY, [], TRANSACTION_MS] as const),
    );
    if (row!.is_standby) throw new Standby("it is a standby, and read-only");
    this.primary = client;
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
    if (this.ended || this.sql !== client || !(silent || other)) return;
    // Unless another pool has left it already.
    if (other && this.used.at === this.at)
      this.used.at = (this.at + 1) % this.address.hosts.length;
    this.reconnect();
  }

  private reconnect(): void {
    const before = this.sql;
    this.at = this.used.at;
    this.sql = this.connected();
    // What still runs there fails, and is done again.
    void before.close({ timeout: 0 }).catch(() => {});
  }

  private connected(): Bun.SQL {
    const { hosts, database, username, password, tls, pgbouncer } =
      this.address;
    const { size, statement_timeout_ms, application_name, read_only, schema } =
      this.options;
    const { settings } = this.options;
    const host = hosts[this.at]!;
    return new Bun.SQL({
      adapter: "postgres",
      ...("path" in host ? { path: host.path } : host),
      ...{ database, username, max: size, bigint: false },
      ...(password !== null && { password }),
      ...(tls && { tls }),
      connectionTimeout: hosts.length > 1 ? NEXT_HOST_SECONDS : CONNECT_SECONDS,
      // A pooler that gives each transaction another connection knows no names of
      // statements, and of a session the settings that it keeps itself.
      ...(pgbouncer
        ? { prepare: false, connection: LANGUAGE }
        : {
            connection: {
              ...LANGUAGE,
              ...READING,
              application_name: application_name ?? "session-buddy",
              statement_timeout: String(statement_timeout_ms),
              lock_timeout: String(LOCK_MS),
              ...(read_only && { default_transaction_read_only: "on" }),
              ...(schema !== undefined && { search_path: schema }),
              ...settings,
            },
          }),
    } as unknown as Bun.SQL.PostgresOrMySQLOptions);
  }
}

const allBusy = (name: string, connections: number, ms: number) =>
  fail.overloaded(
    `all ${connections} connections to ${name} were busy for ${ms / 1_000} s`,
    "try again in a moment",
  );

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

type Client = Pick<Bun.SQL, "unsafe"> &
  ((strings: TemplateStringsArray) => Promise<unknown>);

/** Without values the driver would take a text of several statements, too. */
const alone = (sql: string): TemplateStringsArray =>
  Object.defineProperty([sql], "raw", {
    value: [sql],
  }) as unknown as TemplateStringsArray;

/** A connection that was cut: its host may well be there. */
const isCut = (error: unknown): boolean =>
  stateOf(error) === null &&
  (error as { code?: unknown }).code === "ERR_POSTGRES_CONNECTION_CLOSED";
