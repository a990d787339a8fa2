/**
 * DuckDB's two native files, embedded in the executable, unpacked once into a
 * private folder and loaded from there. The folder's name carries version and
 * content; it appears whole by a rename, so that first runs may race.
 */
import {
  closeSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { dlopen } from "bun:ffi";
import addon from "../../dist/native/duckdb.node.bin" with { type: "file" };
import library from "../../dist/native/libduckdb.so.zst" with { type: "file" };
import manifest from "../../dist/native/manifest.json";
import { Failure, errnoOf, reasonOf } from "../model/failure.ts";
import { libc } from "../os/libc.ts";
import { ensurePrivateDir } from "../os/paths.ts";

const FOLDER = `duckdb-${manifest.version}-${manifest.digest}`;
const FILES = [
  ["libduckdb.so", manifest.library_bytes],
  ["duckdb.node", manifest.addon_bytes],
] as const;

/** Where bindings.cjs, in place of @duckdb/node-bindings, finds what was loaded. */
const LOADED = Symbol.for("session-buddy.duckdb");
const globals = globalThis as { [LOADED]?: unknown };

const LIBRARY_SYMBOLS = {
  duckdb_library_version: { args: [], returns: "ptr" },
} as const;

/**
 * Unpacks where needed and loads.
 * @param caches folders to keep the files in, best first
 * @throws Failure (storage) with what was wrong with each
 */
export function loadNative(caches: readonly string[]): void {
  if (globals[LOADED]) return;
  const reasons: string[] = [];
  for (const cache of caches)
    try {
      globals[LOADED] = unpackAndLoad(cache);
      return;
    } catch (error) {
      reasons.push(
        error instanceof Failure
          ? error.sentence
          : `${cache}: ${reasonOf(error)}`,
      );
    }
  throw new Failure(
    "storage",
    `DuckDB's library cannot be unpacked and loaded: ${reasons.join("; ")}`,
    "set cache_dir in the configuration to a private folder on a disk with 80 MB free that allows execution",
  );
}

function unpackAndLoad(cache: string): unknown {
  try {
    return loadFrom(unpack(cache));
  } catch (error) {
    if (error instanceof Failure) throw error;
    // Another first run may have swept or repaired in between: once more.
    return loadFrom(unpack(cache));
  }
}

function loadFrom(folder: string): unknown {
  const module: { exports: unknown } = { exports: {} };
  try {
    // First by its full name: the addon asks for libduckdb.so by its short one,
    // and LD_LIBRARY_PATH would answer with another. Without JIT it may.
    if (libc) dlopen(`${folder}/libduckdb.so`, LIBRARY_SYMBOLS);
    process.dlopen(module, `${folder}/duckdb.node`);
  } catch (error) {
    const text = reasonOf(error);
    throw /failed to map segment|permitted/.test(text)
      ? new Failure("storage", `${dirname(folder)} does not allow execution`)
      : error;
  }
  return module.exports;
}

/** @returns the folder that holds both files, whole and ours */
function unpack(cache: string): string {
  ensurePrivateDir(cache);
  const folder = `${cache}/${FOLDER}`;
  if (isWhole(folder)) return folder;
  const own = `${folder}.${Bun.randomUUIDv7().slice(-12)}.new`;
  let lock: number | null = null;
  try {
    mkdirSync(own, { mode: 0o700 });
    lock = openSync(own, "r");
    libc?.tryLock(lock);
    write(`${own}/libduckdb.so`, Bun.zstdDecompressSync(readFileSync(library)));
    write(`${own}/duckdb.node`, readFileSync(addon));
    publish(own, folder);
  } catch (error) {
    throw errnoOf(error) === "ENOSPC"
      ? new Failure("storage", `the disk of ${cache} is full`)
      : error;
  } finally {
    rmSync(own, { recursive: true, force: true });
    if (lock !== null) closeSync(lock);
  }
  removeOthers(cache);
  return folder;
}

/** Renames into place; what stands there broken is moved out of the way first. */
function publish(own: string, folder: string): void {
  for (let tries = 0; tries < 3; tries++) {
    try {
      return renameSync(own, folder);
    } catch (error) {
      if (!["EEXIST", "ENOTEMPTY", "ENOTDIR"].includes(errnoOf(error) ?? ""))
        throw error;
    }
    // Another first run was faster, or something broken stands there.
    if (isWhole(folder)) return;
    const aside = `${own}.broken`;
    try {
      renameSync(folder, aside);
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") throw error;
    }
    rmSync(aside, { recursive: true, force: true });
  }
  throw new Error(`${folder} cannot be replaced`);
}

/** A folder of ours with both files in full length, writable by nobody else. */
function isWhole(folder: string): boolean {
  try {
    if (!isPrivate(folder, "isDirectory")) return false;
    return FILES.every(
      ([name, bytes]) =>
        isPrivate(`${folder}/${name}`, "isFile") &&
        lstatSync(`${folder}/${name}`).size === bytes,
    );
  } catch {
    // Not there, or not readable: unpacking tells why.
    return false;
  }
}

function isPrivate(path: string, kind: "isFile" | "isDirectory"): boolean {
  const stat = lstatSync(path);
  const ours = stat.uid === process.geteuid!() && (stat.mode & 0o022) === 0;
  return stat[kind]() && ours;
}

function write(path: string, bytes: Uint8Array): void {
  const fd = openSync(path, "wx", 0o500);
  try {
    for (let at = 0; at < bytes.length;)
      at += writeSync(fd, bytes, at, bytes.length - at);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Older versions, and what killed first runs left behind. */
function removeOthers(cache: string): void {
  for (const name of readdirSync(cache)) {
    if (!name.startsWith("duckdb-") || name === FOLDER) continue;
    try {
      if (!name.endsWith(".new") || isAbandoned(`${cache}/${name}`))
        rmSync(`${cache}/${name}`, { recursive: true, force: true });
    } catch {
      // Not ours to remove: it only takes room.
    }
  }
}

/** A folder in the making is locked by its maker. */
function isAbandoned(folder: string): boolean {
  const fd = openSync(folder, "r");
  try {
    return libc?.tryLock(fd) ?? false;
  } finally {
    closeSync(fd);
  }
}
