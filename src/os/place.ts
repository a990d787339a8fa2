/**
 * Where output goes: the place is looked at before anything is written there.
 *
 * A regular file is replaced whole, by a rename, and keeps mode, owner and
 * attributes; where it could not keep them, or has further names, its content is
 * replaced once all of it is there. A link is followed. What is no file is
 * written to: a device, a FIFO, a descriptor that we were given.
 */
import {
  type Stats,
  chownSync,
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  lstatSync,
  openSync,
  readSync,
  readlinkSync,
  realpathSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { Failure, errnoOf } from "../model/failure.ts";
import { folderFailure } from "./paths.ts";
import { Scratch } from "./scratch.ts";
import { copyAttributes } from "./xattr.ts";

export interface FilePlace {
  kind: "file";
  /** Absolute, links followed. */
  path: string;
  /** What is there, to be replaced; null of a new file. */
  old: Stats | null;
}
export interface StreamPlace {
  kind: "stream";
  path: string;
  /** One that we were given, or null: to be opened by its path. */
  fd: number | null;
}
export type Place = FilePlace | StreamPlace;

/** As many as the kernel follows. */
const MAX_LINKS = 40;
const COPY_BYTES = 256 * 1024;
/** A folder that may be written to need not be one that may be listed. */
const O_PATH = 0o10000000;

/**
 * @param given as it was typed
 * @throws Failure when nothing can be written there: a folder, a socket, a
 *   file that somebody else left for us in a folder for everybody
 */
export function placeOf(given: string): Place {
  try {
    let path = resolve(given);
    for (let links = 0; links <= MAX_LINKS; links++) {
      path = join(realpathSync(dirname(path)), basename(path));
      const fd = ownDescriptor(path);
      if (fd !== null) return { kind: "stream", path, fd };
      const stat = lstatSync(path, { throwIfNoEntry: false });
      if (!stat && given.endsWith("/"))
        throw noFile(given, "is to be a folder");
      if (!stat) return { kind: "file", path, old: null };
      refuseStranger(path, stat);
      if (!stat.isSymbolicLink()) return ofKind(given, path, stat);
      // The text of a link in /proc is no path.
      if (path.startsWith("/proc/")) return { kind: "stream", path, fd: null };
      path = resolve(dirname(path), readlinkSync(path));
    }
  } catch (error) {
    throw outputFailure(given, error);
  }
  throw noFile(given, "is a link that leads nowhere");
}

function ofKind(given: string, path: string, stat: Stats): Place {
  if (stat.isFile()) return { kind: "file", path, old: stat };
  if (stat.isDirectory()) throw noFile(given, "is a folder");
  if (stat.isSocket()) throw noFile(given, "is a socket");
  return { kind: "stream", path, fd: null };
}

const noFile = (path: string, what: string) =>
  new Failure("usage", `'${path}' ${what}`, "give a file, a FIFO or a device");

/** The number in `/dev/fd/N`, `/dev/stdout` and the like, links followed. */
function ownDescriptor(path: string): number | null {
  const found = /^\/proc\/(\d+)(?:\/task\/\d+)?\/fd\/(\d+)$/.exec(path);
  if (Number(found?.[1]) !== process.pid) return null;
  const fd = Number(found![2]);
  if (wasGiven(fd)) return fd;
  throw new Failure(
    "usage",
    `descriptor ${fd} is not open`,
    `try: session-buddy … ${fd}>file`,
  );
}

/** The runtime's own have no name in the file system, and nobody gives us such. */
function wasGiven(fd: number): boolean {
  const leads = tryReadlink(`/proc/self/fd/${fd}`);
  return leads !== null && !leads.startsWith("anon_inode:");
}

const STICKY = 0o1000;

/**
 * As the kernel does by fs.protected_regular and its likes: in a sticky folder
 * for everybody a file, a FIFO or a link may have been put there for us.
 */
function refuseStranger(path: string, { uid }: Stats): void {
  const folder = lstatSync(dirname(path));
  const shared = (folder.mode & STICKY) !== 0 && (folder.mode & 0o022) !== 0;
  if (!shared || uid === process.geteuid!() || uid === folder.uid) return;
  throw new Failure(
    "permission",
    `'${path}' belongs to uid ${uid}, in a folder where everybody may put files`,
    "give another name, or a folder of your own",
  );
}

/**
 * Opens what is no file. Of a FIFO that waits until somebody reads it.
 * @returns a descriptor, and whether it is ours to close
 */
export function openStream(place: StreamPlace): {
  fd: number;
  own: boolean;
} {
  const { fd, path } = place;
  if (fd !== null) return { fd, own: false };
  try {
    const { O_WRONLY, O_NOCTTY } = constants;
    return { fd: openSync(path, O_WRONLY | O_NOCTTY), own: true };
  } catch (error) {
    throw outputFailure(path, error);
  }
}

/** A new file of ours, private, for what is to take a place; or nothing yet. */
export class Half implements Disposable {
  private readonly scratch: Scratch;
  /** Where it is made. */
  readonly path: string;

  /** @throws Error with `code` where none can be made */
  constructor(beside: string) {
    this.scratch = Scratch.beside(beside);
    this.path = this.scratch.at("whole");
  }

  /** @returns a descriptor to write it by, which is the caller's to close */
  create(): number {
    const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
    return openSync(this.path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  }

  [Symbol.dispose](): void {
    this.scratch.remove();
  }
}

/**
 * Gives a file that is whole the place that was looked at, on the disk too.
 * @throws Failure naming the place
 */
export function putInPlace(half: Half, place: FilePlace): void {
  const { old } = place;
  try {
    sync(half.path);
    inFolderOf(place.path, (path) => {
      if (!old) nameNew(half.path, path);
      else if (!canRename(half.path, path, old) || !renamed(half.path, path))
        overwrite(half.path, path, old);
      sync(dirname(path));
    });
  } catch (error) {
    throw outputFailure(place.path, error);
  }
}

/**
 * Gives a path another name, which leads into the very folder that was looked
 * at: somebody may exchange one on the way for a link to another.
 */
function inFolderOf(path: string, work: (held: string) => void): void {
  const folder = dirname(path);
  const fd = openSync(folder, O_PATH | constants.O_DIRECTORY);
  try {
    const held = `/proc/self/fd/${fd}`;
    const there = tryReadlink(held);
    if (there === null) return work(path);
    if (there !== folder) throw exchanged(path);
    work(`${held}/${basename(path)}`);
  } finally {
    closeSync(fd);
  }
}

/** @returns null without /proc */
function tryReadlink(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}

const exchanged = (path: string) =>
  new Failure(
    "permission",
    `somebody else exchanges folders on the way to '${path}'`,
    "choose a folder that nobody else can write to",
  );

/** From another disk it is brought there first. */
function nameNew(half: string, path: string): void {
  try {
    return renameSync(half, path);
  } catch (error) {
    if (errnoOf(error) !== "EXDEV") throw error;
  }
  using there = new Half(path);
  const from = openSync(half, "r");
  const to = there.create();
  try {
    copy(from, (bytes) => writeFileSync(to, bytes));
    fsyncSync(to);
  } finally {
    closeSync(from);
    closeSync(to);
  }
  renameSync(there.path, path);
}

/** Whether the new file is in all the old one's equal but for the content. */
function canRename(half: string, path: string, old: Stats): boolean {
  if (old.nlink !== 1) return false;
  try {
    const { uid, gid } = lstatSync(half);
    if (uid !== old.uid || gid !== old.gid) chownSync(half, old.uid, old.gid);
  } catch {
    return false;
  }
  if (!copyAttributes(path, half)) return false;
  chmodSync(half, old.mode & 0o7777);
  return true;
}

/** @returns false where another file can only be written into: a mount, a folder of others */
function renamed(half: string, path: string): boolean {
  try {
    renameSync(half, path);
    return true;
  } catch (error) {
    const into = ["EBUSY", "EPERM", "EACCES", "EXDEV"];
    if (into.includes(errnoOf(error) ?? "")) return false;
    throw error;
  }
}

/** Puts a file's content into another, which was looked at before. */
function overwrite(half: string, path: string, old: Stats): void {
  const { O_WRONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  const from = openSync(half, "r");
  try {
    const to = openSync(path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK);
    try {
      const { dev, ino } = fstatSync(to);
      if (dev !== old.dev || ino !== old.ino)
        throw new Failure(
          "storage",
          `'${path}' is another file by now`,
          "try again",
        );
      const length = copy(from, (bytes) => writeFileSync(to, bytes));
      ftruncateSync(to, length);
      fsyncSync(to);
    } finally {
      closeSync(to);
    }
  } finally {
    closeSync(from);
  }
}

/**
 * Passes on what an open file holds.
 * @param write takes all that it is given
 * @returns how many bytes there were
 */
export function copy(from: number, write: (bytes: Uint8Array) => void): number {
  const buffer = new Uint8Array(COPY_BYTES);
  for (let at = 0; ;) {
    const got = readSync(from, buffer, 0, COPY_BYTES, at);
    if (got === 0) return at;
    write(buffer.subarray(0, got));
    at += got;
  }
}

function sync(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** The sentence for a place that cannot be written to. */
export function outputFailure(path: string, error: unknown): Failure {
  if (error instanceof Failure) return error;
  switch (errnoOf(error)) {
    case "ENOENT":
    case "ENOTDIR":
      return new Failure(
        "usage",
        `there is no folder '${dirname(path)}'`,
        "make it, or give a file in one that exists",
        { cause: error },
      );
    case "ENAMETOOLONG":
      return new Failure(
        "usage",
        `'${path}' is too long a name for a file`,
        "give a shorter one",
        { cause: error },
      );
    case "ENXIO":
      return new Failure(
        "usage",
        `nothing can be written to '${path}'`,
        "give a file, a FIFO or a device that is there",
        { cause: error },
      );
    default:
      return folderFailure(path, error, "give a file that you may write");
  }
}
