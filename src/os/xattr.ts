/**
 * What a file has beside mode and owner: access control lists, labels, and
 * whatever else is kept as extended attributes.
 */
import { cLibrary } from "./libc.ts";

const SYMBOLS = {
  llistxattr: { args: ["ptr", "ptr", "u64"], returns: "i64" },
  lgetxattr: { args: ["ptr", "ptr", "ptr", "u64"], returns: "i64" },
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
 * @returns false when it cannot have them all, or nobody can know
 */
export function copyAttributes(from: string, to: string): boolean {
  calls ??= cLibrary(SYMBOLS);
  if (!calls) return false;
  const { lgetxattr, lsetxattr, lremovexattr } = calls;
  const wanted = namesOf(from);
  const value = new Uint8Array(MAX_BYTES);
  for (const name of wanted) {
    const bytes = Number(lgetxattr(cText(from), cText(name), value, MAX_BYTES));
    if (bytes < 0 || lsetxattr(cText(to), cText(name), value, bytes, 0) !== 0)
      return false;
  }
  return namesOf(to)
    .filter((name) => !wanted.includes(name))
    .every((name) => lremovexattr(cText(to), cText(name)) === 0);
}

/** Empty, too, where the filesystem has no attributes. */
function namesOf(path: string): string[] {
  const list = new Uint8Array(MAX_BYTES);
  const bytes = Number(calls!.llistxattr(cText(path), list, MAX_BYTES));
  if (bytes === NOT_SUPPORTED) return [];
  const text = new TextDecoder().decode(list.subarray(0, bytes));
  return text.split("\0").filter((name) => name !== "");
}

const cText = (text: string) => new TextEncoder().encode(`${text}\0`);
