/**
 * A backup takes the place of the database. First it is copied beside it and
 * looked through there; then, with nobody else at work, the old one gets another
 * name and the copy takes its own. Killed anywhere, one of the two is there.
 */
import {
  type Stats,
  constants,
  copyFileSync,
  existsSync,
  linkSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import type { Settings } from "../config/load.ts";
import {
  Failure,
  type Warn,
  errnoOf,
  fail,
  reasonOf,
} from "../model/failure.ts";
import { lostEnd } from "../model/event.ts";
import { SPOOL } from "../model/reporter.ts";
import type { Session } from "../model/session.ts";
import { withoutKept } from "../model/maintenance.ts";
import {
  claimForCommand,
  databasePath,
  loadDuckDB,
  lockPath,
  openFile,
  runningServer,
} from "./claim.ts";
import { drainInto } from "./open.ts";
import { sayDrained } from "../spool/report.ts";
import {
  O_CREAT,
  O_EXCL,
  O_WRONLY,
  closeFile,
  irregular,
  openRegular,
} from "../os/file.ts";
import { statFile } from "../os/stat.ts";
import { ensurePrivateDir, folderFailure, readFailure } from "../os/paths.ts";
import { absolutePath } from "../os/spot.ts";
import { copy, sync } from "../os/copy.ts";
import { Scratch } from "../os/scratch.ts";
import { openTrusted, requireUnshared, trustedPath } from "../os/trust.ts";
import { requeueDone, spooledSessions } from "../spool/contents.ts";
import { spoolFolder } from "../spool/write.ts";
import type { DuckDBStore } from "../store/duckdb/store.ts";
import { StoreLock } from "../store/lock.ts";
import type { Verified } from "../store/duckdb/verify.ts";

export interface Restored extends Verified {
  /** Where the database from before is; null when there was none. */
  kept: string | null;
  /** Events that the spool still held, and that the backup had not. */
  drained: number;
  /** Sessions that run in the backup, and of which nothing is left here. */
  lost: number;
}

const COPY = "copy";
const REFUSED = "give another backup; the database is as it was";

/** A copy of a backup, beside the database, that was looked through. */
export class Candidate {
  private constructor(
    private readonly settings: Settings,
    private readonly scratch: Scratch,
    readonly verified: Verified,
  ) {}

  /**
   * Copies a backup and looks through the copy.
   * @param warn hears of what of it had to be left out
   * @throws Failure naming the file and what is wrong with it
   */
  static async of(
    settings: Settings,
    file: string,
    warn: Warn,
  ): Promise<Candidate> {
    refuseServer(settings);
    const database = databasePath(settings);
    ensurePrivateDir(settings.paths.data!);
    const from = requireOther(absolutePath(file), database);
    refuseIrregular(database);
    await loadDuckDB(settings);
    const { verify } = await import("../store/duckdb/verify.ts");
    // What restores that were killed have left goes as it is made.
    const scratch = Scratch.beside(database);
    const path = scratch.at(COPY);
    try {
      copyBackup(from, path, database);
      const left = (sentence: string) =>
        warn(withoutKept(sentence).replaceAll(path, from));
      const verified = await verify(path, from, { warn: left, hint: REFUSED });
      return new Candidate(settings, scratch, verified);
    } catch (error) {
      scratch.remove();
      throw errnoOf(error) ? folderFailure(database, error) : error;
    }
  }

  /** Lets it go; after `take` there is nothing left to let go. */
  discard(): void {
    this.scratch.remove();
  }

  /**
   * Puts it in the database's place, and brings what the spool holds to it.
   * @throws Failure (already_running) when a server has started meanwhile
   */
  async take(warn: Warn): Promise<Restored> {
    const { settings, verified } = this;
    const data = settings.paths.data!;
    const lock = await claimForCommand(settings);
    if (!(lock instanceof StoreLock)) {
      this.discard();
      throw serverFailure(settings);
    }
    let kept: string | null;
    try {
      const copied = this.scratch.at(COPY);
      kept = await replace(databasePath(settings), copied, warn);
      // Before anybody can take it for known: what is done may not be in there.
      await requeueDone(spoolFolder(data));
    } catch (error) {
      lock.release();
      throw errnoOf(error)
        ? folderFailure(databasePath(settings), error)
        : error;
    }
    const { store, close } = await openFile(settings, lock, { warn });
    try {
      const report = await drainInto(settings, store);
      sayDrained(report, warn);
      const lost = await endForsaken(store, spooledSessions(data));
      return { ...verified, kept, drained: report.stored, lost };
    } finally {
      await close();
    }
  }
}

/** @throws Failure (already_running) */
function refuseServer(settings: Settings): void {
  if (runningServer(lockPath(settings))) throw serverFailure(settings);
}

function serverFailure(settings: Settings): Failure {
  const holder = runningServer(lockPath(settings));
  return fail.already_running(
    `a server has the database open${holder ? ` (pid ${holder.pid})` : ""}`,
    "stop it first: session-buddy mcp stop",
  );
}

/** @throws Failure (permission) when it may not be looked at */
function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw readFailure(path, error);
  }
}

