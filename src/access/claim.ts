/**
 * Claims the database of this host. One process at a time has it open, the holder of
 * its lock; others ask a server that holds it, or wait.
 */
import { dirname } from "node:path";
import type { Settings } from "../config/load.ts";
import { ensurePrivateDir } from "../os/paths.ts";
import { trustedPath } from "../os/trust.ts";
import {
  type Holder,
  StoreLock,
  heldFailure,
  isHeld,
  isHolding,
  readHolder,
} from "../store/lock.ts";
import type { LocalServer } from "../store/remote/unresponsive.ts";
import { COMPILED } from "../version.ts";

const POLL_MS = 15;

/** How a process claims the database. */
export interface Claim<S> {
  role: Holder["role"];
  /** How long it waits for one holder. */
  holder_ms: number;
  /** How long it waits in all. */
  total_ms: number;
  /**
   * A server that is as good as the lock.
   * @param waited_ms since the claim began
   * @returns null to wait on for the lock
   * @throws Failure to give up
   */
  server(path: string, waited_ms: number): S | null;
}

const COMMAND: Claim<LocalServer> = {
  role: "cli",
  holder_ms: 5_000,
  total_ms: 20_000,
  server: askableServer,
};

/** The server that has the database, else its lock, held by this command. */
export const claimForCommand = (settings: Settings) => claim(settings, COMMAND);

/**
 * Waits for the lock of the database, or for a server that will do instead.
 * @returns the lock, held, or the server
 * @throws Failure (timeout) that names who holds it and does not let go
 */
export async function claim<S>(
  settings: Settings,
  { role, holder_ms, total_ms, server }: Claim<S>,
): Promise<S | StoreLock> {
  ensurePrivateDir(settings.paths.data!);
  const path = lockPath(settings);
  const began = performance.now();
  let pid: number | undefined;
  let held_since = began;
  for (;;) {
    const found = server(path, performance.now() - began);
    if (found) return found;
    if (!isHeld(path)) {
      // Unpacking the library takes a while: first, so that nobody waits for it.
      if (settings.config.store.url === null) await loadDuckDB(settings);
      const lock = StoreLock.tryAcquire(path, role);
      if (lock) return lock;
    }
    const now = performance.now();
    const holder = readHolder(path);
    // The wait for each holder is its own.
    if (holder?.pid !== pid) held_since = now;
    pid = holder?.pid;
    if (now > held_since + holder_ms || now > began + total_ms)
      throw heldFailure(path, holder);
    await Bun.sleep(POLL_MS);
  }
}

/** The server that holds the database, when it can be asked. */
export function askableServer(path: string): LocalServer | null {
  const holder = runningServer(path);
  if (holder?.state !== "ready" || !holder.socket) return null;
  // Its folder may be in /var/tmp, and another user's by now.
  const { folder } = trustedPath(dirname(holder.socket));
  const { socket, pid } = holder;
  return folder.uid === process.geteuid!() ? { socket, pid } : null;
}

/** The server that has the database; null when none does. */
export function runningServer(path: string): Holder | null {
  const holder = readHolder(path);
  if (!holder || holder.role === "cli" || !isHeld(path)) return null;
  return isHolding(holder, path) === "no" ? null : holder;
}

/** The database for people: a file, or where another machine has it. */
export const databaseName = (settings: Settings): string =>
  settings.config.store.url ?? databasePath(settings);

export function databasePath({ config, paths }: Settings): string {
  return config.store.path ?? `${paths.data!}/sessions.duckdb`;
}

export function lockPath({ config, paths }: Settings): string {
  return config.store.path
    ? `${config.store.path}.lock`
    : `${paths.data!}/store.lock`;
}

/** Loads DuckDB's library, unpacking it when this is the first run. */
export async function loadDuckDB({ config, paths }: Settings) {
  if (COMPILED) {
    const { loadNative } = await import("../store/duckdb/native.ts");
    loadNative(config.cache_dir ? [config.cache_dir] : paths.caches);
  }
  return import("../store/duckdb/store.ts");
}
