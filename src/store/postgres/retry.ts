/**
 * What an error of the database means for the work that met it: do it `again` (another
 * was faster, or was in the way), the database is `away` (and what became of the work
 * is unknown), or it is `final`.
 */
import { Failure, fail, reasonOf } from "../../model/failure.ts";

export type Meaning = "again" | "away" | "final";

/** Another has changed a session since it was read. */
export class Stale extends Error {}

/** The host takes no writes. */
export class Standby extends Error {}

/** No answer came in time. */
export class Unanswered extends Error {}

/** SQLSTATEs of a conflict with others, which is over when it is tried again. */
const AGAIN: ReadonlySet<string> = new Set([
  "40001", // serialization_failure
  "40003", // statement_completion_unknown
  "40P01", // deadlock_detected
  "23505", // unique_violation: two have inserted the same
  "55P03", // lock_not_available
  "42P07", // duplicate_table: two have made the same
  "42710", // duplicate_object
]);

/** SQLSTATEs, or their classes, of a database that cannot be written just now. */
const AWAY = [
  "08", // connection exceptions
  "25006", // read_only_sql_transaction: a standby
  "53300", // too_many_connections
  "57P01", // admin_shutdown
  "57P02", // crash_shutdown
  "57P03", // cannot_connect_now
];

/** SQLSTATEs, or their classes, of values that it does not take, as it may take others. */
const OF_DATA = [
  "22", // data exceptions
  "23514", // check_violation
  "54", // program limits
];

/**
 * Whatever PgBouncer says has this one: that it does not reach the database, which ends by
 * itself, and that it takes something never.
 */
const PROTOCOL = "08P01";
const NEVER = /startup parameter|^no such |auth/;
const SETTING = /startup parameter/;

/** Of the driver: whoever answers has not shown who it is. */
const CERTIFICATE =
  /CERT|^UNABLE_TO_(VERIFY|GET)_|^DEPTH_ZERO_SELF_SIGNED|HOSTNAME_MISMATCH/;

/** Of the driver, which has no SQLSTATE for them. */
const CONNECTION = /^ERR_POSTGRES_(CONNECTION|IDLE|LIFETIME|TIMEOUT)|^E[A-Z]+$/;

/** The SQLSTATE; null of what the server did not say. */
export function stateOf(error: unknown): string | null {
  const { errno } = (error ?? {}) as { errno?: unknown };
  return typeof errno === "string" && /^[0-9A-Z]{5}$/.test(errno)
    ? errno
    : null;
}

/**
 * Why the database never takes what was sent as it is; null of what may be taken later.
 * @param error of the driver, or the failure that it has become
 */
export function refusalOf(error: unknown): string | null {
  const cause = error instanceof Failure ? error.cause : error;
  const state = stateOf(cause);
  return state !== null && OF_DATA.some((prefix) => state.startsWith(prefix))
    ? `the database does not take it: ${reasonOf(cause)}`
    : null;
}

export function meaningOf(error: unknown): Meaning {
  if (error instanceof Stale) return "again";
  if (error instanceof Unanswered || error instanceof Standby) return "away";
  if (error instanceof Failure) return "final";
  const state = stateOf(error);
  if (state !== null) {
    if (state === PROTOCOL && NEVER.test(reasonOf(error))) return "final";
    if (AGAIN.has(state)) return "again";
    return AWAY.some((prefix) => state.startsWith(prefix)) ? "away" : "final";
  }
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === "string" && CONNECTION.test(code) ? "away" : "final";
}

/**
 * An error as a failure that says what to do.
 * @param name of the database, without what is private
 */
export function failureOf(name: string, error: unknown): Failure {
  if (error instanceof Failure) return error;
  const state = stateOf(error);
  const cause = { cause: error };
  if (state === "53100")
    return fail.storage(
      `the disk of ${name} is full`,
      "free some space there, events wait in the spool",
      cause,
    );
  if (state === "57014")
    return fail.timeout(
      `${name} took too long, and was stopped`,
      "ask for less: a shorter time, or one session",
      cause,
    );
  if (state === "28P01" || state === "28000")
    return fail.permission(
      `${name} does not let us in: ${reasonOf(error)}`,
      "check the user in store.url and the password in store.password_file",
      cause,
    );
  if (state === "3D000")
    return fail.storage(
      `${name} does not exist`,
      "create it, or name another one in store.url",
      cause,
    );
  const { code } = (error ?? {}) as { code?: unknown };
  if (typeof code === "string" && CERTIFICATE.test(code))
    return fail.config(
      `the certificate of ${name} is not trusted: ${reasonOf(error)}`,
      "name the host as its certificate does, and who has signed it in store.ca_file",
      cause,
    );
  if (code === "ERR_POSTGRES_TLS_NOT_AVAILABLE")
    return fail.config(
      `${name} speaks no TLS`,
      "have it do so (ssl = on), or add ?sslmode=disable to store.url where nobody else is on the way",
      cause,
    );
  if (state === PROTOCOL && SETTING.test(reasonOf(error)))
    return fail.config(
      `${name} is behind a pooler that refuses us: ${reasonOf(error)}`,
      "add ?pgbouncer=true to store.url",
      cause,
    );
  if (state === "42501")
    return fail.permission(
      `${name} refuses: ${reasonOf(error)}`,
      "grant the role what docs/many-hosts.md says",
      cause,
    );
  const meaning = meaningOf(error);
  if (meaning === "again")
    return fail.overloaded(
      `${name} is too busy: ${reasonOf(error) || "others change the same sessions"}`,
      "try again in a moment",
      cause,
    );
  if (meaning === "away")
    return fail.unreachable(
      `${name} cannot be reached: ${reasonOf(error)}`,
      "check that it runs, events wait in the spool",
      cause,
    );
  return fail.storage(
    `${name} cannot be used: ${reasonOf(error)}`,
    "check the database's log, events wait in the spool",
    cause,
  );
}

const FIRST_PAUSE_MS = 5;
const MAX_PAUSE_MS = 200;

/**
 * Does work until it is done, or for so long; between two tries it waits a random
 * while, so that those who were in each other's way do not meet again.
 * @param again_ms how long, where others are in the way
 * @throws the last error; a final one at once
 */
export async function retried<T>(
  patience_ms: number,
  work: () => Promise<T>,
  again_ms = patience_ms,
): Promise<T> {
  const began = performance.now();
  const until = { away: began + patience_ms, again: began + again_ms };
  for (
    let pause_ms = FIRST_PAUSE_MS;
    ;
    pause_ms = Math.min(2 * pause_ms, MAX_PAUSE_MS)
  )
    try {
      return await work();
    } catch (error) {
      const meaning = meaningOf(error);
      if (meaning === "final" || performance.now() > until[meaning])
        throw error;
      await Bun.sleep(Math.random() * pause_ms);
    }
}
