/**
 * Detects a write-ahead log that is not the database's own: an older one, as `cp` or
 * rsync leave it beside a newer file, or another database's. DuckDB might replay it,
 * and events would be there twice, or another's. It is renamed, never removed.
 *
 * The header tells, if it names the file. Logs of older files name nothing: they are
 * replayed in memory, and the result is compared.
 */
import { linkSync } from "node:fs";
import { type Warn, errnoOf, reasonOf } from "../../model/failure.ts";
import { libc } from "../../os/libc.ts";
import { Scratch } from "../../os/scratch.ts";
import { rowsOf, withFile } from "./connection.ts";
import { isCircumstance } from "./failure.ts";
import { headerFor, headerOf, identityIn, isNear } from "./log-header.ts";
import { beginningOf } from "../database-files.ts";
import { OpenFile } from "./open-file.ts";
import { setAside } from "./wal.ts";

const HEADER_BYTES = 128;

/**
 * Opens a database without a foreign log, detected before, or by DuckDB.
 * @param open is called again in that case
 */
export async function withOwnLog<T>(
  path: string,
  warn: Warn,
  open: () => Promise<T>,
): Promise<T> {
  // Without locks another may be writing it.
  const foreign = libc ? await whyForeign(path) : null;
  if (foreign !== null) leaveOut(path, foreign, warn);
  try {
    return await open();
  } catch (error) {
    if (!libc || !FOREIGN.test(reasonOf(error))) throw error;
    leaveOut(path, OLDER, warn);
    return open();
  }
}

/** @returns null for a log that is not known to be foreign */
async function whyForeign(path: string): Promise<string | null> {
  const log = beginningOf(`${path}.wal`, HEADER_BYTES);
  const file = identityIn(path);
  const header = headerOf(log);
  // Damage is another matter.
  if (!header || !file || isNear(log, headerFor(path))) return null;
  if (file === "nameless" && header.id === null)
    return (await doubles(path)) ? OLDER : null;
  const own = file !== "nameless" && header.id?.equals(file.id);
  return own ? null : "is another database's";
}

const FOREIGN =
  /WAL does not match database file|WAL checkpoint iteration does not match/;
const OLDER = "is an older or a newer copy's of it";

function leaveOut(path: string, why: string, warn: Warn): void {
  const kept = setAside(path);
  warn(
    `the write-ahead log beside '${path}' ${why}, as one that was copied by hand: it was left out, and is kept in '${kept}'`,
  );
}

/** The content of a database, without its log or with it. */
interface Content {
  /** The number of the last event. */
  last: number;
  /** Events up to a number. */
  events: number;
  /** Greater numbers that are there twice. */
  twice: number;
  folded: number;
}

/** Whether a log repeats events of the file, or undoes some; under the lock. */
async function doubles(path: string): Promise<boolean> {
  const before = await withoutLog(path);
  if (before === null) return false;
  try {
    const after = await contentOf(path, before.last);
    return (
      after.events > before.events ||
      after.twice > 0 ||
      after.folded < before.folded
    );
  } catch (error) {
    if (isCircumstance(reasonOf(error))) throw error;
    return /^Catalog Error|row ID/.test(reasonOf(error));
  }
}

/** @returns null where that cannot be read */
async function withoutLog(path: string): Promise<Content | null> {
  try {
    using scratch = Scratch.beside(path);
    // DuckDB would find the log by a symbolic link.
    const alone = scratch.at("alone");
    linkSync(path, alone);
    return await contentOf(alone, null);
  } catch (error) {
    if (isCircumstance(reasonOf(error)) && errnoOf(error) === null) throw error;
    // No links, or no database: opening it says so.
    return null;
  }
}

/** @param upto null for all */
function contentOf(path: string, upto: number | null): Promise<Content> {
  return withFile(path, "READ_ONLY", async (connection) => {
    const end = upto ?? "(SELECT coalesce(max(seq), 0) FROM events)";
    const [content] = await rowsOf<Content>(
      connection,
      `SELECT (SELECT coalesce(max(seq), 0) FROM events)::DOUBLE AS last,
        (SELECT count(*) FROM events WHERE seq <= ${end})::DOUBLE AS events,
        (SELECT count(*) - count(DISTINCT seq) FROM events
          WHERE seq > ${end})::DOUBLE AS twice,
        (SELECT max(seq) FROM folded)::DOUBLE AS folded`,
    );
    return content!;
  });
}

/** Moves the write-ahead log of a closed database into its file, if that works. */
export async function emptyLog(path: string, warn: Warn): Promise<void> {
  try {
    const file = await withOwnLog(path, warn, () => OpenFile.open(path));
    try {
      await file.moveLog();
    } finally {
      file.close();
    }
  } catch {
    // Damaged, or newer: the log stays.
  }
}
