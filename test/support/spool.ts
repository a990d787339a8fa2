/**
 * Spool files as writers that are gone left them, and drains at any moment.
 */
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Event } from "../../src/model/event.ts";
import { drain } from "../../src/spool/drain.ts";
import { bootId, pidNamespace } from "../../src/os/proc.ts";
import { ensureSpool } from "../../src/spool/write.ts";
import { DuckDBStore } from "../../src/store/duckdb/store.ts";
import { processOf, start } from "./events.ts";
import type { Sandbox } from "./sandbox.ts";

export const id = (n: number) =>
  `sh-20260206-123456-${n.toString(16).padStart(8, "0")}`;

/** Processes that were here and are gone, of this boot and pid namespace. */
export const GONE = {
  pid: 4_194_001,
  start_ticks: Number.MAX_SAFE_INTEGER,
  pid_namespace: pidNamespace(),
  boot_id: bootId(),
};

/** A whole life of which nobody is left. */
export function life(n: number, ...more: Event[]): Event[] {
  const session_id = id(n);
  return [
    start({ session_id, lock: "flock", ...GONE }),
    processOf(1, { session_id, ...GONE }),
    ...more.map((event) => ({ ...event, session_id })),
  ];
}

export const lines = (events: readonly Event[]) =>
  events.map((event) => `${JSON.stringify(event)}\n`).join("");

/** Puts a file into the sandbox's spool, as a writer that is gone left it. */
export function leave(
  sandbox: Sandbox,
  name: string,
  content: string | Uint8Array,
): string {
  const path = join(ensureSpool(sandbox.data), name);
  writeFileSync(path, content, { mode: 0o600 });
  return path;
}

export const named = (folder: string) =>
  existsSync(folder) ? readdirSync(folder).sort() : [];

/** Drains in this process; everybody else is gone. */
export async function drainHere(sandbox: Sandbox) {
  const store = await DuckDBStore.open(sandbox.database);
  try {
    return await drain(sandbox.data, store, Date.now);
  } finally {
    await store.close();
  }
}
