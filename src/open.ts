/**
 * Which store a command gets, drained: the one place that wires spool and
 * store. Today it is always the file, under `store.lock`.
 */
import { readFileSync, realpathSync, statfsSync } from "node:fs";
import { dirname } from "node:path";
import type { Settings } from "./config.ts";
import { Failure, errnoOf } from "./model/failure.ts";
import type { SessionStore } from "./model/store.ts";
import { ensurePrivateDir, folderFailure } from "./os/paths.ts";
import { type DrainReport, drain } from "./spool/drain.ts";
import { StoreLock } from "./store/lock.ts";
import { COMPILED } from "./version.ts";

/**
 * Opens the store, brings the spool into it, hands it over, and closes it.
 * @param settings valid ones, see `requireValid`
 * @param tell gets what the user should know beside the result
 * @throws Failure when the store cannot be used
 */
export async function withStore<T>(
  settings: Settings,
  tell: (sentence: string) => void,
  use: (store: SessionStore) => Promise<T>,
): Promise<T> {
  const { config, paths } = settings;
  // What DuckDB creates beside its file is nobody else's either.
  process.umask(0o077);
  const data = paths.data!;
  ensurePrivateDir(data);
  const path = config.store.path ?? `${data}/sessions.duckdb`;
  if (!config.store.network_filesystem) refuseNetwork(dirname(path));
  // Unpacking the library may take a while: nobody shall wait for that.
  const { DuckDBStore } = await loadDuckDB(settings);
  const lock = await StoreLock.acquire(
    config.store.path ? `${path}.lock` : `${data}/store.lock`,
    "cli",
  );
  try {
    const store = await DuckDBStore.open(path);
    try {
      sayDrained(await drain(data, store, Date.now()), tell);
      return await use(store);
    } finally {
      await store.close();
    }
  } finally {
    lock.release();
  }
}

async function loadDuckDB({ config, paths }: Settings) {
  if (COMPILED) {
    const { loadNative } = await import("./store/native.ts");
    loadNative(config.cache_dir ? [config.cache_dir] : paths.caches);
  }
  return import("./store/duckdb.ts");
}

function sayDrained(
  { quarantined, refused }: DrainReport,
  tell: (sentence: string) => void,
): void {
  for (const { path, reason } of quarantined)
    tell(`a spool line could not be read (${reason}) and is kept in '${path}'`);
  for (const what of refused) tell(`a spool file was left alone: ${what}`);
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
