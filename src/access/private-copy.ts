/**
 * A private copy to read where nothing can be written: on a read-only or full disk, or
 * with a spool that cannot be drained. Database and spool are copied to memory or to a
 * temporary folder, and the copy is drained and read.
 */
import { lstatSync, mkdirSync, readdirSync, statfsSync } from "node:fs";
import type { Settings } from "../config/load.ts";
import { Failure, type Warn, errnoOf } from "../model/failure.ts";
import { withoutKept } from "../model/maintenance.ts";
import { libc } from "../os/libc.ts";
import { O_RDONLY, closeFile, openRegular } from "../os/file.ts";
import { copyToNew } from "../os/copy.ts";
import { Scratch, temporaryFolders } from "../os/scratch.ts";
import { requireTrustedFile, trustedPath } from "../os/trust.ts";
import { isSpoolFile } from "../spool/folder.ts";
import { spoolFolder } from "../spool/write.ts";
import { SUFFIXES, databaseFiles } from "../store/database-files.ts";

const UNWRITABLE: ReadonlySet<string | null> = new Set([
  ...["EROFS", "EACCES", "EPERM", "ENOSPC", "EDQUOT", "EFBIG"],
  ...["EEXIST", "ENOTDIR", "EISDIR", "ENOTEMPTY"],
]);
/** DuckDB has no errno for it. */
const UNWRITABLE_WORDS = /cannot be opened for writing|disk of '.*' is full/;
/** The part of the free room that a copy leaves. */
const LEFT_FREE = 0.2;

/** Whether an error says that something cannot be written. */
export const isUnwritable = (error: unknown): error is Failure =>
  error instanceof Failure &&
  (UNWRITABLE.has(errnoOf(error.cause)) ||
    (error.cause !== undefined && UNWRITABLE_WORDS.test(error.sentence)));

/** A copy, as a data folder of its own. */
export interface Copy extends Disposable {
  settings: Settings;
}

/**
 * Copies the database and the spool.
 * @param lock the path of the database's lock, held meanwhile
 * @returns null when the database is in use, or there is no room
 */
export function copyAside(
  settings: Settings,
  database: string,
  lock: string,
): Copy | null {
  const held = holdStill(lock);
  if (held === "taken") return null;
  try {
    const spool = spoolFolder(settings.paths.data!);
    for (const file of databaseFiles(database)) requireTrustedFile(file);
    const files = [
      ...SUFFIXES.flatMap((suffix) =>
        present(`${database}${suffix}`, `sessions.duckdb${suffix}`),
      ),
      ...spooled(spool, settings),
    ];
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    const place = placeFor(bytes);
    return place === null ? null : copyTo(place, files, settings);
  } finally {
    if (typeof held === "number") closeFile(held);
  }
}

/** Warnings about a copy, with the names of the original. */
export function aboutOriginal(
  copy: Copy,
  original: Settings,
  database: string,
  warn: Warn,
): Warn {
  const data = copy.settings.paths.data!;
  return (sentence) =>
    warn(
      withoutKept(sentence)
        .replaceAll(`${data}/sessions.duckdb`, database)
        .replaceAll(data, original.paths.data!),
    );
}

interface Source {
  from: string;
  /** Below the copy's data folder. */
  to: string;
  bytes: number;
}

function present(from: string, to: string): Source[] {
  const stat = lstatSync(from, { throwIfNoEntry: false });
  return stat?.isFile() ? [{ from, to, bytes: stat.size }] : [];
}

function spooled(folder: string, { paths }: Settings): Source[] {
  const below = folder.slice(paths.data!.length + 1);
  return names(folder)
    .filter(isSpoolFile)
    .flatMap((name) => present(`${folder}/${name}`, `${below}/${name}`));
}

function names(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    // The drain has named what stands in its place.
    if (["ENOENT", "ENOTDIR"].includes(errnoOf(error) ?? "")) return [];
    throw error;
  }
}

/** Holds the lock of the database, if it has one. */
function holdStill(path: string): number | "taken" | "none" {
  let fd: number;
  try {
    fd = openRegular(path, O_RDONLY);
  } catch {
    // No lock, or not ours to open: DuckDB's own has to do.
    return "none";
  }
  try {
    if (libc?.tryLock(fd)) return fd;
    if (libc) {
      closeFile(fd);
      return "taken";
    }
  } catch {
    // No locks there: nobody can hold it.
  }
  closeFile(fd);
  return "none";
}

/** A folder that nobody else can exchange; what killed readers left is removed. */
function placeFor(bytes: number): Scratch | null {
  for (const place of ["/dev/shm", ...temporaryFolders()])
    try {
      trustedPath(place);
      const { bavail, bsize } = statfsSync(place);
      if (bytes > bavail * bsize * (1 - LEFT_FREE)) continue;
      return Scratch.beside(`${place}/copy`);
    } catch {
      // Not there, another's, or not writable: the next one.
    }
  return null;
}

function copyTo(
  place: Scratch,
  files: readonly Source[],
  settings: Settings,
): Copy {
  const away = () => place.remove();
  const data = `${place.path}/session-buddy`;
  try {
    for (const { from, to } of files) {
      const path = `${data}/${to}`;
      mkdirSync(path.slice(0, path.lastIndexOf("/")), {
        ...{ recursive: true, mode: 0o700 },
      });
      const source = openRegular(from, O_RDONLY);
      try {
        // The times tell of a session's life.
        copyToNew(source, path, true);
      } finally {
        closeFile(source);
      }
    }
    mkdirSync(data, { recursive: true, mode: 0o700 });
  } catch (error) {
    away();
    throw error;
  }
  const { config, paths } = settings;
  return {
    settings: {
      ...settings,
      config: { ...config, store: { ...config.store, path: null } },
      paths: { ...paths, data },
    },
    [Symbol.dispose]: away,
  };
}
