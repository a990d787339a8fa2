/**
 * Which store a command gets, drained: a server on another host when one is
 * configured, else the server that runs here, else the file. The one place that
 * wires spool and store.
 */
import { readFileSync, realpathSync, statfsSync } from "node:fs";
import { dirname } from "node:path";
import { aboutOriginal, copyAside, isUnwritable } from "./private-copy.ts";
import type { Settings } from "../config/load.ts";
import { Failure, type FailureCode, errnoOf } from "../model/failure.ts";
import type { SessionStore } from "../model/store.ts";
import { ensurePrivateDir, folderFailure } from "../os/paths.ts";
import {
  requireTrustedFile,
  requireUnshared,
  trustedPath,
} from "../os/trust.ts";
import { handsDownAccess } from "../os/group.ts";
import { statFile } from "../os/file.ts";
import { checkEndpoint, clientToken } from "../auth/token.ts";
import { Courier, readDelivery } from "../spool/circuit-breaker.ts";
import { drain } from "../spool/drain.ts";
import { spoolBacklog } from "../spool/folder.ts";
import { nearlyFull } from "../spool/quota.ts";
import { once, refuseLate, sayDrained, sayRejected } from "../spool/report.ts";
import { subjectOf } from "../spool/subject.ts";
import { spoolFolder } from "../spool/write.ts";
import type { DuckDBStore, StoreOptions } from "../store/duckdb/store.ts";
import type { LocalServer } from "../store/remote/unresponsive.ts";
import { HttpStore } from "../store/remote/store.ts";
import {
  type Holder,
  StoreLock,
  heldFailure,
  isHeld,
  isHolding,
  readHolder,
} from "../store/lock.ts";
import { type Opened, SwitchingStore } from "../store/failover.ts";
import { COMPILED } from "../version.ts";

/** How long one holder of a busy database is waited for… */
const WAIT_MS = 5_000;
/** …and how long all of them, one after the other. */
const QUEUE_MS = 20_000;
const LOOK_MS = 15;

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
  use: (store: SessionStore) => Promise<T>,
): Promise<T> {
  // One on another host is not waited for: it may be away for long.
  const patience_ms = settings.config.server.endpoint === null ? WAIT_MS : 0;
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
    return distant(settings, settings.config.server.endpoint, tell, courier);
  const here = await claim(settings);
  return here instanceof StoreLock
    ? local(settings, here, tell, late)
    : opened(new HttpStore(here, late));
}

/**
 * The database of this host: the server that has it, or its lock, now ours.
 * @throws Failure (timeout) naming who holds it and does not let go
 */
