/**
 * Opens, reads, writes and locks files straight through the C library: loading
 * node:fs costs a wrapper's start 1.1 ms, a fifth of an empty program's whole run.
 * Without a C library (no JIT) node:fs serves. All calls are synchronous; errors
 * carry the system's name in `code`, as node:fs does.
 */
import { EINTR } from "./constants.ts";
import type { Pointer } from "bun:ffi";
import { errnoOf, reasonOf, fail } from "../model/failure.ts";
import { libc, nodeFs, NO_LOCKS } from "./libc.ts";
import { statOpen } from "./stat.ts";

export const O_RDONLY = 0;
export const O_WRONLY = 0o1;
export const O_RDWR = 0o2;
export const O_CREAT = 0o100;
export const O_EXCL = 0o200;
export const O_TRUNC = 0o1000;
export const O_APPEND = 0o2000;
export const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
// These two differ by machine.
const ARM = process.arch === "arm64";
export const O_NOFOLLOW = ARM ? 0o100000 : 0o400000;

const SYS_GETDENTS64 = ARM ? 61 : 217;
const SYS_FCHMOD = ARM ? 52 : 91;
const ENOENT = 2;
const ENOTDIR = 20;
const F_OK = 0;
const PAGE = 4096;
/** Enough of a small file of ours. */
export const SMALL_BYTES = 4096;

const ERRNO: Record<number, string> = {
  1: "EPERM",
  2: "ENOENT",
  5: "EIO",
  6: "ENXIO",
  9: "EBADF",
  11: "EAGAIN",
  12: "ENOMEM",
  13: "EACCES",
  17: "EEXIST",
  20: "ENOTDIR",
  21: "EISDIR",
  23: "ENFILE",
  24: "EMFILE",
  27: "EFBIG",
  28: "ENOSPC",
  30: "EROFS",
  32: "EPIPE",
  36: "ENAMETOOLONG",
  40: "ELOOP",
  122: "EDQUOT",
};

/** Read into first, by every read: a fresh page each would have to be zeroed. */
const page = new Uint8Array(PAGE);
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** What `openFile` opened, as told from what we were started with. */
const opened = new Set<number>();
export const isOwnFile = (fd: number): boolean => opened.has(fd);

/** A path for C; see `call` for who makes his own. */
const cPath = (path: string) => encoder.encode(`${path}\0`);

/**
 * Makes a call until no signal interrupts it, or throws. What is called some
 * thirty times during a start wakes the engine's compiler thread, so the
 * hottest, open, read and statx, come here only after they have failed once.
 */
function call(
  what: string,
  path: string,
  attempt: () => number | bigint,
): number {
  for (;;) {
    const result = Number(attempt());
    if (result !== -1) return result;
    const errno = libc!.errno();
    if (errno === EINTR) continue;
    const code = ERRNO[errno] ?? `errno ${errno}`;
    throw Object.assign(new Error(`${code}: ${what} '${path}'`), { code });
  }
}

/** @throws Error with `code` */
export function openFile(path: string, flags: number, mode = 0): number {
  if (!libc) return nodeFs().openSync(path, flags, mode);
  const { open } = libc.calls;
  const name = encoder.encode(`${path}\0`);
  const first = open(name, flags | O_CLOEXEC, mode);
  const fd =
    first !== -1
      ? first
      : call("open", path, () => open(name, flags | O_CLOEXEC, mode));
  opened.add(fd);
  return fd;
}

export function closeFile(fd: number): void {
  if (!libc) return nodeFs().closeSync(fd);
  opened.delete(fd);
  libc.calls.close(fd);
}

/**
 * One write(2), which may write less than asked.
 * @returns how many bytes it wrote
 * @throws Error with `code`
 */
export function writeSome(fd: number, bytes: Uint8Array): number {
  if (bytes.length === 0) return 0;
  if (!libc) return nodeFs().writeSync(fd, bytes);
  const { write } = libc.calls;
  return call("write", `fd ${fd}`, () => write(fd, bytes, bytes.length));
}

