/**
 * Loads DuckDB's two native files, which are embedded in the executable and unpacked
 * once into a private folder. The folder is named by version and content, and made by
 * a rename, so that first runs may race.
 *
 * Loaded code runs as the user: the folder must be one that nobody else can change
 * (trust.ts), and a file is checked and loaded through one descriptor. Its digest is
 * noted with what changes when the file does: hashing 71 MB at each start would take
 * longer than all the rest.
 */
import {
  type BigIntStats,
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { dlopen } from "bun:ffi";
import manifest from "../../../dist/native/manifest.json";
import { Failure, errnoOf, fail, reasonOf } from "../../model/failure.ts";
import { say, lockFile } from "../../os/file.ts";
import { libc } from "../../os/libc.ts";
import { ensurePrivateDir } from "../../os/paths.ts";
import { isTerminal } from "../../os/proc.ts";
import { removeNatives, removeOthers } from "./native-removal.ts";
import addon from "../../../dist/native/duckdb.node.bin" with { type: "file" };
import library from "../../../dist/native/libduckdb.so.zst" with { type: "file" };

const FOLDER = `duckdb-${manifest.version}-${manifest.digest}`;
const LIBRARY = "libduckdb.so";
const ADDON = "duckdb.node";
const FILES = { [LIBRARY]: manifest.library, [ADDON]: manifest.addon };
type Name = keyof typeof FILES;
/** Notes the files whose digest was checked. */
const NOTE = "verified.json";
const HASH_BYTES = 4 * 1024 * 1024;
const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;

/** Where bindings.cjs, in place of @duckdb/node-bindings, finds what was loaded. */
const LOADED = Symbol.for("session-buddy.duckdb");
const globals = globalThis as { [LOADED]?: unknown };

const LIBRARY_SYMBOLS = {
  duckdb_library_version: { args: [], returns: "ptr" },
} as const;

const MISSING_LIBRARY =
  /(lib[\w+.-]+\.so[\d.]*): cannot open shared object file/;

/** A library of the system's that a slim image lacks. */
class MissingLibrary extends Failure {
  constructor(name: string) {
    super(
      "storage",
      `this system lacks ${name}, which DuckDB's library needs`,
      "install it: apt-get install libstdc++6 (Debian, Ubuntu), dnf install libstdc++ (Fedora, RHEL); shells are recorded meanwhile",
    );
  }
}

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
      // No other folder has it.
      if (error instanceof MissingLibrary) throw error;
      reasons.push(
        error instanceof Failure
          ? error.sentence
          : `${cache}: ${reasonOf(error)}`,
      );
    }
  throw fail.storage(
    `DuckDB's library cannot be unpacked and loaded: ${reasons.join("; ")}`,
    "set cache_dir in the configuration to a private folder on a disk with 80 MB free that allows execution",
  );
}

/** Another first run may sweep or repair in between: then once more. */
const UNPACKS = 3;

function unpackAndLoad(cache: string): unknown {
  for (let tries = 1; ; tries++)
    try {
      return loadFrom(unpack(cache));
    } catch (error) {
      if (error instanceof Failure || tries === UNPACKS) throw error;
    }
}

/** The two files, open and checked. */
interface Natives {
  folder: string;
  fds: Record<Name, number>;
}

function loadFrom({ folder, fds }: Natives): unknown {
  try {
    // First by its full name: the addon asks for libduckdb.so by its short one,
    // and LD_LIBRARY_PATH would answer with another. Without JIT it may.
    if (libc) dlopen(openName(folder, LIBRARY, fds), LIBRARY_SYMBOLS);
    return loadAddon(folder, fds);
  } catch (error) {
    const text = reasonOf(error);
    const missing = MISSING_LIBRARY.exec(text)?.[1];
    if (missing) throw new MissingLibrary(missing);
    throw /failed to map segment|permitted/.test(text)
      ? fail.storage(`${dirname(folder)} does not allow execution`)
      : error;
  } finally {
    closeAll(fds);
  }
}

function loadAddon(folder: string, fds: Natives["fds"]): unknown {
  const module: { exports: unknown } = { exports: {} };
  try {
    process.dlopen(module, openName(folder, ADDON, fds));
  } catch (error) {
    // Without JIT the library is not there yet, and musl knows no library by its
    // short name: both look beside the addon, which they have to know by its own.
    if (!reasonOf(error).includes(LIBRARY)) throw error;
    process.dlopen(module, `${folder}/${ADDON}`);
  }
  return module.exports;
}

/** A path of an open file; without /proc its name. */
function openName(folder: string, name: Name, fds: Natives["fds"]): string {
  const path = `/proc/self/fd/${fds[name]}`;
  return existsSync(path) ? path : `${folder}/${name}`;
}

