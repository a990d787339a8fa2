/**
 * Opens what --output names; it is checked before anything is written there.
 *
 * A regular file is replaced by a rename, and keeps mode, owner and attributes;
 * where it could not keep them, or has further names, its content is replaced once
 * all of it is there. A link is followed. A device, a FIFO or a descriptor that we
 * were given is written to.
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
  renameSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname } from "node:path";
import { Failure, errnoOf, fail } from "../model/failure.ts";
import { copy, sync, copyAttributes } from "./copy.ts";
import { readLink } from "./file.ts";
import { folderFailure } from "./paths.ts";
import { Scratch } from "./scratch.ts";
import { O_PATH, Spot, noFile, noFolder } from "./spot.ts";
import { isOwnOrRoots } from "./trust.ts";

export interface FilePlace extends Disposable {
  kind: "file";
  /** Absolute, links followed. */
  path: string;
  /** How it is reached, until it is disposed of: see spot.ts. */
  at: string;
  /** What is there, to be replaced; null of a new file. */
  old: Stats | null;
}
export interface StreamPlace extends Omit<FilePlace, "kind"> {
  kind: "stream";
  /** One that we were given, or null: to be opened. */
  fd: number | null;
}
type Place = FilePlace | StreamPlace;

/**
 * @param given as it was typed
 * @throws Failure when nothing can be written there: a folder, a socket, a
 *   file that somebody else left for us in a folder for everybody
 */
export function placeOf(given: string): Place {
  try {
    const own = GIVEN.test(given) ? descriptorOf(given) : null;
    const spot = Spot.open(
      own === null ? given : `/proc/${process.pid}/fd/${own}`,
    );
    try {
      return placeAt(given, spot);
    } catch (error) {
      spot[Symbol.dispose]();
      throw error;
    }
  } catch (error) {
    throw outputFailure(given, error);
  }
}

/** Names of what we were given, whoever the links have for their owner. */
const GIVEN = /^\/(dev\/std(in|out|err)|(dev|proc\/self)\/fd\/\d+)$/;

function descriptorOf(given: string): number {
  const named = ["stdin", "stdout", "stderr"].indexOf(basename(given));
  return named === -1 ? Number(basename(given)) : named;
}

function placeAt(given: string, spot: Spot): Place {
  const { path, at, stat: old } = spot;
  const place = {
    path,
    at,
    old,
    [Symbol.dispose]: () => spot[Symbol.dispose](),
  };
  const fd = ownDescriptor(path);
  if (fd !== null) return { kind: "stream", fd, ...place };
  if (!old && given.endsWith("/")) throw noFile(given, "is to be a folder");
  if (!old) return { kind: "file", ...place };
  refuseStranger(spot, old);
  if (old.isFile()) return { kind: "file", ...place };
  if (old.isDirectory()) throw noFile(given, "is a folder");
  if (old.isSocket()) throw noFile(given, "is a socket");
  return { kind: "stream", fd: null, ...place };
}

/** The number in `/dev/fd/N`, `/dev/stdout` and the like, links followed. */
function ownDescriptor(path: string): number | null {
  const found = /^\/proc\/(\d+)(?:\/task\/\d+)?\/fd\/(\d+)$/.exec(path);
  if (Number(found?.[1]) !== process.pid) return null;
  const fd = Number(found![2]);
  if (wasGiven(fd)) return fd;
  throw fail.usage(
    `descriptor ${fd} is not open`,
    `try: session-buddy … ${fd}>file`,
  );
}

/** The runtime's own have no name in the file system, and nobody gives us such. */
function wasGiven(fd: number): boolean {
  const leads = readLink(`/proc/self/fd/${fd}`);
  return leads !== null && !leads.startsWith("anon_inode:");
}

/**
 * As the kernel does by fs.protected_regular and its likes, in every folder that
 * others rule: a file or a FIFO of another user may have been put there for us, and
 * a second name of a file of ours. Root may renew a user's file where that user
 * rules alone.
 */
