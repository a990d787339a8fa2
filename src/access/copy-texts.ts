/**
 * Removes texts from a copy of the database: a backup, or what a restore has replaced.
 * Another copy of it is opened, changed, and takes its place when it is whole.
 */
import { rmSync } from "node:fs";
import { dirname } from "node:path";
import type { Settings } from "../config/load.ts";
import { type Warn, fail } from "../model/failure.ts";
import type { RemovalRequest } from "../model/redaction/removal.ts";
import { copyToNew, sync } from "../os/copy.ts";
import { closeFile } from "../os/file.ts";
import { NewFile, placeOf, putInPlace } from "../os/place.ts";
import { openTrusted, requireTrustedFile } from "../os/trust.ts";
import { ownBeside } from "../store/database-files.ts";
import { loadDuckDB } from "./claim.ts";

/**
 * @returns how many events lost their texts; null when the session is not in it
 * @throws Failure when it cannot be read or written; it is as it was then
 */
export async function removeFromCopy(
  settings: Settings,
  file: string,
  request: RemovalRequest,
  warn: Warn,
): Promise<number | null> {
  using place = placeOf(file);
  if (place.kind !== "file" || !place.old)
    throw fail.usage(`'${file}' is no file`, "look what stands there");
  const { DuckDBStore } = await loadDuckDB(settings);
  const { holdsSession } = await import("../store/duckdb/holds.ts");
  const trusted = requireTrustedFile(place.path);
  if (!(await holdsSession(trusted, request.session_id))) return null;
  using made = new NewFile(place.path, place.at);
  const beside = ownBeside(place.path);
  for (const suffix of ["", ...beside])
    copyTrusted(`${place.path}${suffix}`, `${made.path}${suffix}`);
  const store = await DuckDBStore.open(made.path, { warn });
  let events: number;
  try {
    const maintenance = store.maintenance({
      ...{ spooled: () => [], requireNotOwn: () => {}, alone: true, warn },
    });
    events = (await maintenance.removeTexts(request))?.events ?? 0;
  } finally {
    await store.close();
  }
  putInPlace(made, place);
  // It was replayed into the new file.
  for (const suffix of beside)
    rmSync(`${place.path}${suffix}`, { force: true });
  sync(dirname(place.path));
  return events;
}

function copyTrusted(from: string, to: string): void {
  const fd = openTrusted(from);
  try {
    copyToNew(fd, to);
  } finally {
    closeFile(fd);
  }
}

/** @returns whether a copy from before an upgrade held the session, and was removed */
export async function removeOlder(
  settings: Settings,
  file: string,
  session_id: string,
): Promise<boolean> {
  await loadDuckDB(settings);
  const { holdsSession } = await import("../store/duckdb/holds.ts");
  if (!(await holdsSession(requireTrustedFile(file), session_id))) return false;
  rmSync(file);
  return true;
}
