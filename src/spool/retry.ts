/**
 * Events that a store has rejected, brought to it once more: another server, a
 * newer one, or the same by whom it listens to now may take them. What could not
 * be read stays where it is, and so does what is rejected again.
 */
import { closeSync, rmSync } from "node:fs";
import type { Event } from "../model/event.ts";
import { Rejected } from "../model/failure.ts";
import type { SessionStore } from "../model/store.ts";
import { listFolder, openOwn } from "./folder.ts";
import { REJECTED } from "./quarantine.ts";
import { readLines } from "./read.ts";

/** At once; each may have 256 KiB. */
const BATCH_EVENTS = 256;

export interface Retried {
  /** Events that the store has now. */
  taken: number;
  /** Events that it rejects still. */
  rejected: number;
  /** Files that were not to be read, and why. */
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

/** Its first line; below it stands why it was rejected. */
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

/** @returns those that it rejects again */
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
