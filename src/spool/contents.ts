/**
 * The sessions that the spool has files of, done/ and quarantine/ included; and how
 * the files in done/ go back to the spool after a restore.
 */
import { closeSync, linkSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import type { Event } from "../model/event.ts";
import { errnoOf, fail } from "../model/failure.ts";
import { isSessionId } from "../model/id.ts";
import { readBytes } from "../os/file.ts";
import { folderFailure } from "../os/paths.ts";
import { lockDrain } from "./drain-lock.ts";
import { FileFacts } from "./file-facts.ts";
import { entriesOf, isOfSpool, openOwn, spoolName } from "./folder.ts";
import { readLines } from "./read.ts";

const SESSION = /"session_id"\s*:\s*"([^"\\]+)"/g;

/**
 * The sessions that have a file in the spool, of any host.
 * @param data the data folder
 * @throws Failure when a file cannot be read
 */
export function spooledSessions(data: string): Set<string> {
  const ids = new Set<string>();
  for (const file of filesBelow(`${data}/spool`)) {
    // `ID.ndjson`, `ID.PID.commands`, and quarantined `ID.ndjson.OFFSET`.
    const [id] = file.slice(file.lastIndexOf("/") + 1).split(".", 1);
    if (isSessionId(id!)) ids.add(id!);
    else
      for (const [, within] of textOf(file).matchAll(SESSION)) ids.add(within!);
  }
  return ids;
}

/**
 * The events of a session that its files in the spool have, of any host: those that
 * can be read.
 * @param data the data folder
 */
export function* spooledEvents(
  data: string,
  session_id: string,
): Generator<Event> {
  for (const file of filesBelow(`${data}/spool`)) {
    const name = file.slice(file.lastIndexOf("/") + 1);
    if (!name.startsWith(`${session_id}.`)) continue;
    const fd = openOwn(file.slice(0, -name.length - 1), name, () => {});
    if (fd === null) continue;
    try {
      const { form } = new FileFacts(name);
      for (const line of readLines(fd, "gone", undefined, form))
        if (line.kind === "event" && line.event.session_id === session_id)
          yield line.event;
    } finally {
      closeSync(fd);
    }
  }
}

/** Every file that is or was a spool file. */
function* filesBelow(folder: string): Generator<string> {
  for (const entry of entriesOf(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesBelow(path);
    else if (entry.isFile() && isOfSpool(entry.name)) yield path;
  }
}

function textOf(file: string): string {
  try {
    return Buffer.from(readBytes(file)).toString("latin1");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return "";
    throw folderFailure(file, error);
  }
}

/**
 * Moves the files in done/ back, so that the next drain reads them again. One
 * whose name is taken stays: a later pass reads it there.
 * @param folder of this machine's spool
 * @throws Failure (timeout) when a drain does not end
 */
export async function requeueDone(folder: string): Promise<void> {
  const done = entriesOf(`${folder}/done`);
  if (done.length === 0) return;
  const lock = await lockDrain(folder);
  if (typeof lock === "string")
    throw fail.timeout(
      "a drain of the spool does not end",
      "look what it waits for, then try again",
    );
  try {
    for (const { name } of done) {
      const file = `${folder}/done/${name}`;
      if (isOfSpool(name))
        moveUnlessTaken(file, `${folder}/${spoolName(name)}`);
    }
  } finally {
    closeSync(lock);
  }
}

/** Never replaces a file, which may have a writer. */
function moveUnlessTaken(from: string, to: string): void {
  try {
    linkSync(from, to);
    unlinkSync(from);
  } catch (error) {
    const code = errnoOf(error);
    // Gone: a drain has stored and removed it.
    if (code !== "EEXIST" && code !== "ENOENT")
      throw folderFailure(from, error);
  }
}
