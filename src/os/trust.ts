/**
 * Checks whether a path can be trusted: every folder from / on is root's or ours,
 * and nobody else can write to it (but for sticky ones, where each user keeps
 * their own). What was checked so, from the top, no other user can exchange
 * afterwards: that needs write access to the folder above, which was checked
 * before. So names stay good, and no descriptor has to be held for each. A link is
 * followed when it is root's or ours, through the same check.
 *
 * In a user namespace that does not map all users, those without an id all have
 * the overflow uid, perhaps we too: what has it belongs to nobody.
 */
import { fail } from "../model/failure.ts";
import {
  O_RDONLY,
  closeFile,
  irregular,
  openFile,
  readLink,
  readOpen,
  tryReadText,
  openRegular,
} from "./file.ts";
import {
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  STATX_BASIC,
  type FileStat,
  statFile,
  statOpen,
} from "./stat.ts";
import { groupIsOwner } from "./group.ts";
import { libc } from "./libc.ts";

/** As many links as the kernel follows. */
const MOST_LINKS = 40;
const STICKY = 0o1000;
const GROUP_WRITES = 0o020;
const OTHERS_WRITE = 0o002;
const KIND = 0o170000;
const FOLDER = 0o040000;
const FILE = 0o100000;

/** The kernel's default, which nobody changes. */
const OVERFLOW = 65_534;
const ALL_IDS = 0xffff_ffff;

/** In struct statx, as words. */
const UID = 5;
const MODE = 7;
const SLASH = new Uint8Array([0x2f, 0]);
const encoder = new TextEncoder();

let mapsAll: boolean | undefined;

/** Whether an id is that of all who have none in this namespace. */
function isUnmapped(uid: number): boolean {
  if (uid !== OVERFLOW) return false;
  mapsAll ??= mappedIds() >= ALL_IDS;
  return !mapsAll;
}

/** None where /proc cannot say it. */
function mappedIds(): number {
  const lines = tryReadText("/proc/self/uid_map")?.trim().split("\n") ?? [];
  return lines.reduce((sum, line) => sum + Number(line.split(/ +/).at(-1)), 0);
}

/** Root, who is not always 0: whoever has / has all below. */
const rootOf = ({ uid }: FileStat) => (isUnmapped(uid) ? 0 : uid);

/** Whether what has this owner is ours. */
export const isOwn = (uid: number): boolean =>
  uid === process.geteuid!() && !isUnmapped(uid);

/** Whether nobody but us and root can change what has this owner. */
export const isOwnOrRoots = (uid: number): boolean =>
  isOwn(uid) || uid === rootOf(statFile("/", { follow: false })!);

export interface Trusted {
  /** The same place, by a name without links. */
  path: string;
  /** What is there; null when nothing is, or it cannot be looked at. */
  stat: FileStat | null;
  /** The first part of the path that is not there; the whole of one that is. */
  reached: string;
  /** The last folder on the way that is there; the place itself if it is one. */
  folder: FileStat;
}

/**
 * Looks at a path from / on. A file at its end is not looked at: whoever opens
 * it does.
 * @param path absolute
 * @param links `leaf`: what stands at the end is not followed, and a folder
 *   there not looked at either
 * @throws Failure (permission) naming the folder that others rule
 */
export function trustedPath(
  path: string,
  links: "follow" | "leaf" = "follow",
): Trusted {
  const euid = process.geteuid!();
  if (isUnmapped(euid)) throw noId(euid);
  const top = statFile("/", { follow: false })!;
  const root = rootOf(top);
  let folder = top;
  const parts = path.split("/").reverse();
  let at = "";
  for (let followed = 0; parts.length > 0;) {
    const name = parts.pop()!;
    if (name === "" || name === ".") continue;
    if (name === "..") {
      at = at.slice(0, Math.max(0, at.lastIndexOf("/")));
      folder = statFile(at || "/", { follow: false }) ?? folder;
      continue;
    }
    const here = `${at}/${name}`;
    const stat = statFile(here, { follow: IN_PROC.test(here) });
    const ours = stat !== null && (stat.uid === euid || stat.uid === root);
    const rest = parts.join("/");
    const last = !/[^./]/.test(rest) && !rest.includes("..");
    // Nobody's, where he may be anybody: what he could put there is not ours.
    if (at && !ours && folder.uid === OVERFLOW && isUnmapped(folder.uid))
      throw foreign(at, folder);
    if (!stat) {
      const missing = [here, ...parts.reverse()].join("/");
      return { path: missing, stat, reached: here, folder };
    }
    const nobodys = !ours && stat.uid === OVERFLOW && isUnmapped(stat.uid);
    if (stat.kind === "link" && !(last && links === "leaf")) {
      // In / only root makes links.
      if (!ours && !(nobodys && !at)) throw foreign(here, stat);
      const target = ++followed > MOST_LINKS ? null : readLink(here);
      if (target === null) throw unfollowed(here);
      if (target.startsWith("/")) {
        at = "";
        folder = top;
      }
      parts.push(...target.split("/").reverse());
      continue;
    }
    at = here;
    if (stat.kind !== "folder") {
      if (last) return { path: at, stat, reached: at, folder };
      throw unfollowed(here);
    }
    folder = stat;
    if (last && links === "leaf") break;
    if (!ours && (last || !nobodys)) throw foreign(here, stat);
    if (writableByOthers(here, stat)) throw open(here);
  }
  const end = at || "/";
  return { path: end, stat: folder, reached: end, folder };
}

/**
 * The same look at a path without links, as a wrapper's start mostly finds it:
 * nothing is made for it but the calls.
 * @param depth how many folders at the end nobody else may even enter
 * @returns whose the last of them is, a folder or a regular file; null where
 *   `trustedPath` has to tell
 */
