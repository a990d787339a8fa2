/**
 * Many folders at once: nothing is called for each of them, or the engine would
 * compile that in the midst of a wrapper's start (os/wait.ts).
 */
import { ptr } from "bun:ffi";
import { type FileStat, statFile } from "./file.ts";
import { libc, raw } from "./libc.ts";

const AT_FDCWD = -100;
const STATX_BASIC = 0x7ff;
const FOLDER = 0o4;

/**
 * Looks at folders, links followed.
 * @returns of each its `identity` and `changed`; null: it is no folder that can be looked at
 */
export function statFolders(
  paths: readonly string[],
): (Pick<FileStat, "identity" | "changed"> | null)[] {
  if (!libc)
    return paths.map((path) => {
      const stat = statFile(path, { follow: true });
      return stat?.kind === "folder" ? stat : null;
    });
  const statx = raw(libc.calls.statx);
  const out = new Uint32Array(64);
  const out_at = ptr(out);
  const found: (Pick<FileStat, "identity" | "changed"> | null)[] = [];
  const names = new TextEncoder().encode(`${paths.join("\0")}\0`);
  const names_at = ptr(names);
  // As 32-bit words: mode 7, inode 8–9, ctime and mtime 24–30, device 34–35.
  for (let at = 0; at < names.length; at = names.indexOf(0, at) + 1) {
    const failed = statx(AT_FDCWD, names_at + at, 0, STATX_BASIC, out_at);
    if (failed || (out[7]! & 0xffff) >> 12 !== FOLDER) found.push(null);
    else
      found.push({
        identity: `${out[34]}:${out[35]}:${out[8]}:${out[9]}`,
        changed: `${out[24]}.${out[25]}.${out[26]}.${out[28]}.${out[29]}.${out[30]}`,
      });
  }
  return found;
}
