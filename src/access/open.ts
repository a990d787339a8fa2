/**
 * The store that a command gets, drained: a server on another host when one is
 * configured, else the server that runs here, else the file. Here spool and
 * store are wired together.
 */
import { checkEndpoint, clientToken } from "../auth/token.ts";
import type { Settings } from "../config/load.ts";
import { Failure, type FailureCode, reasonOf } from "../model/failure.ts";
import type { Keeping } from "../model/maintenance.ts";
import type { SessionStore } from "../model/store.ts";
import { trustedPath } from "../os/trust.ts";
import { Courier, readDelivery } from "../spool/circuit-breaker.ts";
import { spooledSessions } from "../spool/contents.ts";
import { drain } from "../spool/drain.ts";
import { spoolBacklog } from "../spool/folder.ts";
import { nearlyFull } from "../spool/quota.ts";
import {
  type DrainReport,
  once,
  refuseLate,
  sayDrained,
  sayRejected,
} from "../spool/report.ts";
import { subjectOf } from "../spool/subject.ts";
import { spoolFolder } from "../spool/write.ts";
import { type Opened, SwitchingStore } from "../store/failover.ts";
import { StoreLock } from "../store/lock.ts";
import { HttpKeeping } from "../store/remote/maintenance.ts";
import { HttpStore } from "../store/remote/store.ts";
import { claimForCommand, databasePath, lockPath, openFile } from "./claim.ts";
import { requireNotOwn } from "./own-files.ts";
import { aboutOriginal, copyAside, isUnwritable } from "./private-copy.ts";

/** How long a server on this host may be away while it is asked. */
const AWAY_MS = 5_000;

type Tell = (sentence: string) => void;

/**
 * Opens the store, brings the spool into it, hands it over, and closes it.
 * @param settings valid ones, see `validSettings`
 * @param tell gets what the user should know beside the result
 * @param courier notes how it goes with a server on another host; without one
 *   events that cannot be brought there are told of, and reading goes on
 * @throws Failure when the store cannot be used
 */
export async function withStore<T>(
  settings: Settings,
  tell: Tell,
  use: (store: SessionStore) => Promise<T>,
  courier: Courier | null = null,
): Promise<T> {
  const open = () => nearest(settings, tell, courier, refuseLate);
  return using(open, settings, tell, use);
}

/**
 * Brings the spool into the store, a server's own too; then as `withStore`.
 * @throws Failure (timeout) when another drain does not come to its end
 */
export async function withDrained<T>(
  settings: Settings,
  tell: Tell,
  use: (store: SessionStore) => Promise<T>,
  courier: Courier,
): Promise<T> {
  const open = () => nearest(settings, tell, courier, refuseLate);
  return using(open, settings, tell, async (store) => {
    await store.drain();
    return use(store);
  });
}

/** The same for who only reads: where nothing can be written, a copy is read. */
export async function withReadable<T>(
  settings: Settings,
  tell: Tell,
  use: (store: SessionStore) => Promise<T>,
): Promise<T> {
  return using(() => readable(settings, once(tell)), settings, tell, use);
}

async function using<T>(
  open: () => Promise<Opened>,
  settings: Settings,
  tell: Tell,
  use: (store: SwitchingStore) => Promise<T>,
): Promise<T> {
  // One on another host is not waited for: it may be away for long.
  const patience_ms = settings.config.server.endpoint === null ? AWAY_MS : 0;
  const store = new SwitchingStore(open, patience_ms);
  try {
    return await use(store);
  } finally {
    await store.close();
    const { config, paths } = settings;
    const folder = spoolFolder(paths.data!);
    const warning = nearlyFull(folder, config.spool.max_bytes);
    if (warning) tell(warning);
  }
}