export async function claim(
  settings: Settings,
): Promise<LocalServer | StoreLock> {
  ensurePrivateDir(settings.paths.data!);
  const path = lockPath(settings);
  const began = performance.now();
  let holder: number | undefined;
  let held_since = began;
  for (;;) {
    const server = askableServer(path);
    if (server) return server;
    if (!isHeld(path)) {
      // Unpacking the library may take a while: nobody shall wait for that.
      await loadDuckDB(settings);
      const lock = StoreLock.tryAcquire(path, "cli");
      if (lock) return lock;
    }
    const now = performance.now();
    const next = readHolder(path);
    // It goes from hand to hand: our turn comes, however slow the machine is.
    if (next?.pid !== holder) held_since = now;
    holder = next?.pid;
    if (now > held_since + WAIT_MS || now > began + QUEUE_MS)
      throw heldFailure(path, next);
    await Bun.sleep(LOOK_MS);
  }
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

/** The server that holds the database, when it can be asked. */
export function askableServer(path: string): LocalServer | null {
  const holder = runningServer(path);
  if (holder?.state !== "ready" || !holder.socket) return null;
  // Its folder may be one in /var/tmp, and gone since: another could stand there.
  const { folder } = trustedPath(dirname(holder.socket));
  const { socket, pid } = holder;
  return folder.uid === process.geteuid!() ? { socket, pid } : null;
}

/** Who serves this database now; null when nobody does. */
export function runningServer(path: string): Holder | null {
  const holder = readHolder(path);
  if (!holder || holder.role === "cli" || !isHeld(path)) return null;
  // What it says counts only while it is the one that holds the lock.
  return isHolding(holder, path) === "no" ? null : holder;
}

/** A server on another host, with what this host's spool holds brought to it. */
async function distant(
  settings: Settings,
  url: string,
  tell: Tell,
  courier: Courier | null,
): Promise<Opened> {
  const data = settings.paths.data!;
  trustedPath(data);
  const folder = spoolFolder(data);
  const token = clientToken(settings, process.env, () => subjectOf(folder));
  checkEndpoint(url, token);
  const store = new HttpStore({ url, token });
  const noted = (courier ?? new Courier(folder, false)).noting(store);
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
  { config, paths }: Settings,
  tell: Tell,
  late: Tell,
): Promise<Opened> {
  try {
    const data = paths.data!;
    const { heartbeat_ms } = config.session;
    const report = await drain(data, open.store, Date.now(), heartbeat_ms);
    sayDrained(report, tell);
    if (report.busy !== null) late(report.busy);
    if (report.rejected.length === 0) sayRejected(spoolFolder(data), tell);
    return open;
  } catch (error) {
    await open.close();
    throw error;
  }
}

/** Where the database is. */
export function databasePath({ config, paths }: Settings): string {
  return config.store.path ?? `${paths.data!}/sessions.duckdb`;
}

/** Where the lock of the database is. */
export function lockPath({ config, paths }: Settings): string {
  return config.store.path
    ? `${config.store.path}.lock`
    : `${paths.data!}/store.lock`;
}

/**
 * The database itself, for the holder of its lock; closing it lets the lock go.
 * @throws Failure when it cannot be opened; the lock is free then
 */
export async function openFile(
  settings: Settings,
  lock: StoreLock,
  options: StoreOptions = {},
): Promise<{ store: DuckDBStore; close(): Promise<void> }> {
  try {
    const path = databasePath(settings);
    requireOwnDatabase(path);
    refuseInherited(dirname(path));
    if (!settings.config.store.network_filesystem) refuseNetwork(dirname(path));
    const { DuckDBStore } = await loadDuckDB(settings);
    const store = await DuckDBStore.open(path, options);
    const close = () => store.close().finally(() => lock.release());
    return { store, close };
  } catch (error) {
    lock.release();
    throw error;
  }
}

/**
 * Refuses a database that others could write or exchange, and its log.
 * @throws Failure (permission)
 */
export function requireOwnDatabase(path: string): void {
  for (const file of [path, `${path}.wal`]) requireTrustedFile(file);
  // The log beside it comes and goes.
  requireUnshared(dirname(path));
}

/** The same for who has closed it but not let go of its lock. */
export async function openAgain(
  settings: Settings,
  options: StoreOptions,
): Promise<DuckDBStore> {
  requireOwnDatabase(databasePath(settings));
  const { DuckDBStore } = await loadDuckDB(settings);
  return DuckDBStore.open(databasePath(settings), options);
}

/** Loads DuckDB's library, unpacking it when this is the first run. */
export async function loadDuckDB({ config, paths }: Settings) {
  if (COMPILED) {
    const { loadNative } = await import("../store/duckdb/native.ts");
    loadNative(config.cache_dir ? [config.cache_dir] : paths.caches);
  }
  return import("../store/duckdb/store.ts");
}

/**
 * What DuckDB makes beside its file gets what the folder hands down to all that
 * is made in it, whatever umask and mode say; unless nobody else gets in.
 */
function refuseInherited(folder: string): void {
  const stat = statFile(folder, { follow: true });
  if (!stat || (stat.mode & 0o011) === 0) return;
  if (handsDownAccess(folder))
    throw new Failure(
      "permission",
      `'${folder}' opens to others what is made in it (a default ACL)`,
      `try: setfacl -k '${folder}', or chmod go-rwx it, or keep the database in a private folder`,
    );
}

/** Magic numbers of statfs(2) for filesystems whose locks do not reach every host. */
const NETWORK: Record<number, string> = {
  0x6969: "NFS",
  0x517b: "SMB",
  0xfe534d42: "SMB",
  0xff534d42: "CIFS",
  0x01021997: "9P",
  0x5346414f: "AFS",
  0x00c36400: "Ceph",
  0x0bd00bd0: "Lustre",
  0x47504653: "GPFS",
};
const FUSE = 0x65735546;
const NETWORK_FUSE =
  /^fuse\.(sshfs|glusterfs|s3fs|rclone|gcsfuse|ceph|cifs|nfs|smb|davfs|juicefs|blobfuse)/;

function refuseNetwork(folder: string): void {
  let type: number;
  try {
    type = statfsSync(folder).type >>> 0;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return;
    throw folderFailure(folder, error);
  }
  const name = type === FUSE ? fuseType(realpathSync(folder)) : NETWORK[type];
  if (name)
    throw new Failure(
      "config",
      `the database's folder '${folder}' is on a network filesystem (${name}), whose locks are not to be trusted`,
      "set store.path (SESSION_BUDDY_DB_PATH) to a local disk, or store.network_filesystem: true",
    );
}

/** The kind of a FUSE mount, when it is one that goes over the network. */
function fuseType(folder: string): string | undefined {
  let best = { point: "", type: "" };
  for (const line of readFileSync("/proc/self/mountinfo", "utf8").split("\n")) {
    const [head, tail] = line.split(" - ");
    const point = unescapeMount(head?.split(" ")[4] ?? "");
    const inside = point === "/" || `${folder}/`.startsWith(`${point}/`);
    if (tail && inside && point.length >= best.point.length)
      best = { point, type: tail.split(" ")[0]! };
  }
  return NETWORK_FUSE.test(best.type) ? best.type : undefined;
}

/** The kernel writes blanks and backslashes of a mount point as `\040`. */
function unescapeMount(point: string): string {
  return point.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(parseInt(octal, 8)),
  );
}
