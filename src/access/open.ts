/**
 * Opens the store of a command, with the spool drained into it: a server on
 * another host when one is configured, else the server that runs here, else the
 * file. Here spool and store are wired together.
 */
import { closeSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import {
  checkEndpoint,
  clientToken,
  isClaim,
  ownSubject,
} from "../auth/token.ts";
import type { Settings } from "../config/load.ts";
import {
  Failure,
  type FailureCode,
  type Warn,
  fail,
  reasonOf,
} from "../model/failure.ts";
import type { Maintenance } from "../model/maintenance.ts";
import type { SessionStore } from "../model/store.ts";
import { trustedPath } from "../os/trust.ts";
import { CircuitBreaker, readDelivery } from "../spool/circuit-breaker.ts";
import { type DrainOptions, drain } from "../spool/drain.ts";
import { WAIT_MS } from "../spool/drain-lock.ts";
import { openOwn, spoolBacklog } from "../spool/folder.ts";
import { nearlyFull } from "../spool/quota.ts";
import {
  type DrainReport,
  type DrainTarget,
  once,
  refuseLate,
  sayDrained,
  sayRejected,
} from "../spool/report.ts";
import { spoolFolder } from "../spool/write.ts";
import { type Opened, SwitchingStore } from "../store/failover.ts";
import { StoreLock } from "../store/lock.ts";
import { RemoteMaintenance } from "../store/remote/maintenance.ts";
import { HttpStore } from "../store/remote/store.ts";
import { filesBeside } from "./archived-recordings.ts";
import { claimForCommand, databasePath, lockPath } from "./claim.ts";
import { openStore } from "./open-store.ts";
import { aboutOriginal, copyAside, isUnwritable } from "./private-copy.ts";
import { noteRecent } from "./recent.ts";
import { type SearchesOutput, searchAlone } from "./search-alone.ts";

/** How long a server on this host may be away before that is the answer. */
const AWAY_MS = 5_000;

/**
 * Opens the store, drains the spool into it, hands it over, and closes it.
 * @param settings valid ones, see `validSettings`
 * @throws Failure when the store cannot be used
 */
export async function withStore<T>(
  settings: Settings,
  warn: Warn,
  use: (store: SessionStore) => Promise<T>,
): Promise<T> {
  const open = () => nearest(settings, warn, null, refuseLate);
  return using(open, settings, warn, use);
}

/**
 * Drains the spool, that of a server here too; then as `withStore`.
 * @param breaker records how the delivery to a server on another host goes
 * @throws Failure (timeout) when another drain does not end
 */
export async function withDrained<T>(
  settings: Settings,
  warn: Warn,
  use: (store: SessionStore) => Promise<T>,
  breaker: CircuitBreaker,
): Promise<T> {
  const open = () => nearest(settings, warn, breaker, refuseLate, "first");
  return using(open, settings, warn, async (store) => {
    await store.drain();
    return use(store);
  });
}

/**
 * As `withStore`, to read: where nothing can be written, a copy is read.
 * @param output whether it looks through what terminals showed
 */
export async function withReadable<T>(
  settings: Settings,
  warn: Warn,
  use: (store: SessionStore) => Promise<T>,
  output: SearchesOutput = "after",
): Promise<T> {
  const open = () => readable(settings, once(warn), output);
  return using(open, settings, warn, use);
}

async function using<T>(
  open: () => Promise<Opened>,
  { config, paths }: Settings,
  warn: Warn,
  use: (store: SwitchingStore) => Promise<T>,
): Promise<T> {
  // A server on another host is not waited for: it may be away for long.
  const patience_ms = config.server.endpoint === null ? AWAY_MS : 0;
  const store = new SwitchingStore(open, patience_ms);
  try {
    return await use(store);
  } finally {
    await store.close();
    const folder = spoolFolder(paths.data!);
    const warning = nearlyFull(folder, config.spool.max_bytes);
    if (warning) warn(warning);
  }
}

async function readable(
  settings: Settings,
  warn: Warn,
  output: SearchesOutput,
): Promise<Opened> {
  try {
    return await nearest(settings, warn, null, warn, output);
  } catch (error) {
    const { server, store } = settings.config;
    const isFile = server.endpoint === null && store.url === null;
    if (!isFile || !isUnwritable(error)) throw error;
    const database = databasePath(settings);
    const copy = copyAside(settings, database, lockPath(settings));
    if (!copy) throw error;
    try {
      const said = aboutOriginal(copy, settings, database, warn);
      const { store, close } = await nearest(
        ...([copy.settings, said, null, said, "never"] as const),
      );
      warn(
        `nothing was brought to the store: ${error.message}; shown is what is there, with what waits in the spool`,
      );
      const end = () => close().finally(() => copy[Symbol.dispose]());
      return { store, close: end };
    } catch {
      copy[Symbol.dispose]();
      throw error;
    }
  }
}

/**
 * The nearest store.
 * @param late is told why what waits in the spool is not in it
 */
async function nearest(
  settings: Settings,
  warn: Warn,
  breaker: CircuitBreaker | null,
  late: Warn,
  output: SearchesOutput = "after",
): Promise<Opened> {
  const { endpoint } = settings.config.server;
  if (endpoint !== null) return remote(settings, endpoint, warn, breaker);
  const here = await claimForCommand(settings);
  if (here instanceof StoreLock)
    return local(settings, here, warn, late, output);
  const store = new HttpStore(here, late);
  const drain = async () => {
    const why = await new RemoteMaintenance(here).drain();
    if (why !== null) late(why);
  };
  return { store, drain, close: () => store.close() };
}

/** The database, with the spool drained into it and lost sessions ended. */
async function local(
  settings: Settings,
  lock: StoreLock,
  warn: Warn,
  late: Warn,
  output: SearchesOutput,
): Promise<Opened> {
  const opened = await openStore(settings, lock, { warn });
  try {
    await drainAndReport(settings, opened.store, warn, late);
  } catch (error) {
    await opened.close();
    throw error;
  }
  const { unleased_timeout_ms } = settings.config.session;
  // A server looks again a second later; here is one look at all.
  await opened.store.expireLeases(Date.now(), unleased_timeout_ms, Infinity);
  if (output === "first")
    await searchAlone(settings, opened.store, output, warn);
  const close = async () => {
    if (output === "after")
      await searchAlone(settings, opened.store, output, warn);
    const write = await noteRecent(settings, opened.store);
    await opened.close();
    write();
  };
  return { store: opened.store, close };
}

/** A server on another host, with this host's spool drained into it. */
async function remote(
  settings: Settings,
  url: string,
  warn: Warn,
  breaker: CircuitBreaker | null,
): Promise<Opened> {
  const data = settings.paths.data!;
  trustedPath(data);
  const folder = spoolFolder(data);
  const token = await endpointToken(settings, url);
  const store = new HttpStore({ url, token });
  const into = breaker ?? new CircuitBreaker(folder, false, Date.now);
  try {
    // Wrappers' drains often meet another at work, which does the same.
    const asked = breaker ? refuseLate : warn;
    const late = breaker?.automatic ? () => {} : asked;
    // After a long one once more: who waited for it has given up, and what that came
    // for was not read.
    let took_ms: number;
    do took_ms = await drainAndReport(settings, into.guard(store), warn, late);
    while (breaker && took_ms > WAIT_MS);
  } catch (error) {
    if (breaker) throw error;
    const { failing_since, last_error } = readDelivery(folder);
    const { files } = spoolBacklog(data);
    if (files > 0 && failing_since !== null)
      warn(
        `undelivered spool files: ${files}, since ${failing_since}: ${last_error}`,
      );
    // Where no server answers, reading would wait as long again.
    if (!(error instanceof Failure) || AWAY.has(error.code)) throw error;
  }
  return { store, close: () => store.close() };
}

/** What this host shows the server at its endpoint; null when it wants nothing. */
export async function endpointToken(
  settings: Settings,
  url: string,
): Promise<string | null> {
  const folder = spoolFolder(settings.paths.data!);
  const subject = () => subjectOf(folder);
  const token = await clientToken(settings, process.env, subject);
  checkEndpoint(url, token);
  return token;
}

const AWAY: ReadonlySet<FailureCode> = new Set(["unreachable", "timeout"]);

/**
 * The subject of this host's own tokens: the hostname when it was first asked for,
 * which is kept in the spool folder. Under another name the sessions would be
 * another reporter's, and their ends be rejected.
 */
function subjectOf(folder: string): string {
  const fd = openOwn(folder, "subject", () => {});
  try {
    const kept = fd === null ? "" : readFileSync(fd, "utf8").trimEnd();
    if (isClaim(kept)) return kept;
  } finally {
    if (fd !== null) closeSync(fd);
  }
  const subject = ownSubject();
  try {
    const whole = `${folder}/subject.${process.pid}.new`;
    writeFileSync(whole, `${subject}\n`, { mode: 0o600, flag: "wx" });
    renameSync(whole, `${folder}/subject`);
  } catch {
    // Where nothing can be written nothing is recorded either.
  }
  return subject;
}

/**
 * Drains the spool, and tells the user what could not be stored.
 * @returns how long it took, in ms; 0 when another drain did it
 */
async function drainAndReport(
  settings: Settings,
  store: DrainTarget,
  warn: Warn,
  late: Warn,
): Promise<number> {
  const began_ms = performance.now();
  const report = await drainInto(settings, store);
  const took_ms = report.passed ? performance.now() - began_ms : 0;
  sayDrained(report, warn);
  if (report.busy !== null) late(report.busy);
  const folder = spoolFolder(settings.paths.data!);
  if (report.rejected.length === 0) sayRejected(folder, warn);
  return took_ms;
}

export const drainOptions = ({ config }: Settings): DrainOptions => ({
  heartbeat_ms: config.session.heartbeat_ms,
  keep_done_ms: config.store.keep_done_ms,
});

/** One pass over the spool. */
export const drainInto = (
  settings: Settings,
  store: DrainTarget,
): Promise<DrainReport> =>
  drain(settings.paths.data!, store, Date.now, drainOptions(settings));

/**
 * Hands over the maintenance of this host's database, that of the server that has
 * it or of the file, with the spool drained into it if that works.
 * @param settings valid ones, see `validSettings`
 * @throws Failure (config) when the database is on another host
 */
export async function withMaintenance<T>(
  settings: Settings,
  warn: Warn,
  use: (maintenance: Maintenance) => Promise<T>,
): Promise<T> {
  requireHere(settings);
  const here = await claimForCommand(settings);
  if (!(here instanceof StoreLock)) return use(new RemoteMaintenance(here));
  const { store, close } = await openStore(settings, here, { warn });
  try {
    try {
      sayDrained(await drainInto(settings, store), warn);
    } catch (error) {
      // A full disk, perhaps: all the more reason for a copy on another one.
      warn(`the spool could not be brought in: ${reasonOf(error)}`);
    }
    const maintenance = store.maintenance({
      ...filesBeside(settings),
      alone: true,
      warn,
    });
    return await use(maintenance);
  } finally {
    await close();
  }
}

/** @throws Failure (config) when the database is on another host */
export function requireHere({ config }: Settings): void {
  if (config.server.endpoint === null) return;
  throw fail.config(
    `the database is kept by the server at ${config.server.endpoint}`,
    "do this on that host, or unset SESSION_BUDDY_MCP_ENDPOINT for the one here",
  );
}