async function readable(settings: Settings, tell: Tell): Promise<Opened> {
  try {
    return await nearest(settings, tell, null, tell);
  } catch (error) {
    const here = settings.config.server.endpoint === null;
    if (!here || !isUnwritable(error)) throw error;
    const database = databasePath(settings);
    const copy = copyAside(settings, database, lockPath(settings));
    if (!copy) throw error;
    try {
      const said = aboutOriginal(copy, settings, database, tell);
      const { store, close } = await nearest(copy.settings, said, null, said);
      tell(
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
 * The store that is nearest now; a server drains by itself.
 * @param late hears why it has not what waits in the spool
 */
async function nearest(
  settings: Settings,
  tell: Tell,
  courier: Courier | null,
  late: Tell,
): Promise<Opened> {
  if (settings.config.server.endpoint !== null)
    return remote(settings, settings.config.server.endpoint, tell, courier);
  const here = await claimForCommand(settings);
  if (here instanceof StoreLock) return local(settings, here, tell, late);
  const drainServer = async () => {
    const why = await new HttpKeeping(here).drain();
    if (why !== null) late(why);
  };
  return { ...opened(new HttpStore(here, late)), drain: drainServer };
}

/** The file, with what the spool holds in it and the dead told from the living. */
async function local(
  settings: Settings,
  lock: StoreLock,
  tell: Tell,
  late: Tell,
): Promise<Opened> {
  const file = await openFile(settings, lock, { tell });
  const open = await drained(file, settings, tell, late);
  const { unleased_timeout_ms } = settings.config.session;
  // Nobody looks again a second later, as a server does.
  await file.store.lapse(Date.now(), unleased_timeout_ms, Infinity);
  return open;
}

/** A server on another host, with what this host's spool holds brought to it. */
async function remote(
  settings: Settings,
  url: string,
  tell: Tell,
  courier: Courier | null,
): Promise<Opened> {
  const data = settings.paths.data!;
  trustedPath(data);
  const folder = spoolFolder(data);
  const subject = () => subjectOf(folder);
  const token = await clientToken(settings, process.env, subject);
  checkEndpoint(url, token);
  const store = new HttpStore({ url, token });
  const noted = (courier ?? new Courier(folder, false, Date.now)).noting(store);
  try {
    // Of wrappers' drains others are often at it; it is their work.
    const late = courier ? () => {} : tell;
    await drained(opened(noted), settings, tell, late);
  } catch (error) {
    if (courier) throw error;
    const { failing_since, last_error } = readDelivery(folder);
    const { files } = spoolBacklog(data);
    if (files > 0 && failing_since !== null)
      tell(
        `undelivered spool files: ${files}, since ${failing_since}: ${last_error}`,
      );
    // Where nobody answers, reading would only wait as long again.
    if (!(error instanceof Failure) || AWAY.has(error.code)) throw error;
  }
  return opened(store);
}

const AWAY: ReadonlySet<FailureCode> = new Set(["unreachable", "timeout"]);

const opened = (store: SessionStore): Opened => ({
  store,
  close: () => store.close(),
});

/** With what the spool holds brought to it. */
async function drained(
  open: Opened,
  settings: Settings,
  tell: Tell,
  late: Tell,
): Promise<Opened> {
  try {
    const report = await drainInto(settings, open.store);
    sayDrained(report, tell);
    if (report.busy !== null) late(report.busy);
    const folder = spoolFolder(settings.paths.data!);
    if (report.rejected.length === 0) sayRejected(folder, tell);
    return open;
  } catch (error) {
    await open.close();
    throw error;
  }
}

/** One pass over the spool, into a store that is open. */
export function drainInto(
  { config, paths }: Settings,
  store: SessionStore,
): Promise<DrainReport> {
  return drain(paths.data!, store, Date.now, config.session.heartbeat_ms);
}

/**
 * Hands over the maintenance of this host's database, in a server's hands when
 * one has it, with what the spool holds brought in if it can be.
 * @param settings valid ones, see `validSettings`
 * @throws Failure (config) when the database is on another host
 */
export async function withKeeping<T>(
  settings: Settings,
  tell: Tell,
  use: (keeping: Keeping) => Promise<T>,
): Promise<T> {
  requireHere(settings);
  const here = await claimForCommand(settings);
  if (!(here instanceof StoreLock)) return use(new HttpKeeping(here));
  const { store, close } = await openFile(settings, here, { tell });
  try {
    try {
      sayDrained(await drainInto(settings, store), tell);
    } catch (error) {
      // A full disk, perhaps: all the more reason for a copy on another one.
      tell(`the spool could not be brought in: ${reasonOf(error)}`);
    }
    const keeping = store.keeping({
      spooled: () => spooledSessions(settings.paths.data!),
      requireNotOwn: (path) => requireNotOwn(settings, path),
      alone: true,
      tell,
    });
    return await use(keeping);
  } finally {
    await close();
  }
}

/** @throws Failure (config) when the database is on another host */
export function requireHere({ config }: Settings): void {
  if (config.server.endpoint === null) return;
  throw new Failure(
    "config",
    `the database is kept by the server at ${config.server.endpoint}`,
    "do this on that host, or unset SESSION_BUDDY_MCP_ENDPOINT for the one here",
  );
}
