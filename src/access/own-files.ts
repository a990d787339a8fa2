/**
 * Keeps outputs away from our own files: the database and what is made beside it, its
 * lock, the spool, the recordings, the archives, a server's state and its log, by
 * whatever name, link or mount.
 */
import { readdirSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { recordingsFolder } from "../model/recording/place.ts";
import { type Settings, recordingsRoot, statePaths } from "../config/load.ts";
import { fail } from "../model/failure.ts";
import { databasePath, lockPath } from "./claim.ts";
import { COPIES } from "./copies.ts";
import { spoolFolder } from "../spool/write.ts";
import { databaseFiles } from "../store/database-files.ts";

/** Below the data folder, with all that is in them. */
const OWN_FOLDERS = ["spool", "state", "recordings"];
const ARCHIVES = "archive";
const LOG = "server.log";

/**
 * Refuses the path of an own file, also of one that does not exist yet.
 * @param path absolute; links on its way are followed, one at its end is not
 * @throws Failure (usage) naming it
 */
export function requireNotOwn(settings: Settings, path: string): void {
  const place = join(realpathSync(dirname(path)), basename(path));
  if (isOwn(settings, place))
    throw fail.usage(
      `'${path}' is one of session-buddy's own files, or would be taken for one`,
      "give another name, in another folder",
    );
}

function isOwn(settings: Settings, path: string): boolean {
  const data = settings.paths.data!;
  const database = databasePath(settings);
  const lock = lockPath(settings);
  const { folder, socket, logs } = statePaths(settings);
  const name = basename(path);
  const beside = basename(database);
  const above = foldersAbove(path);
  const [parent] = above;
  const isIn = (place: string) => above.includes(identityOf(place));
  const isBeside = (place: string) => parent === identityOf(place);
  return (
    [folder, dirname(folder), dirname(socket)].some(isIn) ||
    OWN_FOLDERS.some((own) => isIn(`${data}/${own}`)) ||
    isIn(recordingsFolder(recordingsRoot(settings))) ||
    (isBeside(data) && [...OWN_FOLDERS, ARCHIVES, COPIES].includes(name)) ||
    (isBeside(dirname(lock)) && name === basename(lock)) ||
    (isBeside(dirname(database)) &&
      (name === beside || name.startsWith(`${beside}.`))) ||
    (isBeside(logs) && (name === LOG || name.startsWith(`${LOG}.`))) ||
    (isIn(`${data}/${ARCHIVES}`) && identityOf(path) !== null) ||
    isAlsoOwn(settings, path)
  );
}

/** Whether a file is one of ours by another name. */
function isAlsoOwn(settings: Settings, path: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat?.isFile()) return false;
  const database = databasePath(settings);
  const spool = spoolFolder(settings.paths.data!);
  const own = [...databaseFiles(database), lockPath(settings)];
  // Thousands of files are searched only for one with several names.
  if (stat.nlink > 1) own.push(...filesBelow(spool));
  return own.some((file) => identityOf(file) === identity(stat));
}

function filesBelow(folder: string): string[] {
  try {
    const names = readdirSync(folder, { recursive: true }) as string[];
    return names.map((name) => join(folder, name));
  } catch {
    return [];
  }
}

/** The identities of the folders above a path, the nearest first. */
function foldersAbove(path: string): (string | null)[] {
  const found: (string | null)[] = [];
  for (let at = path; at !== "/"; at = dirname(at))
    found.push(identityOf(dirname(at)));
  return found;
}

/** The same for all names of a file; null when nothing is there. */
function identityOf(path: string): string | null {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat ? identity(stat) : null;
}

const identity = ({ dev, ino }: { dev: number; ino: number }) =>
  `${dev}:${ino}`;
