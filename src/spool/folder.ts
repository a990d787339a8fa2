/**
 * The files of a spool folder, by name: opened only when they are our own,
 * listed, appended to, and put aside when they are done.
 */
import {
  type Dirent,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  writeSync,
} from "node:fs";
import { errnoOf } from "../model/failure.ts";
import { readFailure } from "../os/paths.ts";
import { spoolFolder } from "./write.ts";

const { O_RDWR, O_NOFOLLOW, O_NONBLOCK } = constants;

/**
 * Opens a regular file of our own, whatever else lies there.
 * @param refuse hears why it is not ours to read
 * @returns null when it is not, or is gone
 */
export function openOwn(
  folder: string,
  name: string,
  refuse: (reason: string) => void,
): number | null {
  let fd: number;
  try {
    fd = openSync(`${folder}/${name}`, O_RDWR | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") refuse(`${name}: ${errnoOf(error)}`);
    return null;
  }
  const stat = fstatSync(fd);
  if (stat.isFile() && stat.uid === process.geteuid!()) return fd;
  refuse(`${name}: not a file of ours`);
  closeSync(fd);
  return null;
}

/** The names in a folder; none when it is not there. */
export function listFolder(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}

/**
 * What is in a folder; nothing when it is not there.
 * @throws Failure (permission, storage) when it cannot be read
 */
export function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw readFailure(folder, error);
  }
}

export const isSpoolFile = (name: string): boolean => name.endsWith(".ndjson");

/**
 * Writes text at the end of an open file that nobody writes to any more: of that
 * very file, whatever has its name by now.
 */
export function append(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  const end = fstatSync(fd).size;
  for (let at = 0; at < bytes.length;)
    at += writeSync(fd, bytes, at, bytes.length - at, end + at);
}

/**
 * Puts files aside whose every line is stored.
 * @param files name → inode: one that was made anew meanwhile stays
 * @param done where to
 */
export function moveToDone(
  folder: string,
  files: ReadonlyMap<string, number>,
  done: string,
): void {
  if (files.size === 0) return;
  mkdirSync(done, { recursive: true, mode: 0o700 });
  for (const [name, inode] of files) {
    const path = `${folder}/${name}`;
    if (lstatSync(path, { throwIfNoEntry: false })?.ino !== inode) continue;
    // A shell that went on may have made its file anew, and that be done too.
    const taken = existsSync(`${done}/${name}`);
    const as = taken ? `${name}.${Bun.randomUUIDv7()}` : name;
    try {
      renameSync(path, `${done}/${as}`);
    } catch (error) {
      // Where there are no locks another drain may have been as far.
      if (errnoOf(error) !== "ENOENT") throw error;
    }
  }
}

/** What waits in this machine's spool, done files not counted. */
export function spoolBacklog(data: string): { files: number; bytes: number } {
  const folder = spoolFolder(data);
  const names = listFolder(folder).filter(isSpoolFile);
  const sizeOf = (name: string) =>
    lstatSync(`${folder}/${name}`, { throwIfNoEntry: false })?.size ?? 0;
  const bytes = names.reduce((sum, name) => sum + sizeOf(name), 0);
  return { files: names.length, bytes };
}
