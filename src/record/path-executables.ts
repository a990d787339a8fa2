/**
 * Counts the commands that the child can reach: distinct executables on its PATH.
 * That asks the kernel about every file there (2 ms in C for a thousand), so it
 * waits until the child has started, and another process does it. The last count
 * holds as long as no folder of the same PATH has changed.
 */
import {
  O_RDONLY,
  closeFile,
  isMissing,
  readOpen,
  openRegular,
} from "../os/file.ts";
import { statFile, statOpen } from "../os/stat.ts";
import { libc, nodeFs } from "../os/libc.ts";
import { ensurePrivateDir } from "../os/paths.ts";
import { quickOwner, trustedPath } from "../os/trust.ts";

/** Our own command that counts, see cli/commands/count-executables.ts. */
export const COUNT_EXECUTABLES = "count-executables";

const X_OK = 1;
/** A PATH of hundreds of folders has less to be remembered. */
const MAX_BYTES = 64 * 1024;

interface Remembered {
  folders: string;
  count: number;
}

/**
 * Counts the executables, and remembers the count.
 * @param path the child's PATH; empty and relative parts are left out
 * @param cache a private folder, made when it is not there
 */
export function countCommands(path: string, cache: string): number {
  const { paths, key } = foldersOf(path);
  const names = new Set<string>();
  for (const folder of paths) addExecutables(folder, names);
  remember({ folders: key, count: names.size }, cache);
  return names.size;
}

/** The remembered count; null when it does not hold any more. */
export function recallCommands(path: string, cache: string): number | null {
  const { key } = foldersOf(path);
  const last = readRemembered(`${cache}/commands.json`);
  return last?.folders === key ? last.count : null;
}

/** Without a home the folder is one in /var/tmp, which another may have made. */
function readRemembered(file: string): Remembered | null {
  if (isMissing(file)) return null;
  try {
    if (quickOwner(file) === null) trustedPath(file);
    const fd = openRegular(file, O_RDONLY);
    try {
      const { uid, mode, bytes } = statOpen(fd);
      if (uid !== process.geteuid!() || mode & 0o022 || bytes > MAX_BYTES)
        return null;
      const text = new TextDecoder().decode(readOpen(fd, file));
      const value = JSON.parse(text) as Remembered | null;
      return Number.isInteger(value?.count) ? value : null;
    } finally {
      closeFile(fd);
    }
  } catch {
    // Not ours, or of another version: it is counted again.
    return null;
  }
}

/** Each folder once (/bin is often /usr/bin), and what changes when their content does. */
function foldersOf(path: string): { paths: string[]; key: string } {
  const seen = new Set<string>();
  const paths: string[] = [];
  let key = "";
  for (const folder of path.split(":")) {
    if (!folder.startsWith("/")) continue;
    const stat = statFile(folder, { follow: true });
    if (stat?.kind !== "folder" || seen.has(stat.identity)) continue;
    seen.add(stat.identity);
    paths.push(folder);
    key += `${stat.identity}:${stat.changed} `;
  }
  return { paths, key };
}

function addExecutables(folder: string, names: Set<string>): void {
  let entries;
  try {
    entries = nodeFs().readdirSync(folder, { withFileTypes: true });
  } catch {
    // One that we may enter but not list, as the child may.
    return;
  }
  const executable = executableIn(folder);
  for (const entry of entries) {
    if (entry.isDirectory() || names.has(entry.name)) continue;
    if (!executable(entry.name)) continue;
    // A link to a folder can be entered, which access(2) cannot tell apart.
    if (entry.isSymbolicLink() && executable(`${entry.name}/.`)) continue;
    names.add(entry.name);
  }
}

const encoder = new TextEncoder();

/** Whether a name in a folder may be executed, or entered. */
function executableIn(folder: string): (name: string) => boolean {
  const c = libc;
  if (!c)
    return (name) => {
      try {
        nodeFs().accessSync(`${folder}/${name}`, X_OK);
        return true;
      } catch {
        return false;
      }
    };
  const path = new Uint8Array(8192);
  const { written } = encoder.encodeInto(`${folder}/`, path);
  const tail = path.subarray(written);
  return (name) => {
    tail[encoder.encodeInto(name, tail).written] = 0;
    return c.calls.access(path, X_OK) === 0;
  };
}

function remember(count: Remembered, cache: string): void {
  const file = `${cache}/commands.json`;
  const own = `${file}.${process.pid}`;
  try {
    const fs = nodeFs();
    ensurePrivateDir(cache);
    fs.writeFileSync(own, JSON.stringify(count), { mode: 0o600, flag: "wx" });
    fs.renameSync(own, file);
  } catch {
    // Without a cache the next short command counts again.
  }
}
