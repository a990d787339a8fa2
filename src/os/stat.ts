/** Looks at files: by statx(2), or node:fs where there is no C library. */
import type { Stats } from "node:fs";
import { libc, nodeFs } from "./libc.ts";

export const AT_FDCWD = -100;
export const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_EMPTY_PATH = 0x1000;
export const STATX_BASIC = 0x7ff;
/** EPERM and ENOSYS, which statx(2) has for no file. */
const DENIED = [1, 38];

const encoder = new TextEncoder();

export interface FileStat {
  readonly kind: "file" | "folder" | "link" | "other";
  uid: number;
  gid: number;
  /** Permission bits, sticky and setuid among them. */
  mode: number;
  nlink: number;
  bytes: number;
  /** Device and inode: the same file has the same. */
  readonly identity: string;
  /** Changes whenever content or attributes do. */
  readonly changed: string;
  /** When the content was last changed, since the epoch. */
  readonly modified_ms: number;
}

/** @returns null when nothing is there, or it cannot be looked at */
export function statFile(
  path: string,
  { follow }: { follow: boolean },
): FileStat | null {
  if (!libc) return nodeStat(path, follow);
  const flags = follow ? 0 : AT_SYMLINK_NOFOLLOW;
  const stat = statx(AT_FDCWD, path, flags);
  return stat ?? (isDenied() ? nodeStat(path, follow) : null);
}

/** What is open; its `nlink` is 0 once it is unlinked. */
export function statOpen(fd: number): FileStat {
  if (!libc) return ofNode(nodeFs().fstatSync(fd));
  const stat = statx(fd, "", AT_EMPTY_PATH);
  if (stat) return stat;
  if (isDenied()) return ofNode(nodeFs().fstatSync(fd));
  throw new Error(`fstat 'fd ${fd}': errno ${libc.errno()}`);
}

/** Whether a path leads to an open file, and not to another one or nowhere. */
export function isFileAt(fd: number, path: string): boolean {
  const there = statFile(path, { follow: false })?.identity;
  if (there === undefined) return false;
  return statOpen(fd).identity === there;
}

/** The call itself, by a filter of system calls: container engines older than it. */
const isDenied = () => DENIED.includes(libc!.errno());

function statx(dirfd: number, path: string, flags: number): FileStat | null {
  const out = new Uint8Array(256);
  const { statx: call } = libc!.calls;
  const name = encoder.encode(`${path}\0`);
  if (call(dirfd, name, flags, STATX_BASIC, out) !== 0) return null;
  const u32 = new Uint32Array(out.buffer);
  // As 32-bit words: nlink 4, uid 5, mode 7, inode 8–9, size 10–11, ctime 24–27, mtime 28–31, device 34–35.
  const mode = u32[7]! & 0xffff;
  return {
    kind: KINDS[mode >> 12] ?? "other",
    uid: u32[5]!,
    gid: u32[6]!,
    mode: mode & 0o7777,
    nlink: u32[4]!,
    bytes: u32[10]! + u32[11]! * 2 ** 32,
    identity: `${u32[34]}:${u32[35]}:${u32[8]}:${u32[9]}`,
    get changed() {
      return u32.subarray(24, 32).join(".");
    },
    get modified_ms() {
      return (u32[28]! + u32[29]! * 2 ** 32) * 1000 + u32[30]! / 1e6;
    },
  };
}

/** File types as the top four bits of a mode. */
const KINDS: Record<number, FileStat["kind"]> = {
  0o10: "file",
  0o4: "folder",
  0o12: "link",
};

function nodeStat(path: string, follow: boolean): FileStat | null {
  const options = { throwIfNoEntry: false } as const;
  try {
    const look = follow ? nodeFs().statSync : nodeFs().lstatSync;
    const stat = look(path, options);
    return stat ? ofNode(stat) : null;
  } catch {
    return null;
  }
}

const ofNode = (stat: Stats): FileStat => ({
  kind: KINDS[stat.mode >> 12] ?? "other",
  uid: stat.uid,
  gid: stat.gid,
  mode: stat.mode & 0o7777,
  nlink: stat.nlink,
  bytes: stat.size,
  identity: `${stat.dev}:${stat.ino}`,
  changed: `${stat.mtimeMs}:${stat.ctimeMs}`,
  modified_ms: stat.mtimeMs,
});