/** Opens both files, and unpacks them when they are missing. */
function unpack(cache: string): Natives {
  const place = ensurePrivateDir(cache);
  const folder = `${place}/${FOLDER}`;
  const found = openWhole(folder);
  if (found) return found;
  const own = `${folder}.${Bun.randomUUIDv7().slice(-12)}.new`;
  let lock: number | null = null;
  try {
    mkdirSync(own, { mode: 0o700 });
    lock = openSync(own, "r");
    lockFile(lock);
    sayUnpacking(cache);
    write(`${own}/${LIBRARY}`, unpackedLibrary());
    write(`${own}/${ADDON}`, readFileSync(addon));
    const made = openWhole(own);
    if (!made) throw new Error(`${own} does not hold what was written to it`);
    closeAll(made.fds);
    publish(own, folder);
  } catch (error) {
    throw errnoOf(error) === "ENOSPC"
      ? fail.storage(`the disk of ${cache} is full`)
      : error;
  } finally {
    removeNatives(own);
    if (lock !== null) closeSync(lock);
  }
  removeOthers(place, FOLDER);
  const whole = openWhole(folder);
  if (!whole) throw new Error(`${folder} was changed at once`);
  return whole;
}

/** In one piece of its size: grown bit by bit it takes twice the time. */
function unpackedLibrary(): Uint8Array {
  // Others need no zlib.
  const { zstdDecompressSync } = process.getBuiltinModule("node:zlib");
  const chunkSize = FILES[LIBRARY].bytes;
  return zstdDecompressSync(readFileSync(library), { chunkSize });
}

function sayUnpacking(cache: string): void {
  if (isTerminal(2))
    say(
      `session-buddy: unpacks DuckDB into ${JSON.stringify(cache)}, this once\n`,
    );
}

/** Renames into place, and moves away what is broken there. */
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
    try {
      removeNatives(aside);
    } catch {
      // With something else in it: it is not ours to remove.
    }
  }
  throw new Error(`${folder} cannot be replaced`);
}

function isWhole(folder: string): boolean {
  const natives = openWhole(folder);
  if (natives) closeAll(natives.fds);
  return natives !== null;
}

function closeAll(fds: Natives["fds"]): void {
  for (const fd of Object.values(fds)) closeSync(fd);
}

/**
 * Opens what is unpacked in a folder.
 * @returns null when it is not there, not ours alone, or not what it should be
 */
function openWhole(folder: string): Natives | null {
  const opened: number[] = [];
  try {
    if (!isOurs(lstatSync(folder, { bigint: true }), "isDirectory"))
      return null;
    const noted = readNote(folder);
    const note: Partial<Record<Name, string>> = {};
    const fds: Partial<Natives["fds"]> = {};
    for (const name of [LIBRARY, ADDON] as const) {
      const flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;
      const fd = openSync(`${folder}/${name}`, flags);
      opened.push((fds[name] = fd));
      const stat = fstatSync(fd, { bigint: true });
      const { bytes, sha256 } = FILES[name];
      if (!isOurs(stat, "isFile") || stat.size !== BigInt(bytes)) break;
      note[name] = `${stat.dev}:${stat.ino} ${stat.size} ${stat.ctimeNs}`;
      // Copied, moved to another disk, or touched: it counts as new.
      if (noted[name] !== note[name] && digestOf(fd) !== sha256) break;
      if (name !== ADDON) continue;
      if (!Bun.deepEquals(noted, note)) writeNote(folder, note);
      return { folder, fds: fds as Natives["fds"] };
    }
  } catch {
    // Not there, or not readable: unpacking tells why.
  }
  for (const fd of opened) closeSync(fd);
  return null;
}

function isOurs(stat: BigIntStats, kind: "isFile" | "isDirectory"): boolean {
  const ours = stat.uid === BigInt(process.geteuid!());
  return stat[kind]() && ours && (stat.mode & 0o022n) === 0n;
}

function digestOf(fd: number): string {
  const hash = new Bun.CryptoHasher("sha256");
  const block = new Uint8Array(HASH_BYTES);
  for (let at = 0; ;) {
    const got = readSync(fd, block, 0, HASH_BYTES, at);
    if (got === 0) return hash.digest("hex");
    hash.update(block.subarray(0, got));
    at += got;
  }
}

function readNote(folder: string): Partial<Record<Name, string>> {
  let fd: number | null = null;
  try {
    const flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;
    fd = openSync(`${folder}/${NOTE}`, flags);
    if (!isOurs(fstatSync(fd, { bigint: true }), "isFile")) return {};
    return JSON.parse(readFileSync(fd, "utf8")) as Record<string, string>;
  } catch {
    // Not there, or damaged: it is written anew.
    return {};
  } finally {
    if (fd !== null) closeSync(fd);
  }
}

function writeNote(folder: string, note: object): void {
  const half = `${folder}/${NOTE}.${Bun.randomUUIDv7().slice(-12)}`;
  try {
    write(half, Buffer.from(JSON.stringify(note)), 0o600);
    renameSync(half, `${folder}/${NOTE}`);
  } catch {
    // A full disk, or one that is only read: the next start hashes again.
    rmSync(half, { force: true });
  }
}

function write(path: string, bytes: Uint8Array, mode = 0o500): void {
  writeFileSync(path, bytes, { flag: "wx", mode, flush: true });
  chmodSync(path, mode);
}
