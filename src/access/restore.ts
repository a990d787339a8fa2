/**
 * Restores a backup. It is copied beside the database and verified there; then, under
 * the lock, the database is renamed and the copy takes its name. Killed anywhere in
 * between, one of the two is there.
 */
import {
  constants,
  copyFileSync,
  existsSync,
  linkSync,
  renameSync,
  rmSync,
  statSync,
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
import { Task, part } from "../model/progress.ts";
import { SPOOL } from "../model/reporter.ts";
import type { Session } from "../model/session.ts";
import type { KeptStore } from "../model/store.ts";
import { withoutKept } from "../model/maintenance.ts";
import {
  claimForCommand,
  databasePath,
  loadDuckDB,
  lockPath,
  runningServer,
} from "./claim.ts";
import { openStore } from "./open-store.ts";
import { drainInto } from "./open.ts";
import { sayDrained } from "../spool/report.ts";
import { closeFile, irregular } from "../os/file.ts";
import { statFile } from "../os/stat.ts";
import { ensurePrivateDir, folderFailure, readFailure } from "../os/paths.ts";
import { absolutePath } from "../os/spot.ts";
import { copyToNew, sync } from "../os/copy.ts";
import { Scratch } from "../os/scratch.ts";
import { openTrusted, requireUnshared, trustedPath } from "../os/trust.ts";
import { requeueDone, spooledSessions } from "../spool/contents.ts";
import { spoolFolder } from "../spool/write.ts";
import { SUFFIXES, databaseFiles, ownBeside } from "../store/database-files.ts";
import { StoreLock } from "../store/lock.ts";
import type { Verified } from "../store/duckdb/verify.ts";

export interface Restored extends Verified {
  /** The path of the old database; null when there was none. */
  kept: string | null;
  /** Events that came from the spool. */
  drained: number;
  /** Sessions that are active in the backup, and not here any more. */
  lost: number;
}

const COPY = "copy";
const REFUSED = "give another backup; the database is as it was";

/** A verified copy of a backup, beside the database. */
export class Candidate {
  private constructor(
    private readonly settings: Settings,
    private readonly scratch: Scratch,
    readonly verified: Verified,
  ) {}

  /**
   * Copies and verifies a backup.
   * @param warn is told what of it was left out
   * @throws Failure naming the file and what is wrong with it
   */
  static async of(
    settings: Settings,
    file: string,
    warn: Warn,
  ): Promise<Candidate> {
    const { url } = settings.config.store;
    if (url !== null)
      throw fail.config(
        `the database is at ${url}, and a backup of a file cannot take its place`,
        "restore a dump of it with pg_restore; or bring a file to it: session-buddy migrate",
      );
    if (runningServer(lockPath(settings))) throw serverFailure(settings);
    const database = databasePath(settings);
    ensurePrivateDir(settings.paths.data!);
    const from = requireOther(absolutePath(file), database);
    refuseIrregular(database);
    await loadDuckDB(settings);
    const { verify } = await import("../store/duckdb/verify.ts");
    using task = new Task("restore");
    const scratch = Scratch.beside(database);
    const path = scratch.at(COPY);
    try {
      task.at("copying", 0);
      copyBackup(from, path, database);
      const left = (sentence: string) =>
        warn(withoutKept(sentence).replaceAll(path, from));
      const verified = await verify(path, from, {
        ...{ warn: left, hint: REFUSED },
        steps: part(task, 0.1, 1),
      });
      return new Candidate(settings, scratch, verified);
    } catch (error) {
      scratch.remove();
      throw errnoOf(error) ? folderFailure(database, error) : error;
    }
  }

  /** Removes the copy; nothing is left of it after `take`. */
  discard(): void {
    this.scratch.remove();
  }

  /**
   * Replaces the database by it, and drains the spool into it.
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
      // The backup may lack what is in done/.
      await requeueDone(spoolFolder(data));
    } catch (error) {
      lock.release();
      throw errnoOf(error)
        ? folderFailure(databasePath(settings), error)
        : error;
    }
    const { store, close } = await openStore(settings, lock, { warn });
    try {
      const report = await drainInto(settings, store);
      sayDrained(report, warn);
      const lost = await endOrphans(store, spooledSessions(data));
      return { ...verified, kept, drained: report.stored, lost };
    } finally {
      await close();
    }
  }
}

function serverFailure(settings: Settings): Failure {
  const holder = runningServer(lockPath(settings));
  return fail.already_running(
    `a server has the database open${holder ? ` (pid ${holder.pid})` : ""}`,
    "stop it first: session-buddy mcp stop",
  );
}

/** @throws Failure (permission) when a file may not be read */
function reading<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw readFailure(path, error);
  }
}