/** Says a text on stderr. Nobody fails because nobody listens there. */
export function say(text: string): void {
  const bytes = encoder.encode(text);
  try {
    for (let at = 0; at < bytes.length;) at += writeSome(2, bytes.subarray(at));
  } catch {
    // Closed, full, or gone: there is no other place to say so.
  }
}

/** Brings a file's content to the disk. */
export function syncData(fd: number): void {
  if (!libc) return nodeFs().fdatasyncSync(fd);
  const { fdatasync } = libc.calls;
  call("fdatasync", `fd ${fd}`, () => fdatasync(fd));
}

/** Brings a file or folder to the disk, its attributes too. */
export function syncAll(fd: number): void {
  if (!libc) return nodeFs().fsyncSync(fd);
  const { fsync } = libc.calls;
  call("fsync", `fd ${fd}`, () => fsync(fd));
}

/** Sets access and modification time to now. */
export function touchFile(fd: number): void {
  if (!libc) return nodeFs().futimesSync(fd, new Date(), new Date());
  const { futimens } = libc.calls;
  call("futimens", `fd ${fd}`, () => futimens(fd, null));
}

/**
 * The content of a regular file, or of what a link to one leads to.
 * @param most enough of it: any hand may have made it longer
 * @throws Failure (permission) for what is no regular file; Error with `code`
 */
export function readBytes(path: string, most = Infinity): Uint8Array {
  const fd = openFile(path, O_RDONLY | O_NONBLOCK);
  try {
    const bytes = readOpen(fd, path, most);
    // A FIFO gives nothing, or has it that one should ask later.
    if (bytes.length > 0 || statOpen(fd).kind === "file") return bytes;
    throw irregular(path);
  } catch (error) {
    throw errnoOf(error) === "EAGAIN" ? irregular(path) : error;
  } finally {
    closeFile(fd);
  }
}

export const irregular = (path: string) =>
  fail.permission(
    `'${path}' is not a regular file`,
    "move away what stands there (a FIFO, a socket, a device or a folder)",
  );

/** What an open file, or a pipe, still has to give: all, or somewhat more than `most`. */
export function readOpen(
  fd: number,
  path: string,
  most = Infinity,
): Uint8Array {
  if (!libc) return nodeFs().readFileSync(fd);
  const { read } = libc.calls;
  let bytes: Uint8Array = page;
  for (let length = 0; ;) {
    const rest = bytes.subarray(length);
    const first = read(fd, rest, rest.length);
    const got =
      first !== -1
        ? first
        : call("read", path, () => read(fd, rest, rest.length));
    length += got;
    // The kernel's own come whole, within a page; a pipe comes as it likes.
    if (
      got === 0 ||
      length >= most ||
      (length < PAGE && path.startsWith("/proc/"))
    )
      return bytes.slice(0, length);
    if (length < bytes.length) continue;
    const larger = new Uint8Array(bytes.length * 4);
    larger.set(bytes);
    bytes = larger;
  }
}

/** Whether nothing is there: asked first where that is common, for an error object costs more. */
export function isMissing(path: string): boolean {
  if (!libc) return !nodeFs().existsSync(path);
  if (libc.calls.access(cPath(path), F_OK) === 0) return false;
  const errno = libc.errno();
  return errno === ENOENT || errno === ENOTDIR;
}

/**
 * The names in a folder; `.` and `..` too where the C library is asked.
 * @throws Error with `code`
 */
export function namesIn(path: string): string[] {
  if (!libc) return nodeFs().readdirSync(path);
  const { syscall } = libc.calls;
  const fd = openFile(path, O_RDONLY);
  try {
    const names: string[] = [];
    const block = new Uint8Array(8192);
    for (;;) {
      const got = call("list", path, () =>
        syscall(SYS_GETDENTS64, fd, block, block.length, 0),
      );
      if (got === 0) return names;
      // struct linux_dirent64: its length at 16, the name from 19 to a NUL.
      for (let at = 0; at < got; at += block[at + 16]! | (block[at + 17]! << 8))
        names.push(
          decoder.decode(block.subarray(at + 19, block.indexOf(0, at + 19))),
        );
    }
  } finally {
    closeFile(fd);
  }
}

