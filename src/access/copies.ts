/**
 * The copies of the database that we know of: a list of the backups and exports that
 * were made, and of the archives that went elsewhere (`copies.jsonl` in the data folder);
 * and what is kept beside the database. A path is written down before its file is made.
 */
import {
  closeSync,
  existsSync,
  fdatasyncSync,
  readFileSync,
  readdirSync,
  statSync,
  writeSync,
} from "node:fs";
import { basename, dirname } from "node:path";
import type { Settings } from "../config/load.ts";
import { type Warn, errnoOf, reasonOf } from "../model/failure.ts";
import {
  O_APPEND,
  O_CREAT,
  O_RDONLY,
  O_RDWR,
  openRegular,
} from "../os/file.ts";
import { ensurePrivateDir, readFailure } from "../os/paths.ts";

export const COPIES = "copies.jsonl";

const KNOWN = ["backup", "archive", "export"] as const;

export interface KnownCopy {
  kind: (typeof KNOWN)[number];
  /** Absolute, links followed. */
  path: string;
}

/**
 * Makes a copy that is written down before: what is removed afterwards is removed from
 * it, too. It is taken back when nothing was made.
 * @param warn is told when it cannot be written down; on a full disk a copy is made
 *   all the same
 */
export async function remembered<T>(
  settings: Settings,
  copy: KnownCopy,
  warn: Warn,
  make: () => Promise<T>,
): Promise<T> {
  const data = settings.paths.data!;
  const before = lookOf(copy.path);
  let added = false;
  try {
    const { copies } = knownCopies(data);
    added = !copies.some(({ path }) => path === copy.path);
    if (added) append(data, copy);
  } catch (error) {
    added = false;
    warn(
      `'${copy.path}' could not be written down, so that redact will not know of it: ${reasonOf(error)}`,
    );
  }
  try {
    return await make();
  } finally {
    // A folder for no session, a file in the way: it is as it was.
    if (added && lookOf(copy.path) === before)
      append(data, { ...copy, gone: true });
  }
}

/** The same while nobody changes what is there. */
function lookOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat ? `${stat.dev} ${stat.ino} ${stat.size} ${stat.mtimeMs}` : "";
}

function append(data: string, line: KnownCopy & { gone?: true }): void {
  ensurePrivateDir(data);
  const path = `${data}/${COPIES}`;
  const fd = openRegular(path, O_RDWR | O_CREAT | O_APPEND);
  try {
    // A line before it may be torn.
    const text = readFileSync(fd, "utf8");
    const begin = text === "" || text.endsWith("\n") ? "" : "\n";
    writeSync(fd, `${begin}${JSON.stringify(line)}\n`);
    fdatasyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** @returns those that are there still, as far as we know; lines that cannot be read */
export function knownCopies(data: string): {
  copies: KnownCopy[];
  unread: number;
} {
  const of = new Map<string, KnownCopy>();
  let unread = 0;
  for (const line of linesOf(`${data}/${COPIES}`)) {
    const read = parsed(line);
    if (!read) unread++;
    else if (read.gone) of.delete(read.path);
    else of.set(read.path, { kind: read.kind, path: read.path });
  }
  return { copies: [...of.values()], unread };
}

function linesOf(path: string): string[] {
  let fd: number;
  try {
    fd = openRegular(path, O_RDONLY);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw errnoOf(error) ? readFailure(path, error) : error;
  }
  try {
    return readFileSync(fd, "utf8").split("\n").filter(Boolean);
  } finally {
    closeSync(fd);
  }
}

function parsed(line: string): (KnownCopy & { gone: boolean }) | null {
  try {
    const { path, gone, ...of } = JSON.parse(line) as Record<string, unknown>;
    const kind = KNOWN.find((each) => each === of["kind"]);
    if (!kind) return null;
    if (typeof path !== "string" || !path.startsWith("/")) return null;
    return { kind, path, gone: gone === true };
  } catch {
    return null;
  }
}

export interface Beside {
  /**
   * `before`: what a restore has replaced; `schema`: from before an upgrade; `log`: a
   * write-ahead log that was set aside.
   */
  kind: "before" | "schema" | "log";
  path: string;
}

const KINDS: readonly [RegExp, Beside["kind"]][] = [
  [/^before-\d{8}-\d{6}(\+\d+)?$/, "before"],
  [/^schema-\d+$/, "schema"],
  [/^(wal\.(foreign|damaged)-|before-.*\.(wal|checkpoint))/, "log"],
];

/** What is kept beside a database. */
export function keptBeside(database: string): Beside[] {
  const folder = dirname(database);
  const prefix = `${basename(database)}.`;
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const found: Beside[] = [];
  for (const name of names.filter((each) => each.startsWith(prefix))) {
    const end = name.slice(prefix.length);
    const kind = KINDS.find(([pattern]) => pattern.test(end))?.[1];
    // The log of a whole database goes with that.
    const of = name.replace(/\.(wal|checkpoint)$/, "");
    const whole = kind === "log" && of !== name && names.includes(of);
    if (kind && !whole) found.push({ kind, path: `${folder}/${name}` });
  }
  return found;
}
