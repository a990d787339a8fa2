/** Copies a file's content and extended attributes, and syncs it to the disk. */
import {
  closeSync,
  fstatSync,
  fsyncSync,
  futimesSync,
  openSync,
  readSync,
  writeFileSync,
} from "node:fs";
import { O_CREAT, O_EXCL, O_WRONLY, closeFile, openRegular } from "./file.ts";
import { cText } from "./layout.ts";
import { cLibrary } from "./libc.ts";

const COPY_BYTES = 256 * 1024;

/** Writes the content of an open file; returns its bytes. */
export function copy(from: number, write: (bytes: Uint8Array) => void): number {
  const buffer = new Uint8Array(COPY_BYTES);
  for (let at = 0; ;) {
    const got = readSync(from, buffer, 0, COPY_BYTES, at);
    if (got === 0) return at;
    write(buffer.subarray(0, got));
    at += got;
  }
}

/** Makes a file with the content of an open one, and with its times if asked. */
export function copyToNew(from: number, to: string, times = false): void {
  const fd = openRegular(to, O_WRONLY | O_CREAT | O_EXCL);
  try {
    copy(from, (bytes) => writeFileSync(fd, bytes));
    const { atime, mtime } = fstatSync(from);
    if (times) futimesSync(fd, atime, mtime);
  } finally {
    closeFile(fd);
  }
}

/** Brings a file or folder to the disk. */
export function sync(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

const SYMBOLS = {
  listxattr: { args: ["ptr", "ptr", "u64"], returns: "i64" },
  getxattr: { args: ["ptr", "ptr", "ptr", "u64"], returns: "i64" },
  llistxattr: { args: ["ptr", "ptr", "u64"], returns: "i64" },
  lsetxattr: { args: ["ptr", "ptr", "ptr", "u64", "i32"], returns: "i32" },
  lremovexattr: { args: ["ptr", "ptr"], returns: "i32" },
} as const;

/** The kernel's own limits of a list and of a value. */
const MAX_BYTES = 64 * 1024;
const NOT_SUPPORTED = -1;

let calls: ReturnType<typeof cLibrary<typeof SYMBOLS>> | undefined;

/**
 * Gives one file the attributes of another, and takes away those that it got
 * from its folder.
 * @param from followed where it is a link, as those of open files are
 * @returns false when it cannot have them all, or nobody can know
 */
export function copyAttributes(from: string, to: string): boolean {
  calls ??= cLibrary(SYMBOLS);
  if (!calls) return false;
  const { getxattr, lsetxattr, listxattr, llistxattr, lremovexattr } = calls;
  const wanted = namesIn(from, listxattr);
  const value = new Uint8Array(MAX_BYTES);
  for (const name of wanted) {
    const bytes = Number(getxattr(cText(from), cText(name), value, MAX_BYTES));
    if (bytes < 0 || lsetxattr(cText(to), cText(name), value, bytes, 0) !== 0)
      return false;
  }
  return namesIn(to, llistxattr)
    .filter((name) => !wanted.includes(name))
    .every((name) => lremovexattr(cText(to), cText(name)) === 0);
}

/** Empty, too, where the filesystem has no attributes. */
function namesIn(
  path: string,
  lists: (path: Uint8Array, list: Uint8Array, size: number) => bigint,
): string[] {
  const list = new Uint8Array(MAX_BYTES);
  const bytes = Number(lists(cText(path), list, MAX_BYTES));
  if (bytes === NOT_SUPPORTED) return [];
  const text = new TextDecoder().decode(list.subarray(0, bytes));
  return text.split("\0").filter((name) => name !== "");
}
