/** Removes unpacked native files of other versions, and nothing else. */
import {
  closeSync,
  lstatSync,
  openSync,
  readdirSync,
  rmSync,
  rmdirSync,
} from "node:fs";
import { lockFile } from "../../os/file.ts";

/** A folder of ours, of any version; one in the making, or what stood in its way. */
const OWN_NAME =
  /^duckdb-\d[\w.+-]*-[0-9a-f]{12}(\.[0-9a-f]{12}\.new(\.broken)?)?$/;
const OWN_FILE =
  /^(libduckdb\.so|duckdb\.node|verified\.json(\.[0-9a-f]{12})?)$/;

/** @param current the name of the folder that stays */
export function removeOthers(cache: string, current: string): void {
  for (const name of readdirSync(cache)) {
    if (!OWN_NAME.test(name) || name === current) continue;
    try {
      if (!name.endsWith(".new") || isAbandoned(`${cache}/${name}`))
        removeNatives(`${cache}/${name}`);
    } catch {
      // Not ours to remove.
    }
  }
}

/**
 * Removes what we have unpacked, and the folder when nothing else is in it: a
 * cache folder of the user's choice may hold other things.
 * @throws Error with `code` when something is left
 */
export function removeNatives(path: string): void {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat) return;
  if (!stat.isDirectory()) return rmSync(path);
  for (const name of readdirSync(path))
    if (OWN_FILE.test(name)) rmSync(`${path}/${name}`, { force: true });
  rmdirSync(path);
}

/** A folder in the making is locked by its maker. */
function isAbandoned(folder: string): boolean {
  const fd = openSync(folder, "r");
  try {
    return lockFile(fd) === "held";
  } finally {
    closeSync(fd);
  }
}
