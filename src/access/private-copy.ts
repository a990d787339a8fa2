/**
 * Reading where nothing can be written: a read-only disk or mount, a full disk,
 * a spool that does not let itself be drained. The database and what waits in
 * the spool are copied to memory or to a temporary folder, and that copy is
 * drained and read; nothing here is changed.
 */
import {
  fstatSync,
  futimesSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import type { Settings } from "../config/load.ts";
import { Failure, type Warn, errnoOf } from "../model/failure.ts";
import { withoutKept } from "../model/maintenance.ts";
import { libc } from "../os/libc.ts";
import {
  O_CREAT,
  O_EXCL,
  O_RDONLY,
  O_WRONLY,
  closeFile,
  openRegular,
} from "../os/file.ts";
import { copy } from "../os/copy.ts";
import { Scratch, temporaryFolders } from "../os/scratch.ts";
import { requireTrustedFile, trustedPath } from "../os/trust.ts";
import { isSpoolFile } from "../spool/folder.ts";
import { spoolFolder } from "../spool/write.ts";

/** What a place that cannot be written says. */
const UNWRITABLE: ReadonlySet<string | null> = new Set([
  ...["EROFS", "EACCES", "EPERM", "ENOSPC", "EDQUOT", "EFBIG"],
  ...["EEXIST", "ENOTDIR", "EISDIR", "ENOTEMPTY"],
]);
/** DuckDB has no errno for it. */
const UNWRITABLE_WORDS = /cannot be opened for writing|disk of '.*' is full/;
/** Room that a copy leaves free, as a part of what there is. */
const LEFT_FREE = 0.2;

/** Whether it is for want of writing that something failed. */
export const isUnwritable = (error: unknown): error is Failure =>
  error instanceof Failure &&
  (UNWRITABLE.has(errnoOf(error.cause)) ||
    (error.cause !== undefined && UNWRITABLE_WORDS.test(error.sentence)));

/** A copy, as a data folder of its own. */
export interface Copy extends Disposable {
  settings: Settings;
}

/**
 * Copies what there is to read.
 * @param database its path
 * @param lock the path of its lock, which nobody may hold meanwhile
 * @returns null when it is in use, or there is no room for a copy
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
    for (const file of [database, `${database}.wal`]) requireTrustedFile(file);
    const files = [
      ...present(database, "sessions.duckdb"),
      ...present(`${database}.wal`, "sessions.duckdb.wal"),
      ...spooled(spool, settings),
    ];
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    const place = placeFor(bytes);
    return place === null ? null : copyTo(place, files, settings);
  } finally {
    if (typeof held === "number") closeFile(held);
  }
}

/** What is said of a copy, said of what it is one of. */
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
    // What stands in its place is said by who could not drain.
    if (["ENOENT", "ENOTDIR"].includes(errnoOf(error) ?? "")) return [];
    throw error;
  }
}

/** Keeps the database as it is; a lock of it is no more than looked at. */
function holdStill(path: string): number | "taken" | "none" {
  let fd: number;
  try {
    fd = openRegular(path, O_RDONLY);
  } catch {
    // Never opened by anybody, or not ours to open: DuckDB's own lock has to do.
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

/**
 * Where nobody else can exchange it, so that its name stays good; what killed
 * readers have left there goes as one is made.
 */
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

/** With its times, which tell of a session's life. */
function copyFile(from: string, to: string): void {
  const source = openRegular(from, O_RDONLY);
  try {
    const target = openRegular(to, O_WRONLY | O_CREAT | O_EXCL);
    try {
      copy(source, (bytes) => writeFileSync(target, bytes));
      const { atime, mtime } = fstatSync(source);
      futimesSync(target, atime, mtime);
    } finally {
      closeFile(target);
    }
  } finally {
    closeFile(source);
  }
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
      copyFile(from, path);
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