function refuseStranger(spot: Spot, old: Stats): void {
  const { path, above } = spot;
  const { uid, nlink } = old;
  const theirs = !isOwnOrRoots(uid) && (old.isFile() || old.isFIFO());
  const alone =
    process.geteuid!() === 0 && uid === above.uid && !(above.mode & 0o022);
  if (theirs && !alone && spot.isOthers)
    throw fail.permission(
      `'${path}' belongs to uid ${uid}, in a folder where others may put files`,
      "give another name, or a folder of your own",
    );
  if (nlink > 1 && !spot.stat!.isDirectory() && spot.isOthers)
    throw fail.permission(
      `'${path}' has other names, and others may have given it this one`,
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
  const { fd, path, at, old } = place;
  if (fd !== null) return { fd, own: false };
  const { O_WRONLY, O_NOCTTY, O_NOFOLLOW } = constants;
  try {
    // A link is only one below /proc.
    if (old!.isSymbolicLink())
      return { fd: openSync(path, O_WRONLY | O_NOCTTY), own: true };
    const to = openSync(at, O_WRONLY | O_NOCTTY | O_NOFOLLOW);
    if (isSame(to, old!)) return { fd: to, own: true };
    closeSync(to);
    throw another(path);
  } catch (error) {
    throw outputFailure(path, error);
  }
}

function isSame(fd: number, old: Stats): boolean {
  const { dev, ino } = fstatSync(fd);
  return dev === old.dev && ino === old.ino;
}

const another = (path: string) =>
  fail.storage(`'${path}' is another file by now`, "try again");

/** A new file of ours, private, for what is to take a place; or nothing yet. */
export class NewFile implements Disposable {
  private readonly scratch: Scratch;
  /** Where it is made. */
  readonly path: string;

  /**
   * @param at how it is reached
   * @throws Error with `code` where none can be made
   */
  constructor(beside: string, at: string = beside) {
    this.scratch = Scratch.beside(beside, at);
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
export function putInPlace(made: NewFile, place: FilePlace): void {
  const { path, at, old } = place;
  try {
    // It is the path that was asked about: it has to lead here still.
    const there = readLink(dirname(at));
    if (there !== null && there !== dirname(path)) throw exchanged(path);
    sync(made.path);
    if (!old) nameNew(made.path, place);
    else if (!canRename(made.path, place, old) || !renamed(made.path, at))
      overwrite(made.path, place, old);
    sync(dirname(at));
  } catch (error) {
    throw outputFailure(path, error);
  }
}

const exchanged = (path: string) =>
  fail.permission(
    `somebody else exchanges folders on the way to '${path}'`,
    "choose a folder that nobody else can write to",
  );

/** From another disk it is brought there first. */
function nameNew(made: string, { path, at }: FilePlace): void {
  try {
    return renameSync(made, at);
  } catch (error) {
    if (errnoOf(error) !== "EXDEV") throw error;
  }
  using there = new NewFile(path, at);
  const from = openSync(made, "r");
  const to = there.create();
  try {
    copy(from, (bytes) => writeFileSync(to, bytes));
    fsyncSync(to);
  } finally {
    closeSync(from);
    closeSync(to);
  }
  renameSync(there.path, at);
}

/** Whether the new file is in all the old one's equal but for the content. */
function canRename(made: string, { path, at }: FilePlace, old: Stats): boolean {
  if (old.nlink !== 1) return false;
  try {
    const { uid, gid } = lstatSync(made);
    if (uid !== old.uid || gid !== old.gid) chownSync(made, old.uid, old.gid);
  } catch {
    return false;
  }
  // By what was looked at: another may have its name by now, with a list of its own.
  const there = openSync(at, O_PATH | constants.O_NOFOLLOW);
  try {
    if (!isSame(there, old)) throw another(path);
    if (!copyAttributes(`/proc/self/fd/${there}`, made)) return false;
  } finally {
    closeSync(there);
  }
  chmodSync(made, old.mode & 0o7777);
  return true;
}

/** @returns false where another file can only be written into: a mount, a folder of others */
function renamed(made: string, path: string): boolean {
  try {
    renameSync(made, path);
    return true;
  } catch (error) {
    const into = ["EBUSY", "EPERM", "EACCES", "EXDEV"];
    if (into.includes(errnoOf(error) ?? "")) return false;
    throw error;
  }
}

/** Puts a file's content into another, which was looked at before. */
function overwrite(made: string, { path, at }: FilePlace, old: Stats): void {
  const { O_WRONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  const from = openSync(made, "r");
  try {
    const to = openSync(at, O_WRONLY | O_NOFOLLOW | O_NONBLOCK);
    try {
      if (!isSame(to, old)) throw another(path);
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

/** The sentence for a place that cannot be written to. */
export function outputFailure(path: string, error: unknown): Failure {
  if (error instanceof Failure) return error;
  switch (errnoOf(error)) {
    case "ENOENT":
    case "ENOTDIR":
      return noFolder(dirname(path));
    case "ENAMETOOLONG":
      return fail.usage(
        `'${path}' is too long a name for a file`,
        "give a shorter one",
        { cause: error },
      );
    case "ENXIO":
      return fail.usage(
        `nothing can be written to '${path}'`,
        "give a file, a FIFO or a device that is there",
        { cause: error },
      );
    default:
      return folderFailure(path, error, "give a file that you may write");
  }
}
