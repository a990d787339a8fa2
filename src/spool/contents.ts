/**
 * What the spool still holds of sessions, done and quarantined included; and
 * how what is done comes back, for a store that may not have it any more.
 */
import { closeSync, linkSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { Failure, errnoOf } from "../model/failure.ts";
import { isSessionId } from "../model/id.ts";
import { readBytes } from "../os/file.ts";
import { folderFailure } from "../os/paths.ts";
import { takeTurn } from "./drain-lock.ts";
import { entriesOf } from "./folder.ts";

const SESSION = /"session_id"\s*:\s*"([^"\\]+)"/g;

/**
 * Sessions of which some file is in the spool, of whichever host.
 * @param data the data folder
 * @throws Failure when it cannot be told
 */
export function spooledSessions(data: string): Set<string> {
  const ids = new Set<string>();
  for (const file of filesBelow(`${data}/spool`)) {
    // `ID.ndjson`, `ID.PID.ndjson`, and quarantined `ID.ndjson.OFFSET`.
    const [id] = file.slice(file.lastIndexOf("/") + 1).split(".", 1);
    if (isSessionId(id!)) ids.add(id!);
    else
      for (const [, within] of textOf(file).matchAll(SESSION)) ids.add(within!);
  }
  return ids;
}

/** Every file that is or was a spool file; locks are none. */
function* filesBelow(folder: string): Generator<string> {
  for (const entry of entriesOf(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesBelow(path);
    else if (entry.isFile() && entry.name.includes(".ndjson")) yield path;
  }
}

function textOf(file: string): string {
  try {
    return Buffer.from(readBytes(file)).toString("latin1");
  } catch (error) {
    // Gone since we looked.
    if (errnoOf(error) === "ENOENT") return "";
    throw folderFailure(file, error);
  }
}

/**
 * Puts done files back, so that the next drain brings them to the store once
 * more. One whose name is taken again stays: it is read again in its time.
 * @param folder of this machine's spool
 * @throws Failure (timeout) when a drain does not end
 */
export async function putBack(folder: string): Promise<void> {
  const done = entriesOf(`${folder}/done`);
  if (done.length === 0) return;
  const turn = await takeTurn(folder);
  if (typeof turn === "string")
    throw new Failure(
      "timeout",
      "a drain of the spool does not end",
      "look what it waits for; then restore again",
    );
  try {
    for (const { name } of done) {
      const file = name.slice(0, name.indexOf(".ndjson"));
      moveFreely(`${folder}/done/${name}`, `${folder}/${file}.ndjson`);
    }
  } finally {
    closeSync(turn);
  }
}

/** Never over a file that somebody writes to. */
function moveFreely(from: string, to: string): void {
  try {
    linkSync(from, to);
    unlinkSync(from);
  } catch (error) {
    const code = errnoOf(error);
    // Gone: a drain let it go before our turn came, and had stored it.
    if (code !== "EEXIST" && code !== "ENOENT")
      throw folderFailure(from, error);
  }
}