const statOf = (path: string) =>
  reading(path, () => statSync(path, { throwIfNoEntry: false }));

/** @throws Failure (permission) for what could not be kept beside, or read */
function refuseIrregular(database: string): void {
  for (const path of databaseFiles(database))
    if (statOf(path)?.isFile() === false) throw irregular(path);
}

/**
 * @returns the path of the backup, without links, which nobody else can change
 * @throws Failure for the database itself, and what is no file
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
 * Copies a backup, and what is its own beside it. Each file is checked and
 * copied through one descriptor: its name may mean another by then.
 * @param from without links, see `requireOther`
 */
function copyBackup(from: string, to: string, database: string): void {
  copyOpen(openBackup(from), to, database);
  for (const suffix of new Set([".wal", ...ownBeside(from)])) {
    const beside = openBeside(`${from}${suffix}`);
    if (beside !== null) copyOpen(beside, `${to}${suffix}`, database);
  }
}

/** @throws Failure (permission) when others could have written it */
const openBackup = (path: string) => reading(path, () => openTrusted(path));

/**
 * Opens what may stand beside a backup. Where others may make files it may be theirs.
 * @returns null when there is none
 */
function openBeside(path: string): number | null {
  if (!statFile(path, { follow: false })) return null;
  const fd = openBackup(path);
  try {
    requireUnshared(dirname(path));
    return fd;
  } catch (error) {
    closeFile(fd);
    throw fail.permission(
      `'${path}' may be another user's: ${reasonOf(error)}`,
      "remove it; what `session-buddy backup` wrote has no such file beside it",
      { cause: error },
    );
  }
}

/**
 * @param from is closed
 * @param beside is named when it cannot be copied
 */
function copyOpen(from: number, to: string, beside: string): void {
  try {
    copyToNew(from, to);
  } catch (error) {
    throw folderFailure(beside, error);
  } finally {
    closeFile(from);
  }
}

/**
 * Renames the database, and gives the new file its name.
 * @returns the new name of the old file; null when there was none
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
  // A log would be taken for the new file's.
  if (ownBeside(database).length > 0) await emptyLog(database, warn);
  const stamp = new Date().toISOString().replace(/\..*|[-:]/g, "");
  let kept = `${database}.before-${stamp.replace("T", "-")}`;
  for (let n = 2; existsSync(kept); n++) kept = `${kept.split("+")[0]}+${n}`;
  for (const suffix of SUFFIXES)
    if (existsSync(`${database}${suffix}`))
      keep(`${database}${suffix}`, `${kept}${suffix}`);
  sync(dirname(database));
  // The log of one that no longer opens is kept too.
  for (const suffix of SUFFIXES.slice(1))
    rmSync(`${database}${suffix}`, { force: true });
  renameSync(by, database);
  sync(dirname(database));
  return kept;
}

/** Links a file to another name, or copies it where there are no links. */
function keep(path: string, kept: string): void {
  try {
    linkSync(path, kept);
  } catch {
    copyFileSync(path, kept, constants.COPYFILE_EXCL);
  }
}

/**
 * Ends the sessions of this host that were active when the backup was made and have no
 * file in the spool, at their last sign of life.
 * @returns how many
 */
async function endOrphans(
  store: KeptStore,
  spooled: ReadonlySet<string>,
): Promise<number> {
  const ends = [];
  for await (const session of store.list({ status: "active" }))
    if (!spooled.has(session.session_id) && (await isOurs(store, session)))
      ends.push(lostEnd(session.session_id, session.last_seen));
  if (ends.length > 0) await store.append(ends);
  return ends.length;
}

/** Whether a session came from the spool, not over the wire. */
async function isOurs(store: KeptStore, { session_id, reporter }: Session) {
  if (reporter !== null) return reporter === SPOOL.reporter;
  // Before provenance was kept there was only the spool.
  for await (const { provenance } of store.events({ session_id, limit: 1 }))
    return provenance === null;
  return false;
}
