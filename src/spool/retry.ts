/**
 * Sends the rejected events in quarantine again: another or a newer server may
 * take them, or the same with other rules. Those that it rejects again stay.
 */
import { closeSync, rmSync } from "node:fs";
import type { Event } from "../model/event.ts";
import { Rejected } from "../model/failure.ts";
import type { SessionStore } from "../model/store.ts";
import { listFolder, openOwn } from "./folder.ts";
import { REJECTED } from "./quarantine.ts";
import { readLines } from "./read.ts";

/** In one call; each may have 256 KiB. */
const BATCH_EVENTS = 256;

export interface Retried {
  /** Events that are stored now. */
  taken: number;
  /** Events that are rejected again. */
  rejected: number;
  /** Files that were not read, and why. */
  refused: string[];
}

/** @param folder this machine's spool folder */
export async function retryRejected(
  folder: string,
  store: Pick<SessionStore, "append">,
): Promise<Retried> {
  const report: Retried = { taken: 0, rejected: 0, refused: [] };
  const names = listFolder(`${folder}/quarantine`).filter((name) =>
    name.endsWith(REJECTED),
  );
  for (let at = 0; at < names.length; at += BATCH_EVENTS) {
    const files = new Map<string, Event>();
    for (const name of names.slice(at, at + BATCH_EVENTS)) {
      const event = eventIn(folder, name, report.refused);
      if (event) files.set(name, event);
    }
    const again = await append(store, [...files.values()]);
    for (const [name, { event_id }] of files)
      if (again.has(event_id)) report.rejected++;
      else {
        rmSync(`${folder}/quarantine/${name}`, { force: true });
        report.taken++;
      }
  }
  return report;
}

/** The event is the first line of its file; the reason is the next. */
function eventIn(
  folder: string,
  name: string,
  refused: string[],
): Event | null {
  const fd = openOwn(folder, `quarantine/${name}`, (why) => refused.push(why));
  if (fd === null) return null;
  try {
    const [line] = readLines(fd, "gone");
    if (line?.kind === "event") return line.event;
    refused.push(`${name}: its first line is no event`);
    return null;
  } finally {
    closeSync(fd);
  }
}

/** @returns event_id → why, of those that are rejected again */
async function append(
  store: Pick<SessionStore, "append">,
  events: readonly Event[],
): Promise<ReadonlyMap<string, string>> {
  try {
    await store.append(events);
    return new Map();
  } catch (error) {
    if (error instanceof Rejected) return error.reasons;
    throw error;
  }
}
