/** One connection to a host of the database, by Bun's own driver. */
import type { Address } from "./address.ts";

export interface ClientOptions {
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
/**
 * How long a lock is waited for: who was given up at its COMMIT has its locks for as long
 * as the standby is away.
 */
const LOCK_MS = 10_000;

/**
 * Connects when something is asked for.
 * @param at which of the hosts
 */
export function connectionTo(
  address: Address,
  at: number,
  options: ClientOptions,
): Bun.SQL {
  const { hosts, database, username, password, tls, pgbouncer } = address;
  const { statement_timeout_ms, application_name, read_only, schema } = options;
  const host = hosts[at]!;
  return new Bun.SQL({
    adapter: "postgres",
    ...("path" in host ? { path: host.path } : host),
    ...{ database, username, max: 1, bigint: false },
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
            ...options.settings,
          },
        }),
  } as unknown as Bun.SQL.PostgresOrMySQLOptions);
}

export type Client = Pick<Bun.SQL, "unsafe"> &
  ((strings: TemplateStringsArray) => Promise<unknown>);

/** Without values the driver would take a text of several statements, too. */
export const alone = (sql: string): TemplateStringsArray =>
  Object.defineProperty([sql], "raw", {
    value: [sql],
  }) as unknown as TemplateStringsArray;