export function quickOwner(path: string, depth = 0): number | null {
  if (!libc) return null;
  const { statx } = libc.calls;
  const euid = process.geteuid!();
  const words = new Uint32Array(64);
  const bytes = encoder.encode(`${path}\0`);
  if (statx(AT_FDCWD, SLASH, AT_SYMLINK_NOFOLLOW, STATX_BASIC, words) !== 0)
    return null;
  const root = words[UID]!;
  if (euid === OVERFLOW || root === OVERFLOW) return null;
  for (let end = 0, left = path.split("/").length - 1; left > 0; left--) {
    end = bytes.indexOf(left === 1 ? 0 : 0x2f, end + 1);
    const rest = bytes[end]!;
    bytes[end] = 0;
    if (statx(AT_FDCWD, bytes, AT_SYMLINK_NOFOLLOW, STATX_BASIC, words) !== 0)
      return null;
    bytes[end] = rest;
    const uid = words[UID]!;
    const mode = words[MODE]! & 0xffff;
    const kind = mode & KIND;
    if (left === 1 && depth === 0 && kind === FILE) return uid;
    if (kind !== FOLDER || (uid !== euid && uid !== root)) return null;
    if (mode & (GROUP_WRITES | OTHERS_WRITE) && !(mode & STICKY)) return null;
    if (left <= depth && (uid !== euid || (mode & 0o77) !== 0)) return null;
  }
  return words[UID]!;
}

/**
 * Refuses a folder in which others can make files, a sticky one too: in the place
 * of one that comes and goes there they could put theirs.
 * @param path a folder that is there
 * @throws Failure (permission)
 */
export function requireUnshared(path: string): void {
  const { path: place, folder } = trustedPath(path);
  if (writableByOthers(place, { ...folder, mode: folder.mode & ~STICKY }))
    throw fail.permission(
      `others can make files in '${place}'`,
      "choose a folder that only you can write to",
    );
}

/** Whether others can put things into a folder, and take them away. */
export function writableByOthers(path: string, stat: FileStat): boolean {
  if ((stat.mode & (GROUP_WRITES | OTHERS_WRITE)) === 0) return false;
  if (stat.mode & STICKY) return false;
  return (stat.mode & OTHERS_WRITE) !== 0 || !groupIsOwner(path, stat);
}

/** What the kernel leads on by itself: the text of such a link is of another root. */
const IN_PROC = /^\/proc\/(self|\d+)\/(root|cwd)$/;

/** A descriptor that we were started with, by a name of it: `<(…)` in a shell. */
const GIVEN = /^\/(dev\/stdin|(dev|proc\/self)\/fd\/\d+)$/;

/**
 * The content of a regular file that only root and we can write, links to it
 * followed; or of a descriptor that we were given.
 * @throws Failure (permission) when others rule it; Error with `code`
 */
export function readTrusted(path: string): Uint8Array {
  const given = GIVEN.test(path);
  const known = given || quickOwner(path) !== null;
  const place = known ? path : trustedPath(path).path;
  const fd = given ? openFile(path, O_RDONLY) : openRegular(place, O_RDONLY);
  try {
    if (!given) requireOurs(place, statOpen(fd));
    return readOpen(fd, place);
  } finally {
    closeFile(fd);
  }
}

/**
 * Refuses what stands where a file of ours is expected, unless it is a regular
 * one that only root and we can write; nothing at all is well. Links that nobody
 * else rules are followed.
 * @returns its path without them
 * @throws Failure (permission)
 */
export function requireTrustedFile(path: string): string {
  const { path: place, stat, folder } = trustedPath(path);
  if (stat && stat.kind !== "file") throw irregular(path);
  if (stat) requireOursIn(folder, place, stat);
  return place;
}

/**
 * Opens such a file, to be read: what is looked at is what is open.
 * @throws Failure (permission); Error with `code`
 */
export function openTrusted(path: string): number {
  const { path: place, folder } = trustedPath(path);
  const fd = openRegular(place, O_RDONLY);
  try {
    requireOursIn(folder, place, statOpen(fd));
    return fd;
  } catch (error) {
    closeFile(fd);
    throw error;
  }
}

/** Where nobody else gets in its mode says nothing. */
function requireOursIn(folder: FileStat, path: string, stat: FileStat): void {
  const closed = folder.uid === process.geteuid!() && !(folder.mode & 0o077);
  requireOurs(path, closed ? { ...stat, mode: 0o600 } : stat);
}

/**
 * Refuses a file that others own or can write to.
 * @throws Failure (permission)
 */
function requireOurs(path: string, stat: FileStat): void {
  const { uid } = stat;
  if (!isOwnOrRoots(uid))
    throw fail.permission(
      `'${path}' belongs to uid ${uid}, not to us`,
      "name a file of your own, or of root's",
    );
  if (writableByOthers(path, { ...stat, mode: stat.mode & ~STICKY }))
    throw fail.permission(
      `others can write to '${path}'`,
      `try: chmod go-w '${path}'`,
    );
}

/** Where nothing can be known to be ours. */
const noId = (euid: number) =>
  fail.permission(
    `this user has no id in its namespace of users, where uid ${euid} is everybody without one`,
    "map it: unshare --user --map-current-user",
  );

const foreign = (path: string, { uid }: FileStat) =>
  fail.permission(
    `'${path}' belongs to uid ${uid}, who could change what is below`,
    "choose a place that only you and root rule",
  );

const open = (path: string) =>
  fail.permission(
    `others can write to '${path}', and change what is below`,
    `try: chmod go-w '${path}', or choose a place that only you and root rule`,
  );

const unfollowed = (path: string) =>
  fail.permission(
    `'${path}' leads to no folder`,
    "move it away, or choose another place",
  );