/** @throws Failure (permission) for what could not be kept beside, or read */
function refuseIrregular(database: string): void {
  for (const path of [database, `${database}.wal`])
    if (statOf(path)?.isFile() === false) throw irregular(path);
}

/**
 * @returns the backup's path without links, on which nobody else rules
 * @throws Failure for what is no other file
 */
function requireOther(given: string, database: string): string {
  const { path: from } = trustedPath(given);
  const file = statOf(from);
  if (!file?.isFile())
    throw new Failure(
      file ? "usage" : "not_found",
      file ? `'${from}' is no file` : `there is no file '${from}'`,
      "give a file that `session-buddy backup` wrote",
    );
  const own = statOf(database);
  if (own && own.dev === file.dev && own.ino === file.ino)
    throw fail.usage(`'${from}' is the database itself`);
  return from;
}

/**
 * With its write-ahead log, where it was copied with one. Each file is opened
 * once, looked at, and copied from there: its name may mean another by then.
 * @param from without links, see `requireOther`
 */
function copyBackup(from: string, to: string, database: string): void {
  copyOpen(openBackup(from), to, database);
  const log = openLog(`${from}.wal`);
  if (log !== null) copyOpen(log, `${to}.wal`, database);
}

/** @throws Failure (permission) when others could have written it */
function openBackup(path: string): number {
  try {
    return openTrusted(path);
  } catch (error) {
    throw readFailure(path, error);
  }
}

/**
 * Its lines become the database's: where others may make files it may be theirs,
 * by another name of a log of ours too.
 * @returns null when there is none
 */
function openLog(path: string): number | null {
  if (!statFile(path, { follow: false })) return null;
  const fd = openBackup(path);
  try {
    requireUnshared(dirname(path));
    return fd;
  } catch (error) {
    closeFile(fd);
    throw fail.permission(
      `'${path}' may be another user's: ${reasonOf(error)}`,
      "remove it; what `session-buddy backup` wrote has no log beside it",
      { cause: error },
    );
  }
}

/**
 * @param from is closed
 * @param beside what is named when it cannot be copied
 */
function copyOpen(from: number, to: string, beside: string): void {
  try {
    const fd = openRegular(to, O_WRONLY | O_CREAT | O_EXCL);
    try {
      copy(from, (bytes) => writeFileSync(fd, bytes));
    } finally {
      closeFile(fd);
    }
  } catch (error) {
    throw folderFailure(beside, error);
  } finally {
    closeFile(from);
  }
}

/**
 * Gives the old file another name and the new one its own.
 * @returns the other name
 */
async function replace(
  database: string,
  by: string,
  warn: Warn,
): Promise<string | null> {
  const { emptyLog } = await import("../store/duckdb/foreign-log.ts");
  if (!existsSync(database) && !existsSync(`${database}.wal`)) {
    renameSync(by, database);
    sync(dirname(database));
    return null;
  }
  // A log would be taken for the new file's: with none, one rename is all.
  if (existsSync(`${database}.wal`)) await emptyLog(database, warn);
  const stamp = new Date().toISOString().replace(/\..*|[-:]/g, "");
  let kept = `${database}.before-${stamp.replace("T", "-")}`;
  for (let n = 2; existsSync(kept); n++) kept = `${kept.split("+")[0]}+${n}`;
  for (const suffix of ["", ".wal"])
    if (existsSync(`${database}${suffix}`))
      keep(`${database}${suffix}`, `${kept}${suffix}`);
  sync(dirname(database));
  // Only of one that no longer opens is there a log still; both are kept.
  rmSync(`${database}.wal`, { force: true });
  renameSync(by, database);
  sync(dirname(database));
  return kept;
}

/** The same file by another name; a copy where a file can have but one. */
function keep(path: string, kept: string): void {
  try {
    linkSync(path, kept);
  } catch {
    copyFileSync(path, kept, constants.COPYFILE_EXCL);
  }
}

/**
 * Sessions recorded here that ran when the backup was made, and have no file in
 * the spool: whatever came of them is not here, and they do not run.
 * @returns how many were closed, at their last sign of life
 */
async function endForsaken(
  store: DuckDBStore,
  spooled: ReadonlySet<string>,
): Promise<number> {
  const ends = [];
  for await (const session of store.list({ status: "active" }))
    if (!spooled.has(session.session_id) && (await isOurs(store, session)))
      ends.push(lostEnd(session.session_id, session.last_seen));
  if (ends.length > 0) await store.append(ends);
  return ends.length;
}

/** Whether it came out of a spool, and not over the wire. */
async function isOurs(store: DuckDBStore, { session_id, reporter }: Session) {
  if (reporter !== null) return reporter === SPOOL.reporter;
  // Of before anything was kept of who brought it, there was only the spool.
  for await (const { provenance } of store.events({ session_id, limit: 1 }))
    return provenance === null;
  return false;
}
