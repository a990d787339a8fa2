/**
 * Spool files as writers that are gone left them, and drains at any moment.
 */
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Event } from "../../src/model/event.ts";
import { drain } from "../../src/spool/drain.ts";
import { ensureSpool } from "../../src/spool/write.ts";
import { DuckDBStore } from "../../src/store/duckdb.ts";
import { processOf, start } from "./events.ts";
import type { Sandbox } from "./sandbox.ts";

export const id = (n: number) =>
  `sh-20260206-123456-${n.toString(16).padStart(8, "0")}`;

/** A whole life of which nobody is left: recorded before a reboot. */
export function life(n: number, ...more: Event[]): Event[] {
  const session_id = id(n);
  const boot_id = "another boot";
  return [
    start({ session_id, lock: "flock", pid_namespace: "pid:[1]", boot_id }),
    processOf(1, { session_id, boot_id }),
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

/** Drains in this process at a moment; everybody else is gone. */
export async function drainAt(sandbox: Sandbox, now: number) {
  const store = await DuckDBStore.open(sandbox.database);
  try {
    return await drain(sandbox.data, store, now);
  } finally {
    await store.close();
  }
}