/** The content as UTF-8 text. @throws Error with `code` */
export function readText(path: string, most = Infinity): string {
  return decoder.decode(readBytes(path, most));
}

/** The content, or null when there is none to be read. */
export function tryReadText(path: string, most = Infinity): string | null {
  try {
    return readText(path, most);
  } catch {
    return null;
  }
}

/** Where a link points, or null. */
export function readLink(path: string): string | null {
  if (!libc)
    try {
      return nodeFs().readlinkSync(path);
    } catch {
      return null;
    }
  const target = new Uint8Array(4096);
  const length = libc.calls.readlink(cPath(path), target, target.length);
  return length < 0 ? null : decoder.decode(target.subarray(0, Number(length)));
}

/** @throws Error with `code`, EEXIST when something is there */
export function makeFolder(path: string, mode: number): void {
  if (!libc) return nodeFs().mkdirSync(path, mode);
  const { mkdir } = libc.calls;
  call("mkdir", path, () => mkdir(cPath(path), mode));
}

/** Sets the permission bits of an open file, whatever the umask is. */
export function setMode(fd: number, mode: number): void {
  if (!libc) return nodeFs().fchmodSync(fd, mode);
  const { syscall } = libc.calls;
  call("fchmod", `fd ${fd}`, () =>
    syscall(SYS_FCHMOD, fd, mode as unknown as Pointer, 0, 0),
  );
}

/**
 * Opens a regular file, and nothing else that may stand in its place: not
 * through a link, and without waiting for a FIFO's other end. One that is made
 * has the mode that is asked for, whatever umask and default ACL say.
 * @throws Failure (permission) for what is no regular file; Error with `code`
 */
export function openRegular(path: string, flags: number, mode = 0o600): number {
  let fd: number;
  try {
    fd = openFile(path, flags | O_NOFOLLOW | O_NONBLOCK, mode);
  } catch (error) {
    // A FIFO that nobody reads, a socket, or a folder that is to be written.
    const another = ["ENXIO", "EISDIR"].includes(errnoOf(error) ?? "");
    throw another ? irregular(path) : error;
  }
  try {
    const stat = statOpen(fd);
    if (stat.kind !== "file") throw irregular(path);
    const made = (flags & O_CREAT) !== 0 && stat.uid === process.geteuid!();
    if (made && stat.mode !== mode) setMode(fd, mode);
    return fd;
  } catch (error) {
    closeFile(fd);
    throw error;
  }
}

/** Of flock(2); `none`: the filesystem has no locks, or there is no FFI. */
export type Locked = "held" | "taken" | "none";

/**
 * Takes the lock of an open file; never waits. It is held until the descriptor is
 * closed or the process is gone, however it went.
 * @throws Failure (storage) when it fails otherwise
 */
export function lockFile(fd: number, how?: "exclusive" | "shared"): Locked {
  if (!libc) return "none";
  try {
    return libc.tryLock(fd, how) ? "held" : "taken";
  } catch (error) {
    if (NO_LOCKS.includes(errnoOf(error) ?? "")) return "none";
    const path = readLink(`/proc/self/fd/${fd}`) ?? "a file";
    throw fail.storage(
      `'${path}' cannot be locked: ${reasonOf(error)}`,
      "check its disk and its mount",
      { cause: error },
    );
  }
}

/** Whether another has a file locked; all may look at once, and none is taken for that one. */
export function isLocked(path: string): boolean {
  const fd = openRegular(path, O_RDONLY);
  try {
    return lockFile(fd, "shared") === "taken";
  } finally {
    closeFile(fd);
  }
}
