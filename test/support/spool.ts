/**
 * Spool files as writers that are gone left them, and drains at any moment.
 */
import { existsSync, readdirSync, renameSync, writeFileSync } from "node:fs";
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

/** Lines of a `.commands` file, as a hook of a shell writes them. */
export const hook = {
  header: (pid: number, at_ms: number) =>
    tabs("h", 1, "bash", "5.2.15(1)", pid, 1, 1_000, at_ms * 1_000),
  start: (seq: number, at_ms: number, text: string, more: Started = {}) =>
    tabs(
      ...["s", seq, at_ms * 1_000, escaped(more.cwd ?? "/srv")],
      ...[more.mark ?? "", escaped(text)],
    ),
  end: (seq: number, at_ms: number, status: number, statuses = "") =>
    tabs("e", seq, at_ms * 1_000, status, statuses, "/srv"),
};
interface Started {
  cwd?: string;
  mark?: string;
}

const tabs = (...fields: (string | number)[]) => `${fields.join("\t")}\t.\n`;
const escaped = (text: string) =>
  text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll("\t", "\\t");

export const lines = (events: readonly Event[]) =>
  events.map((event) => `${JSON.stringify(event)}\n`).join("");

/** Puts a file into the sandbox's spool, as a writer that is gone left it: at once, whole. */
export function leave(
  sandbox: Sandbox,
  name: string,
  content: string | Uint8Array,
): string {
  const path = join(ensureSpool(sandbox.data), name);
  // What is there already stays the same file.
  const made = existsSync(path) ? path : `${path}.new`;
  writeFileSync(made, content, { mode: 0o600 });
  renameSync(made, path);
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
