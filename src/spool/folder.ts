/** The files of a spool folder: list them, open those that are ours, append. */
import {
  type Dirent,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  writeSync,
} from "node:fs";
import { errnoOf } from "../model/failure.ts";
import { readFailure } from "../os/paths.ts";
import { spoolFolder } from "./write.ts";

const { O_RDWR, O_NOFOLLOW, O_NONBLOCK } = constants;

/**
 * Opens a regular file that belongs to this user.
 * @param refuse is told why a file is not opened
 * @returns null for a file that is not opened, or is gone
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
 * The entries of a folder; none when it is not there.
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

const NAMED = /^.*?\.(?:ndjson|commands)/;

/** Whether something of the spool is in a file, whatever was added to its name. */
export const isOfSpool = (name: string): boolean => NAMED.test(name);

/** The name that a file of done/ or quarantine/ had in the spool. */
export const spoolName = (name: string): string =>
  NAMED.exec(name)?.[0] ?? name;

export const isSpoolFile = (name: string): boolean =>
  isOfSpool(name) && spoolName(name) === name;

/** Appends text to an open file that has no writer, whatever has its name by now. */
export function append(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  const end = fstatSync(fd).size;
  for (let at = 0; at < bytes.length;)
    at += writeSync(fd, bytes, at, bytes.length - at, end + at);
}

/** The files that wait in this machine's spool, those in done/ not counted. */
export function spoolBacklog(data: string): { files: number; bytes: number } {
  const folder = spoolFolder(data);
  const names = listFolder(folder).filter(isSpoolFile);
  const sizeOf = (name: string) =>
    lstatSync(`${folder}/${name}`, { throwIfNoEntry: false })?.size ?? 0;
  const bytes = names.reduce((sum, name) => sum + sizeOf(name), 0);
  return { files: names.length, bytes };
}
